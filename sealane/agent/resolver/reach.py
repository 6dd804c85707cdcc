"""Whose names a sandbox may know beyond its own networks, and whom it may ask about the rest. Pure.

    asker's network ── router ── other network       of the asker's project, or shared with it: names there
                                 another's network   nothing: no name leaks to another tenant

The asker's project is that of its port; of a gateway, behind which anybody may ask, that of the network,
and of a shared network's gateway nobody's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from sealane.model import Network, Port
from sealane.names import ROUTER_INTERFACE


@dataclass(frozen=True)
class Asker:
    """port_id: none for a gateway. forward: whether what nobody here knows may be asked elsewhere."""

    network_id: str
    port_id: str = ""
    forward: bool = True


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

    def set_servers(self, subnets: Iterable[tuple[str, str, tuple[str, ...]]]) -> None:
        """Of each subnet: its id, its network's and the addresses of its servers."""
        self._servers = {}
        for _, network_id, servers in sorted(subnets):
            good = (server for server in servers if _is_askable(server))
            self._servers[network_id] = (*self._servers.get(network_id, ()), *good)

    def of(self, asker: Asker) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The networks beyond, by name, and the servers."""
        project = self._project(asker)
        routers = {router for router, joined in self._interfaces.values() if joined == asker.network_id}
        joined = {net for router, net in self._interfaces.values() if router in routers}
        others = (self._networks[id] for id in joined - {asker.network_id} if id in self._networks)
        seen = (other for other in others if other.shared or other.project_id == project is not None)
        beyond = tuple(other.id for other in sorted(seen, key=lambda n: (n.name, n.id)))
        return beyond, self._servers.get(asker.network_id, ())

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
