"""What the agent's main loop calls: attachments open and close doors, the API's lists become names.

    event                                       call
    an attachment's sandbox path is known      attached(...)      Join, also for every one at agent start
    an attachment is gone                       detached(id)       Leave, collection of garbage
    a network has a gateway namespace here      gateway_up(...); gateway_down(id) before its removal
    networks or ports have moved                take(collection, news)       what has changed in a list
    orderly stop                                resolver.close()

All may be repeated; none waits for a container.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sealane import names
from sealane.agent.resolver.reach import Asker, Leads, Reach
from sealane.agent.resolver.resolver import Resolver
from sealane.agent.resolver.zone import View, names_of
from sealane.client import News
from sealane.model import FixedIP, Network, Port

Body = Mapping[str, Any]
FIELDS: Mapping[str, tuple[str, ...]] = {
    "networks": ("id", "project_id", "name", "dns_domain", "shared"),
    "ports": (
        *("id", "project_id", "network_id", "name", "created_at", "device_id", "device_owner"),
        *("dns_name", "sealane:dns_aliases", "fixed_ips"),
    ),
}
"""Collection -> the attributes that names are made of."""
SERVERS = ("id", "network_id", "cidr", "dns_nameservers")
"""Attributes of subnets that tell whom to ask elsewhere."""
PART = 200
"""Rows: some 5 ms."""
INFRASTRUCTURE = "network:"
"""device_owner of ports that belong to no workload (routers, DHCP, localports) begins so in Neutron."""


class Feed:
    def __init__(self, resolver: Resolver, suffix: str) -> None:
        self.resolver = resolver
        self._suffix = suffix
        self._networks: dict[str, Network] = {}
        self._ports: dict[str, Port] = {}
        self._reach = Reach(self._networks, self._ports)
        self._askers: dict[str, Asker] = {}
        self.cursors = dict.fromkeys(FIELDS, "")
        """Collection -> what the API is to be asked for next."""

    async def attached(self, attachment_id: str, sandbox: str, network_id: str, port_id: str = "") -> None:
        """Docker decides itself what a sandbox may ask outside, so the view always forwards."""
        asker = self._askers[attachment_id] = Asker(network_id, port_id)
        await self.resolver.serve(sandbox, attachment_id, self._view(asker))

    async def detached(self, attachment_id: str) -> None:
        self._askers.pop(attachment_id, None)
        await self.resolver.withdraw(attachment_id)

    async def gateway_up(
        self, network_id: str, path: str, addresses: Sequence[str], *, internal: bool
    ) -> None:
        """addresses without prefix length. Nothing is asked outside for an internal network."""
        key = _gateway_key(network_id)
        leads: Leads = "nowhere" if internal or names.RESOLVER in addresses else "outside"
        asker = self._askers[key] = Asker(network_id, forward=not internal, leads=leads)
        await self.resolver.serve_gateway(path, key, self._view(asker), addresses)

    async def gateway_down(self, network_id: str) -> None:
        self._askers.pop(_gateway_key(network_id), None)
        await self.resolver.withdraw(_gateway_key(network_id))

    def take_servers(self, subnets: Sequence[Body]) -> None:
        """The DNS servers of all subnets."""
        self._reach.set_servers(
            (str(s["id"]), str(s["network_id"]), str(s["cidr"]), tuple(s.get("dns_nameservers") or ()))
            for s in subnets
        )
        self._look_again()

    def _view(self, asker: Asker) -> View:
        found = self._reach.of(asker)
        return View((asker.network_id,), self._suffix, found.forward, found.beyond, found.servers)

    def _look_again(self) -> None:
        for key, asker in self._askers.items():
            self.resolver.look(key, self._view(asker))

    async def take(self, collection: str, news: News) -> None:
        """Bring the names up to date; `cursors` then says what to ask for next.

        Many rows are taken in parts, so that others are answered in between.
        """
        take = self._take_network if collection == "networks" else self._take_port
        gone = set(news.gone)
        if news.complete:
            gone = set(self._networks if collection == "networks" else self._ports)
            gone -= {str(row["id"]) for row in news.rows}
        for number, row in enumerate([*({"id": id} for id in gone), *news.rows]):
            if number % PART == PART - 1:
                await asyncio.sleep(0)
            take(str(row["id"]), row if len(row) > 1 else None)
        self.cursors[collection] = news.cursor
        if self._reach.moved or collection == "networks":
            self._reach.moved = False
            self._look_again()

    def _take_network(self, id: str, body: Body | None) -> None:
        """Without body it is gone. With another name or domain all its ports have other names."""
        if body is None:
            if self._networks.pop(id, None) is not None:
                self.resolver.drop(id)
            return
        network = _network(body)
        if self._networks.get(id) != network:
            self._networks[id] = network
            for port in self._ports.values():
                if port.network_id == id:
                    self._name(port, network)

    def _take_port(self, id: str, body: Body | None) -> None:
        """A port whose network is not known yet gets its names with it."""
        self._reach.take_port(id, body)
        self._reach.moved |= any(asker.port_id == id for asker in self._askers.values())
        named = body is not None and not str(body.get("device_owner") or "").startswith(INFRASTRUCTURE)
        port = _port(body) if body is not None and named else None
        old = self._ports.get(id)
        if port == old:
            return
        if old is not None:
            del self._ports[id]
            if old.network_id in self._networks:
                self.resolver.zone(old.network_id).remove(id)
        if port is not None:
            self._ports[id] = port
            if port.network_id in self._networks:
                self._name(port, self._networks[port.network_id])

    def _name(self, port: Port, network: Network) -> None:
        names = names_of(network, port, self._suffix)
        addresses = (fixed.ip_address for fixed in port.fixed_ips)
        self.resolver.zone(network.id).put(port.id, names, addresses, (port.created_at, port.id))


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
        shared=bool(body.get("shared")),
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
