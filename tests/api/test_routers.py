"""Routers: interfaces, gateways, routes; what is refused, and that nothing is half done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sealane import names
from tests.api.live import Answer, Live, live
from tests.daemons import OvsdbServer

UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Place:
    """Networks and routers, by name."""

    def __init__(self, api: Live) -> None:
        self.api = api

    async def subnet(self, cidr: str, network: str = "", **more: Any) -> Any:
        network = network or (await self.api.make("network"))["id"]
        return await self.api.make("subnet", network_id=network, cidr=cidr, **more)

    async def outside(self, *cidrs: str) -> Any:
        network = await self.api.make("network", **{"router:external": True})
        for cidr in cidrs or ("203.0.113.0/24",):
            await self.subnet(cidr, network["id"])
        return network

    async def put(self, of: Any, what: str = "", **body: Any) -> Answer:
        path = f"/v2.0/routers/{of['id']}{'/' if what else ''}{what}"
        return await self.api.call(f"PUT {path}", body if what else {"router": body})

    async def join(self, router: Any, subnet: Any) -> Any:
        answer = await self.put(router, "add_router_interface", subnet_id=subnet["id"])
        assert answer.status == 200, answer
        return answer.body

    async def shown(self, kind: str, id: str) -> Any:
        answer = await self.api.call(f"GET /v2.0/{kind}s/{id}")
        return answer.body.get(kind)


@asynccontextmanager
async def place(database: OvsdbServer) -> AsyncIterator[Place]:
    async with live(database) as api:
        yield Place(api)


async def test_an_interface_takes_the_gateway_and_gives_it_back(database: OvsdbServer) -> None:
    async with place(database) as at:
        subnet = await at.subnet("10.0.0.0/24")
        router = await at.api.make("router", name="r", tags=["t"])
        assert router["external_gateway_info"] is None and router["status"] == "ACTIVE"
        joined = await at.join(router, subnet)
        assert joined["subnet_ids"] == [subnet["id"]] and joined["network_id"] == subnet["network_id"]
        port = await at.shown("port", joined["port_id"])
        assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.0.0.1"}]
        assert port["device_owner"] == "network:router_interface" and port["device_id"] == router["id"]
        assert port["mac_address"] == names.gateway_mac(subnet["network_id"])
        assert (await at.shown("network", subnet["network_id"]))["sealane:gateway"] == "router"
        assert (await at.shown("router", router["id"]))["revision_number"] > router["revision_number"]
        assert (await at.api.call(f"DELETE /v2.0/routers/{router['id']}")).error == "RouterInUse"
        assert (await at.api.call(f"DELETE /v2.0/ports/{port['id']}")).error == "ServicePortInUse"
        assert (await at.api.call(f"DELETE /v2.0/subnets/{subnet['id']}")).error == "SubnetInUse"
        path, no_gateway = f"PUT /v2.0/subnets/{subnet['id']}", {"subnet": {"gateway_ip": None}}
        assert (await at.api.call(path, no_gateway)).error == "GatewayIpInUse"
        assert (await at.put(router, "remove_router_interface", subnet_id=subnet["id"])).status == 200
        assert await at.shown("port", port["id"]) is None
        assert (await at.shown("network", subnet["network_id"]))["sealane:gateway"] == "host"
        again = await at.put(router, "remove_router_interface", subnet_id=subnet["id"])
        assert (again.status, again.error) == (404, "RouterInterfaceNotFoundForSubnet")
        await at.join(router, subnet)
        await at.put(router, "remove_router_interface", subnet_id=subnet["id"])
        assert (await at.api.call(path, no_gateway)).status == 200
        assert (await at.api.call(f"DELETE /v2.0/routers/{router['id']}")).status == 204


async def test_two_families_share_a_port(database: OvsdbServer) -> None:
    async with place(database) as at:
        four = await at.subnet("10.0.0.0/24")
        six = await at.subnet("fd00::/64", four["network_id"])
        router = await at.api.make("router")
        joined = [await at.join(router, subnet) for subnet in (four, six)]
        assert joined[0]["port_id"] == joined[1]["port_id"]
        port = await at.shown("port", joined[0]["port_id"])
        assert {f["ip_address"] for f in port["fixed_ips"]} == {"10.0.0.1", "fd00::1"}
        await at.put(router, "remove_router_interface", subnet_id=four["id"])
        port = await at.shown("port", port["id"])
        assert [f["ip_address"] for f in port["fixed_ips"]] == ["fd00::1"]
        parted = await at.put(router, "remove_router_interface", port_id=port["id"])
        assert parted.body["subnet_ids"] == [six["id"]]
        assert await at.shown("port", port["id"]) is None


async def test_a_port_that_was_made_before_becomes_an_interface(database: OvsdbServer) -> None:
    async with place(database) as at:
        subnet, router = await at.subnet("10.0.0.0/24"), await at.api.make("router")
        port = await at.api.make("port", network_id=subnet["network_id"])
        assert (await at.put(router, "add_router_interface", port_id=port["id"])).status == 200
        shown = await at.shown("port", port["id"])
        assert (shown["device_id"], shown["security_groups"]) == (router["id"], [])
        other = await at.api.make("router")
        refused = await at.put(other, "add_router_interface", port_id=port["id"])
        assert (refused.status, refused.error) == (409, "PortInUse")
        second = await at.join(other, subnet)
        assert second["port_id"] != port["id"], "the gateway's address was free"


@pytest.mark.parametrize(
    ("body", "status", "type"),
    [
        ({}, 400, "BadRequest"),
        ({"subnet_id": "x"}, 400, "BadRequest"),
        ({"subnet_id": UNKNOWN}, 404, "SubnetNotFound"),
        ({"port_id": UNKNOWN}, 404, "PortNotFound"),
        ({"port_id": UNKNOWN, "subnet_id": UNKNOWN}, 400, "BadRequest"),
        ({"colour": "red"}, 400, "BadRequest"),
    ],
)
async def test_interfaces_that_make_no_sense(
    database: OvsdbServer, body: Any, status: int, type: str
) -> None:
    async with place(database) as at:
        router = await at.api.make("router")
        refused = await at.put(router, "add_router_interface", **body)
        assert (refused.status, refused.error) == (status, type)
        missing = await at.put({"id": UNKNOWN}, "add_router_interface", subnet_id=UNKNOWN)
        assert (missing.status, missing.error) == (404, "RouterNotFound")


async def test_subnets_of_a_router_do_not_overlap_also_when_added_at_once(database: OvsdbServer) -> None:
    async with live(database) as one, live(database) as two:
        at, beside = Place(one), Place(two)
        router = await at.api.make("router")
        subnets = [await at.subnet("10.0.0.0/16"), await at.subnet("10.0.9.0/24")]
        calls = (
            place.put(router, "add_router_interface", subnet_id=subnet["id"])
            for place, subnet in zip((at, beside), subnets, strict=True)
        )
        answers = await asyncio.gather(*calls)
        assert sorted(answer.status for answer in answers) == [200, 400]
        refused = next(answer for answer in answers if answer.status == 400)
        assert "overlaps" in refused.body["NeutronError"]["message"]
        ports = (await at.api.call(f"GET /v2.0/ports?device_id={router['id']}")).body["ports"]
        assert len(ports) == 1


async def test_one_gateway_address_has_one_router_also_when_two_come_at_once(database: OvsdbServer) -> None:
    async with live(database) as one, live(database) as two:
        at, beside = Place(one), Place(two)
        subnet = await at.subnet("10.0.0.0/24")
        routers = [await at.api.make("router"), await at.api.make("router")]
        calls = (
            place.put(router, "add_router_interface", subnet_id=subnet["id"])
            for place, router in zip((at, beside), routers, strict=True)
        )
        answers = await asyncio.gather(*calls)
        assert sorted(answer.status for answer in answers) == [200, 409]


async def test_life_of_a_gateway(database: OvsdbServer) -> None:
    async with place(database) as at:
        outside = await at.outside("203.0.113.0/24", "2001:db8::/64")
        wish = {"network_id": outside["id"], "enable_snat": False}
        router = await at.api.make("router", external_gateway_info=wish)
        info = router["external_gateway_info"]
        assert (info["network_id"], info["enable_snat"]) == (outside["id"], False)
        assert len(info["external_fixed_ips"]) == 2
        (port,) = (await at.api.call(f"GET /v2.0/ports?device_id={router['id']}")).body["ports"]
        assert (port["project_id"], port["device_owner"]) == ("", "network:router_gateway")
        path, inside = f"PUT /v2.0/networks/{outside['id']}", {"network": {"router:external": False}}
        assert (await at.api.call(path, inside)).error == "ExternalNetworkInUse"
        subnet = info["external_fixed_ips"][0]["subnet_id"]
        fixed = [{"subnet_id": subnet, "ip_address": "203.0.113.77"}]
        changed = (await at.put(router, external_gateway_info={**wish, "external_fixed_ips": fixed})).body
        assert changed["router"]["external_gateway_info"]["external_fixed_ips"] == fixed
        assert (await at.put(router, external_gateway_info={})).body["router"][
            "external_gateway_info"
        ] is None
        assert (await at.api.call(f"GET /v2.0/ports?device_id={router['id']}")).body["ports"] == []
        await at.put(router, external_gateway_info={"network_id": outside["id"]})
        assert (await at.api.call(f"DELETE /v2.0/routers/{router['id']}")).status == 204
        assert (await at.api.call(f"DELETE /v2.0/networks/{outside['id']}")).status == 204


class Gateways:
    """Bindings: what a router's gateway has in OVN is on host2."""

    def up(self, port_id: str) -> bool:
        return port_id.startswith("cr-lrp-")

    def chassis(self, port_id: str) -> str | None:
        return "host2" if self.up(port_id) else None

    def health(self, port_id: str, protocol: str, port: int) -> str:
        return ""


async def test_a_gateway_tells_where_it_is(database: OvsdbServer) -> None:
    async with live(database, Gateways()) as api:
        at = Place(api)
        subnet, outside = await at.subnet("10.0.0.0/24"), await at.outside()
        router = await api.make("router", external_gateway_info={"network_id": outside["id"]})
        await at.join(router, subnet)
        listed = (await api.call(f"GET /v2.0/ports?device_id={router['id']}")).body["ports"]
        assert {p["device_owner"]: (p["binding:host_id"], p["status"]) for p in listed} == {
            "network:router_gateway": ("host2", "ACTIVE"),
            "network:router_interface": ("", "DOWN"),
        }
        there = (await api.call("GET /v2.0/ports?binding:host_id=host2")).body["ports"]
        assert [port["device_owner"] for port in there] == ["network:router_gateway"]


async def test_several_gateways(database: OvsdbServer) -> None:
    async with place(database) as at:
        first, second = await at.outside(), await at.outside("198.51.100.0/24")
        router = await at.api.make("router", external_gateway_info={"network_id": first["id"]})
        more = {"router": {"external_gateways": [{"network_id": second["id"]}]}}
        both = (await at.put(router, "add_external_gateways", **more)).body["router"]
        assert [g["network_id"] for g in both["external_gateways"]] == [first["id"], second["id"]]
        assert both["external_gateway_info"]["network_id"] == first["id"]
        fixed = [{"ip_address": "198.51.100.50"}]
        listed = [{"network_id": first["id"]}, {"network_id": second["id"], "external_fixed_ips": fixed}]
        moved = {"router": {"external_gateways": listed}}
        shown = (await at.put(router, "update_external_gateways", **moved)).body["router"]
        assert shown["external_gateways"][1]["external_fixed_ips"][0]["ip_address"] == "198.51.100.50"
        away = {"router": {"external_gateways": [{"network_id": first["id"]}]}}
        left = (await at.put(router, "remove_external_gateways", **away)).body["router"]
        assert [g["network_id"] for g in left["external_gateways"]] == [second["id"]]
        assert (await at.put(router, "remove_external_gateways", **away)).error == "GatewayNotFound"


async def test_an_update_lists_all_gateways(database: OvsdbServer) -> None:
    """It is how `openstack router create --external-gateway` asks for the first one."""
    async with place(database) as at:
        first, second = await at.outside(), await at.outside("198.51.100.0/24")
        router = await at.api.make("router")

        async def ports_after(*networks: Any) -> list[Any]:
            wish = {"router": {"external_gateways": [{"network_id": each["id"]} for each in networks]}}
            shown = (await at.put(router, "update_external_gateways", **wish)).body["router"]
            assert [g["network_id"] for g in shown["external_gateways"]] == [n["id"] for n in networks]
            ports = (await at.api.call(f"GET /v2.0/ports?device_id={router['id']}")).body["ports"]
            return sorted(port["id"] for port in ports)

        assert len(await ports_after(first)) == 1
        both = await ports_after(first, second)
        assert len(both) == 2 and await ports_after(second, first) == both
        (left,) = await ports_after(second)
        assert left in both
        nothing = {"router": {"external_gateways": {}}}  # so does `openstack router unset --route`
        shown = (await at.put(router, "remove_external_gateways", **nothing)).body["router"]
        assert [g["network_id"] for g in shown["external_gateways"]] == [second["id"]]
        assert await ports_after() == []


async def test_a_gateway_is_in_an_external_network_that_overlaps_nothing(database: OvsdbServer) -> None:
    async with place(database) as at:
        subnet = await at.subnet("203.0.113.0/25")
        outside, router = await at.outside(), await at.api.make("router")
        refused = await at.put(router, external_gateway_info={"network_id": subnet["network_id"]})
        assert (refused.status, refused.error) == (400, "BadRequest")
        assert (await at.put(router, external_gateway_info={"network_id": UNKNOWN})).status == 404
        await at.join(router, subnet)
        refused = await at.put(router, external_gateway_info={"network_id": outside["id"]})
        assert (refused.status, refused.error) == (400, "BadRequest")
        for wrong in (
            "x",
            [],
            {"network_id": "x"},
            {"colour": 1},
            {"network_id": outside["id"], "enable_snat": 7},
        ):
            assert (await at.put(router, external_gateway_info=wrong)).status in (200, 400), wrong
        ports = (await at.api.call(f"GET /v2.0/ports?network_id={outside['id']}")).body["ports"]
        assert ports == [], "nothing is half done"


async def test_extra_routes(database: OvsdbServer) -> None:
    async with place(database) as at:
        subnet, router = await at.subnet("10.0.0.0/24"), await at.api.make("router")
        route = {"destination": "192.0.2.0/24", "nexthop": "10.0.0.9"}
        assert (await at.put(router, routes=[route])).error == "InvalidRoutes", "not connected yet"
        await at.join(router, subnet)
        assert (await at.put(router, routes=[route])).body["router"]["routes"] == [route]
        other = {"destination": "fd00::/64", "nexthop": "10.0.0.9"}
        assert (await at.put(router, routes=[other])).error == "InvalidRoutes"
        assert (await at.put(router, routes=[{**route, "nexthop": "10.0.0.1"}])).error == "InvalidRoutes"
        ecmp = {**route, "nexthop": "10.0.0.10"}
        added = (await at.put(router, "add_extraroutes", router={"routes": [route, ecmp]})).body["router"]
        assert added["routes"] == [route, ecmp]
        kept = await at.put(router, "remove_router_interface", subnet_id=subnet["id"])
        assert (kept.status, kept.error) == (409, "RouterInterfaceInUseByRoute")
        left = (await at.put(router, "remove_extraroutes", router={"routes": [route]})).body["router"]
        assert left["routes"] == [ecmp]
        assert (await at.put(router, "add_extraroutes", router={})).status == 400


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"network_type": "vlan"}, "physical_network"),
        ({"network_type": "vlan", "physical_network": "p"}, "segmentation_id"),
        ({"network_type": "vlan", "physical_network": "p", "segmentation_id": 4095}, "segmentation_id"),
        ({"network_type": "flat", "physical_network": "p", "segmentation_id": 5}, "segmentation_id"),
        ({"network_type": "geneve", "physical_network": "p"}, "physical_network"),
        ({"network_type": "gre"}, "network_type"),
        ({"network_type": "flat", "physical_network": "a,b:c"}, "physical_network"),
    ],
)
async def test_segments_that_are_none(database: OvsdbServer, given: dict[str, Any], says: str) -> None:
    async with live(database) as api:
        body = {f"provider:{key}": value for key, value in given.items()}
        refused = await api.call("POST /v2.0/networks", {"network": body})
        assert refused.status == 400 and says in refused.body["NeutronError"]["message"]


async def test_a_segment_has_one_network(database: OvsdbServer) -> None:
    async with live(database) as api:
        body = {
            "provider:network_type": "vlan",
            "provider:physical_network": "lan",
            "provider:segmentation_id": 7,
        }
        made = await api.make("network", **body)
        assert {key: made[key] for key in body} == body
        assert (made["mtu"], made["sealane:gateway"]) == (1500, "router")
        assert (await api.call("POST /v2.0/networks", {"network": body})).error == "VlanIdInUse"
        found = await api.call("GET /v2.0/networks?provider:segmentation_id=7&provider:network_type=vlan")
        assert [n["id"] for n in found.body["networks"]] == [made["id"]]
        host = {"network": {"sealane:gateway": "host"}}
        assert (await api.call(f"PUT /v2.0/networks/{made['id']}", host)).status == 400


async def test_service_owners_are_not_for_callers(database: OvsdbServer) -> None:
    async with place(database) as at:
        network = await at.api.make("network")
        for owner in ("network:router_interface", "network:router_gateway", "network:floatingip"):
            body = {"port": {"network_id": network["id"], "device_owner": owner}}
            assert (await at.api.call("POST /v2.0/ports", body)).error == "InvalidInput"
        port = await at.api.make("port", network_id=network["id"])
        given = {"port": {"device_owner": "network:router_gateway"}}
        assert (await at.api.call(f"PUT /v2.0/ports/{port['id']}", given)).error == "InvalidInput"
