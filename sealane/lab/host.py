"""One host of a lab: its disk, its start, its end."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sealane.errors import DeadlineExceeded, HostError, NotFound
from sealane.lab import fabric
from sealane.lab import plan as planning
from sealane.lab.command import run
from sealane.lab.init import Orders
from sealane.lab.plan import Plan

NAMESPACES = ("--net", "--mount", "--uts", "--ipc", "--pid")
POLL = 0.05
NOT_COPIED = ("sealane", "docker")
"""Configuration of the machine's own daemons below /etc: a host has its own."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Host:
    """Process 1 is found by the pid file, and known by its start time: pids are used again."""

    def __init__(self, plan: Plan, name: str) -> None:
        if name not in plan.host_names:
            raise NotFound(f"lab '{plan.name}' has no host '{name}'; it has {', '.join(plan.host_names)}")
        self.plan = plan
        self.name = name
        self.disk = plan.state_dir / name
        self.shared = plan.run_dir / name
        self._pid_file = self.shared / "init.pid"

    @property
    def pid(self) -> int | None:
        """Of process 1 as the machine sees it; None when the host is off."""
        try:
            pid, started = self._pid_file.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if _start_time(int(pid)) == started else None

    def need_pid(self) -> int:
        pid = self.pid
        if pid is None:
            raise NotFound(f"{self.name} is off; 'sealane lab boot {self.name}' starts it")
        return pid

    def make_disk(self, token: str) -> None:
        """/etc as the machine's, /var empty but for what programs expect."""
        etc, var = self.disk / "etc", self.disk / "var"
        self.disk.mkdir(mode=0o700, parents=True)
        run(["cp", "--archive", "/etc", str(etc)])
        for name in NOT_COPIED:
            shutil.rmtree(etc / name, ignore_errors=True)
        for name in ("lib", "log", "cache", "tmp", "spool"):
            (var / name).mkdir(parents=True)
        (var / "tmp").chmod(0o1777)
        (var / "run").symlink_to("/run")
        (var / "lock").symlink_to("/run/lock")
        ours = etc / "sealane"
        ours.mkdir(mode=0o700)
        _write(ours / "sealane.toml", planning.settings(self.plan, self.name))
        _write(etc / "hostname", f"{self.name}\n")
        _write(etc / "hosts", planning.hosts_file(self.plan))
        _write(etc / "resolv.conf", f"nameserver {self.plan.router.ip}\noptions timeout:1 attempts:1\n")
        if planning.is_central(self.name):
            _write(ours / "admin.token", f"{token}\n", 0o600)

    def boot(self) -> None:
        """Start it and give it its network; Sealane in it is then started, not ready yet."""
        if self.pid is not None:
            return
        self.shared.mkdir(mode=0o700, parents=True, exist_ok=True)
        listener = self._listener()
        descriptors = () if listener is None else (listener.fileno(),)
        arguments = json.dumps(asdict(self._orders(descriptors)))
        argv = ["unshare", *NAMESPACES, "--fork", sys.executable, "-m", "sealane.lab.init", arguments]
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=descriptors,
            start_new_session=True,
            text=True,
            cwd="/",
        )
        if listener is not None:
            listener.close()
        self._introduce(process)

    def _introduce(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin and process.stdout and process.stderr
        with process.stdin, process.stdout, process.stderr:
            said = process.stdout.readline().strip()
            if not said:
                raise HostError(f"{self.name} did not start: {_last_line(process.stderr.read())}")
            pid = int(said)
            _write(self._pid_file, f"{pid} {_start_time(pid)}\n")
            fabric.plug(self.plan, self.name, pid)
            process.stdin.write("go\n")

    def _orders(self, descriptors: tuple[int, ...]) -> Orders:
        central = planning.is_central(self.name)
        part = "up" if central else "node"
        environ = {"PATH": f"{Path(sys.executable).parent}:{PATH}", "HOME": "/root", "LANG": "C.UTF-8"}
        if descriptors:
            environ["SEALANE_API_LISTEN_FD"] = str(descriptors[0])
        if central:
            (self.plan.run_dir / "ovn").mkdir(mode=0o700, exist_ok=True)
        return Orders(
            host=self.name,
            state_dir=str(self.disk),
            shared=str(self.plan.run_dir),
            ovn_dir=str(self.plan.run_dir / "ovn") if central else "",
            service=(sys.executable, "-m", "sealane.engine.main", part),
            environ=environ,
            keep=tuple(sorted({sys.prefix, str(Path(__file__).parents[2])})),
        )

    def _listener(self) -> socket.socket | None:
        """A socket of the machine's namespace on which the host's API answers."""
        if not planning.is_central(self.name) or self.plan.api_port is None:
            return None
        try:
            return socket.create_server(("127.0.0.1", self.plan.api_port))
        except OSError as exc:
            raise HostError(f"port {self.plan.api_port} of 127.0.0.1 is taken: {exc.strerror}") from exc

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command line with which the machine runs `argv` in all of the host's namespaces."""
        inside = ["nsenter", f"--target={self.need_pid()}", *NAMESPACES, "--wd=/root", "--"]
        path = f"{Path(sys.executable).parent}:{PATH}"
        return [*inside, "env", "--unset=DOCKER_HOST", f"PATH={path}", *argv]

    def power_cut(self) -> None:
        """All its processes die at once; the disk stays. Repeatable."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            _wait_for_end(pid, 20.0)
        self._pid_file.unlink(missing_ok=True)
        _remove_cgroups(self.plan.cgroup(self.name))

    def remove(self) -> None:
        """Cut the power and take the disk away."""
        self.power_cut()
        shutil.rmtree(self.disk, ignore_errors=True)
        shutil.rmtree(self.shared, ignore_errors=True)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """A new file: the one that is there may be a link out of this tree."""
    path.unlink(missing_ok=True)
    path.touch(mode=mode)
    path.write_text(text)


def _start_time(pid: int) -> str | None:
    """Clock ticks since boot, proc(5) stat field 22; None when there is no such process or it is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def _wait_for_end(pid: int, seconds: float) -> None:
    """Process 1 is gone only after all others of its namespace."""
    deadline = time.monotonic() + seconds
    while _start_time(pid) is not None:
        if time.monotonic() > deadline:
            raise DeadlineExceeded(f"process {pid} did not end in {seconds:g} s")
        time.sleep(POLL)


def _remove_cgroups(name: str) -> None:
    """Directories below every hierarchy (cgroups(7)), the innermost first; empty now."""
    for root in Path("/sys/fs/cgroup").glob(f"*{name}"):
        _remove_tree(root)
    _remove_tree(Path("/sys/fs/cgroup") / name.strip("/"))


def _remove_tree(root: Path) -> None:
    for directory, _, _ in os.walk(root, topdown=False):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            continue


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
