"""A transaction as it grows: operations, waits, and what there is once the changes so far are made."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sealane.errors import NotFound
from sealane.model import Network, State, Subnet, SubnetPool
from sealane.ovsdb import operations as ops
from sealane.ovsdb.values import Row, Schema
from sealane.store.changes import Stored
from sealane.store.claims import Claims
from sealane.store.rows import COLLECTIONS, TABLES


@dataclass(frozen=True)
class View:
    """What a plan builds upon, all of one moment."""

    schema: Schema
    state: State
    claims: Claims
    networks: Mapping[str, Row]
    """Rows of table Network."""
    quotas: Mapping[str, Row] = field(default_factory=dict)
    """Rows of table Quota."""
    pools: Mapping[str, Row] = field(default_factory=dict)
    """Rows of table SubnetPool."""
    scopes: Mapping[str, Row] = field(default_factory=dict)
    """Rows of table AddressScope."""


class Transaction:
    """Collects operations; shows the view as the changes before leave it."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.waits: list[ops.Operation] = []
        self.body: list[ops.Operation] = []
        self.guards: dict[int, Stored] = {}
        """By wait: the object whose revision it is."""
        self.networks: dict[str, Network] = {}
        """That are new."""
        self.subnets: dict[str, Subnet] = {}
        """That are new, or of another pool."""
        self.pools: dict[str, SubnetPool] = {}
        """That are new, or changed."""
        self.deleted: set[str] = set()
        self._raised: set[tuple[str, str, str]] = set()
        """Table, row and column of counters that were."""

    def find(self, obj: Stored) -> Stored | None:
        """As the view has it."""
        found: Stored | None = getattr(self.view.state, COLLECTIONS[type(obj)]).get(obj.id)
        return found

    def need_network(self, network_id: str) -> None:
        """Raises NotFound."""
        if network_id not in self.networks and network_id not in self.view.state.networks:
            raise NotFound(f"Network {network_id} could not be found.", type="NetworkNotFound")

    def all_subnets(self) -> Iterator[Subnet]:
        for subnet in self.view.state.subnets.values():
            if subnet.id not in self.deleted and subnet.id not in self.subnets:
                yield subnet
        yield from self.subnets.values()

    def all_pools(self) -> Mapping[str, SubnetPool]:
        there = {**self.view.state.subnetpools, **self.pools}
        return {id: pool for id, pool in there.items() if id not in self.deleted}

    def insert(self, table: str, row: Mapping[str, object], row_id: str = "") -> str:
        """Returns the row's id."""
        row_id = row_id or str(uuid.uuid4())
        self.body.append(ops.insert(self.view.schema, table, row, uuid=row_id))
        return row_id

    def wait(self, table: str, row_id: str, row: Mapping[str, object]) -> None:
        """Nothing is done unless the row is still so."""
        operation = ops.wait(self.view.schema, table, row_id, row)
        if operation not in self.waits:
            self.waits.append(operation)

    def guard(self, obj: Stored) -> None:
        """Nobody may have changed it since."""
        self.guards[len(self.waits)] = obj
        self.wait(TABLES[type(obj)], obj.id, {"revision_number": obj.revision_number})

    def hold(self, table: str, row_id: str, column: str, value: object) -> None:
        """Of all who do this to a counter that has this value, one commits."""
        self.wait(table, row_id, {column: value})
        self.bump(table, row_id, column)

    def bump(self, table: str, row_id: str, column: str) -> None:
        """Raise a counter, once: whoever waits for it has to look again."""
        if (table, row_id, column) not in self._raised:
            self._raised.add((table, row_id, column))
            self.body.append(ops.mutate(table, row_id, (column, "+=", 1)))
