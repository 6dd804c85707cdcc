"""Watches the store and the southbound database, and writes into the journal what happened.

    store       each new State      ─┐
    southbound  each moved binding  ─┼─ events.py ─> journal
    agents      who is alive        ─┘  looked at every LOOK seconds

A port that another host has than the one it is meant for is an alarm only when that lasts: while a port moves
from host to host, the two databases are apart for a moment.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from sealane import log
from sealane.api import events
from sealane.api.journal import Journal
from sealane.model import Port, State
from sealane.moves import moved
from sealane.ovn.southbound import BindingChange, Bindings
from sealane.store.db import Store

LOOK = 1.0
"""Seconds between looks at what comes with time only."""
LASTING = 2.0
"""Seconds after which a mismatch is an alarm: with two looks it is given within 5."""
SNAPSHOTS = 256
"""States that may wait for being compared; when there are more, what lay between is told as one change."""

_log = log.get("events")


class Watch:
    """gone: whether a node, by its name, has been silent for so long that it counts as lost."""

    def __init__(
        self,
        store: Store,
        bindings: Bindings,
        journal: Journal,
        gone: Callable[[str], bool],
    ) -> None:
        self._bindings = bindings
        self._journal = journal
        self._gone = gone
        self._state = State()
        self._queue: list[State | Sequence[BindingChange]] = []
        self._wake = asyncio.Event()
        self._wrong: dict[str, float] = {}
        """Port -> when it was first seen on another host than its own."""
        self._doubtful: set[str] = set()
        """Ports of which something has moved since the last look."""
        self._looked = False
        """Whether all ports were looked at once."""
        self._misbound: dict[str, str] = {}
        self._seen: frozenset[str] | None = None
        store.listen(self._put)
        bindings.listen(self._put)
        self._put(store.state)

    @property
    def mismatches(self) -> list[events.Event]:
        """Ports that another host has than the one they are meant for, as the events that told of them."""
        return list(events.mismatch_events({}, self._misbound, self._state))

    def _put(self, news: State | Sequence[BindingChange]) -> None:
        """Called while a notification of the database is being applied: only kept here, in their order."""
        if isinstance(news, State) and len(self._queue) > SNAPSHOTS and isinstance(self._queue[-1], State):
            self._queue[-1] = news
        else:
            self._queue.append(news)
        self._wake.set()

    async def run(self) -> None:
        """For ever."""
        looked = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._wake.wait()
            self._wake.clear()
            try:
                self._take_all()
                if time.monotonic() - looked >= LOOK:
                    looked = time.monotonic()
                    self._look_at_bindings(looked)
                    self._look_at_nodes()
            except Exception:  # the outermost: a defect here costs events, and ends nothing else
                _log.exception("unexpected")

    def _take_all(self) -> None:
        queue, self._queue = self._queue, []
        for news in queue:
            self._take(news)

    def _take(self, news: State | Sequence[BindingChange]) -> None:
        if isinstance(news, State):
            old, self._state = self._state, news
            if old.sequence:  # what is there at the start is no news
                self._journal.add(events.differences(old, news))
            self._doubtful.update(moved(old.ports, news.ports))
        else:
            moves = (events.move(c.port, c.old, c.new, self._bindings.chassis_name) for c in news)
            self._journal.add(events.binding_events(moves, self._state))
            self._doubtful.update(c.port for c in news)

    def _look_at_bindings(self, now: float) -> None:
        if not self._looked and self._bindings.version:
            self._looked = True
            self._doubtful.update(self._state.ports)
        asked, self._doubtful = self._doubtful | self._wrong.keys(), set()
        ports = (port for id in asked if (port := self._state.ports.get(id)) is not None)
        found = {port.id: host for port in ports if (host := self._wrong_host(port))}
        self._wrong = {id: self._wrong.get(id, now) for id in found}
        lasting = {id: host for id, host in found.items() if now - self._wrong[id] >= LASTING}
        told = list(events.mismatch_events(self._misbound, lasting, self._state))
        self._misbound = lasting
        self._journal.add(told)
        for event in told:
            _log.warning(event.what, port=event.id, host=event.host, wanted=event.wanted_host)

    def _wrong_host(self, port: Port) -> str:
        """The host that has it though another should; "" when all is well."""
        chassis = self._bindings.chassis_of(port.id)
        if chassis is None or port.host in (chassis.name, chassis.hostname):
            return ""
        return chassis.hostname or chassis.name  # whoever registers may leave the host's name out

    def _look_at_nodes(self) -> None:
        if not self._state.sequence:
            return
        now = frozenset(n.name for n in self._state.nodes.values() if not self._gone(n.name))
        if self._seen is not None:
            self._journal.add(events.node_events(self._seen, now, self._state))
        self._seen = now
