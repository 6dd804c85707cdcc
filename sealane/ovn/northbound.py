"""OVN's northbound database: what is there, and a plan applied in one transaction.

Only one translator may write: each transaction asserts a lock of the server (RFC 7047 5.2.10), so one
that lost it, perhaps without having heard of it yet, changes nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sealane.ovsdb import operations
from sealane.ovsdb.client import Client
from sealane.ovsdb.lock import Lock
from sealane.ovsdb.operations import Operation
from sealane.ovsdb.replica import Replica
from sealane.ovsdb.values import Named, Schema
from sealane.translate.diff import Tables
from sealane.translate.rows import Edge, Plan, Ref, Update, Value
from sealane.translate.tables import TABLES

DATABASE = "OVN_Northbound"
LOCK = "sealane_translator"
SEQUENCE_KEY = "sealane:sequence"
"""NB_Global external_ids: the number of the state that the database shows; health checks read it."""

DEFAULTS: Mapping[str, str] = {
    "northd_probe_interval": "60000",  # ms; a northd that computes for 5 s is not dead (ovn-nb(5))
}
"""Options of NB_Global, set only where nobody has set them."""

DEADLINE = 5.0
"""Seconds for a small transaction."""
ROWS_PER_SECOND = 500
"""What a slow, loaded machine is sure to take; a large plan gets more time accordingly."""


class Northbound:
    def __init__(self, client: Client, replica: Replica, lock: Lock) -> None:
        self._client = client
        self._replica = replica
        self.lock = lock

    @classmethod
    async def open(cls, client: Client, timeout: float = 10.0) -> "Northbound":
        """Follow the tables that are ours, and queue for the lock. Raises Unavailable."""
        tables = {table: spec.columns for table, spec in TABLES.items()}
        replica = await client.monitor({**tables, "NB_Global": ("external_ids", "options")}, timeout)
        return cls(client, replica, await client.lock(LOCK))

    @property
    def tables(self) -> Tables:
        """What is there, live: read it without awaiting in between."""
        return self._replica.tables

    @property
    def version(self) -> int:
        return self._replica.version

    async def changed(self, after: int, timeout: float | None = None) -> int:
        """The version once it is above `after`, or when `timeout` seconds have passed."""
        return await self._replica.changed(after, timeout)

    @property
    def sequence(self) -> int:
        """The state that was last applied; -1 when none was."""
        for row in self._replica.tables["NB_Global"].values():
            ids = row["external_ids"]
            if isinstance(ids, dict) and str(ids.get(SEQUENCE_KEY, "")).isdecimal():
                return int(str(ids[SEQUENCE_KEY]))
        return -1

    async def resign(self) -> None:
        """Give up the lock, for the next in the queue."""
        await self._client.unlock(LOCK)

    async def apply(self, plan: Plan, sequence: int) -> None:
        """All of the plan or nothing of it; afterwards `tables` shows it.

        Raises NotOwner when another translator holds the lock, ConstraintViolation when someone was
        faster, Unavailable; whatever was raised, compute again from what is there then.
        """
        wanted = [operations.assert_lock(LOCK), *self._global(sequence), *encode(plan, self._client.schema)]
        await self._client.transact(wanted, DEADLINE + plan.size / ROWS_PER_SECOND)

    def _global(self, sequence: int) -> list[Operation]:
        ids = {SEQUENCE_KEY: str(sequence)}
        for uuid, row in self._replica.tables["NB_Global"].items():
            options = row["options"] if isinstance(row["options"], dict) else {}
            unset = {k: v for k, v in DEFAULTS.items() if k not in options}
            change = Update(Ref("NB_Global", ""), uuid, merge={"external_ids": ids, "options": unset})
            return _update(change, self._client.schema)
        first = {"external_ids": ids, "options": DEFAULTS}
        return [operations.insert(self._client.schema, "NB_Global", first)]


def encode(plan: Plan, schema: Schema) -> list[Operation]:
    """The operations of a plan: rows first, so that references to new rows have a name to refer to."""
    names = {row.ref: Named(f"row{number}") for number, row in enumerate(plan.create)}
    wanted: list[Operation] = []
    needed = {edge for edge in plan.attach if edge.parent in names and _is_needed(edge, schema)}
    children = _first_children(needed, names)
    for row in plan.create:
        columns = {**_pointing(row.columns, names), **children.get(row.ref, {})}
        wanted.append(operations.insert(schema, row.table, columns, name=str(names[row.ref])))
    for update in plan.update:
        wanted += _update(replace(update, put=_pointing(update.put, names)), schema)
    wanted += _edges(plan.detach, "delete", names, schema)
    wanted += [operations.delete(d.ref.table, d.uuid) for d in plan.delete]
    others = tuple(edge for edge in plan.attach if edge not in needed)
    wanted += _edges(others, "insert", names, schema)
    return wanted


def _is_needed(edge: Edge, schema: Schema) -> bool:
    """Whether the parent may never be without such children."""
    return schema.table(edge.parent.table).column(edge.column).min > 0


def _first_children(
    edges: Iterable[Edge], names: Mapping[Ref, Named]
) -> Mapping[Ref, Mapping[str, frozenset[str]]]:
    """Parent -> column -> its children, to be there from the start."""
    found: dict[Ref, dict[str, frozenset[str]]] = {}
    for edge in edges:
        columns = found.setdefault(edge.parent, {})
        child = edge.child_uuid or names[edge.child]
        columns[edge.column] = columns.get(edge.column, frozenset()) | {child}
    return found


def _pointing(columns: Mapping[str, Value], names: Mapping[Ref, Named]) -> Mapping[str, Value]:
    """With the names of rows that are created for what points to them."""
    return {column: names[v] if isinstance(v, Ref) else v for column, v in columns.items()}


def _update(update: Update, schema: Schema) -> list[Operation]:
    """Whole columns by one update; the rest by mutations, so that a large set is not written again.

    A key has to go before it is set anew; a set that may not be empty gets members before it loses some.
    """
    table = schema.table(update.ref.table)
    mutations: list[tuple[str, str, object]] = []
    for column in sorted({*update.merge, *update.drop}):
        encode_map = table.column(column).encode
        merge = update.merge.get(column, {})
        gone = sorted({*merge, *update.drop.get(column, ())})
        mutations += [(column, "delete", ["set", gone])] if gone else []
        mutations += [(column, "insert", encode_map(merge))] if merge else []
    for mutator, sets in (("insert", update.insert), ("delete", update.remove)):
        mutations += [(c, mutator, table.column(c).encode(items)) for c, items in sorted(sets.items())]
    put = [operations.update(schema, table.name, update.uuid, update.put)] if update.put else []
    return [*put, *([operations.mutate(table.name, update.uuid, *mutations)] if mutations else [])]


def _edges(
    edges: tuple[Edge, ...], mutator: str, names: Mapping[Ref, Named], schema: Schema
) -> list[Operation]:
    """One mutation for each parent, however many children it gains or loses."""
    children: dict[tuple[str, str, str], list[str]] = {}
    for edge in edges:
        key = (edge.parent.table, edge.column, edge.parent_uuid or names[edge.parent])
        children.setdefault(key, []).append(edge.child_uuid or names[edge.child])
    return [
        operations.mutate(table, uuid, (column, mutator, schema.table(table).column(column).encode(members)))
        for (table, column, uuid), members in children.items()
    ]
