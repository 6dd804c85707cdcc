"""The API's lists become names, and vanish with their networks."""

import asyncio

from sealane.agent.resolver.feed import Feed
from sealane.agent.resolver.resolver import Resolver
from sealane.agent.resolver.zone import Names

BLUE = {"id": "n1", "name": "blue", "dns_domain": None}
WEB = {
    "id": "p1",
    "network_id": "n1",
    "dns_name": "web",
    "sealane:dns_aliases": ["www"],
    "fixed_ips": [{"subnet_id": "s", "ip_address": "10.0.0.2"}],
}
ROUTER = {
    "id": "p2",
    "network_id": "n1",
    "name": "gw",
    "device_owner": "network:router_interface",
    "fixed_ips": [],
}


class Recording(Resolver):
    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, Names] = {}

    async def set_names(self, network_id: str, names: Names) -> None:
        self.names[network_id] = names

    async def drop_names(self, network_id: str) -> None:
        del self.names[network_id]


def test_refresh() -> None:
    async def scenario() -> None:
        resolver = Recording()
        feed = Feed(resolver, "sealane.internal")
        await feed.refresh([BLUE], [WEB, ROUTER])
        assert set(resolver.names["n1"]) == {
            "web", "web.blue", "web.blue.sealane.internal",
            "www", "www.blue", "www.blue.sealane.internal",
        }  # fmt: skip
        await feed.refresh([BLUE], [])
        assert resolver.names == {"n1": {}}
        await feed.refresh([], [])
        assert resolver.names == {}

    asyncio.run(scenario())
