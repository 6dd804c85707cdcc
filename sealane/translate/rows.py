"""Rows of OVN's northbound database as plain values, and the plan that leads to them.

Tables, columns and keys are those of ovn-nb(5).  A row is known by its table and its key, never by
its UUID: UUIDs are the database's business, and a wiped database gives new ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

Value = str | int | bool | None | frozenset[str] | Mapping[str, str]
"""None is the empty set of an optional column."""


class Ref(NamedTuple):
    """A row, by name; a tuple, as plans hash them by the ten thousand."""

    table: str
    key: str


@dataclass(frozen=True)
class Row:
    """A wanted row.  A child (a port) names its parent (a switch), whose column then refers to it."""

    table: str
    key: str
    columns: Mapping[str, Value]
    parent: Ref | None = None

    @cached_property
    def ref(self) -> Ref:
        return Ref(self.table, self.key)


@dataclass(frozen=True)
class Update:
    """What to change in one row that is there: whole columns, and single keys of maps."""

    ref: Ref
    uuid: str
    put: Mapping[str, Value] = field(default_factory=dict)
    merge: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    drop: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Delete:
    ref: Ref
    uuid: str


@dataclass(frozen=True)
class Edge:
    """A parent's reference to a child.  No UUID: the row is created by the same plan."""

    parent: Ref
    child: Ref
    parent_uuid: str | None = None
    child_uuid: str | None = None


@dataclass(frozen=True)
class Plan:
    """The way from what is there to what is wanted, in order.  `blocked`: a foreign row bears the name."""

    create: tuple[Row, ...] = ()
    update: tuple[Update, ...] = ()
    delete: tuple[Delete, ...] = ()
    attach: tuple[Edge, ...] = ()
    detach: tuple[Edge, ...] = ()
    blocked: tuple[Ref, ...] = ()

    def __bool__(self) -> bool:
        return any((self.create, self.update, self.delete, self.attach, self.detach))

    @property
    def size(self) -> int:
        """How many rows it touches."""
        return len(self.create) + len(self.update) + len(self.delete)


@dataclass(frozen=True)
class Table:
    """What of a table is ours.

    parent: the table and the column that refer to our rows; OVSDB removes a row of a table that is not
    a root as soon as nothing refers to it (RFC 7047 3.2, isRoot).
    maps: for each map column the keys that are ours; a name that ends in ':' stands for all keys that
    begin so.  Other keys of our rows belong to others (northd, an operator) and stay as they are.
    """

    columns: tuple[str, ...]
    maps: Mapping[str, tuple[str, ...]]
    parent: tuple[str, str] | None = None
    unique_name: bool = False


EXTERNAL_IDS = ("neutron:", "sealane:")

TABLES: Mapping[str, Table] = {
    "Logical_Switch": Table(
        columns=("name", "ports", "external_ids", "other_config"),
        maps={
            "external_ids": EXTERNAL_IDS,
            "other_config": (
                "requested-tnl-key",
                "mcast_snoop",
                "mcast_flood_unregistered",
                "vlan-passthru",
            ),
        },
    ),
    "Logical_Switch_Port": Table(
        columns=("name", "type", "addresses", "port_security", "enabled", "external_ids", "options"),
        maps={
            "external_ids": EXTERNAL_IDS,
            "options": ("requested-chassis", "requested-tnl-key", "mcast_flood", "mcast_flood_reports"),
        },
        parent=("Logical_Switch", "ports"),
        unique_name=True,
    ),
}
"""Every table that Sealane writes.  DNS, and ACLs that reject, are not among them (ovn CVE-2025-0650)."""


def owns_key(table: str, column: str, key: str) -> bool:
    """Whether a key of a map column in a row of ours is ours to change."""
    return any(
        key.startswith(name) if name.endswith(":") else key == name for name in TABLES[table].maps[column]
    )
