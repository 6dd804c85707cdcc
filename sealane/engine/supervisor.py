"""The supervised tree: start in order, restart what dies, stop in the opposite order.

    waiting ──dependencies ready──> starting ──probe──> ready <──probe──> silent
       ^                               │ exits            │ exits, or only a restart mends it
       └────────── back-off <──────────┴──────────────────┘          stop() ──> stopped

Each child has one task that goes round this circle; `stop` and `restart` are events that it sees.
A child that dies is started again whatever its exit status: none of ours has a reason to end.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealane import log
from sealane.engine import leftovers
from sealane.engine.command import run
from sealane.engine.process import Child, spawn, trim_log
from sealane.errors import BadRequest, HostError, NotFound

logger = log.get("supervisor")

FIRST_DELAY = 0.1
LONGEST_DELAY = 15.0
"""Seconds between a death and the next start: doubled each time, from the first to the longest."""
STEADY = 20.0
"""Seconds after which a child counts as steady, and its next death as the first again."""
POLL, LONGEST_POLL = 0.05, 1.0
"""Seconds between two looks at a child that is not ready: a little longer each time."""
UPKEEP = 10.0
"""Seconds between two looks at a child that is ready."""


@dataclass(frozen=True)
class Status:
    """What the control socket says of a child."""

    name: str
    state: str
    pid: int | None
    since: float
    """Unix time of the last start."""
    restarts: int
    ready: bool
    last_exit: str


class Supervised:
    """One child and its circle."""

    def __init__(self, child: Child, tree: "Supervisor") -> None:
        self.child = child
        self.state = "waiting"
        self.since = 0.0
        self.restarts = 0
        self.last_exit = ""
        self.ready = asyncio.Event()
        self.stopped = asyncio.Event()
        self._tree = tree
        self._process: asyncio.subprocess.Process | None = None
        self._stop = asyncio.Event()
        self._again = asyncio.Event()
        self._deaths = 0
        self._logger = logger.bind(child=child.name)

    @property
    def status(self) -> Status:
        pid = self._process.pid if self._process else None
        ready = self.ready.is_set()
        return Status(self.child.name, self.state, pid, self.since, self.restarts, ready, self.last_exit)

    def ask_stop(self) -> None:
        self._stop.set()

    def ask_restart(self) -> None:
        self._again.set()

    async def circle(self) -> None:
        try:
            while not self._stop.is_set():
                await self._one_life()
        finally:
            self.state = "stopped"
            self.stopped.set()

    async def _one_life(self) -> None:
        self.state = "waiting"
        if not await self._first(*(self._tree[name].ready.wait() for name in self.child.depends)):
            return
        self._again.clear()
        self.state = "starting"
        started = time.monotonic()
        try:
            await self._start()
            await self._watch()
        except (HostError, OSError) as exc:
            self.last_exit = str(exc)
            self._logger.error("start failed", error=str(exc))
        finally:
            await self._gone()
        if not self._stop.is_set():
            await self._back_off(time.monotonic() - started)

    async def _start(self) -> None:
        if self.child.before:
            await self.child.before()
        self._process = await spawn(self.child, self._tree.log_file(self.child.name))
        self.since = time.time()
        leftovers.record(self._tree.pids, self.child.name, self._process.pid, self.child.argv)
        self._logger.info("started", pid=self._process.pid)

    async def _watch(self) -> None:
        """Until it has exited, by itself or because it was asked to."""
        assert self._process is not None
        exit = asyncio.create_task(self._process.wait())
        care = asyncio.create_task(self._care())
        asked = asyncio.create_task(self._asked())
        try:
            await asyncio.wait((exit, asked, care), return_when=asyncio.FIRST_COMPLETED)
            if care.done():
                care.result()  # it only ever ends by an error of `after`
        finally:
            await _cancel(care, asked)
            self.ready.clear()
            if not exit.done():
                await self._end()
            self._note(await exit)

    async def _care(self) -> None:
        """Wait for readiness, then look again every now and then; asks for a restart if that is the cure."""
        await self._become_ready()
        while True:
            await asyncio.sleep(UPKEEP)
            self._tree.trim(self.child.name)
            await self._upkeep()
            if self.child.failed and await self.child.failed():
                self._logger.error("runs but has failed; restarts it")
                self._again.set()
            if not await self.child.ready():
                self._logger.warning("does not answer")
                self.state = "silent"
                await self._become_ready()

    async def _upkeep(self) -> None:
        try:
            if self.child.upkeep:
                await self.child.upkeep()
        except HostError as exc:
            self._logger.error("upkeep failed; tries again", error=str(exc), seconds=UPKEEP)

    async def _become_ready(self) -> None:
        begun, told, pause = time.monotonic(), 30.0, POLL
        self.ready.clear()
        while not await self.child.ready():
            if time.monotonic() - begun > told:
                self._logger.warning("is not ready yet", seconds=round(told))
                told *= 2
            await asyncio.sleep(pause)
            pause = min(LONGEST_POLL, pause * 1.2)
        if self.child.after:
            await self.child.after()
        self.state = "ready"
        self.ready.set()
        self._logger.info("ready", seconds=round(time.monotonic() - begun, 2))

    async def _asked(self) -> None:
        await self._first(self._again.wait())

    async def _first(self, *waits: Coroutine[Any, Any, object]) -> bool:
        """Wait for all of `waits` or for the order to stop; tells whether to go on."""
        stop = asyncio.create_task(self._stop.wait())
        together = asyncio.gather(*waits)
        try:
            await asyncio.wait((stop, together), return_when=asyncio.FIRST_COMPLETED)
            return not self._stop.is_set()
        finally:
            stop.cancel()
            together.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await together

    async def _end(self) -> None:
        """Ask it to end; SIGKILL once its grace is over."""
        process = self._process
        assert process is not None
        self.state = "stopping"
        comes_back = self._again.is_set() and not self._stop.is_set()
        command = (self.child.restart if comes_back else ()) or self.child.stop
        try:
            async with asyncio.timeout(self.child.grace):
                await self._ask_to_end(process, command)
                await process.wait()
        except TimeoutError:
            self._logger.warning("did not end in time; kills it", seconds=self.child.grace)
            _signal(process, signal.SIGKILL)
            await process.wait()

    async def _ask_to_end(self, process: asyncio.subprocess.Process, command: tuple[str, ...]) -> None:
        if not command:
            return _signal(process, signal.SIGTERM)
        try:
            await run(*command, timeout=self.child.grace)
        except HostError as exc:
            self._logger.warning("stop command failed; sends SIGTERM", error=str(exc))
            _signal(process, signal.SIGTERM)

    def _note(self, code: int) -> None:
        self.last_exit = _describe(code)
        expected = self._stop.is_set() or self._again.is_set()
        (self._logger.info if expected else self._logger.error)("ended", exit=self.last_exit)

    async def _gone(self) -> None:
        self._process = None
        self.ready.clear()
        leftovers.forget(self._tree.pids, self.child.name)

    async def _back_off(self, lived: float) -> None:
        self.restarts += 1
        if self._again.is_set():
            return
        self._deaths = 1 if lived > STEADY else self._deaths + 1
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** (self._deaths - 1))
        self.state = "backing off"
        self._logger.warning("restarts", seconds=delay, deaths=self._deaths)
        await self._first(_either(asyncio.sleep(delay), self._again.wait()))


class Supervisor:
    """All children. `run` returns when every one of them has ended after `stop`."""

    def __init__(self, children: Sequence[Child], run_dir: Path, log_dir: Path | None = None) -> None:
        self.pids = run_dir / "pids"
        self.stopping = asyncio.Event()
        self._log_dir = log_dir
        self._children = {child.name: Supervised(child, self) for child in children}
        for child in children:
            if missing := set(child.depends) - set(self._children):
                raise BadRequest(f"child '{child.name}' depends on {sorted(missing)}, which is not here")

    def __getitem__(self, name: str) -> Supervised:
        try:
            return self._children[name]
        except KeyError:
            raise NotFound(f"no part '{name}'; there are {', '.join(self._children)}") from None

    @property
    def status(self) -> tuple[Status, ...]:
        return tuple(supervised.status for supervised in self._children.values())

    def log_file(self, name: str) -> Path | None:
        return self._log_dir / f"{name}.log" if self._log_dir else None

    def trim(self, name: str) -> None:
        if path := self.log_file(name):
            trim_log(path)

    async def run(self) -> None:
        self.pids.mkdir(mode=0o700, parents=True, exist_ok=True)
        await asyncio.to_thread(leftovers.end, self.pids)
        async with asyncio.TaskGroup() as group:
            for supervised in self._children.values():
                group.create_task(supervised.circle())
            await self.stopping.wait()
            logger.info("stops", children=len(self._children))
            for supervised in self._children.values():
                group.create_task(self._stop_after_dependents(supervised))

    async def _stop_after_dependents(self, supervised: Supervised) -> None:
        for other in self._children.values():
            if supervised.child.name in other.child.depends:
                await other.stopped.wait()
        supervised.ask_stop()


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


async def _either(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _cancel(*tasks)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, HostError):
            await task
