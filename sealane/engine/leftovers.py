"""Processes that an earlier supervisor left, found by files that it wrote, never by name.

RUN/pids/NAME.json holds the pid, its start time (proc(5), stat field 22, clock ticks since boot) and
its command line.  A process is ours only if both agree; it is then signalled through a pidfd, which
can't come to mean another process (pidfd_open(2)).
"""

import json
import os
import select
import signal
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sealane import log

logger = log.get("supervisor")


@dataclass(frozen=True)
class Identity:
    name: str
    pid: int
    started: int
    argv: tuple[str, ...]


def start_time(pid: int) -> int | None:
    """Clock ticks since boot, or None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(")")[2].split()[19])


def record(directory: Path, name: str, pid: int, argv: tuple[str, ...]) -> None:
    started = start_time(pid)
    if started is not None:
        text = json.dumps(asdict(Identity(name, pid, started, argv)))
        (directory / f"{name}.json").write_text(text)


def forget(directory: Path, name: str) -> None:
    (directory / f"{name}.json").unlink(missing_ok=True)


def read(directory: Path) -> tuple[Identity, ...]:
    return tuple(found for path in sorted(directory.glob("*.json")) if (found := _parse(path)))


def _parse(path: Path) -> Identity | None:
    try:
        raw = json.loads(path.read_text())
        return Identity(str(raw["name"]), int(raw["pid"]), int(raw["started"]), tuple(raw["argv"]))
    except (ValueError, KeyError, TypeError):
        return None  # a file cut short by a crash names nobody


def is_alive(identity: Identity) -> bool:
    return start_time(identity.pid) == identity.started and _runs(identity)


def _runs(identity: Identity) -> bool:
    """Between fork and exec the line still has `setpriv` in front, hence the end is compared."""
    try:
        line = Path(f"/proc/{identity.pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False
    words = tuple(os.fsdecode(word) for word in line.split(b"\0")[:-1])
    return words[-len(identity.argv) :] == identity.argv


def end(directory: Path, grace: float = 10.0) -> tuple[str, ...]:
    """End all of them: SIGTERM, after `grace` seconds SIGKILL. Returns the names of those that ran."""
    held = [(identity, fd) for identity in read(directory) if (fd := _pidfd(identity)) is not None]
    try:
        for identity, fd in held:
            logger.warning("ends a process of an earlier run", child=identity.name, pid=identity.pid)
            _signal(fd, signal.SIGTERM)
        deadline = time.monotonic() + grace
        for _, fd in held:
            if not _wait(fd, deadline - time.monotonic()):
                _signal(fd, signal.SIGKILL)
                _wait(fd, 5.0)
    finally:
        for _, fd in held:
            os.close(fd)
    for path in directory.glob("*.json"):
        path.unlink(missing_ok=True)
    return tuple(identity.name for identity, _ in held)


def _pidfd(identity: Identity) -> int | None:
    """A handle on exactly that process, or None when it is gone."""
    try:
        fd = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return None
    if is_alive(identity):
        return fd
    os.close(fd)
    return None


def _signal(fd: int, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        return


def _wait(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))
