"""Subnets and pools within a transaction: what one takes (see draws.py) is still free when it commits.

No index of OVSDB can say that two ranges don't overlap. So who puts a subnet into a network, takes from a
pool or joins a scope waits for a counter of that row, and raises it.
"""

from collections.abc import Iterable

from sealane.errors import Conflict, NotFound
from sealane.model import Segment, Subnet, SubnetPool
from sealane.store import draws
from sealane.store.rows import network_of
from sealane.store.transaction import Transaction


class Ranges:
    """Checks, and adds what the checks depend upon to the transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._view = transaction.view

    def place(self, subnet: Subnet) -> None:
        """A new one in its network and its pool. Raises NotFound, Conflict, OverQuota, BadRequest."""
        siblings = [s for s in self._transaction.all_subnets() if s.network_id == subnet.network_id]
        _refuse_overlap(subnet, siblings)
        self.guard_network(subnet.network_id)
        self._take(subnet, siblings)
        self._transaction.subnets[subnet.id] = subnet

    def move(self, subnet: Subnet) -> None:
        """Into another pool; its siblings come with it. Raises as `place`."""
        self.guard_network(subnet.network_id)
        self._take(subnet, ())
        self._transaction.subnets[subnet.id] = subnet

    def leave(self, subnet: Subnet | Segment) -> None:
        """Whoever looks for a place beside it has to look again."""
        self._transaction.bump("Network", subnet.network_id, "subnets_revision")

    def add(self, pool: SubnetPool) -> None:
        """Raises Conflict where its scope has some of its addresses."""
        self._transaction.pools[pool.id] = pool
        self._join_scope(pool)

    def change(self, old: SubnetPool, new: SubnetPool) -> None:
        """Raises BadRequest where subnets have what it no longer has, and Conflict as `add`."""
        self._transaction.pools[new.id] = new
        if (old.prefixes, old.address_scope_id) != (new.prefixes, new.address_scope_id):
            self._use_pool(new.id)
            draws.refuse_prefixes(new, draws.of_pool(new.id, self._transaction.all_subnets()))
            self._join_scope(new)

    def _take(self, subnet: Subnet, siblings: Iterable[Subnet]) -> None:
        pools = self._transaction.all_pools()
        draws.refuse_siblings(subnet, siblings, pools)
        for id in sorted({s.subnetpool_id for s in (subnet, *siblings) if s.subnetpool_id}):
            self._use_pool(id)
        if subnet.subnetpool_id is not None:
            if subnet.subnetpool_id not in pools:
                raise NotFound(
                    f"Subnet pool {subnet.subnetpool_id} could not be found.", type="SubnetPoolNotFound"
                )
            pool = pools[subnet.subnetpool_id]
            others = (other for other in self._transaction.all_subnets() if other.id != subnet.id)
            draws.refuse_subnet(subnet, pool, draws.of_pool(pool.id, others))

    def _join_scope(self, pool: SubnetPool) -> None:
        if pool.address_scope_id is not None:
            draws.refuse_scope(pool, self._transaction.all_pools().values())
            if (row := self._view.scopes.get(pool.address_scope_id)) is not None:
                self._transaction.hold("AddressScope", pool.address_scope_id, "uses", row["uses"])

    def _use_pool(self, id: str) -> None:
        """Nobody else may take of it, or change what there is to take, between our look and the commit."""
        if (row := self._view.pools.get(id)) is not None:
            self._transaction.hold("SubnetPool", id, "uses", row["uses"])

    def guard_network(self, network_id: str) -> None:
        """No other subnet may come into the network between our look at them and the commit."""
        if network_id in self._transaction.networks:
            self._transaction.bump("Network", network_id, "subnets_revision")
        else:
            revision = self._view.networks[network_id]["subnets_revision"]
            self._transaction.hold("Network", network_id, "subnets_revision", revision)


def _refuse_overlap(subnet: Subnet, siblings: Iterable[Subnet]) -> None:
    cidr = network_of(subnet.cidr)
    for other in siblings:
        there = network_of(other.cidr)
        if there.version == cidr.version and there.overlaps(cidr):
            raise Conflict(f"{cidr} overlaps with {there} of subnet {other.id}", type="InvalidInput")
