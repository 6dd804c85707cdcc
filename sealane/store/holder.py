"""Addresses, keys and places that changes claim, each a row that nobody else can have: an index says so.

A claim lives as long as a strong reference to it does, so it goes with its owner, or when that lets it go.
"""

from collections.abc import Collection

from sealane.model import FloatingIP, Network, Port, Segment, Subnet, SubnetPool
from sealane.names import ROUTER_INTERFACE
from sealane.store.changes import Stored
from sealane.store.claims import DATAPATH, DEFAULT_POOL, SEGMENT, UNTAGGED, free_key
from sealane.store.transaction import Transaction


class Holder:
    """Adds the claims of a change to its transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self.addresses: list[str] = []
        """Those that are claimed."""
        self.keys: dict[str, set[int]] = {}
        """By scope, where one was chosen: those in use."""
        self._transaction = transaction
        self._view = transaction.view

    def key(self, scope: str, keys: range, wanted: int) -> int:
        """`wanted`, or a free one for 0. Raises Conflict."""
        if wanted:
            return wanted
        if scope not in self.keys:
            self.keys[scope] = set(self._view.claims.keys(scope))
        taken = self.keys[scope]
        key = free_key(taken, keys, scope)
        taken.add(key)
        return key

    def datapath(self, key: int) -> str:
        return self._transaction.insert("TunnelKey", {"scope": DATAPATH, "key": key})

    def segment(self, part: Network | Segment) -> str | None:
        """A VLAN of a physical network, or what has no tag there, belongs to one network."""
        if part.network_type == "geneve":
            return None
        scope = f"{SEGMENT}{part.physical_network}"
        key = part.segmentation_id or UNTAGGED
        return self._transaction.insert("TunnelKey", {"scope": scope, "key": key})

    def default(self, pool: SubnetPool) -> str | None:
        """A family has one default pool at most."""
        key = {"scope": DEFAULT_POOL, "key": pool.ip_version}
        return self._transaction.insert("TunnelKey", key) if pool.is_default else None

    def association(self, floating: FloatingIP) -> str | None:
        """A fixed address has one floating IP at most."""
        if floating.port_id is None or floating.fixed_ip_address is None:
            return None
        row = {"port": floating.port_id, "address": floating.fixed_ip_address}
        return self._transaction.insert("Association", row)

    def gateway(self, subnet: Subnet) -> str | None:
        return self._address(subnet.id, subnet.gateway_ip) if subnet.gateway_ip else None

    def allocations(self, port: Port, kept: Collection[tuple[str, str]] = ()) -> list[str]:
        """Of its fixed addresses; those of `kept`, subnet and address, it has already."""
        held = {*kept, *self._lent(port)}
        return [self._hold(ip.subnet_id, ip.ip_address, held) for ip in port.fixed_ips]

    def of(self, obj: Stored) -> list[str]:
        """Deleted by name: a subnet can't go while a claim in it does, though nothing holds the claim."""
        present = self._transaction.find(obj)
        held: list[tuple[str, str]] = []
        if isinstance(present, Subnet) and present.gateway_ip:
            held = [(present.id, present.gateway_ip)]
        if isinstance(present, Port):
            lent = self._lent(present)
            held = [key for ip in present.fixed_ips if (key := (ip.subnet_id, ip.ip_address)) not in lent]
        return [claim for key in held if (claim := self._view.claims.allocation(*key))]

    def _lent(self, port: Port) -> set[tuple[str, str]]:
        """The subnet holds its gateway's address; a router's port that is the gateway has it from there."""
        if port.device_owner != ROUTER_INTERFACE:
            return set()
        subnets = self._view.state.subnets
        keys = ((ip.subnet_id, ip.ip_address) for ip in port.fixed_ips)
        return {(id, ip) for id, ip in keys if id in subnets and subnets[id].gateway_ip == ip}

    def _hold(self, subnet: str, address: str, kept: Collection[tuple[str, str]]) -> str:
        if (subnet, address) in kept and (row := self._view.claims.allocation(subnet, address)):
            return row
        return self._address(subnet, address)

    def _address(self, subnet: str, address: str) -> str:
        self.addresses.append(address)
        return self._transaction.insert("Allocation", {"subnet": subnet, "address": address})
