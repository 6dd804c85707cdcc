"""A lab: hosts as namespaces on this machine, each with Sealane and, if asked, its own Docker engine.

with Lab("mine", hosts=2, docker=True) as lab:
    lab.exec("host1", "docker", "network", "create", "-d", "sealane", "blue")
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from types import TracebackType
from typing import Self

from sealane.errors import Conflict, DeadlineExceeded, Forbidden, HostError, NotFound, SealaneError
from sealane.lab import fabric, process, readiness
from sealane.lab import plan as planning
from sealane.lab.host import Host
from sealane.lab.plan import OUTSIDE, Plan, Setting

READY_DEADLINE = 90.0
"""Seconds until all is ready; 2 hosts with engines take about 10 on two cores."""
EXEC_DEADLINE = 120.0
LOCK_DEADLINE = 60.0
Progress = Callable[[str], None]


class Lab:
    """`hosts`, `docker` and `settings` (of all hosts) matter to `up`; the others read what it wrote down."""

    def __init__(
        self,
        name: str = planning.DEFAULT,
        *,
        hosts: int = 2,
        docker: bool = False,
        settings: Mapping[str, Setting] | None = None,
    ) -> None:
        self.name = planning.check_name(name)
        self._settings = dict(settings or {})
        self._hosts = hosts
        self._docker = docker
        self._file = planning.run_dir(name) / "lab.json"

    def __enter__(self) -> Self:
        try:
            self.up()
        except BaseException:
            self.down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def plan(self) -> Plan:
        """Raises NotFound when the lab is not up."""
        try:
            return Plan(**json.loads(self._file.read_text()))
        except FileNotFoundError as exc:
            raise NotFound(f"lab '{self.name}' is not up; 'sealane lab up' makes it") from exc
        except (ValueError, TypeError) as exc:
            raise HostError(f"{self._file} can't be read; 'sealane lab down' clears it away") from exc

    def host(self, name: str) -> Host:
        return Host(self.plan, name)

    def hosts(self) -> tuple[Host, ...]:
        plan = self.plan
        return tuple(Host(plan, name) for name in plan.host_names)

    def up(self, progress: Progress = lambda text: None) -> None:
        """Make all hosts and wait until they are ready; harmless when they are.

        Raises Conflict when a lab of this name is up with other hosts, DeadlineExceeded when something
        does not become ready: the hosts stay then, to be looked at.
        """
        self.start(progress)
        self.wait(progress=progress)

    def start(self, progress: Progress = lambda text: None) -> None:
        """As `up`, without waiting for what runs in the hosts."""
        _need_root()
        with self._alone():
            if self._file.exists():
                self._check_same()
            else:
                self._make(progress)
            for host in self.hosts():
                if host.must_join:
                    self._invite(host, progress)
                host.boot()

    def _invite(self, host: Host, progress: Progress) -> None:
        """A token of the first host, which is on by then, for one that has not joined yet."""
        if host.pid is not None:
            return
        plan, end = self.plan, time.monotonic() + READY_DEADLINE
        _until(lambda: readiness.missing_door(plan), end, "host1")
        host.hand_over(readiness.join_line(plan))
        progress(f"{host.name} joins with a token")

    def _check_same(self) -> None:
        plan = self.plan
        if (plan.hosts, plan.docker) != (self._hosts, self._docker):
            engines = "with" if plan.docker else "without"
            raise Conflict(
                f"lab '{self.name}' is up with {plan.hosts} hosts {engines} Docker; take it down first"
            )

    def _make(self, progress: Progress) -> None:
        plan = planning.make(self.name, self._hosts, self._docker, fabric.machine_routes())
        plan = replace(plan, extra=self._settings)
        self._clear()
        plan.run_dir.mkdir(mode=0o700, parents=True)
        token = secrets.token_urlsafe(24)
        for name in plan.host_names:
            Host(plan, name).make_disk(token)
        plan.token_file.touch(mode=0o600)
        plan.token_file.write_text(f"{token}\n")
        progress(f"underlay {plan.underlay}")
        fabric.make(plan)
        self._file.write_text(json.dumps(asdict(plan)) + "\n")

    def wait(self, deadline: float = READY_DEADLINE, progress: Progress = lambda text: None) -> None:
        """Until the API and all hosts that are on are ready. Raises DeadlineExceeded with what is not."""
        plan, end = self.plan, time.monotonic() + deadline
        for host in self.hosts():
            _until(lambda host=host: readiness.missing(plan, host), end, host.name)  # type: ignore[misc]
            progress(f"{host.name} is ready at {plan.address(host.name).ip}")
        _until(lambda: readiness.missing_api(plan), end, "host1")
        progress(f"the API answers at {plan.api_socket}")

    def exec(
        self,
        host: str,
        *argv: str,
        check: bool = True,
        stdin: str | None = None,
        timeout: float = EXEC_DEADLINE,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in all namespaces of a host, or "outside". Raises HostError when it fails."""
        try:
            done = subprocess.run(
                self.command(host, argv),
                input=stdin,
                stdin=subprocess.DEVNULL if stdin is None else None,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise DeadlineExceeded(f"'{' '.join(argv)}' on {host} did not end in {timeout:g} s") from exc
        if check and done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise HostError(f"'{' '.join(argv)}' on {host} ended with {done.returncode}: {said}")
        return done

    def command(self, host: str, argv: Sequence[str]) -> list[str]:
        """What the machine has to run so that `argv` runs in the host."""
        if host == OUTSIDE:
            return ["nsenter", f"--net={self.plan.outside}", "--", *argv]
        return self.host(host).command(argv)

    def power_cut(self, name: str) -> None:
        _need_root()
        with self._alone():
            self.host(name).power_cut()

    def boot(self, name: str, progress: Progress = lambda text: None) -> None:
        """Start a host after a power cut, with the disk that it had, and wait until all is ready."""
        _need_root()
        with self._alone():
            if self.host(name).must_join:
                self._invite(self.host(name), progress)
            self.host(name).boot()
        plan, host = self.plan, self.host(name)
        _until(lambda: readiness.missing(plan, host), time.monotonic() + READY_DEADLINE, name)
        progress(f"{name} is ready at {plan.address(name).ip}")

    def down(self) -> None:
        """Leave nothing of it; repeatable, also after `up` was killed half way."""
        _need_root()
        with self._alone():
            self._clear()

    def _clear(self) -> None:
        """What is there is found by looking: a killed `up` has written no plan, and a plan can be lost."""
        run_dir, state_dir = planning.run_dir(self.name), planning.state_dir(self.name)
        known = {p.name for d in (run_dir, state_dir) if d.is_dir() for p in d.glob("host*") if p.is_dir()}
        known |= process.hosts_on(run_dir)
        numbers = [int(name.removeprefix("host")) for name in known if name.removeprefix("host").isdigit()]
        plan = Plan(self.name, max(numbers, default=0), docker=True, underlay=planning.UNDERLAYS[0])
        failures = []
        steps: list[Callable[[], None]] = [Host(plan, name).remove for name in plan.host_names]
        steps.append(partial(fabric.remove, plan))
        for step in steps:
            try:
                step()
            except (SealaneError, OSError) as exc:
                failures.append(str(exc))
        shutil.rmtree(run_dir, ignore_errors=True)
        shutil.rmtree(state_dir, ignore_errors=True)
        for parent in (planning.STATE, planning.STATE.parent, planning.RUN):
            with contextlib.suppress(OSError):  # not empty, or not there
                parent.rmdir()
        if failures:
            raise HostError(f"not all of lab '{self.name}' could be removed: {'; '.join(failures)}")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One command at a time changes labs: flock(2) on /run itself, which leaves no file behind."""
        descriptor = os.open("/run", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        end = time.monotonic() + LOCK_DEADLINE
        try:
            _until(lambda: "" if _locked(descriptor) else "another command changes a lab", end, "")
            yield
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _until(missing: Callable[[], str], end: float, host: str) -> None:
    while text := missing():
        if time.monotonic() > end:
            hint = f"; 'sealane lab exec {host} -- sealane status' tells more" if host else ""
            raise DeadlineExceeded(f"{text}: not ready in time{hint}")
        time.sleep(process.POLL)


def _need_root() -> None:
    if os.geteuid() != 0:
        raise Forbidden("a lab needs root; run it with sudo")


def all_names() -> tuple[str, ...]:
    """Labs that are up or were left half made."""
    found = [planning.DEFAULT] if planning.run_dir(planning.DEFAULT).is_dir() else []
    return (*found, *sorted(p.name.removeprefix("lab-") for p in planning.RUN.glob("lab-*") if p.is_dir()))
