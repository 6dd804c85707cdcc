"""The ports of each network and what they hold of it: an index over State.ports that follows the State.

Ports are immutable, and a State shares those that have not changed with the one before.  So the next
index costs work only where a port is another object.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field

from sealane.api import ipam
from sealane.model import Port
from sealane.moves import moved

Ports = Mapping[str, Port]


@dataclass(frozen=True)
class Members:
    """Of one network. The store's indexes see to it that no two ports hold the same."""

    ports: Ports = field(default_factory=dict)
    macs: Set[str] = frozenset()
    numbers: Mapping[str, Set[int]] = field(default_factory=dict)
    """Subnet's id -> the addresses of ports in it, as ipam.number gives them."""

    def after(self, gone: Iterable[Port], come: Iterable[Port]) -> "Members":
        """What is gone first: an address may go from one port to another in one change."""
        ports, macs = dict(self.ports), set(self.macs)
        numbers = {subnet: set(held) for subnet, held in self.numbers.items()}
        for port in gone:
            del ports[port.id]
            macs.discard(port.mac_address)
            for fixed in port.fixed_ips:
                numbers[fixed.subnet_id].discard(ipam.number(fixed.ip_address))
        for port in come:
            ports[port.id] = port
            macs.add(port.mac_address)
            for fixed in port.fixed_ips:
                numbers.setdefault(fixed.subnet_id, set()).add(ipam.number(fixed.ip_address))
        return Members(ports, macs, numbers)


NOBODY = Members()


class Index:
    """The members of all networks; `after` gives the index of another State, this one stays as it is."""

    def __init__(self, ports: Ports, networks: Mapping[str, Members]) -> None:
        self._ports = ports
        self._networks = networks

    def of(self, network_id: str) -> Members:
        return self._networks.get(network_id, NOBODY)

    def after(self, ports: Ports) -> "Index":
        if ports is self._ports:
            return self
        gone: dict[str, list[Port]] = defaultdict(list)
        come: dict[str, list[Port]] = defaultdict(list)
        for id in moved(self._ports, ports):
            if id in self._ports:
                gone[self._ports[id].network_id].append(self._ports[id])
            if id in ports:
                come[ports[id].network_id].append(ports[id])
        changed = {id: self.of(id).after(gone.get(id, ()), come.get(id, ())) for id in (*gone, *come)}
        kept = {**self._networks, **changed}
        return Index(ports, {id: members for id, members in kept.items() if members.ports})


EMPTY = Index({}, {})
