"""The translator's loop: wanted, found, diff, apply.

There is no other path to the northbound database.  First start, each change, a restart, a wiped or an
edited database: all are the same computation.  Events say only that it is time to look.
"""

import asyncio
import random
from typing import Protocol

from sealane import log
from sealane.errors import SealaneError
from sealane.model import State
from sealane.ovn.lingering import Lingering
from sealane.ovn.northbound import Northbound
from sealane.translate.compare import Comparison
from sealane.translate.desired import desired
from sealane.translate.memo import Memo
from sealane.translate.rows import Plan, Ref, Row

BACKOFF = (0.1, 5.0)
"""Seconds before the second and, doubled each time, at most before any further try."""

_log = log.get("translator")


class Source(Protocol):
    """Where the desired state comes from: sealane.store.db.Store."""

    @property
    def state(self) -> State: ...

    async def changed(self, after: int, timeout: float | None) -> State: ...


class Reconciler:
    def __init__(self, source: Source, northbound: Northbound) -> None:
        self._source = source
        self._northbound = northbound
        self._state = State()
        self._rows: tuple[Row, ...] = ()
        self._memo = Memo()
        self._comparison = Comparison()
        self._blocked: tuple[Ref, ...] = ()
        self._lingering = Lingering()

    async def run(self) -> None:
        """For ever. What comes while a transaction is under way is done by the next, all at once."""
        delay = BACKOFF[0]
        while True:
            try:
                await self._leading()
                seen = self._northbound.version
                state = self._source.state
                await self.once(state)
                await self._something_new(state.sequence, seen)
                delay = BACKOFF[0]
            except SealaneError as exc:
                _log.warning("not applied, will try again", reason=exc.message, seconds=round(delay, 1))
                await asyncio.sleep(delay * random.uniform(0.8, 1.2))
                delay = min(2 * delay, BACKOFF[1])
                self._comparison = Comparison()  # after trouble everything is looked at

    async def once(self, state: State) -> Plan:
        """Make the northbound database show `state`; the plan tells what that took."""
        if state is not self._state or self._lingering.next == 0.0:
            wanted = desired(state, self._memo)
            self._rows = (*wanted, *self._lingering.rows(self._rows, wanted, state))
            self._state = state
        plan = self._comparison.plan(self._rows, self._northbound.tables)
        self._report_blocked(plan)
        if plan or self._northbound.sequence != state.sequence:
            await self._northbound.apply(plan, state.sequence)
            _log.debug("applied", sequence=state.sequence, rows=plan.size)
        return plan

    async def _leading(self) -> None:
        lock = self._northbound.lock
        if not lock.held:
            _log.info("waiting for the translator's lock")
            await lock.wait(held=True)
            _log.info("this translator is the active one")

    async def _something_new(self, sequence: int, version: int) -> None:
        """Wait until the state or the database has moved, or the lock is lost."""
        waits = (
            self._source.changed(sequence, None),
            self._northbound.changed(version),
            self._northbound.lock.wait(held=False),
        )
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            seconds = self._lingering.next
            await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _report_blocked(self, plan: Plan) -> None:
        if plan.blocked != self._blocked:
            for ref in plan.blocked:
                _log.error("a foreign row has the name of ours; rename or remove it", row=ref.key)
        self._blocked = plan.blocked
