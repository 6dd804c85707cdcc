"""Failpoints: a process that can be made to die, hang, wait or fail at each of its side effects.

Every edge that changes something outside of its process (the kernel, a database, a file, what a caller is
answered) does so within `effect`.  No place is named by hand: a campaign counts the effects of what it
does, and then breaks the process before or after the first, the second, and so on.

    RUN/failpoints/             its owner's alone; looked for once, when the process starts: else all is off
    RUN/failpoints/agent.json   the order, a Plan; effects are counted anew when the file is another, and
                                it is removed when it is carried out
    RUN/failpoints/agent.trace  a line for each effect: its number, its kind, what it was

Off, an effect costs two calls and one comparison: 0.2 us where the cheapest effect takes 50.
"""

import asyncio
import json
import os
import signal
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

KILL, STOP, FAIL, WAIT = "kill", "stop", "fail", "wait"
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Plan:
    """What to do at which effect; `at` 0 is none: only count."""

    at: int = 0
    when: str = BEFORE  # or AFTER
    do: str = KILL  # STOP (SIGSTOP), FAIL (raises what the edge raises; only BEFORE) or WAIT
    seconds: float = 0.0  # to WAIT
    kind: str = ""  # count only effects of this kind


class Effect:
    """A context, with `with` and with `async with`; this one does nothing."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None


NOTHING = Effect()
"""What a read is."""
_armed: "Failpoints | None" = None


def effect(kind: str, what: str = "", error: Callable[[str], Exception] = OSError) -> Effect:
    """Around one side effect; `error` is raised when it is to fail."""
    return NOTHING if _armed is None else _armed.effect(kind, what, error)


def arm(run_dir: Path, name: str) -> None:
    """Called once by a process that bears this name, when it starts."""
    global _armed
    directory = run_dir / "failpoints"
    _armed = Failpoints(directory, name) if _is_ours_alone(directory) else None


def armed() -> bool:
    return _armed is not None


class Failpoints:
    """The effects of one process, counted; those of its worker threads as well."""

    def __init__(self, directory: Path, name: str) -> None:
        self._orders = directory / f"{name}.json"
        self._trace = directory / f"{name}.trace"
        self._lock = threading.Lock()
        self._version: tuple[int, int] | None = None
        self._plan: Plan | None = None
        self._count = 0

    def effect(self, kind: str, what: str, error: Callable[[str], Exception]) -> Effect:
        with self._lock:
            plan = self._current()
            if plan is None or plan.kind not in ("", kind):
                return NOTHING
            self._count += 1
            with self._trace.open("a") as trace:
                trace.write(f"{self._count} {kind} {what}\n")
            return _Armed(plan, self._orders, error) if self._count == plan.at else NOTHING

    def _current(self) -> Plan | None:
        try:
            found = self._orders.stat()
            version = found.st_ino, found.st_mtime_ns
            if version != self._version:
                self._plan, self._count = Plan(**json.loads(self._orders.read_text())), 0
                self._version = version
        except FileNotFoundError:
            self._version = self._plan = None
        return self._plan


class _Armed(Effect):
    """The effect at which it happens."""

    def __init__(self, plan: Plan, orders: Path, error: Callable[[str], Exception]) -> None:
        self._plan = plan
        self._orders = orders
        self._error = error

    def __enter__(self) -> None:
        time.sleep(self._act(BEFORE))

    def __exit__(self, *_: object) -> None:
        time.sleep(self._act(AFTER))

    async def __aenter__(self) -> None:
        await asyncio.sleep(self._act(BEFORE))

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(self._act(AFTER))

    def _act(self, when: str) -> float:
        """Seconds to wait."""
        if when != self._plan.when:
            return 0.0
        self._orders.unlink(missing_ok=True)  # once: the process that comes after shall live
        match self._plan.do:
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "fail":
                raise self._error("told to fail by a failpoint")
        return self._plan.seconds


def _is_ours_alone(directory: Path) -> bool:
    try:
        found = os.lstat(directory)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
