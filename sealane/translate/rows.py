"""Rows of OVN's northbound database as plain values, and the plan that leads to them.

Tables, columns and keys are those of ovn-nb(5).  A row is known by its table and its key, never by
its UUID: UUIDs are the database's business, and a wiped database gives new ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from sealane import names
from sealane.translate.tables import TABLES


class Ref(NamedTuple):
    """A row, by its key; a tuple, as plans hash them by the ten thousand."""

    table: str
    key: str


Value = str | int | float | bool | None | frozenset[str] | frozenset[int] | Mapping[str, str | int] | Ref
"""None is the empty set of an optional column. A Ref points to another wanted row, or to none while that
does not come."""


class Parent(NamedTuple):
    """What a row hangs on: the row and its column."""

    ref: Ref
    column: str


@dataclass(frozen=True)
class Row:
    """A wanted row.  A child (a port) names its parents (switch, groups); their columns then refer to it."""

    table: str
    key: str
    columns: Mapping[str, Value]
    parents: tuple[Parent, ...] = ()

    @cached_property
    def ref(self) -> Ref:
        return Ref(self.table, self.key)


OWNED = {names.OWNER_KEY: names.OWNER}


def row(table: str, key: str, columns: Mapping[str, Value], *parents: Parent) -> Row:
    """A row with what it is known by: its mark, and its name or its key among the external_ids."""
    ids = columns.get("external_ids", {})
    assert isinstance(ids, Mapping)
    if TABLES[table].named:
        return Row(table, key, {"name": key, **columns, "external_ids": {**OWNED, **ids}}, parents)
    return Row(table, key, {**columns, "external_ids": {**OWNED, names.ROW_KEY: key, **ids}}, parents)


@dataclass(frozen=True)
class Update:
    """What to change in one row that is there: whole columns, members of sets, keys of maps."""

    ref: Ref
    uuid: str
    put: Mapping[str, Value] = field(default_factory=dict)
    merge: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    drop: Mapping[str, frozenset[str]] = field(default_factory=dict)
    insert: Mapping[str, frozenset[object]] = field(default_factory=dict)
    remove: Mapping[str, frozenset[object]] = field(default_factory=dict)


@dataclass(frozen=True)
class Delete:
    ref: Ref
    uuid: str


@dataclass(frozen=True)
class Edge:
    """A reference to a child in a parent's column.  No UUID: the row is created by the same plan."""

    parent: Ref
    column: str
    child: Ref
    parent_uuid: str | None = None
    child_uuid: str | None = None


@dataclass(frozen=True)
class Plan:
    """The way from what is there to what is wanted, in order.  `blocked`: a foreign row bears the name.

    Of the columns of rows to create and the values to put, a Ref is to a row that the plan creates; one
    that is there is told by its UUID.
    """

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
        """How many rows and references it touches."""
        return sum(map(len, (self.create, self.update, self.delete, self.attach, self.detach)))
