"""Whose names a sandbox may know beyond its own networks, and whom it may ask about the rest. Pure.

    asker's network ── router ── other network       of the asker's project, or shared with it: names there
                                 another's network   nothing: no name leaks to another tenant

The asker's project is that of its port; of a gateway, behind which anybody may ask, that of the network,
and of a shared network's gateway nobody's.

The network's servers are asked from a sandbox as its container would, from a gateway by its way out. Where
that does not lead to all of them (a localport's packets never leave the host), none is asked: who asks there
has been told of them as well (translate/dhcp.py, agent/door.py), and after a refusal asks them himself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Literal

from sealane.model import Network, Port
from sealane.names import ROUTER_INTERFACE

Leads = Literal["inside", "outside", "nowhere"]


@dataclass(frozen=True)
class Asker:
    """port_id: none for a gateway. forward: whether what nobody here knows may be asked elsewhere."""

    network_id: str
    port_id: str = ""
    forward: bool = True
    leads: Leads = "inside"
    """Where its questions come out: in the network itself, outside, or nowhere."""


@dataclass(frozen=True)
class Reached:
    beyond: tuple[str, ...]  # networks, by name
    servers: tuple[str, ...]
    forward: bool


class Reach:
    """`networks` and `ports` are the feed's own tables.

    moved: what an asker reaches may be something else than before; the reader resets it.
    """

    def __init__(self, networks: Mapping[str, Network], ports: Mapping[str, Port]) -> None:
        self.moved = False
        self._networks = networks
        self._ports = ports
        self._interfaces: dict[str, tuple[str, str]] = {}  # port -> router, network
        self._servers: dict[str, tuple[str, ...]] = {}
        self._inner: set[str] = set()  # networks that have one of their servers in themselves

    def take_port(self, id: str, body: Mapping[str, Any] | None) -> None:
        """Without body it is gone."""
        joins = body is not None and body.get("device_owner") == ROUTER_INTERFACE
        found = (str(body.get("device_id")), str(body["network_id"])) if body is not None and joins else None
        if self._interfaces.get(id) == found:
            return
        self.moved = True
        if found is None:
            del self._interfaces[id]
        else:
            self._interfaces[id] = found

    def set_servers(self, subnets: Iterable[tuple[str, str, str, tuple[str, ...]]]) -> None:
        """Of each subnet: its id, its network's, its CIDR and the addresses of its servers."""
        self._servers = {}
        ranges: dict[str, list[IPv4Network | IPv6Network]] = {}
        for _, network_id, cidr, servers in sorted(subnets):
            good = (server for server in servers if _is_askable(server))
            self._servers[network_id] = (*self._servers.get(network_id, ()), *good)
            ranges.setdefault(network_id, []).append(ip_network(cidr))
        self._inner = {
            id
            for id, servers in self._servers.items()
            if any(ip_address(server) in near for server in servers for near in ranges[id])
        }

    def of(self, asker: Asker) -> Reached:
        project = self._project(asker)
        routers = {router for router, joined in self._interfaces.values() if joined == asker.network_id}
        joined = {net for router, net in self._interfaces.values() if router in routers}
        others = (self._networks[id] for id in joined - {asker.network_id} if id in self._networks)
        seen = (other for other in others if other.shared or other.project_id == project is not None)
        beyond = tuple(other.id for other in sorted(seen, key=lambda n: (n.name, n.id)))
        servers = self._servers.get(asker.network_id, ())
        return Reached(beyond, servers, asker.forward and not (servers and self._is_astray(asker)))

    def _is_astray(self, asker: Asker) -> bool:
        return asker.leads == "nowhere" or (asker.leads == "outside" and asker.network_id in self._inner)

    def _project(self, asker: Asker) -> str | None:
        if (port := self._ports.get(asker.port_id)) is not None:
            return port.project_id
        network = self._networks.get(asker.network_id)
        return network.project_id if network is not None and not network.shared else None


def _is_askable(server: str) -> bool:
    """Not what means the asking host itself, or many."""
    address = ip_address(server)
    return not (
        address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local
    )
