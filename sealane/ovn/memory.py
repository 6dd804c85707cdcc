"""A northbound database in memory: what a plan does, without a server.

It stands for northbound.Northbound in tests of translation; the golden cases run against both.  As there,
a row is never changed but replaced.
"""

import asyncio
import itertools
from collections.abc import Mapping
from contextlib import suppress

from sealane.model import State
from sealane.translate.rows import Edge, Plan, Ref, Row, Update, Value
from sealane.translate.tables import TABLES
from sealane.translate.world import members


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
        """All of the plan; then what OVSDB does by itself (RFC 7047 3.2, isRoot and refType)."""
        created = {row.ref: self._create(row) for row in plan.create}
        for row in plan.create:
            self._point(row.table, created[row.ref], row.columns, created)
        for update in plan.update:
            self._update(update)
            self._point(update.ref.table, update.uuid, update.put, created)
        for edge in plan.detach:
            self._refer(edge, created, keep=False)
        for delete in plan.delete:
            del self.tables[delete.ref.table][delete.uuid]
        for edge in plan.attach:
            self._refer(edge, created, keep=True)
        self._sweep()
        self._check()

    def _create(self, row: Row) -> str:
        return self.insert(row.table, {c: None if isinstance(v, Ref) else v for c, v in row.columns.items()})

    def _point(self, table: str, uuid: str, columns: Mapping[str, Value], created: Mapping[Ref, str]) -> None:
        pointers = {column: created[value] for column, value in columns.items() if isinstance(value, Ref)}
        self.tables[table][uuid] = {**self.tables[table][uuid], **pointers}

    def _update(self, update: Update) -> None:
        columns: dict[str, object] = {**self.tables[update.ref.table][update.uuid], **update.put}
        for column in {*update.merge, *update.drop}:
            there = columns.get(column, {})
            assert isinstance(there, Mapping)
            kept = {k: v for k, v in there.items() if k not in update.drop.get(column, frozenset())}
            columns[column] = {**kept, **update.merge.get(column, {})}
        for column in {*update.insert, *update.remove}:
            inserted = members(columns.get(column)) | update.insert.get(column, frozenset())
            columns[column] = inserted - update.remove.get(column, frozenset())
        self.tables[update.ref.table][update.uuid] = columns

    def _refer(self, edge: Edge, created: Mapping[Ref, str], *, keep: bool) -> None:
        parent = edge.parent_uuid or created[edge.parent]
        child = edge.child_uuid or created[edge.child]
        columns = self.tables[edge.parent.table][parent]
        there = members(columns.get(edge.column))
        now = there | {child} if keep else there - {child}
        self.tables[edge.parent.table][parent] = {**columns, edge.column: now}

    def _sweep(self) -> None:
        """Weak references to what is gone go; what is no root and nothing holds goes, with what it held."""
        for table in TABLES:
            self._collect(table)
        for table, spec in TABLES.items():
            for column, child in {**spec.shares, **spec.refers}.items():
                for uuid, columns in list(self.tables[table].items()):
                    left = members(columns.get(column)) & self.tables[child].keys()
                    if left != members(columns.get(column)):
                        value = left if column in spec.shares else None
                        self.tables[table][uuid] = {**self.tables[table][uuid], column: value}

    def _collect(self, table: str) -> None:
        """Tables that hold others stand before them."""
        if TABLES[table].root:
            return
        held = {
            uuid
            for parent, spec in TABLES.items()
            for column in (c for c, child in spec.holds.items() if child == table)
            for columns in self.tables[parent].values()
            for uuid in members(columns.get(column))
        }
        for uuid in self.tables[table].keys() - held:
            del self.tables[table][uuid]

    def _check(self) -> None:
        for table, spec in TABLES.items():
            for columns in self.tables[table].values():
                for column, child in spec.holds.items():
                    dangling = members(columns.get(column)) - self.tables[child].keys()
                    assert not dangling, f"referential integrity violation: {table} {column}"
            found = [columns["name"] for columns in self.tables[table].values() if spec.unique_name]
            assert len(found) == len(set(found)), f"constraint violation: names of {table}"


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
