"""Networks of several segments with subnets of each: which addresses a port has follows from its host."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sealane.model import Node
from sealane.store.changes import Create
from sealane.store.db import Store
from tests.api.live import Answer, Live, live
from tests.daemons import PATIENCE, OvsdbServer

HOSTS = {"h1": ("east",), "h2": ("west", "elsewhere"), "h3": (), "h4": ("east", "west")}
TABLE = {"east": "10.1.0.0/24", "west": "10.2.0.0/24"}
AUTOMATIC = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}


@dataclass
class Site:
    api: Live
    network: str
    segments: dict[str, str]
    subnets: dict[str, str]

    async def port(self, host: str = "", **values: Any) -> Answer:
        body = {"network_id": self.network, "binding:host_id": host, **values}
        return await self.api.call("POST /v2.0/ports", {"port": body})

    async def put(self, port: str, **values: Any) -> Answer:
        return await self.api.call(f"PUT /v2.0/ports/{port}", {"port": values})


@asynccontextmanager
async def site(database: OvsdbServer, *, routed: bool = True) -> AsyncIterator[Site]:
    store = Store(database.remote)
    await store.start(PATIENCE)
    for number, (name, ways) in enumerate(HOSTS.items(), 1):
        node = Node(
            id=str(uuid4()), project_id="", name=name, address=f"192.0.2.{number}", physical_networks=ways
        )
        await store.commit(Create(node))
    await store.stop()
    async with live(database) as api:
        wish = [{"provider:network_type": "flat", "provider:physical_network": name} for name in TABLE]
        network = (await api.make("network", segments=wish))["id"]
        rows = (await api.call(f"GET /v2.0/segments?network_id={network}")).body["segments"]
        segments = {row["physical_network"]: row["id"] for row in rows}
        subnets = {}
        for name, cidr in TABLE.items():
            body = {"network_id": network, "cidr": cidr, **({"segment_id": segments[name]} if routed else {})}
            subnets[name] = (await api.make("subnet", **body))["id"]
        yield Site(api, network, segments, subnets)


def addresses(answer: Answer) -> list[str]:
    assert answer.status in (200, 201), answer
    return [fixed["ip_address"] for fixed in answer.body["port"]["fixed_ips"]]


async def test_a_port_has_an_address_of_its_host_s_segment(database: OvsdbServer) -> None:
    async with site(database) as there:
        assert addresses(await there.port("h1")) == ["10.1.0.2"]
        assert addresses(await there.port("h2")) == ["10.2.0.2"]
        named = await there.port("h2", fixed_ips=[{"ip_address": "10.2.0.9"}])
        assert addresses(named) == ["10.2.0.9"]
        for host, values, status, error in (
            ("h3", {}, 409, "HostNotConnectedToAnySegment"),
            ("nobody", {}, 409, "HostNotConnectedToAnySegment"),
            ("h4", {}, 409, "HostConnectedToMultipleSegments"),
            ("h1", {"fixed_ips": [{"ip_address": "10.2.0.7"}]}, 409, "HostNotCompatibleWithFixedIps"),
            ("h3", {"fixed_ips": [{"ip_address": "10.2.0.7"}]}, 409, "HostNotCompatibleWithFixedIps"),
            (
                "h2",
                {"fixed_ips": [{"subnet_id": there.subnets["east"]}]},
                409,
                "HostNotCompatibleWithFixedIps",
            ),
            (
                "",
                {"fixed_ips": [{"subnet_id": id} for id in there.subnets.values()]},
                400,
                "FixedIpsSubnetsNotOnSameSegment",
            ),
        ):
            refused = await there.port(host, **values)
            assert (refused.status, refused.error) == (status, error), (host, values, refused)
        ports = (await there.api.call("GET /v2.0/ports")).body["ports"]
        assert len(ports) == 3, "nothing half done"


async def test_who_is_nowhere_yet_waits_for_addresses(database: OvsdbServer) -> None:
    async with site(database) as there:
        made = await there.port()
        port = made.body["port"]
        assert (port["fixed_ips"], port["ip_allocation"]) == ([], "deferred")
        refused = await there.put(port["id"], **{"binding:host_id": "h3"})
        assert refused.error == "HostNotConnectedToAnySegment"
        bound = await there.put(port["id"], **{"binding:host_id": "h2", "name": "x"})
        assert addresses(bound) == ["10.2.0.2"] and bound.body["port"]["ip_allocation"] == "immediate"
        moved = await there.put(port["id"], **{"binding:host_id": "h1"})
        assert moved.error == "HostNotCompatibleWithFixedIps"
        free = await there.put(port["id"], **{"binding:host_id": ""})
        assert addresses(free) == ["10.2.0.2"], "it keeps them"
        both = {"binding:host_id": "h1", "fixed_ips": [{"subnet_id": there.subnets["east"]}]}
        assert addresses(await there.put(port["id"], **both)) == ["10.1.0.2"]
        none = (await there.port(fixed_ips=[])).body["port"]
        assert none["ip_allocation"] == "immediate"
        assert addresses(await there.put(none["id"], **{"binding:host_id": "h1"})) == [], (
            "it was to have none"
        )
        chosen = (await there.port(fixed_ips=[{"subnet_id": there.subnets["west"]}])).body["port"]
        assert chosen["ip_allocation"] == "immediate"
        assert (await there.put(chosen["id"], **{"binding:host_id": "h2"})).status == 200


async def test_addresses_that_follow_from_the_mac_are_of_the_host_s_segment(database: OvsdbServer) -> None:
    async with site(database) as there:
        for number, name in enumerate(TABLE, 1):
            body = {"network_id": there.network, "cidr": f"fd0{number}::/64", **AUTOMATIC}
            await there.api.make("subnet", **body, segment_id=there.segments[name])
        mac = {"mac_address": "fa:16:3e:00:00:01"}
        made = addresses(await there.port("h1", **mac))
        assert made == ["10.1.0.2", "fd01::f816:3eff:fe00:1"]
        waiting = (await there.port()).body["port"]
        assert waiting["fixed_ips"] == []
        bound = addresses(await there.put(waiting["id"], **{"binding:host_id": "h2"}))
        assert [a.split(":")[0] for a in bound] == ["10.2.0.2", "fd02"]
        given = await there.port("h2", fixed_ips=[{"subnet_id": there.subnets["west"]}])
        assert [a.split(":")[0] for a in addresses(given)] == ["10.2.0.3", "fd02"]
        renamed = await there.put(waiting["id"], mac_address="fa:16:3e:00:00:77")
        assert addresses(renamed) == ["10.2.0.2", "fd02::f816:3eff:fe00:77"]


async def test_a_segment_stays_while_somebody_is_in_it(database: OvsdbServer) -> None:
    """Also where subnets are of none: then the fabric outside is to be one."""
    async with site(database, routed=False) as there:
        shown = (await there.api.call(f"GET /v2.0/networks/{there.network}")).body["network"]
        assert shown["l2_adjacency"] is True
        made = await there.port("h2")
        assert addresses(made)[0] in ("10.1.0.2", "10.2.0.2"), "any of the network's"
        assert (await there.port("h4")).error == "HostConnectedToMultipleSegments"
        away = f"DELETE /v2.0/segments/{there.segments['west']}"
        refused = await there.api.call(away)
        assert refused.error == "SegmentInUse"
        assert made.body["port"]["id"] in refused.body["NeutronError"]["message"]
        await there.put(made.body["port"]["id"], **{"binding:host_id": ""})
        assert (await there.api.call(away)).status == 204
        assert (await there.port("h4")).status == 201
        body = {"network_id": there.network, "network_type": "flat", "physical_network": "west"}
        refused = await there.api.call("POST /v2.0/segments", {"segment": body})
        assert refused.error == "HostConnectedToMultipleSegments", "somebody is on such a host"


async def test_sub_ports_go_where_their_parent_goes(database: OvsdbServer) -> None:
    async with site(database) as there:
        await there.api.call(f"PUT /v2.0/networks/{there.network}", {"network": {"mtu": 1400}})
        blue = await there.api.make("network")
        parent = await there.api.make("port", network_id=blue["id"])
        far = (await there.port(fixed_ips=[{"subnet_id": there.subnets["west"]}])).body["port"]
        place = {"port_id": far["id"], "segmentation_id": 5, "segmentation_type": "vlan"}
        await there.api.make("trunk", port_id=parent["id"], sub_ports=[place])
        refused = await there.put(parent["id"], **{"binding:host_id": "h1"})
        assert refused.error == "HostNotCompatibleWithFixedIps" and far["id"] in str(refused.body)
        assert (await there.put(parent["id"], **{"binding:host_id": "h2"})).status == 200
