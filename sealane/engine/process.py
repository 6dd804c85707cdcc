"""One child process as data, and what the kernel is told when it starts.

The command is run through `setpriv --pdeathsig`, so the kernel ends it when the supervisor dies
for whatever reason (prctl(2), PR_SET_PDEATHSIG), and through `nsenter` when it belongs into a
network namespace.  Both replace themselves by the command: the pid that we know is the command's.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

Probe = Callable[[], Awaitable[bool]]
Step = Callable[[], Awaitable[None]]

LOG_LIMIT = 16 << 20
"""Bytes; a log that is longer is copied to NAME.log.1 and emptied."""


@dataclass(frozen=True, kw_only=True)
class Child:
    name: str
    argv: tuple[str, ...]
    ready: Probe
    environ: Mapping[str, str] = field(default_factory=dict)
    depends: tuple[str, ...] = ()
    before: Step | None = None
    """Runs ahead of each start; an error of it counts as a failed start."""
    after: Step | None = None
    """Runs each time the child answers, before it counts as ready; an error of it ends the child."""
    upkeep: Step | None = None
    """Runs every UPKEEP seconds while the child is ready."""
    stop: tuple[str, ...] = ()
    """The command that asks the child to end; none: SIGTERM."""
    restart: tuple[str, ...] = ()
    """The same when it is to come back at once, where that differs from `stop`."""
    grace: float = 10.0
    """Seconds between being asked to end and SIGKILL."""
    failed: Probe | None = None
    """True when the child runs but only a restart will mend it."""
    netns: Path | None = None
    orphan: signal.Signals = signal.SIGKILL
    """What the kernel sends it when the supervisor dies."""
    fds: tuple[int, ...] = ()
    nice: int = 0
    """Its share of a processor that others want too (nice(2)): below 0 is more, where we may give it."""


def command_line(child: Child) -> tuple[str, ...]:
    inside = ("nsenter", f"--net={child.netns}", "--") if child.netns else ()
    return ("setpriv", "--pdeathsig", child.orphan.name.removeprefix("SIG"), *inside, *child.argv)


async def spawn(child: Child, log: Path | None) -> asyncio.subprocess.Process:
    """Start it, in a session of its own so that ^C at the terminal reaches only the supervisor."""
    output = _open_log(log) if log else None
    try:
        process = await asyncio.create_subprocess_exec(
            *command_line(child),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **child.environ},
            start_new_session=True,
            pass_fds=child.fds,
            umask=0o077,
        )
    finally:
        if output is not None:
            os.close(output)
    if child.nice:
        _be_nice(process.pid, child.nice)
    return process


def _be_nice(pid: int, nice: int) -> None:
    """Of the process and of its session, which the kernel may weigh as one (sched(7), autogroup)."""
    with suppress(OSError):  # it has ended, or we may not
        os.setpriority(os.PRIO_PROCESS, pid, nice)
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def _open_log(path: Path) -> int:
    trim_log(path)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def trim_log(path: Path) -> None:
    """Children hold the file open for appending, so it is copied and emptied, never renamed."""
    try:
        if path.stat().st_size > LOG_LIMIT:
            path.with_suffix(".log.1").write_bytes(path.read_bytes())
            os.truncate(path, 0)
    except FileNotFoundError:
        return
