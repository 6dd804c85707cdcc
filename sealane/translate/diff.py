"""What is wanted against what is there -> the plan, within what is ours.

    wanted   found      plan
    ──────   ────────   ─────────────────────────────────────────────────────────
      x        -        create, attach to its parents
      x        x        update the columns and keys that differ; move it to its parents
      -        x        delete, detach from whatever it belongs to
      -     foreign     nothing
      x     foreign     blocked: its name is unique in the database, and taken elsewhere

A row is ours when it bears our mark.  A row that lost the mark but has the name or key of a wanted row, which
contains an UUID of ours, is taken back, unless it is a port that hangs on a switch of somebody else.  What
somebody else shares of ours by a weak reference (his port group has our port) is his affair.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from sealane.translate.rows import Delete, Edge, Parent, Plan, Ref, Row, Update, Value
from sealane.translate.tables import TABLES, owns_key
from sealane.translate.world import Columns, Holder, Standing, Tables, World, marked, members

__all__ = ["Columns", "Tables", "decide", "diff", "marked"]


def diff(wanted: Iterable[Row], tables: Tables) -> Plan:
    """The plan; empty (false) when nothing is to be done.  Raises KeyError for a table not monitored."""
    world = World()
    return decide(world, world.move(tuple(wanted), tables))


@dataclass
class _Parts:
    create: list[Row] = field(default_factory=list)
    update: list[Update] = field(default_factory=list)
    delete: list[Delete] = field(default_factory=list)
    attach: list[Edge] = field(default_factory=list)
    detach: list[Edge] = field(default_factory=list)
    blocked: list[Ref] = field(default_factory=list)

    def plan(self) -> Plan:
        return Plan(
            create=tuple(sorted(self.create, key=lambda row: row.ref)),
            update=tuple(sorted(self.update, key=lambda update: update.ref)),
            delete=tuple(sorted(self.delete, key=lambda delete: (delete.ref, delete.uuid))),
            attach=tuple(sorted(self.attach, key=_place)),
            detach=tuple(sorted(self.detach, key=_place)),
            blocked=tuple(sorted(self.blocked)),
        )


def decide(world: World, refs: Iterable[Ref]) -> Plan:
    """What is to be done for these rows."""
    parts = _Parts()
    for ref in refs:
        row, standing = world.wanted.get(ref), world.standing(ref)
        if row is not None and standing.blocked:
            parts.blocked.append(ref)
        elif row is not None and standing.comes:
            _make(world, row, standing, parts)
        for uuid in (standing.uuid, *standing.surplus):
            if uuid is not None and standing.goes(uuid):
                parts.delete.append(Delete(ref, uuid))
                parts.detach += _detach(world, ref, uuid, ())
    return parts.plan()


def _make(world: World, row: Row, standing: Standing, parts: _Parts) -> None:
    uuid = standing.uuid
    if uuid is None:
        parts.create.append(_resolved(world, row))
    else:
        update = _update(world, row, uuid)
        parts.update += [update] if update else []
        parts.detach += _detach(world, row.ref, uuid, row.parents)
    held = {(holder.column, holder.uuid) for holder in world.holders(uuid)}
    for parent, column in row.parents:
        place = world.standing(parent)
        if place.comes and (column, place.uuid) not in held:
            parts.attach.append(Edge(parent, column, row.ref, place.uuid, uuid))


def _place(edge: Edge) -> tuple[Ref, str, Ref, str, str]:
    return edge.parent, edge.column, edge.child, edge.parent_uuid or "", edge.child_uuid or ""


def _detach(world: World, child: Ref, uuid: str, parents: tuple[Parent, ...]) -> list[Edge]:
    """From all that hold it and are not wanted to, as far as that is ours to say."""
    right = {(column, world.standing(parent).uuid) for parent, column in parents}
    return [
        Edge(world.ref(holder.table, holder.uuid), holder.column, child, holder.uuid, uuid)
        for holder in world.holders(uuid)
        if (holder.column, holder.uuid) not in right and not world.goes(holder) and _belongs(world, holder)
    ]


def _belongs(world: World, holder: Holder) -> bool:
    return holder.column in TABLES[holder.table].holds or world.ours(holder)


def _resolved(world: World, row: Row) -> Row:
    pointers = {c: v for c in TABLES[row.table].refers if isinstance(v := row.columns.get(c), Ref)}
    if not pointers:
        return row
    return replace(row, columns={**row.columns, **{c: _pointer(world, v) for c, v in pointers.items()}})


def _pointer(world: World, ref: Ref) -> Value:
    """The UUID of a row that is there, the Ref of one that is created, None of one that does not come."""
    target = world.standing(ref)
    return (target.uuid or ref) if target.comes else None


def _update(world: World, row: Row, uuid: str) -> Update | None:
    columns = world.tables[row.table][uuid]
    put: dict[str, Value] = {}
    merge: dict[str, Mapping[str, str | int]] = {}
    drop: dict[str, frozenset[str]] = {}
    insert: dict[str, frozenset[object]] = {}
    remove: dict[str, frozenset[object]] = {}
    for column, wanted in row.columns.items():
        found = columns.get(column)
        if found == wanted:  # nearly always, and 10,000 ports have 70,000 columns
            continue
        value = _pointer(world, wanted) if isinstance(wanted, Ref) else wanted
        if isinstance(value, Mapping):
            there = _mapping(found)
            changed = {k: v for k, v in value.items() if there.get(k) != v}
            surplus = frozenset(k for k in there if k not in value and owns_key(row.table, column, k))
            merge |= {column: changed} if changed else {}
            drop |= {column: surplus} if surplus else {}
        elif isinstance(value, frozenset):
            insert |= {column: value - members(found)} if value - members(found) else {}
            remove |= {column: members(found) - value} if members(found) - value else {}
        elif found != value:
            put[column] = value
    changes = put, merge, drop, insert, remove
    return Update(row.ref, uuid, *changes) if any(changes) else None


def _mapping(value: object) -> Mapping[str, str]:
    return value if isinstance(value, Mapping) else {}
