"""The asyncio client of one OVSDB database (RFC 7047, ovsdb-server(7)).

    Client ── one Session at a time, to one of the remotes; reconnects with back-off
      ├── transact()   one transaction, with a deadline
      ├── monitor()    a Replica that survives reconnects
      └── lock()       a Lock that survives reconnects

ovsdb-server sends the updates that a transaction causes before its reply on the same connection, and a
Session handles both in order: when transact() returns, the replicas of this client show it.
"""

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from contextlib import suppress

from sealane import failpoint, log
from sealane.errors import DeadlineExceeded, SealaneError, Unavailable
from sealane.ovsdb import errors
from sealane.ovsdb.lock import Lock
from sealane.ovsdb.operations import Operation
from sealane.ovsdb.replica import Listener, Replica
from sealane.ovsdb.session import Session
from sealane.ovsdb.values import Schema
from sealane.ovsdb.wire import Remote, WireError, parse_remotes

_SERVER = "_Server"
_SERVER_COLUMNS = ("name", "model", "connected", "leader")
BACKOFF = (0.05, 2.0)
"""Seconds before the second and, doubled each time, at most before any further try to connect."""


class Client:
    """`remote` is one or a comma-separated list of unix:PATH and tcp:HOST:PORT.

    leader_only: talk only to the leader of a cluster, as whoever holds a lock must (locks are per server).
    probe: seconds of silence after which the server is asked for a sign of life, and after which, when
    none came, it is given up.
    """

    def __init__(self, remote: str, database: str, *, leader_only: bool = False, probe: float = 5.0) -> None:
        self.database = database
        self._remotes = parse_remotes(remote)
        self._leader_only = leader_only
        self._probe = probe
        self._session: Session | None = None
        self._ready = asyncio.Event()
        self._schema: Schema | None = None
        self._server = Replica({"Database": _SERVER_COLUMNS})
        self._server.listen(lambda _: self._check_server())
        self._replicas: dict[str, Replica] = {}
        self._names = itertools.count()
        self._locks: dict[str, Lock] = {}
        self._task: asyncio.Task[None] | None = None
        self._trouble = "not started"
        self._reported: set[str] = set()
        self._log = log.get("ovsdb").bind(database=database)

    async def start(self, timeout: float = 10.0) -> None:
        """Connect, and stay connected until stop().

        Raises NotConnected when that takes more than `timeout` seconds; the client goes on trying.
        """
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"ovsdb {self.database}")
            self._task.add_done_callback(self._ended)
        await self._connected(asyncio.get_running_loop().time() + timeout)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    @property
    def connected(self) -> bool:
        return self._session is not None

    @property
    def remote(self) -> str:
        """The remote that it is connected to; empty when there is none."""
        return self._session.remote.name if self._session is not None else ""

    @property
    def schema(self) -> Schema:
        """The database's schema as of the last connection. Raises NotConnected before the first."""
        if self._schema is None:
            raise errors.NotConnected(f"database {self.database}: {self._trouble}")
        return self._schema

    async def transact(
        self, operations: Sequence[Operation], timeout: float = 5.0, *, durable: bool = False
    ) -> list[dict[str, object]]:
        """One result for each operation, or the first error as an OvsdbError.

        durable: ask a standalone server to sync its disk; a clustered one always does.
        Raises NotConnected (nothing was sent), DeadlineExceeded, ConnectionLost or StorageFailed (it may
        have been done): whoever repeats must be able to tell.
        """
        deadline = asyncio.get_running_loop().time() + timeout
        session = await self._connected(deadline)
        commit: list[Operation] = [{"op": "commit", "durable": True}] if durable else []
        remaining = deadline - asyncio.get_running_loop().time()
        async with failpoint.effect("transact", _summary(self.database, operations), errors.NotConnected):
            reply = await session.request("transact", [self.database, *operations, *commit], remaining)
        return _results(reply, len(operations) + len(commit))[: len(operations)]

    async def monitor(
        self,
        tables: Mapping[str, Sequence[str] | None],
        timeout: float = 10.0,
        listener: Listener | None = None,
        where: Mapping[str, object] | None = None,
    ) -> Replica:
        """A replica of these columns (None: all), with its first view. Raises Unavailable, BadRequest.

        `where`: of a table only the rows that fit these conditions (RFC 7047 5.1).
        `listener` is told of all changes, the first view's too, before anyone is woken.
        """
        replica = Replica(tables, where)
        if listener is not None:
            replica.listen(listener)
        deadline = asyncio.get_running_loop().time() + timeout
        session = await self._connected(deadline)
        name = f"monitor-{next(self._names)}"
        self._replicas[name] = replica
        try:
            await self._subscribe(session, name, replica)
        except (errors.ConnectionLost, errors.NotConnected):
            await replica.changed(0, deadline - asyncio.get_running_loop().time())  # by the reconnect
        except BaseException:
            del self._replicas[name]
            raise
        if replica.version == 0:
            del self._replicas[name]
            raise DeadlineExceeded(f"database {self.database}: no first view within {timeout:.1f} s")
        return replica

    async def lock(self, name: str) -> Lock:
        """Queue for a lock of the server; a connection holds it until it ends (RFC 7047 §4.1.8)."""
        lock = self._locks.setdefault(name, Lock(name))
        if self._session is not None:
            with suppress(errors.ConnectionLost, errors.NotConnected):  # the reconnect asks again
                await self._ask_lock(self._session, lock)
        return lock

    async def unlock(self, name: str) -> None:
        """Give a lock back, or leave its queue."""
        if (lock := self._locks.pop(name, None)) is None:
            return
        lock.set(held=False)
        if self._session is not None:
            with suppress(errors.ConnectionLost, errors.NotConnected):
                await self._session.request("unlock", [name], self._probe)

    # connecting

    async def _connected(self, deadline: float) -> Session:
        try:
            async with asyncio.timeout_at(deadline):
                while self._session is None:
                    await self._ready.wait()
                return self._session
        except TimeoutError as exc:
            raise errors.NotConnected(f"database {self.database}: {self._trouble}") from exc

    async def _run(self) -> None:
        """Try one remote after the other, for ever; wait only when none of them is of use."""
        delay = BACKOFF[0]
        while True:
            served = False
            for remote in self._remotes:
                try:
                    served |= await self._serve(remote)
                except SealaneError as exc:
                    self._note(str(exc))
            delay = BACKOFF[0] if served else min(2 * delay, BACKOFF[1])
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # nothing tells when a server is back

    async def _serve(self, remote: Remote) -> bool:
        """Use this remote until its connection ends; True when it had come to be of use."""
        session = await Session.open(remote, self._notify, self._lost, self._probe)
        try:
            await self._establish(session)
            self._require_fit(session)
            self._gained(session)
            self._log.info("connected", remote=session.remote.name)
            self._note(await asyncio.shield(session.closed))
            return True
        finally:
            self._lost(session)
            session.close("given up")

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (defect := task.exception()):
            self._trouble = f"the client has a defect: {defect!r}"
            self._log.error("stopped", exc_info=defect)

    def _note(self, trouble: str) -> None:
        if trouble not in self._reported:
            self._log.warning("not connected", reason=trouble)
        self._reported.add(trouble)
        self._trouble = trouble

    def _gained(self, session: Session) -> None:
        self._session, self._trouble = session, ""
        self._reported.clear()
        self._ready.set()

    def _lost(self, session: Session) -> None:
        if self._session in (None, session):
            self._session = None
            self._ready.clear()
            for replica in self._replicas.values():
                replica.connected = False
            for lock in self._locks.values():
                lock.set(held=False)

    async def _establish(self, session: Session) -> None:
        await self._watch_server(session)
        raw = await session.request("get_schema", [self.database], self._probe)
        self._schema = Schema.parse(raw)
        for name, replica in list(self._replicas.items()):
            await self._subscribe(session, name, replica)
        for lock in list(self._locks.values()):
            await self._ask_lock(session, lock)

    async def _watch_server(self, session: Session) -> None:
        """Raises Unavailable when this member of the cluster is of no use to us now."""
        schema = Schema.parse(await session.request("get_schema", [_SERVER], self._probe))
        requests = self._server.bind(schema)
        self._server.load(await session.request("monitor_cond", [_SERVER, _SERVER, requests], self._probe))
        self._require_fit(session)

    def _require_fit(self, session: Session) -> None:
        if reason := self._unfit():
            raise Unavailable(f"{session.remote.name}: {reason}")

    def _unfit(self) -> str:
        row = next((r for r in self._server.tables["Database"].values() if r["name"] == self.database), None)
        if row is None:
            return f"the server has no database {self.database}"
        if not row["connected"]:
            return "the server has lost its cluster"
        if self._leader_only and not row["leader"]:
            return "the server is not the cluster's leader"
        return ""

    def _check_server(self) -> None:
        if self._session is not None and (reason := self._unfit()):
            self._session.close(reason)

    # monitors and locks

    async def _subscribe(self, session: Session, name: str, replica: Replica) -> None:
        params: list[object] = [self.database, name, replica.bind(self.schema)]
        since = [*params, replica.last_transaction]
        try:
            await session.request("monitor_cond_since", since, self._probe, replica.first_view)
        except errors.OvsdbError as exc:
            if exc.error not in ("unknown method", "not supported"):
                raise
            await session.request("monitor_cond", params, self._probe, replica.load)

    async def _ask_lock(self, session: Session, lock: Lock) -> None:
        await session.request("lock", [lock.name], self._probe, lock.answered)

    def _notify(self, method: str, params: list[object]) -> None:
        match method, params:
            case "update3", [str(name), str(transaction), updates] if name in self._replicas:
                self._replicas[name].apply(updates, transaction)
            case "update2", [str(name), updates] if name == _SERVER:
                self._server.apply(updates)
            case "update2", [str(name), updates] if name in self._replicas:
                self._replicas[name].apply(updates)
            case (("locked" | "stolen"), [str(name)]) if name in self._locks:
                self._locks[name].set(held=method == "locked")
            case _:
                self._log.debug("notification ignored", method=method)


def _summary(database: str, operations: Sequence[Operation]) -> str:
    if not failpoint.armed():
        return ""
    changes = (f"{one['op']} {one.get('table', '')}" for one in operations if one["op"] != "wait")
    return f"{database}: {', '.join(dict.fromkeys(changes))}"


def _results(reply: object, operations: int) -> list[dict[str, object]]:
    """Check every element, also one that follows the last operation's: the commit's own error."""
    if not isinstance(reply, list):
        raise WireError(f"not the results of a transaction: {str(reply)[:200]}")
    for index, result in enumerate(reply):
        if isinstance(result, dict) and "error" in result:
            raise errors.from_wire(result, index if index < operations else -1)
    if len(reply) != operations or not all(isinstance(result, dict) for result in reply):
        raise WireError(f"{len(reply)} results of {operations} operations")
    return reply
