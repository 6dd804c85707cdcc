"""Process 1 of a lab host: makes its mounts, starts Sealane, reaps what is left to it.

`unshare` has put it into new namespaces.  It prints its pid as the machine sees it, waits for a
line on standard input (until then the machine gives it a network), and never ends by itself.  When
it ends, the kernel kills all processes of the host (pid_namespaces(7)): that is the power cut.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sealane.errors import HostError

MS_BIND, MS_MOVE, MS_REC = 0x1000, 0x2000, 0x4000  # mount(2), <sys/mount.h>
MNT_DETACH = 2  # umount2(2)
RESTART_DELAY = 1.0
GRACE = 30.0
"""Seconds that Sealane has to stop in order when the host is shut down."""
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Orders:
    """What the machine hands over, as JSON in the first argument."""

    host: str
    state_dir: str
    """Holds the host's `etc` and `var`."""
    shared: str
    """The lab's directory, by which its hosts are found."""
    visible: str
    """What the host sees of it, bound at the same path: all with the central part, else the host's own."""
    service: tuple[str, ...]
    environ: dict[str, str]
    keep: tuple[str, ...]
    """Directories that stay visible below /etc, /var and /run: where this program itself is."""


def main() -> None:
    orders = Orders(**json.loads(sys.argv[1]))
    outer = os.readlink("/proc/self")  # this /proc is still the machine's
    make_mounts(orders)
    socket.sethostname(orders.host)
    print(outer, flush=True)
    if not sys.stdin.readline():
        sys.exit(1)  # whoever started us is gone
    _take_log(Path("/var/log/sealane"))
    _serve(orders)


def make_mounts(orders: Orders) -> None:
    """Private /etc, /var, /run, /proc and /sys; nothing of the machine's other mounts is pinned."""
    kept = [(path, os.open(path, os.O_PATH)) for path in (orders.visible, *orders.keep)]
    _release_foreign_mounts((orders.state_dir, orders.visible, *orders.keep))
    _mount(f"{orders.state_dir}/etc", "/etc", MS_BIND)
    _mount(f"{orders.state_dir}/var", "/var", MS_BIND)
    _mount("tmpfs", "/run", 0, "tmpfs", "mode=755")
    Path("/run/lock").mkdir()
    for path, descriptor in kept:
        _bind_open(descriptor, path)
    _mount("proc", "/proc", 0, "proc")
    _make_sys()


def _make_sys() -> None:
    """A new sysfs shows the links of our namespace; dockerd needs the cgroups of the old one."""
    fresh = "/run/sys"
    Path(fresh).mkdir()
    _mount("sysfs", fresh, 0, "sysfs")
    for inner in ("fs/cgroup", "fs/bpf"):
        if os.path.ismount(f"/sys/{inner}"):
            _mount(f"/sys/{inner}", f"{fresh}/{inner}", MS_BIND | MS_REC)
    _mount(fresh, "/sys", MS_MOVE)
    Path(fresh).rmdir()


def _release_foreign_mounts(needed: tuple[str, ...]) -> None:
    """A copy of somebody's mount would keep his namespace or his file system alive as long as we live."""
    for point, kind in reversed(list(_mount_points())):
        inside = point.startswith(("/etc/", "/var/", "/run/")) or kind == "nsfs"
        if inside and not any(f"{path}/".startswith(f"{point}/") for path in needed):
            _libc.umount2(point.encode(), MNT_DETACH)


def _mount_points() -> Iterator[tuple[str, str]]:
    """Mount point and file system of each, proc(5) mountinfo; blanks in paths are octal there."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        yield left.split()[4].encode().decode("unicode_escape"), right.split()[0]


def _bind_open(descriptor: int, target: str) -> None:
    if Path(target).exists() and os.path.samestat(os.stat(target), os.fstat(descriptor)):
        return os.close(descriptor)  # visible as it is
    Path(target).mkdir(parents=True, exist_ok=True)
    _mount(f"/proc/self/fd/{descriptor}", target, MS_BIND)
    os.close(descriptor)


def _mount(source: str, target: str, flags: int, kind: str = "", data: str = "") -> None:
    """mount(2). Raises HostError."""
    options = (kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None)
    if _libc.mount(source.encode(), target.encode(), *options) != 0:
        raise HostError(f"can't mount {source} at {target}: {os.strerror(ctypes.get_errno())}")


def _take_log(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    log = os.open(directory / "host.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    null = os.open("/dev/null", os.O_RDONLY)
    for descriptor, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, target)
    os.close(null)
    os.close(log)


def _serve(orders: Orders) -> None:
    """Restart the service unless it ended with success, which is what `sealane down` in the host does."""
    watched = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=10)
    service: int | None = _start(orders)
    while True:
        delay = RESTART_DELAY if service == -1 else None
        number = _wait(watched, delay)
        if number == signal.SIGTERM:
            return _shut_down(service, watched)
        if number == signal.SIGCHLD:
            service = _reap(service)
        elif service == -1:
            service = _start(orders)


def _wait(watched: set[signal.Signals], seconds: float | None) -> int | None:
    if seconds is None:
        return signal.sigwait(watched)
    info = signal.sigtimedwait(watched, seconds)
    return None if info is None else info.si_signo


def _start(orders: Orders) -> int:
    environ = {**os.environ, **orders.environ}
    return os.posix_spawn(orders.service[0], orders.service, environ, setsigmask=(), setsid=True)


def _reap(service: int | None) -> int | None:
    """The service's pid; -1 when it died, None when it is meant to be down."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return service
        if pid == 0:
            return service
        if pid == service:
            code = os.waitstatus_to_exitcode(status)
            print(f"sealane ended with {code}", file=sys.stderr, flush=True)
            service = None if code == 0 else -1


def _shut_down(service: int | None, watched: set[signal.Signals]) -> None:
    if service is None or service == -1:
        return
    os.kill(service, signal.SIGTERM)
    while service is not None and service != -1 and signal.sigtimedwait(watched, GRACE) is not None:
        service = _reap(service)


if __name__ == "__main__":
    main()
