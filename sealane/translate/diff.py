"""What is wanted against what is there -> the plan, within what is ours.

    wanted   found      plan
    ──────   ────────   ─────────────────────────────────────────────────────────
      x        -        create, attach to its parent
      x        x        update the columns and keys that differ; move it to its parent
      -        x        delete, detach from whatever holds it
      -     foreign     nothing
      x     foreign     blocked: its name is unique in the database, and taken elsewhere

A row is ours when it bears our mark.  A row that lost the mark but has the name of a wanted row, which
contains an UUID of ours, is taken back, unless it is a port that hangs on a switch of somebody else.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from sealane import names
from sealane.translate.rows import TABLES, Delete, Edge, Plan, Ref, Row, Update, Value, owns_key

Columns = Mapping[str, object]
Tables = Mapping[str, Mapping[str, Columns]]
"""table -> UUID -> column -> value, as an OVSDB replica holds it: sets are frozensets, maps dicts."""


@dataclass
class _Found:
    """Our rows as they are there: by name, and by what holds them."""

    uuids: dict[Ref, str] = field(default_factory=dict)
    surplus: dict[str, Ref] = field(default_factory=dict)
    blocked: set[Ref] = field(default_factory=set)
    holders: dict[str, set[str]] = field(default_factory=dict)


def diff(wanted: Iterable[Row], tables: Tables) -> Plan:
    """The plan; empty (false) when nothing is to be done.  Raises KeyError for a table not monitored."""
    rows = {row.ref: row for row in wanted}
    found = _find(rows, tables)
    create = [r for ref, r in rows.items() if ref not in found.uuids and ref not in found.blocked]
    updates = (
        _update(rows[ref], uuid, tables[ref.table][uuid]) for ref, uuid in found.uuids.items() if ref in rows
    )
    gone = {uuid: ref for ref, uuid in found.uuids.items() if ref not in rows} | found.surplus
    attach, detach = _edges(rows, found, gone, tables)
    return Plan(
        create=tuple(sorted(create, key=lambda row: row.ref)),
        update=tuple(sorted((u for u in updates if u is not None), key=lambda update: update.ref)),
        delete=tuple(
            Delete(ref, uuid) for uuid, ref in sorted(gone.items(), key=lambda item: (item[1], item[0]))
        ),
        attach=attach,
        detach=detach,
        blocked=tuple(sorted(found.blocked)),
    )


def marked(columns: Columns) -> bool:
    """Whether a row bears our mark."""
    ids = columns.get("external_ids")
    return isinstance(ids, Mapping) and ids.get(names.OWNER_KEY) == names.OWNER


def _find(rows: Mapping[Ref, Row], tables: Tables) -> _Found:
    found = _Found(holders=_holders(tables))
    for table in TABLES:
        for uuid, columns in sorted(tables[table].items()):
            if marked(columns):
                ref = Ref(table, str(columns["name"]))
                if found.uuids.setdefault(ref, uuid) != uuid:
                    found.surplus[uuid] = ref
    for table in TABLES:
        _take_back(table, rows, tables, found)
    return found


def _take_back(table: str, rows: Mapping[Ref, Row], tables: Tables, found: _Found) -> None:
    for uuid, columns in sorted(tables[table].items()):
        ref = Ref(table, str(columns["name"]))
        if ref not in rows or ref in found.uuids or marked(columns):
            continue
        if found.holders.get(uuid, set()) <= set(found.uuids.values()):
            found.uuids[ref] = uuid
        elif TABLES[table].unique_name:
            found.blocked.add(ref)


def _holders(tables: Tables) -> dict[str, set[str]]:
    """Child's UUID -> UUIDs of the rows that refer to it, foreign ones as well."""
    holders: dict[str, set[str]] = {}
    for spec in TABLES.values():
        if spec.parent is not None:
            table, column = spec.parent
            for uuid, columns in tables[table].items():
                for child in members(columns.get(column)):
                    holders.setdefault(child, set()).add(uuid)
    return holders


def _edges(
    rows: Mapping[Ref, Row], found: _Found, gone: Mapping[str, Ref], tables: Tables
) -> tuple[tuple[Edge, ...], tuple[Edge, ...]]:
    attach, detach = [], []
    for row in rows.values():
        if row.parent is None or row.ref in found.blocked:
            continue
        uuid, parent = found.uuids.get(row.ref), found.uuids.get(row.parent)
        holders = found.holders.get(uuid, set()) if uuid else set()
        if parent is None or parent not in holders:
            attach.append(Edge(row.parent, row.ref, parent, uuid))
        detach += _detach(row.ref, uuid, holders - {parent} - gone.keys(), tables)
    for uuid, ref in gone.items():
        detach += _detach(ref, uuid, found.holders.get(uuid, set()) - gone.keys(), tables)
    return tuple(sorted(attach, key=_place)), tuple(sorted(detach, key=_place))


def _place(edge: Edge) -> tuple[Ref, Ref, str, str]:
    return edge.parent, edge.child, edge.parent_uuid or "", edge.child_uuid or ""


def _detach(child: Ref, uuid: str | None, holders: Set[str | None], tables: Tables) -> list[Edge]:
    parent = TABLES[child.table].parent
    if parent is None:
        return []
    table = parent[0]
    present = sorted(h for h in holders if h is not None)
    return [Edge(Ref(table, str(tables[table][h]["name"])), child, h, uuid) for h in present]


def _update(row: Row, uuid: str, columns: Columns) -> Update | None:
    put: dict[str, Value] = {}
    merge: dict[str, Mapping[str, str]] = {}
    drop: dict[str, frozenset[str]] = {}
    for column, value in row.columns.items():
        found = columns.get(column)
        if found == value:  # nearly always, and 10,000 ports have 70,000 columns
            continue
        if isinstance(value, Mapping):
            there = _mapping(found)
            changed = {k: v for k, v in value.items() if there.get(k) != v}
            surplus = frozenset(k for k in there if k not in value and owns_key(row.table, column, k))
            merge |= {column: changed} if changed else {}
            drop |= {column: surplus} if surplus else {}
        elif not isinstance(value, frozenset) or value != members(found):
            put[column] = value
    return Update(row.ref, uuid, put, merge, drop) if put or merge or drop else None


def members(value: object) -> frozenset[str]:
    """Of a column that holds a set: a replica has None and a bare atom for none and for one."""
    if value is None:
        return frozenset()
    return frozenset(value) if isinstance(value, (Set, tuple, list)) else frozenset({str(value)})


def _mapping(value: object) -> Mapping[str, str]:
    return value if isinstance(value, Mapping) else {}
