"""The store: commits changes to the database `Sealane` and shows its state.

commit(changes) ── plan ── one transaction ──┬── done: the own replica shows it already
                    ▲                        ├── refused for good: the error that says why
                    └── refused, world moved ┘
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from sealane.errors import DeadlineExceeded
from sealane.model import State
from sealane.ovsdb import errors
from sealane.ovsdb import operations as ops
from sealane.ovsdb.client import Client
from sealane.ovsdb.replica import Change as RowChange
from sealane.ovsdb.replica import Replica
from sealane.store.changes import Change, Stored
from sealane.store.claims import Claims
from sealane.store.plan import ROOT, Plan, plan
from sealane.store.refusals import refusal
from sealane.store.snapshot import advance, monitored
from sealane.store.transaction import View

DATABASE = "Sealane"
RETRY_WAIT = 0.1
"""Seconds that a refused plan waits at most for the news that made it fail."""
FORGET_REQUESTS = 86400
"""Seconds after which the request of a store that died is of no more use to anyone."""


class Store:
    """`remote` as for ovsdb.client.Client.

    reads: the kinds that alone are followed, and cost memory; whoever is to commit needs all (None).
    """

    def __init__(
        self, remote: str, *, probe: float = 5.0, reads: Collection[type[Stored]] | None = None
    ) -> None:
        self._reads = reads
        self._client = Client(remote, DATABASE, probe=probe)
        self._claims = Claims()
        self._state = State()
        self._replica: Replica | None = None
        self._done: list[str] = []
        self._listeners: list[Callable[[State], None]] = []

    async def start(self, timeout: float = 10.0) -> None:
        """Connect and read everything. Raises Unavailable; may be called again then."""
        deadline = asyncio.get_running_loop().time() + timeout
        await self._client.start(timeout)
        await self._prepare(_until(deadline))
        if self._replica is None:
            self._replica = await self._client.monitor(monitored(self._reads), _until(deadline), self._follow)

    async def stop(self) -> None:
        await self._client.stop()

    @property
    def state(self) -> State:
        """The newest snapshot."""
        return self._state

    @property
    def connected(self) -> bool:
        """Whether the snapshot is being kept up to date."""
        return self._replica is not None and self._replica.connected

    def listen(self, listener: Callable[[State], None]) -> None:
        """Call `listener` with each new snapshot, before anyone is woken."""
        self._listeners.append(listener)

    async def changed(self, after: int, timeout: float | None = None) -> State:
        """The state once its sequence is not `after`, or as it is when `timeout` seconds have passed.

        A sequence below `after` is news as well: the database was restored from a backup.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._state.sequence == after:
                    await self._running.changed(self._running.version)
        return self._state

    async def commit(self, *changes: Change, timeout: float = 5.0) -> State:
        """All changes or none, on disk, and shown by the state that is returned.

        Raises AddressInUse, Conflict, OverQuota, NotFound, RevisionMismatch, BadRequest; Unavailable within
        `timeout` seconds: whether it was done is unknown then, and the same Create may be repeated.
        """
        assert self._reads is None, "this store reads only a part"
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            version, request = self._running.version, str(uuid.uuid4())
            planned = plan(changes, self._view(), request, tuple(self._done))
            if planned.changes == 0:
                return self._state
            if await self._done_by(planned, request, deadline):
                return self._state
            await self._running.changed(version, min(RETRY_WAIT, _until(deadline)))

    async def _done_by(self, planned: Plan, request: str, deadline: float) -> bool:
        """False: refused for what has changed meanwhile. A lost connection repeats the very same."""
        forgotten = tuple(self._done)
        while True:
            try:
                await self._client.transact(planned.operations, _until(deadline))
            except errors.ConnectionLost:
                continue
            except errors.OvsdbError as exc:
                if not _ran_already(exc):
                    if (error := refusal(exc, planned)) is None:
                        return False
                    raise error from exc
            self._done = [old for old in self._done if old not in forgotten] + [request]
            return True

    def _view(self) -> View:
        tables = self._running.tables
        rows = (tables[name] for name in ("Network", "Quota", "SubnetPool", "AddressScope"))
        return View(self._client.schema, self._state, self._claims, *rows)

    @property
    def _running(self) -> Replica:
        if self._replica is None:
            raise errors.NotConnected("the store has not been started")
        return self._replica

    def _follow(self, changes: Sequence[RowChange]) -> None:
        if self._reads is None:
            self._claims.follow(changes)
        self._state = advance(self._state, changes)
        for listener in self._listeners:
            listener(self._state)

    async def _prepare(self, timeout: float) -> None:
        """Make the row that holds the sequence; forget requests of long ago."""
        root = ops.insert(self._client.schema, "Sealane", {"sequence": 1}, uuid=ROOT)
        with suppress(errors.DuplicateUuid):
            await self._client.transact([root], timeout)
        oldest = int(time.time()) - FORGET_REQUESTS
        forget: ops.Operation = {"op": "delete", "table": "Request", "where": [["at", "<", oldest]]}
        await self._client.transact([forget], timeout)


def _ran_already(error: errors.OvsdbError) -> bool:
    """Only the first operation, the insert of our own Request row, tells."""
    return isinstance(error, errors.DuplicateUuid) and error.index == 0


def _until(deadline: float) -> float:
    """Seconds left. Raises DeadlineExceeded when there are none."""
    left = deadline - asyncio.get_running_loop().time()
    if left <= 0:
        raise DeadlineExceeded("the store did not answer in time")
    return left
