"""What the API's lists tell becomes names, and vanishes with its network."""

import asyncio
from typing import Any

from sealane.agent.resolver.feed import Feed
from sealane.agent.resolver.resolver import Resolver
from sealane.client import News

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
NAMES = {"web", "web.blue", "web.blue.sealane.internal", "www", "www.blue", "www.blue.sealane.internal"}


def whole(*rows: dict[str, Any]) -> News:
    return News(list(rows), (), "c", True)


def part(*rows: dict[str, Any], gone: tuple[str, ...] = ()) -> News:
    return News(list(rows), gone, "c", False)


def known(feed: Feed, *more: str) -> set[str]:
    zone = feed.resolver.zone("n1")
    return {name for name in {*NAMES, "gw", "gw.blue", *more} if zone.lookup(name) is not None}


def test_whole_lists() -> None:
    async def scenario() -> None:
        feed = Feed(Resolver(), "sealane.internal")
        await feed.take("networks", whole(BLUE))
        await feed.take("ports", whole(WEB, ROUTER))
        assert known(feed) == NAMES
        assert feed.cursors == {"networks": "c", "ports": "c"}
        await feed.take("ports", whole())
        assert known(feed) == set()
        await feed.take("ports", whole(WEB))
        await feed.take("networks", whole())
        assert known(feed) == set()

    asyncio.run(scenario())


def test_what_has_changed() -> None:
    async def scenario() -> None:
        feed = Feed(Resolver(), "sealane.internal")
        await feed.take("ports", whole(WEB))
        assert known(feed) == set(), "its network is not known yet"
        await feed.take("networks", part(BLUE))
        assert known(feed) == NAMES
        await feed.take("networks", part({**BLUE, "name": "red"}))
        assert known(feed, "web.red") == {"web", "www", "web.red"}
        await feed.take("ports", part({**WEB, "dns_name": "db", "sealane:dns_aliases": []}))
        assert known(feed, "db") == {"db"}
        await feed.take("ports", part(ROUTER, gone=("p1", "p9")))
        assert known(feed, "db") == set()
        await feed.take("ports", part(WEB))
        await feed.take("networks", part(gone=("n1",)))
        assert known(feed) == set()
        await feed.take("networks", part(BLUE))
        assert known(feed) == NAMES, "a network that is back has its ports"

    asyncio.run(scenario())


def test_many_rows() -> None:
    async def scenario() -> None:
        feed = Feed(Resolver(), "sealane.internal")
        await feed.take("networks", whole(BLUE))
        ports = [{**WEB, "id": f"p{n}", "dns_name": f"w{n}", "sealane:dns_aliases": []} for n in range(1000)]
        await feed.take("ports", whole(*ports))
        assert feed.resolver.zone("n1").lookup("w999.blue") == ("10.0.0.2",)

    asyncio.run(scenario())
