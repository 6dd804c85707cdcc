"""The replica of the database as the immutable `State` that the rest of Sealane reads."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from sealane.model import State
from sealane.moves import Rows
from sealane.ovsdb.replica import Change
from sealane.ovsdb.values import Row
from sealane.store.changes import Stored
from sealane.store.plan import ROOT
from sealane.store.rows import COLLECTIONS, COLUMNS, TABLES, from_row

MONITORED: Mapping[str, Sequence[str]] = {
    "Sealane": ("sequence",),
    "TunnelKey": ("scope", "key"),
    "Allocation": ("subnet", "address"),
    **COLUMNS,
    "Network": (*COLUMNS["Network"], "subnets_revision"),
    **{table: (*COLUMNS[table], "uses") for table in ("Quota", "SubnetPool", "AddressScope")},
}


def monitored(kinds: Collection[type[Stored]] | None) -> Mapping[str, Sequence[str]]:
    """Tables and columns to be followed for a state of these kinds; None: of all, with their claims."""
    if kinds is None:
        return MONITORED
    return {table: MONITORED[table] for table in ("Sealane", *(TABLES[kind] for kind in kinds))}


def advance(state: State, changes: Sequence[Change]) -> State:
    """The next snapshot; what has not changed is the same object in both."""
    sequence = _sequence(state.sequence, changes)
    patched: dict[str, Any] = {}
    for kind, name in COLLECTIONS.items():
        objects = getattr(state, name)
        if (after := _patched(kind, objects, changes)) is not objects:
            patched[name] = after
    moved = {**state.moved, **dict.fromkeys(patched, sequence)}
    return replace(state, **patched, sequence=sequence, moved=moved)


def _patched(
    kind: type[Stored], objects: Mapping[str, Stored], changes: Sequence[Change]
) -> Mapping[str, Stored]:
    rows = {uuid: new for table, uuid, _, new in changes if table == TABLES[kind]}
    if not rows:
        return objects
    patched = Rows(objects)
    for uuid, row in rows.items():
        _put(patched, kind, uuid, row)
    patched.moved = frozenset(uuid for uuid in rows if patched.get(uuid) is not objects.get(uuid))
    return patched


def _put(objects: dict[str, Stored], kind: type[Stored], uuid: str, row: Row | None) -> None:
    if row is None:
        objects.pop(uuid, None)
        return
    obj = from_row(kind, uuid, row)
    if objects.get(uuid) != obj:
        objects[uuid] = obj


def _sequence(now: int, changes: Sequence[Change]) -> int:
    for table, uuid, _, row in changes:
        if (table, uuid) == ("Sealane", ROOT) and row is not None:
            return int(cast(int, row["sequence"]))
    return now
