"""What is wanted and what is there, with the indexes to tell who stands for whom; kept up to date by moves.

    found row      wanted   standing
    ───────────────────────────────────────────────────────────────────────────────────────
    marked           x      the first by UUID is the row; further ones with its key are surplus
    not marked       x      taken back, unless something that is not ours holds it
    not marked,      x      blocked, where a name is unique in the database
      held elsewhere
    none             x      to be made; homeless when there is nothing that could hold it
    marked           -      ours, and in the way

What a row stands on lies in tables before its own (tables.py), so one pass in that order settles all:
when a standing changes, whatever hangs on it, points to it or is held by it is looked at later in the pass.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from operator import is_
from typing import NamedTuple

from sealane import names
from sealane.moves import moved
from sealane.translate.rows import Ref, Row
from sealane.translate.tables import TABLES, key_of

Columns = Mapping[str, object]
Tables = Mapping[str, Mapping[str, Columns]]
"""table -> UUID -> column -> value, as an OVSDB replica holds it: sets are frozensets, maps dicts."""


class Holder(NamedTuple):
    """A row that refers to another, and the column in which it does."""

    table: str
    column: str
    uuid: str


class Standing(NamedTuple):
    """Who is there for a key."""

    uuid: str | None = None
    surplus: tuple[str, ...] = ()
    blocked: bool = False
    homeless: bool = False
    wanted: bool = False

    @property
    def comes(self) -> bool:
        """Whether the row is there once the plan is carried out."""
        return self.wanted and not self.blocked and not self.homeless

    def goes(self, uuid: str) -> bool:
        """Whether a row that is there is to be deleted."""
        return uuid in self.surplus or (not self.wanted and uuid == self.uuid)


NOBODY = Standing()
Touched = dict[str, set[str]]
"""table -> keys."""


def marked(columns: Columns) -> bool:
    """Whether a row bears our mark."""
    ids = columns.get("external_ids")
    return isinstance(ids, Mapping) and ids.get(names.OWNER_KEY) == names.OWNER


def members(value: object) -> frozenset[object]:
    """Of a column that holds a set: a replica has None and a bare atom for none and for one."""
    if value is None:
        return frozenset()
    return frozenset(value) if isinstance(value, (Set, tuple, list)) else frozenset({value})


class World:
    """Begins empty: the first move touches everything."""

    def __init__(self) -> None:
        self.wanted: dict[Ref, Row] = {}
        self.tables: Tables = {table: {} for table in TABLES}
        self._rows: Sequence[Row] = ()
        self._uuids: dict[Ref, set[str]] = {}
        self._holders: dict[str, set[Holder]] = {}
        self._dependents: dict[Ref, set[Ref]] = {}
        self._standings: dict[Ref, Standing] = {}

    def move(self, rows: Sequence[Row], tables: Tables, also: Iterable[Ref] = ()) -> list[Ref]:
        """The rows for which anything has become another object that decides on them, and `also` those."""
        touched: Touched = {table: set() for table in TABLES}
        for ref in also:
            touched[ref.table].add(ref.key)
        self._want(rows, touched)
        self._find(tables, touched)
        self._settle(touched)
        return [Ref(table, key) for table, keys in touched.items() for key in keys]

    def standing(self, ref: Ref) -> Standing:
        return self._standings.get(ref, NOBODY)

    def holders(self, uuid: str | None) -> Set[Holder]:
        return self._holders.get(uuid, frozenset()) if uuid else frozenset()

    def ref(self, table: str, uuid: str) -> Ref:
        return Ref(table, key_of(table, self.tables[table][uuid]))

    def goes(self, holder: Holder) -> bool:
        return self.standing(self.ref(holder.table, holder.uuid)).goes(holder.uuid)

    def ours(self, holder: Holder) -> bool:
        """Whether it bears our mark, or will once more."""
        return marked(self.tables[holder.table][holder.uuid]) or self._stands(holder)

    def _stands(self, holder: Holder) -> bool:
        return self.standing(self.ref(holder.table, holder.uuid)).uuid == holder.uuid

    def _want(self, rows: Sequence[Row], touched: Touched) -> None:
        gone, come = _others(self._rows, rows)
        self._rows = rows
        for row in gone:
            touched[row.table].add(row.key)
            del self.wanted[row.ref]
            for need in _needs(row):
                self._depend(row.ref, need, put=False)
        for row in come:
            touched[row.table].add(row.key)
            self.wanted[row.ref] = row
            for need in _needs(row):
                self._depend(row.ref, need, put=True)

    def _depend(self, ref: Ref, need: Ref, *, put: bool) -> None:
        refs = self._dependents.setdefault(need, set())
        if put:
            refs.add(ref)
            return
        refs.discard(ref)
        if not refs:
            del self._dependents[need]

    def _find(self, tables: Tables, touched: Touched) -> None:
        before, self.tables = self.tables, {table: dict(tables[table]) for table in TABLES}
        for table in TABLES:
            for uuid in moved(before[table], self.tables[table]):
                for child, child_uuid in self._replace(table, uuid, before[table].get(uuid), touched):
                    for rows in (before[child], self.tables[child]):
                        if child_uuid in rows:
                            touched[child].add(key_of(child, rows[child_uuid]))

    def _replace(
        self, table: str, uuid: str, old: Columns | None, touched: Touched
    ) -> Iterator[tuple[str, str]]:
        """Table and UUID of the rows that it may hold in another way than before."""
        new = self.tables[table].get(uuid)
        was, now = _known(table, old), _known(table, new)
        for keys, put in ((was, False), (now, True)) if was != now else ():
            for key, _ in keys:
                self._index(Ref(table, key), uuid, put=put)
        touched[table] |= {key for key, _ in (*was, *now)}
        for column, child in TABLES[table].children.items():
            theirs, its = members((old or {}).get(column)), members((new or {}).get(column))
            changed = theirs ^ its
            for child_uuid in map(str, changed):
                self._hold(Holder(table, column, uuid), child_uuid)
            yield from ((child, str(child_uuid)) for child_uuid in (changed if was == now else theirs | its))

    def _index(self, ref: Ref, uuid: str, *, put: bool) -> None:
        uuids = self._uuids.setdefault(ref, set())
        if put:
            uuids.add(uuid)
            return
        uuids.discard(uuid)
        if not uuids:
            del self._uuids[ref]

    def _hold(self, holder: Holder, child: str) -> None:
        """It has begun or ceased to hold the child."""
        holders = self._holders.setdefault(child, set())
        holders ^= {holder}
        if not holders:
            del self._holders[child]

    def _settle(self, touched: Touched) -> None:
        for table in TABLES:
            for key in touched[table]:
                ref = Ref(table, key)
                standing = self._stand(ref)
                if standing == self.standing(ref):
                    continue
                self._standings[ref] = standing
                if standing == NOBODY:
                    del self._standings[ref]
                for other in self._looking_at(ref):
                    touched[other.table].add(other.key)

    def _looking_at(self, ref: Ref) -> Iterator[Ref]:
        """Rows that depend on who stands for this one."""
        yield from self._dependents.get(ref, ())
        for uuid in self._uuids.get(ref, ()):
            for column, child in TABLES[ref.table].children.items():
                for child_uuid in map(str, members(self.tables[ref.table][uuid].get(column))):
                    if child_uuid in self.tables[child]:  # ovsdb-server 3.1 may keep weak references to none
                        yield self.ref(child, child_uuid)

    def _stand(self, ref: Ref) -> Standing:
        row, rows = self.wanted.get(ref), self.tables[ref.table]
        uuids = sorted(self._uuids.get(ref, ()))
        ours = [uuid for uuid in uuids if marked(rows[uuid])]
        if row is None:
            return Standing(ours[0], tuple(ours[1:])) if ours else NOBODY
        homeless = self._homeless(row)
        if ours:
            return Standing(ours[0], tuple(ours[1:]), homeless=homeless, wanted=True)
        free = [uuid for uuid in uuids if self._free(uuid)]
        if free:
            return Standing(free[0], homeless=homeless, wanted=True)
        blocked = bool(uuids) and TABLES[ref.table].unique_name
        return Standing(None, (), blocked, homeless, wanted=True)

    def _free(self, uuid: str) -> bool:
        """Whether a row without a mark may be taken: what it belongs to is ours."""
        return all(self._stands(h) for h in self.holders(uuid) if h.column in TABLES[h.table].holds)

    def _homeless(self, row: Row) -> bool:
        """OVSDB would remove it as soon as it is made (RFC 7047 3.2, isRoot)."""
        return not TABLES[row.table].root and not any(
            self.standing(parent).comes for parent, column in row.parents if column in _holds(parent)
        )


def _holds(parent: Ref) -> Mapping[str, str]:
    return TABLES[parent.table].holds


def _known(table: str, columns: Columns | None) -> tuple[tuple[str, bool], ...]:
    """The key and the mark of a row that is there."""
    return () if columns is None else ((key_of(table, columns), marked(columns)),)


def _needs(row: Row) -> Iterator[Ref]:
    yield from (parent for parent, _ in row.parents)
    yield from (v for c in TABLES[row.table].refers if isinstance(v := row.columns.get(c), Ref))


def _others(before: Sequence[Row], after: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Rows that are in one of them only, by identity. Mostly they begin and end alike."""
    if before is after:
        return [], []
    most = min(len(before), len(after))
    start = next((n for n, same in enumerate(map(is_, before, after)) if not same), most)
    ends = map(is_, reversed(before), reversed(after))
    end = next((n for n, same in enumerate(islice(ends, most - start)) if not same), most - start)
    gone, come = before[start : len(before) - end], after[start : len(after) - end]
    old, new = set(map(id, gone)), set(map(id, come))
    return [row for row in gone if id(row) not in new], [row for row in come if id(row) not in old]
