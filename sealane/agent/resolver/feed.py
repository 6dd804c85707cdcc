"""What the agent's main loop calls: attachments open and close doors, the API's lists become names.

    event                                       call
    an attachment's sandbox path is known      attached(...)      Join, also for every one at agent start
    an attachment is gone                       detached(id)       Leave, collection of garbage
    a network has a gateway namespace here      gateway_up(...); gateway_down(id) before its removal
    the API's sequence number moved             refresh(networks, ports)     the lists as GET answers them
    orderly stop                                resolver.close()

All may be repeated; none waits for a container.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sealane.agent.resolver.resolver import Resolver
from sealane.agent.resolver.zone import View, names_of
from sealane.model import FixedIP, Network, Port

Body = Mapping[str, Any]
INFRASTRUCTURE = "network:"
"""device_owner of ports that belong to no workload (routers, DHCP, localports) begins so in Neutron."""


class Feed:
    def __init__(self, resolver: Resolver, suffix: str) -> None:
        self.resolver = resolver
        self._suffix = suffix
        self._networks: set[str] = set()

    async def attached(self, attachment_id: str, sandbox: str, network_id: str) -> None:
        """Docker decides itself what a sandbox may ask outside, so the view always forwards."""
        await self.resolver.serve(sandbox, attachment_id, View((network_id,), self._suffix))

    async def detached(self, attachment_id: str) -> None:
        await self.resolver.withdraw(attachment_id)

    async def gateway_up(
        self, network_id: str, path: str, addresses: Sequence[str], *, internal: bool
    ) -> None:
        """addresses without prefix length. Nothing is asked outside for an internal network."""
        view = View((network_id,), self._suffix, forward=not internal)
        await self.resolver.serve_gateway(path, _gateway_key(network_id), view, addresses)

    async def gateway_down(self, network_id: str) -> None:
        await self.resolver.withdraw(_gateway_key(network_id))

    async def refresh(self, networks: Iterable[Body], ports: Iterable[Body]) -> None:
        """Replace all names by those of the API's lists; networks that are gone lose theirs."""
        members: dict[str, list[Port]] = {}
        for port in ports:
            if not str(port.get("device_owner") or "").startswith(INFRASTRUCTURE):
                members.setdefault(port["network_id"], []).append(_port(port))
        current = set()
        for body in networks:
            network = _network(body)
            current.add(network.id)
            names = names_of(network, members.get(network.id, ()), self._suffix)
            await self.resolver.set_names(network.id, names)
        for network_id in self._networks - current:
            await self.resolver.drop_names(network_id)
        self._networks = current


def make(suffix: str) -> Feed:
    """The factory for main.py: a resolver that asks the host's upstreams, and its feed."""
    return Feed(Resolver(), suffix)


def _gateway_key(network_id: str) -> str:
    return f"gateway:{network_id}"


def _network(body: Body) -> Network:
    return Network(
        id=body["id"],
        project_id=body.get("project_id") or "",
        name=body.get("name") or "",
        dns_domain=body.get("dns_domain") or "",
    )


def _port(body: Body) -> Port:
    ips = body.get("fixed_ips") or ()
    return Port(
        id=body["id"],
        project_id=body.get("project_id") or "",
        network_id=body["network_id"],
        mac_address=body.get("mac_address") or "",
        name=body.get("name") or "",
        created_at=body.get("created_at") or "",
        dns_name=body.get("dns_name") or "",
        dns_aliases=tuple(body.get("sealane:dns_aliases") or ()),
        fixed_ips=tuple(FixedIP(subnet_id=i.get("subnet_id", ""), ip_address=i["ip_address"]) for i in ips),
    )
