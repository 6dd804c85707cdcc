"""A northbound database in memory: what a plan does, without a server.

It stands for northbound.Northbound in tests of translation; the golden cases run against both.  As there,
a row is never changed but replaced.
"""

import asyncio
import itertools
from collections.abc import Mapping
from contextlib import suppress

from sealane.model import State
from sealane.translate.rows import TABLES, Edge, Plan, Row, Value


class MemoryNorthbound:
    def __init__(self) -> None:
        self.tables: dict[str, dict[str, dict[str, object]]] = {table: {} for table in TABLES}
        self._numbers = itertools.count(1)

    def insert(self, table: str, columns: Mapping[str, Value]) -> str:
        """A row of whomever. Answers its UUID."""
        uuid = f"00000000-0000-4000-8000-{next(self._numbers):012x}"
        self.tables[table][uuid] = dict(columns)
        return uuid

    def apply(self, plan: Plan) -> None:
        """All of the plan; then rows of tables that are not roots go when nothing refers to them."""
        created = {row.ref: self._create(row) for row in plan.create}
        for update in plan.update:
            columns = {**self.tables[update.ref.table][update.uuid], **update.put}
            for column in {*update.merge, *update.drop}:
                there = columns.get(column, {})
                assert isinstance(there, Mapping)
                kept = {k: v for k, v in there.items() if k not in update.drop.get(column, frozenset())}
                columns[column] = {**kept, **update.merge.get(column, {})}
            self.tables[update.ref.table][update.uuid] = columns
        for delete in plan.delete:
            del self.tables[delete.ref.table][delete.uuid]
        for edge in (*plan.attach, *plan.detach):
            parent = edge.parent_uuid or created[edge.parent]
            child = edge.child_uuid or created[edge.child]
            self._refer(edge, parent, child, keep=edge in plan.attach)
        self._sweep()

    def _create(self, row: Row) -> str:
        spec = TABLES[row.table]
        names = {columns.get("name") for columns in self.tables[row.table].values()}
        assert not (spec.unique_name and row.key in names), f"constraint violation: {row.key} is there"
        return self.insert(row.table, row.columns)

    def _refer(self, edge: Edge, parent: str, child: str, *, keep: bool) -> None:
        spec = TABLES[edge.child.table]
        assert spec.parent is not None
        columns = self.tables[edge.parent.table][parent]
        members = columns.get(spec.parent[1], frozenset())
        assert isinstance(members, frozenset)
        now = members | {child} if keep else members - {child}
        self.tables[edge.parent.table][parent] = {**columns, spec.parent[1]: now}

    def _sweep(self) -> None:
        for table, spec in TABLES.items():
            if spec.parent is None:
                continue
            parent, column = spec.parent
            held: set[str] = set()
            for columns in self.tables[parent].values():
                members = columns.get(column, frozenset())
                assert isinstance(members, frozenset)
                assert members <= self.tables[table].keys(), "referential integrity violation"
                held |= members
            for uuid in self.tables[table].keys() - held:
                del self.tables[table][uuid]


class MemorySource:
    """A desired state that is set by hand; stands for the store."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._wake = asyncio.Event()

    def set(self, state: State) -> None:
        self.state = state
        self._wake.set()
        self._wake = asyncio.Event()

    async def changed(self, after: int, timeout: float | None) -> State:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self.state.sequence == after:
                    await self._wake.wait()
        return self.state
