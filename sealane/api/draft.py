"""What one request is about to write: a Look plus the rows made so far in this request.

Rules and choices of a bulk request read the draft, so its members see each other.
"""

import random
from dataclasses import dataclass, field

from sealane.api import ipam
from sealane.api.look import Look
from sealane.model import Network, Port, Subnet


@dataclass
class Draft:
    look: Look
    now: str
    default_mtu: int = 1442
    chance: random.Random = field(default_factory=random.SystemRandom)
    lost: int = 0
    """How often the same request was refused because another process was faster."""
    networks: dict[str, Network] = field(default_factory=dict)
    subnets: list[Subnet] = field(default_factory=list)
    ports: list[Port] = field(default_factory=list)
    _used: dict[str, ipam.Taken] = field(default_factory=dict)
    _macs: dict[str, set[str]] = field(default_factory=dict)

    def network(self, id: str) -> Network | None:
        return self.networks.get(id) or self.look.state.networks.get(id)

    def subnets_of(self, network_id: str) -> list[Subnet]:
        mine = [s for s in self.subnets if s.network_id == network_id]
        return [*self.look.subnets_of(network_id), *mine]

    def used(self, subnet: Subnet) -> ipam.Taken:
        """Addresses of the subnet that are taken, the gateway's too; add to it what is chosen."""
        if subnet.id not in self._used:
            held = self.look.members.of(subnet.network_id).numbers.get(subnet.id, ())
            gateway = () if subnet.gateway_ip is None else (ipam.number(subnet.gateway_ip),)
            self._used[subnet.id] = ipam.Taken((*held, *gateway))
        return self._used[subnet.id]

    def skip(self) -> int:
        """Free addresses to pass over: who lost a race looks the wider the more often he lost."""
        return self.chance.randrange(8 * self.lost + 1)

    def macs(self, network_id: str) -> set[str]:
        """MAC addresses of the network that are taken; add to it what is chosen."""
        if network_id not in self._macs:
            self._macs[network_id] = set(self.look.members.of(network_id).macs)
        return self._macs[network_id]
