"""Names beyond a router: of the asker's project or shared with it, never another tenant's."""

import asyncio
from typing import Any

import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.agent.resolver.feed import Feed
from sealane.agent.resolver.message import Door, Forward, Reply, decide
from sealane.agent.resolver.reach import Asker, Leads, Reach
from sealane.agent.resolver.resolver import Resolver
from sealane.agent.resolver.zone import View, Zones, merge
from sealane.client import News
from sealane.model import Network, Port


def network(id: str, project: str = "red", **more: Any) -> dict[str, Any]:
    return {"id": id, "name": id, "project_id": project, **more}


def port(id: str, network_id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "network_id": network_id, "project_id": "red", "fixed_ips": [], **more}


def interface(id: str, network_id: str, router: str = "r1") -> dict[str, Any]:
    return port(id, network_id, device_owner="network:router_interface", device_id=router)


def whole(*rows: dict[str, Any]) -> News:
    return News(list(rows), (), "c", True)


class Seen(Resolver):
    """Keeps the views that it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.views: dict[str, View] = {}

    async def serve(self, sandbox_path: str, key: str, view: View) -> None:
        self.views[key] = view

    def look(self, key: str, view: View) -> None:
        self.views[key] = view


async def told(*networks: dict[str, Any], ports: tuple[dict[str, Any], ...]) -> tuple[Feed, Seen]:
    resolver = Seen()
    feed = Feed(resolver, "sealane.internal")
    await feed.attached("a", "/sandbox", "blue", "mine")
    await feed.take("networks", whole(*networks))
    await feed.take("ports", whole(*ports))
    return feed, resolver


def beyond(*networks: dict[str, Any], ports: tuple[dict[str, Any], ...]) -> tuple[str, ...]:
    _, resolver = asyncio.run(told(*networks, ports=ports))
    return resolver.views["a"].beyond


JOINED = (interface("i1", "blue"), interface("i2", "green"), port("mine", "blue"))


def test_a_router_leads_to_the_names_of_the_project() -> None:
    assert beyond(network("blue"), network("green"), ports=JOINED) == ("green",)
    assert beyond(network("blue"), network("green"), ports=(port("mine", "blue"),)) == ()
    apart = (JOINED[0], interface("i2", "green", "r2"))
    assert beyond(network("blue"), network("green"), ports=apart) == ()


def test_to_another_tenants_only_where_shared() -> None:
    assert beyond(network("blue"), network("green", "other"), ports=JOINED) == ()
    assert beyond(network("blue"), network("green", "other", shared=True), ports=JOINED) == ("green",)


def test_on_a_shared_network_the_port_says_who_asks() -> None:
    nets = network("blue", "other", shared=True), network("green", "other"), network("tree", "red")
    ports = (*JOINED, interface("i3", "tree"))
    assert beyond(*nets, ports=ports) == ("tree",)
    assert beyond(*nets, ports=(*ports[:2], ports[3])) == (), "nobody knows yet whose port it is"


def test_it_ends_with_the_interface() -> None:
    async def scenario() -> None:
        feed, resolver = await told(network("blue"), network("green"), ports=JOINED)
        assert resolver.views["a"].beyond == ("green",)
        await feed.take("ports", News([], ("i2",), "d", False))
        assert resolver.views["a"].beyond == ()

    asyncio.run(scenario())


def test_servers_of_the_networks_subnets() -> None:
    async def scenario() -> None:
        feed, resolver = await told(network("blue"), ports=JOINED)
        servers = ["9.9.9.9", "127.0.0.1", "::1", "ff02::fb"]
        subnet = {"id": "s1", "cidr": "10.0.0.0/24", "dns_nameservers": servers}
        feed.take_servers([{**subnet, "network_id": "blue"}])
        assert resolver.views["a"].servers == ("9.9.9.9",)
        feed.take_servers([{**subnet, "network_id": "green"}])
        assert resolver.views["a"].servers == ()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("leads", "servers", "asked"),
    (
        ("inside", ("9.9.9.9", "10.0.0.53"), True),
        ("outside", ("9.9.9.9",), True),
        ("outside", ("9.9.9.9", "10.0.0.53"), False),
        ("outside", ("fd00::53",), False),
        ("outside", (), True),
        ("nowhere", ("9.9.9.9",), False),
        ("nowhere", (), True),
    ),
)
def test_servers_are_asked_only_from_where_all_of_them_are_reached(
    leads: Leads, servers: tuple[str, ...], asked: bool
) -> None:
    reach = Reach({}, {})
    reach.set_servers([("s1", "blue", "10.0.0.0/24", servers), ("s2", "blue", "fd00::/64", ())])
    assert reach.of(Asker("blue", leads=leads)).forward is asked
    assert reach.of(Asker("blue", forward=False, leads=leads)).forward is False


ids = st.sampled_from("abcd")
projects = st.sampled_from(("red", "grey"))


@given(
    st.dictionaries(ids, st.tuples(projects, st.booleans())),
    st.dictionaries(st.integers(0, 9).map(str), st.tuples(st.sampled_from("rs"), ids)),
    projects,
    ids,
)
def test_no_name_of_another_project_leaks(
    nets: dict[str, tuple[str, bool]], joined: dict[str, tuple[str, str]], project: str, on: str
) -> None:
    networks = {id: Network(id=id, project_id=p, name=id, shared=s) for id, (p, s) in nets.items()}
    mine = Port(id="mine", project_id=project, network_id=on, mac_address="")
    reach = Reach(networks, {"mine": mine})
    for id, (router, net) in joined.items():
        reach.take_port(id, interface(id, net, router))
    found = reach.of(Asker(on, "mine")).beyond
    assert all(networks[id].shared or networks[id].project_id == project for id in found)
    routers = {router for router, net in joined.values() if net == on}
    assert set(found) <= {net for router, net in joined.values() if router in routers} - {on}


def question(name: str, kind: str = "A") -> bytes:
    return dns.message.make_query(name, kind).to_wire()


@pytest.fixture
def zones() -> Zones:
    found = Zones()
    found.set("blue", {"web": ("10.0.0.2",)})
    found.set("green", {"web": ("10.9.0.2",), "web.green": ("10.9.0.2",), "db": ("10.9.0.3",)})
    return found


def test_beyond_a_name_needs_its_network(zones: Zones) -> None:
    view = View(("blue",), beyond=("green",))
    assert zones.lookup(view, "web") == ("10.0.0.2",)
    assert zones.lookup(view, "web.green") == ("10.9.0.2",)
    assert zones.lookup(view, "db") is None
    assert zones.reverse(view, "10.9.0.3") is not None
    assert zones.reverse(View(("blue",)), "10.9.0.3") is None


def test_who_is_to_ask_the_networks_servers_himself_is_refused(zones: Zones) -> None:
    """NXDOMAIN would end his search; what is ours is answered all the same."""
    view = View(("blue",), forward=False, servers=("10.0.0.53",))
    for name, rcode in (("example.com", "REFUSED"), ("nobody", "REFUSED"), ("web", "NOERROR")):
        found = decide(question(name), zones, Door(view))
        assert isinstance(found, Reply)
        assert dns.rcode.to_text(dns.message.from_wire(found.wire).rcode()) == rcode
    wire = question("example.com")
    asked = View(("blue",), servers=("10.0.0.53",))
    assert decide(wire, zones, Door(asked)) == Forward(wire, False, ("10.0.0.53",))


def test_views_of_one_sandbox_are_merged() -> None:
    one = View(("blue",), beyond=("green", "tree"), servers=("1.1.1.1",))
    other = View(("green",), servers=("1.1.1.1", "2.2.2.2"))
    merged = merge((one, other))
    assert (merged.networks, merged.beyond) == (("blue", "green"), ("tree",))
    assert merged.servers == ("1.1.1.1", "2.2.2.2")
