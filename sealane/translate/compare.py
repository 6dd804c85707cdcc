"""diff(), at the cost of what has moved since it was last asked.

    root (switch)   compared whole each time: there are few
    leaf (port)     compared where its row, its wanted row or its place has become another object

Both sides consist of objects that are replaced, never changed: the same object is the same content, and
what was the same on both sides still is.  What the last plan had to do is looked at again, for nobody
knows whether it was done.  So nothing is remembered of what was done; a test holds that the plan is the
one that diff() gives.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from sealane.model import moved
from sealane.translate.diff import Columns, Tables, diff, marked, members
from sealane.translate.rows import TABLES, Plan, Ref, Row

ROOTS = tuple(table for table, spec in TABLES.items() if spec.parent is None)
LEAVES = {table: spec.parent for table, spec in TABLES.items() if spec.parent is not None}
"""leaf -> the root's table and column that refer to it."""

Wanted = Mapping[str, Mapping[str, Row]]
"""table -> key -> row."""
Keys = dict[str, set[str]]
"""table -> keys of rows."""


class Comparison:
    """Asked again and again; the first time it is diff() itself."""

    def __init__(self) -> None:
        self._rows: Sequence[Row] = ()
        self._wanted: Wanted = _by_table(())
        self._tables: Tables = {table: {} for table in TABLES}
        self._open: Keys = {leaf: set() for leaf in LEAVES}

    def plan(self, rows: Sequence[Row], tables: Tables) -> Plan:
        """What diff(rows, tables) says."""
        wanted = self._wanted if rows is self._rows else _by_table(rows)
        there = {table: dict(tables[table]) for table in TABLES}
        move = _Move(self._wanted, wanted, self._tables, there)
        touched = {leaf: {*self._open[leaf], *move.touched(leaf)} for leaf in LEAVES}
        self._rows, self._wanted, self._tables, self._open = rows, wanted, there, touched
        plan = diff(_rows_at(wanted, touched), _tables_at(there, touched))
        self._open = _unfinished(plan)
        return plan


def _by_table(rows: Iterable[Row]) -> Wanted:
    found: dict[str, dict[str, Row]] = {table: {} for table in TABLES}
    for row in rows:
        found[row.table][row.key] = row
    return found


@dataclass(frozen=True)
class _Move:
    """What was compared last and what is compared now."""

    wanted_before: Wanted
    wanted: Wanted
    tables_before: Tables
    tables: Tables

    def touched(self, leaf: str) -> Iterator[str]:
        """Keys of leaf rows for which anything that diff() looks at has become another object."""
        root, column = LEAVES[leaf]
        renewed = self._renewed(root)
        yield from moved(self.wanted_before[leaf], self.wanted[leaf])
        if renewed:
            parents = ((row.key, row.parent) for row in self.wanted[leaf].values())
            yield from (key for key, parent in parents if parent is not None and parent.key in renewed)
        uuids = {*moved(self.tables_before[leaf], self.tables[leaf]), *self._replaced(root, column, renewed)}
        for rows in (self.tables_before[leaf], self.tables[leaf]):
            yield from (str(rows[uuid]["name"]) for uuid in uuids if uuid in rows)

    def _renewed(self, root: str) -> set[str]:
        """Names of root rows that came, went, or changed name or mark, in what is wanted or is there."""
        before, after = self.tables_before[root], self.tables[root]
        found = set(self.wanted_before[root].keys() ^ self.wanted[root].keys())
        for uuid in moved(before, after):
            standings = _standing(before.get(uuid)), _standing(after.get(uuid))
            if standings[0] != standings[1]:
                found |= {name for standing in standings for name, _ in standing}
        return found

    def _replaced(self, root: str, column: str, renewed: Set[str]) -> set[str]:
        """UUIDs of leaf rows that other roots refer to, or renewed ones."""
        before, after = self.tables_before[root], self.tables[root]
        found: set[str] = set()
        for uuid in moved(before, after):
            found |= members(before.get(uuid, {}).get(column)) ^ members(after.get(uuid, {}).get(column))
        for rows in (before, after) if renewed else ():
            for columns in rows.values():
                found |= members(columns.get(column)) if columns["name"] in renewed else frozenset()
        return found


def _standing(columns: Columns | None) -> tuple[tuple[str, bool], ...]:
    return () if columns is None else ((str(columns["name"]), marked(columns)),)


def _rows_at(wanted: Wanted, touched: Keys) -> Iterator[Row]:
    for root in ROOTS:
        yield from wanted[root].values()
    for leaf, keys in touched.items():
        yield from (wanted[leaf][key] for key in keys if key in wanted[leaf])


def _tables_at(tables: Tables, touched: Keys) -> Tables:
    """All roots, the touched leaves, and of the references those to touched leaves."""
    found: dict[str, Mapping[str, Columns]] = {root: tables[root] for root in ROOTS}
    for leaf, (root, column) in LEAVES.items():
        keys = touched[leaf]
        rows = {uuid: row for uuid, row in tables[leaf].items() if row["name"] in keys} if keys else {}
        found[leaf] = rows
        found[root] = {
            uuid: {**columns, column: members(columns.get(column)) & rows.keys()}
            for uuid, columns in found[root].items()
        }
    return found


def _unfinished(plan: Plan) -> Keys:
    refs: list[Ref] = [row.ref for row in plan.create]
    refs += [update.ref for update in plan.update] + [delete.ref for delete in plan.delete]
    refs += [edge.child for edge in (*plan.attach, *plan.detach)] + list(plan.blocked)
    return {leaf: {ref.key for ref in refs if ref.table == leaf} for leaf in LEAVES}
