"""The lab as faults see it: which processes run, how they are made to die, and what orders they have."""

import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sealane.errors import HostError
from sealane.failpoint import Plan
from sealane.lab.lab import Lab

HOSTS = ("host1", "host2")
CENTRAL = "host1"
PATIENCE = 60.0
"""Seconds that a thing may take that takes one or two on an idle machine."""
FIRST_DELAY = 0.1
"""Seconds from a part's death to its start, as the supervisor has it for a first death."""
ARMED = {"agent": HOSTS, "api": (CENTRAL,), "translator": (CENTRAL,)}
"""Processes with failpoints, and where they run."""
Body = dict[str, Any]


class Late(AssertionError):
    """What should have come did not."""


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """The condition's value as soon as it is true. Raises Late."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise Late(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)
    return value


class Site:
    """A lab that is up. `arm` once; after that the parts named in ARMED heed orders."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def path(self, host: str, path: str) -> Path:
        """A path of a host as the machine reaches it."""
        return Path(f"/proc/{self.lab.host(host).need_pid()}/root{path}")

    def arm(self) -> None:
        """Failpoints are looked for when a process starts, so those processes start anew."""
        for process, hosts in ARMED.items():
            for host in hosts:
                self._failpoints(host).mkdir(mode=0o700, exist_ok=True)
                self.restart(host, process)

    def disarm(self) -> None:
        for process, hosts in ARMED.items():
            for host in hosts:
                shutil.rmtree(self._failpoints(host), ignore_errors=True)
                self.restart(host, process)

    @contextmanager
    def order(self, host: str, process: str, plan: Plan) -> Iterator[None]:
        """The process heeds the plan meanwhile; what it did is in `trace` until the next order."""
        directory = self._failpoints(host)
        (directory / f"{process}.trace").unlink(missing_ok=True)
        draft = directory / "draft"
        draft.write_text(json.dumps(asdict(plan)))
        draft.rename(directory / f"{process}.json")
        try:
            yield
        finally:
            (directory / f"{process}.json").unlink(missing_ok=True)

    def trace(self, host: str, process: str) -> list[str]:
        """The effects since the last order, as "KIND WHAT"."""
        try:
            lines = (self._failpoints(host) / f"{process}.trace").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [line.partition(" ")[2] for line in lines]

    def parts(self, host: str) -> dict[str, Body]:
        """The supervisor's children by name; none while it is away."""
        try:
            listed = self._ask(host, {"command": "status"})["children"]
        except (OSError, ValueError, KeyError, HostError):
            return {}
        return {child["name"]: child for child in listed}

    def pid(self, host: str, part: str) -> int | None:
        """As the host counts."""
        found = self.parts(host).get(part, {}).get("pid")
        return int(found) if found else None

    def signal(self, host: str, pid: int, name: str) -> None:
        self.lab.exec(host, "kill", f"-{name}", str(pid), check=False)

    def state(self, host: str, pid: int) -> str:
        """Of a process, one letter as in proc(5) stat; "" when it is gone."""
        try:
            return self.path(host, f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return ""

    def kill(self, host: str, part: str) -> int | None:
        """SIGKILL; its pid until now."""
        pid = self.pid(host, part)
        if pid is not None:
            self.signal(host, pid, "KILL")
        return pid

    def wait_back(self, host: str, part: str, old: int | None, seconds: float = PATIENCE) -> float:
        """Seconds until another process of the part is ready.

        A part that dies again and again is started ever later, which is no matter here: each death is to
        be seen as the only one.
        """
        begin = time.monotonic()
        until(lambda: self._is_back(host, part, old), f"{part} of {host} is back", seconds)
        return time.monotonic() - begin

    def restart(self, host: str, part: str) -> None:
        self.wait_back(host, part, self.kill(host, part))

    def wait_ready(self, seconds: float = PATIENCE) -> None:
        until(lambda: all(self._is_ready(host) for host in HOSTS), "all parts are ready", seconds)

    def hurry(self, host: str) -> None:
        """Whoever waits for his turn to be started again is started now."""
        for name in self.parts(host):
            self._hurry(host, name)

    def _hurry(self, host: str, part: str) -> None:
        """Only one that still waits after the first delay: what has come up must not be restarted."""
        if self.parts(host).get(part, {}).get("state") == "backing off":
            time.sleep(FIRST_DELAY)
            if self.parts(host).get(part, {}).get("state") == "backing off":
                self._ask(host, {"command": "restart", "name": part})

    def _is_ready(self, host: str) -> bool:
        self.hurry(host)
        found = self.parts(host)
        return bool(found) and all(child["ready"] for child in found.values())

    def _is_back(self, host: str, part: str, old: int | None) -> bool:
        child = self.parts(host).get(part, {})
        if child.get("state") == "backing off":
            self._hurry(host, part)
        return bool(child.get("ready")) and child["pid"] not in (None, old)

    def _failpoints(self, host: str) -> Path:
        return self.path(host, "/run/sealane/failpoints")

    def _ask(self, host: str, request: Body) -> Body:
        with socket.socket(socket.AF_UNIX) as conversation:
            conversation.settimeout(5.0)
            conversation.connect(str(self.path(host, "/run/sealane/supervisor.sock")))
            conversation.sendall(json.dumps(request).encode() + b"\n")
            answer: Body = json.loads(conversation.makefile().readline())
            return answer


def machine_is_idle_enough() -> float:
    """The load of the last minute, which figures of a campaign are to be read with."""
    return os.getloadavg()[0]
