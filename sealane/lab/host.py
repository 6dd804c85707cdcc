"""One host of a lab: its disk, its start, its end."""

import contextlib
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
from sealane.lab import fabric, process
from sealane.lab import plan as planning
from sealane.lab.command import run
from sealane.lab.init import Orders
from sealane.lab.plan import Plan

NAMESPACES = ("--net", "--mount", "--uts", "--ipc", "--pid")
END_DEADLINE = 20.0
"""Seconds that the processes of a host may take to be gone after SIGKILL."""
COPY_DEADLINE = 180.0
"""Seconds for the copy of /etc, some thousand files: slow on a cold network file system."""
NOT_COPIED = ("sealane", "docker")
"""Configuration of the machine's own daemons below /etc: a host has its own."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def machines_own() -> set[str]:
    """Variables of whoever calls that say where the machine's Sealane and Docker are: no host's business."""
    return {name for name in os.environ if name.startswith(("SEALANE_", "DOCKER_"))}


class Host:
    """The verbs of one host; calling one twice is harmless."""

    def __init__(self, plan: Plan, name: str) -> None:
        if name not in plan.host_names:
            raise NotFound(f"lab '{plan.name}' has no host '{name}'; it has {', '.join(plan.host_names)}")
        self.plan = plan
        self.name = name
        self.disk = plan.state_dir / name
        self.shared = plan.run_dir / name

    @property
    def pid(self) -> int | None:
        """Of process 1 as the machine sees it; None when the host is off."""
        return process.find(self.name, self.plan.run_dir)

    def need_pid(self) -> int:
        pid = self.pid
        if pid is None:
            raise NotFound(f"{self.name} is off; 'sealane lab boot {self.name}' starts it")
        return pid

    def make_disk(self, token: str) -> None:
        """/etc as the machine's, /var empty but for what programs expect."""
        etc, var = self.disk / "etc", self.disk / "var"
        self.disk.mkdir(mode=0o700, parents=True)
        run(["cp", "--archive", "/etc", str(etc)], timeout=COPY_DEADLINE)
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
        argv = ["unshare", *NAMESPACES, "--fork", sys.executable, "-m", process.MODULE, arguments]
        started = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=descriptors,
            start_new_session=True,
            text=True,
            cwd="/",
            env={name: value for name, value in os.environ.items() if name not in machines_own()},
        )
        if listener is not None:
            listener.close()
        self._introduce(started)

    def _introduce(self, started: subprocess.Popen[str]) -> None:
        assert started.stdin and started.stdout and started.stderr
        with started.stdin, started.stdout, started.stderr:
            said = started.stdout.readline().strip()
            if not said:
                raise HostError(f"{self.name} did not start: {_last_line(started.stderr.read())}")
            fabric.plug(self.plan, self.name, int(said))
            started.stdin.write("go\n")

    def _orders(self, descriptors: tuple[int, ...]) -> Orders:
        central = planning.is_central(self.name)
        environ = {"PATH": f"{Path(sys.executable).parent}:{PATH}", "HOME": "/root", "LANG": "C.UTF-8"}
        if descriptors:
            environ["SEALANE_API_LISTEN_FD"] = str(descriptors[0])
        return Orders(
            host=self.name,
            state_dir=str(self.disk),
            shared=str(self.plan.run_dir),
            visible=str(self.plan.run_dir if central else self.shared),
            service=self._service(),
            environ=environ,
            keep=tuple(sorted({sys.prefix, str(Path(__file__).parents[2])})),
        )

    def _service(self) -> tuple[str, ...]:
        if planning.is_central(self.name):
            return (sys.executable, "-m", "sealane.engine.main", "up")
        return (sys.executable, "-m", "sealane.lab.node", str(self.plan.join_line(self.name)))

    @property
    def must_join(self) -> bool:
        """Whether it needs a token before it can be a node."""
        return not planning.is_central(self.name) and not (self.disk / "etc/sealane/joined.toml").exists()

    def hand_over(self, line: str) -> None:
        """What it shall join with when it starts."""
        self.shared.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(self.plan.join_line(self.name), line, 0o600)

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
        unset = (f"--unset={name}" for name in sorted(machines_own()))
        return [*inside, "env", *unset, f"PATH={path}", *argv]

    def power_cut(self) -> None:
        """All its processes die at once; the disk stays. Repeatable."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            process.wait_for_end(pid, END_DEADLINE)
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


def _remove_cgroups(name: str) -> None:
    """Directories below every hierarchy (cgroups(7)); who has just died keeps his for a moment."""
    roots = [*Path("/sys/fs/cgroup").glob(f"*{name}"), Path("/sys/fs/cgroup") / name.strip("/")]
    deadline = time.monotonic() + END_DEADLINE
    while left := [root for root in roots if not _is_removed(root)]:
        if time.monotonic() > deadline:
            raise DeadlineExceeded(f"{left[0]} is still busy after {END_DEADLINE:g} s")
        time.sleep(process.POLL)


def _is_removed(root: Path) -> bool:
    """The innermost first; whether nothing is left."""
    for directory, _, _ in os.walk(root, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(directory)
    return not root.exists()


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
