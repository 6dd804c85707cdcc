"""Floating IPs and port forwardings: their life, what they lead to, and what is refused."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.api.live import Answer, Live, live
from tests.daemons import OvsdbServer

NOBODY = "0a000000-0000-4000-8000-00000000dead"


BOTH = {"protocol": "tcp", "internal_port": 7}


class Up:
    """Bindings: these ports are up."""

    def __init__(self) -> None:
        self.ports: set[str] = set()

    def up(self, port_id: str) -> bool:
        return port_id in self.ports

    def chassis(self, port_id: str) -> str | None:
        return None

    def health(self, port_id: str, protocol: str, port: int) -> str:
        return ""


@dataclass
class Site:
    """An external network, a router with a gateway in it, and a network with a port behind the router."""

    api: Live
    bindings: Up
    external: Any
    outer: Any
    router: Any
    network: Any
    subnet: Any
    port: Any

    async def floating(self, **values: Any) -> Any:
        return await self.api.make("floatingip", floating_network_id=self.external["id"], **values)

    async def refused(self, **values: Any) -> Answer:
        body = {"floating_network_id": self.external["id"], **values}
        return await self.api.call("POST /v2.0/floatingips", {"floatingip": body})

    async def change(self, floating: Any, **values: Any) -> Answer:
        return await self.api.call(f"PUT /v2.0/floatingips/{floating['id']}", {"floatingip": values})

    async def show(self, floating: Any) -> Any:
        return (await self.api.call(f"GET /v2.0/floatingips/{floating['id']}")).body["floatingip"]

    async def forward(self, floating: Any, **values: Any) -> Answer:
        body = {
            "protocol": "tcp",
            "external_port": 80,
            "internal_port": 8080,
            "internal_port_id": self.port["id"],
            **values,
        }
        return await self.api.call(
            f"POST /v2.0/floatingips/{floating['id']}/port_forwardings", {"port_forwarding": body}
        )


@asynccontextmanager
async def site(database: OvsdbServer) -> AsyncIterator[Site]:
    bindings = Up()
    async with live(database, bindings) as api:
        external = await api.make("network", name="world", **{"router:external": True})
        outer = await api.make("subnet", network_id=external["id"], cidr="203.0.113.0/28")
        gateway = {"network_id": external["id"]}
        router = await api.make("router", external_gateway_info=gateway)
        network = await api.make("network", name="web")
        subnet = await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24")
        joined = f"PUT /v2.0/routers/{router['id']}/add_router_interface"
        assert (await api.call(joined, {"subnet_id": subnet["id"]})).status == 200
        port = await api.make("port", network_id=network["id"])
        yield Site(api, bindings, external, outer, router, network, subnet, port)


def first(port: Any) -> str:
    return str(port["fixed_ips"][0]["ip_address"])


async def test_life_of_a_floating_ip(database: OvsdbServer) -> None:
    async with site(database) as s:
        made = await s.floating(description="of the shop", dns_name="shop", tags=["a"])
        assert made["floating_ip_address"].startswith("203.0.113.")
        alone = {"port_id": None, "fixed_ip_address": None, "router_id": None, "status": "DOWN"}
        assert made.items() >= {**alone, "port_details": None, "port_forwardings": []}.items()
        assert "name" not in made and "subnet_id" not in made
        held = (await s.api.call("GET /v2.0/ports?device_owner=network:floatingip")).body["ports"]
        assert [(first(p), p["device_id"], p["project_id"]) for p in held] == [
            (made["floating_ip_address"], made["id"], "")
        ]
        moved = (await s.change(made, port_id=s.port["id"])).body["floatingip"]
        assert moved["fixed_ip_address"] == first(s.port) and moved["router_id"] == s.router["id"]
        assert moved["port_details"]["mac_address"] == s.port["mac_address"]
        assert moved["revision_number"] > made["revision_number"] and moved["status"] == "DOWN"
        s.bindings.ports.add(s.port["id"])
        assert (await s.show(made))["status"] == "ACTIVE"
        other = await s.api.make("port", network_id=s.network["id"])
        moved = (await s.change(made, port_id=other["id"], fixed_ip_address=first(other))).body["floatingip"]
        assert (moved["fixed_ip_address"], moved["status"]) == (first(other), "DOWN")
        assert (await s.change(made, description="idle")).body["floatingip"]["port_id"] == other["id"]
        assert (await s.change(made, port_id=None)).body["floatingip"].items() >= alone.items()
        assert (await s.api.call(f"DELETE /v2.0/floatingips/{made['id']}")).status == 204
        assert (await s.api.call(f"GET /v2.0/floatingips/{made['id']}")).error == "FloatingIPNotFound"
        held = (await s.api.call("GET /v2.0/ports?device_owner=network:floatingip")).body["ports"]
        assert held == []


async def test_addresses_are_chosen_given_and_unique(database: OvsdbServer) -> None:
    async with site(database) as s:
        given = await s.floating(floating_ip_address="203.0.113.9", subnet_id=s.outer["id"])
        assert given["floating_ip_address"] == "203.0.113.9"
        again = await s.refused(floating_ip_address="203.0.113.9")
        assert (again.status, again.error) == (409, "IpAddressAlreadyAllocated")
        assert (await s.refused(floating_ip_address="198.51.100.1")).error == "InvalidIpForNetwork"
        assert (await s.refused(floating_ip_address="2001:db8::1")).status == 400
        assert (await s.refused(subnet_id=s.subnet["id"])).status == 400
        bodies = [{"floating_network_id": s.external["id"]}] * 3
        many = await s.api.call("POST /v2.0/floatingips", {"floatingips": bodies})
        assert len({f["floating_ip_address"] for f in many.body["floatingips"]}) == 3
        free = 14 - 1 - 1 - 4  # of 14 hosts: the subnet's gateway, the router's, and those four
        answers = await asyncio.gather(*(s.refused() for _ in range(20)))
        assert sorted(a.status for a in answers) == [201] * free + [409] * (20 - free)
        assert {a.error for a in answers if a.status == 409} == {"IpAddressGenerationFailure"}
        listed = (await s.api.call("GET /v2.0/floatingips")).body["floatingips"]
        assert len({f["floating_ip_address"] for f in listed}) == len(listed) == 4 + free


async def test_what_a_floating_ip_cannot_be(database: OvsdbServer) -> None:
    async with site(database) as s:
        inside = await s.refused(floating_network_id=s.network["id"])
        assert (inside.status, inside.error) == (400, "BadRequest")
        assert "is not a valid external network" in inside.body["NeutronError"]["message"]
        assert (await s.refused(floating_network_id=NOBODY)).error == "NetworkNotFound"
        assert (await s.refused(port_id=NOBODY)).error == "PortNotFound"
        assert (await s.refused(fixed_ip_address="10.0.0.5")).status == 400
        assert (await s.refused(port_id=s.port["id"], fixed_ip_address="10.0.0.250")).status == 400
        assert (await s.refused(port_id="x")).error == "HTTPBadRequest"
        bare = await s.api.make("network", **{"router:external": True})
        assert (await s.refused(floating_network_id=bare["id"])).status == 400
        apart = await s.api.make("network")
        await s.api.make("subnet", network_id=apart["id"], cidr="10.9.0.0/24")
        lone = await s.api.make("port", network_id=apart["id"])
        far = await s.refused(port_id=lone["id"])
        assert (far.status, far.error) == (404, "ExternalGatewayForFloatingIPNotFound")
        two = await s.api.make(
            "port", network_id=s.network["id"], fixed_ips=[{"subnet_id": s.subnet["id"]}] * 2
        )
        assert "multiple fixed" in (await s.refused(port_id=two["id"])).body["NeutronError"]["message"]
        none = await s.api.make("port", network_id=s.network["id"], fixed_ips=[])
        assert (await s.refused(port_id=none["id"])).status == 400
        taken = await s.floating(port_id=s.port["id"])
        second = await s.refused(port_id=s.port["id"])
        assert (second.status, second.error) == (409, "FloatingIPPortAlreadyAssociated")
        assert (await s.change(taken, floating_network_id=s.external["id"])).status == 400
        assert len((await s.api.call("GET /v2.0/floatingips")).body["floatingips"]) == 1


async def test_a_port_that_goes_lets_its_floating_ip_go(database: OvsdbServer) -> None:
    async with site(database) as s:
        floating = await s.floating(port_id=s.port["id"])
        changed = await s.api.call(
            f"PUT /v2.0/ports/{s.port['id']}", {"port": {"fixed_ips": [{"ip_address": "10.0.0.77"}]}}
        )
        assert changed.status == 200
        assert (await s.show(floating))["port_id"] is None
        await s.change(floating, port_id=s.port["id"])
        assert (await s.api.call(f"DELETE /v2.0/ports/{s.port['id']}")).status == 204
        left = await s.show(floating)
        assert (left["port_id"], left["fixed_ip_address"], left["router_id"]) == (None, None, None)


async def test_what_a_floating_ip_needs_stays(database: OvsdbServer) -> None:
    async with site(database) as s:
        floating = await s.floating(port_id=s.port["id"])
        router = f"/v2.0/routers/{s.router['id']}"
        cut = await s.api.call(f"PUT {router}", {"router": {"external_gateway_info": None}})
        assert cut.error == "RouterExternalGatewayInUseByFloatingIp"
        part = await s.api.call(f"PUT {router}/remove_router_interface", {"subnet_id": s.subnet["id"]})
        assert (part.status, part.error) == (409, "RouterInterfaceInUseByFloatingIP")
        assert (await s.api.call(f"DELETE /v2.0/networks/{s.external['id']}")).error == "NetworkInUse"
        held = (await s.api.call("GET /v2.0/ports?device_owner=network:floatingip")).body["ports"][0]
        assert (await s.api.call(f"DELETE /v2.0/ports/{held['id']}")).status == 409
        inside = {"network": {"router:external": False}}
        kept = await s.api.call(f"PUT /v2.0/networks/{s.external['id']}", inside)
        assert kept.error == "ExternalNetworkInUse"
        await s.change(floating, port_id=None)
        part = await s.api.call(f"PUT {router}/remove_router_interface", {"subnet_id": s.subnet["id"]})
        assert part.status == 200


async def test_port_forwardings(database: OvsdbServer) -> None:
    async with site(database) as s:
        floating = await s.floating()
        made = (await s.forward(floating, description="web")).body["port_forwarding"]
        assert made["internal_ip_address"] == first(s.port) and "tags" not in made
        base = f"/v2.0/floatingips/{floating['id']}/port_forwardings"
        assert (await s.api.call(f"GET {base}")).body["port_forwardings"] == [made]
        assert (await s.api.call(f"GET {base}/{made['id']}")).body["port_forwarding"] == made
        shown = await s.show(floating)
        assert shown["router_id"] == s.router["id"] and shown["port_id"] is None
        assert [f["external_port"] for f in shown["port_forwardings"]] == [80]
        s.bindings.ports.add(s.port["id"])
        assert (await s.show(floating))["status"] == "ACTIVE"
        assert (await s.forward(floating)).status == 400, "the same once more"
        assert (await s.forward(floating, protocol="udp")).status == 201
        moved = await s.api.call(f"PUT {base}/{made['id']}", {"port_forwarding": {"external_port": 81}})
        assert moved.body["port_forwarding"]["external_port"] == 81
        for wrong in (
            {"protocol": "icmp"},
            {"external_port": 0},
            {"external_port": 65536},
            {"internal_port": "80:90"},
            {"internal_ip_address": "10.0.0.99", "external_port": 99},
            {"internal_port_id": "x"},
            {"colour": "red"},
        ):
            assert (await s.forward(floating, **wrong)).status == 400, wrong
        assert (await s.forward(floating, internal_port_id=NOBODY)).error == "PortNotFound"
        other = await s.floating()
        foreign = f"/v2.0/floatingips/{other['id']}/port_forwardings/{made['id']}"
        assert (await s.api.call(f"GET {foreign}")).error == "PortForwardingNotFound"
        assert (await s.api.call(f"GET /v2.0/floatingips/{NOBODY}/port_forwardings")).status == 404
        assert (await s.change(floating, port_id=s.port["id"])).error == "FipInUseByPortForwarding"
        assert (await s.change(other, port_id=s.port["id"])).error == "PortHasPortForwarding"
        gone = await s.api.call(f"DELETE /v2.0/floatingips/{floating['id']}")
        assert (gone.status, gone.error) == (409, "FipInUseByPortForwarding")
        router = f"/v2.0/routers/{s.router['id']}/remove_router_interface"
        assert (await s.api.call(f"PUT {router}", {"subnet_id": s.subnet["id"]})).status == 409
        assert (await s.api.call(f"DELETE {base}/{made['id']}")).status == 204
        assert (await s.show(floating))["router_id"] == s.router["id"]
        assert (await s.api.call(f"DELETE /v2.0/ports/{s.port['id']}")).status == 204
        left = await s.show(floating)
        assert (left["port_forwardings"], left["router_id"]) == ([], None)


async def test_ranges_of_ports(database: OvsdbServer) -> None:
    async with site(database) as s:
        floating = await s.floating()
        base = f"/v2.0/floatingips/{floating['id']}/port_forwardings"
        alone = {"external_port": None, "internal_port": None}

        async def forward(outside: object, inside: object, **values: Any) -> Answer:
            ranges = {"external_port_range": outside, "internal_port_range": inside}
            return await s.forward(floating, **alone, **ranges, **values)

        made = (await forward("8000:8009", "9000:9009")).body["port_forwarding"]
        assert made.items() >= {**alone, "external_port_range": "8000:8009"}.items()
        one = (await s.forward(floating)).body["port_forwarding"]
        assert (one["external_port"], one["external_port_range"]) == (80, "80:80")
        many = (await forward("100:109", "7000")).body["port_forwarding"]
        assert (many["internal_port"], many["internal_port_range"]) == (7000, "7000:7000")
        shown = {f["external_port_range"] for f in (await s.show(floating))["port_forwardings"]}
        assert shown == {"8000:8009", "80:80", "100:109"}
        for query in ("external_port_range=8000:8009", "external_port_range=80&external_port=80"):
            assert len((await s.api.call(f"GET {base}?{query}")).body["port_forwardings"]) == 1, query
        for outside in ("8009", "7999:8000", "7500:8400", "8003:8005", "80:81"):
            again = await forward(outside, "5000")
            assert again.status == 400 and "overlaps" in again.body["NeutronError"]["message"], outside
        assert (await forward("8000:8009", "9000:9009", protocol="udp")).status == 201
        for outside, inside, word in (
            ("20:29", "20:28", "as many"),
            ("20", "20:29", "as many"),
            ("20000:21000", "1", "1000 at most"),
            ("29:20", "20", "external_port_range"),
            ("0:20", "20", "external_port_range"),
            ("20:70000", "20", "external_port_range"),
            ("20:", "20", "external_port_range"),
            (["20:21"], "20", "external_port_range"),
            (None, "20", "'external_port_range' is needed"),
            ("20", None, "'internal_port_range' is needed"),
        ):
            wrong = await forward(outside, inside)
            assert wrong.status == 400 and word in wrong.body["NeutronError"]["message"], wrong
        both = await s.forward(floating, external_port=20, external_port_range="20:21")
        assert both.status == 400 and "give one of them" in both.body["NeutronError"]["message"]
        same = await s.forward(floating, external_port=20, external_port_range="20:20")
        assert same.status == 201
        path = f"PUT {base}/{made['id']}"
        moved = (await s.api.call(path, {"port_forwarding": {"external_port_range": "8500:8509"}})).body
        assert moved["port_forwarding"]["external_port_range"] == "8500:8509"
        for values in ({"external_port": 8500}, {"external_port_range": "75:84"}, {"protocol": "udp"}):
            wanted = 200 if values == {"protocol": "udp"} else 400
            assert (await s.api.call(path, {"port_forwarding": values})).status == wanted, values
        single = {"external_port": 8500, "internal_port": 9000}
        shrunk = (await s.api.call(path, {"port_forwarding": single})).body["port_forwarding"]
        assert (shrunk["external_port_range"], shrunk["internal_port"]) == ("8500:8500", 9000)
        bodies = [
            {**BOTH, "internal_port_id": s.port["id"], "external_port_range": outside}
            for outside in ("600:609", "609:610")
        ]
        assert (await s.api.call(f"POST {base}", {"port_forwardings": bodies})).status == 400


async def test_who_forwards_overlapping_ranges_at_the_same_moment(database: OvsdbServer) -> None:
    """Through two processes that may not have heard of each other's yet: no port leads to two."""
    async with site(database) as s, live(database) as second:
        floating = await s.floating()
        await s.forward(floating, external_port=1)
        base = f"/v2.0/floatingips/{floating['id']}/port_forwardings"
        async with asyncio.timeout(60):
            while (await second.call(f"GET {base}")).body.get("port_forwardings") is None:
                await second.call("GET /v2.0/sealane/changes?after=5&timeout=1")
        bodies = [
            {**BOTH, "internal_port_id": s.port["id"], "external_port_range": f"{first}:{first + 9}"}
            for n in range(1, 6)
            for first in (n * 100, n * 100 + 5)
        ]
        calls = [
            api.call(f"POST {base}", {"port_forwarding": body})
            for body, api in zip(bodies, [s.api, second] * 5, strict=True)
        ]
        answers = await asyncio.gather(*calls)
        assert {a.status for a in answers} <= {201, 400, 409} and answers[0].status == 201
        made = (await s.api.call(f"GET {base}")).body["port_forwardings"]
        assert len(made) == 1 + sum(a.status == 201 for a in answers)
        spans = sorted(tuple(map(int, f["external_port_range"].split(":"))) for f in made)
        assert all(one[1] < next[0] for one, next in itertools.pairwise(spans))


async def test_an_associated_address_forwards_nothing(database: OvsdbServer) -> None:
    async with site(database) as s:
        floating = await s.floating(port_id=s.port["id"])
        refused = await s.forward(floating)
        assert (refused.status, refused.error) == (409, "FloatingIPPortAlreadyAssociated")
        other = await s.floating()
        assert (await s.forward(other)).error == "PortHasBindingFloatingIP"


async def test_who_associates_at_the_same_moment(database: OvsdbServer) -> None:
    """Through two processes: one wins, and nobody has both."""
    async with site(database) as s, live(database) as second:
        made = [await s.floating() for _ in range(6)]
        while len((await second.call("GET /v2.0/floatingips")).body["floatingips"]) < 6:
            await second.call("GET /v2.0/sealane/changes?after=5&timeout=1")
        calls = [
            api.call(f"PUT /v2.0/floatingips/{f['id']}", {"floatingip": {"port_id": s.port["id"]}})
            for f, api in zip(made, [s.api, second] * 3, strict=True)
        ]
        answers = await asyncio.gather(*calls)
        assert sorted(a.status for a in answers) == [200] + [409] * 5
        assert {a.error for a in answers if a.status == 409} == {"FloatingIPPortAlreadyAssociated"}


async def test_quota_tags_filters_and_revisions(database: OvsdbServer) -> None:
    async with site(database) as s:
        await s.api.call("PUT /v2.0/quotas/red", {"quota": {"floatingip": 1}})
        red = await s.floating(project_id="red")
        assert (await s.refused(project_id="red")).error == "OverQuota"
        blue = await s.floating(project_id="blue", port_id=s.port["id"], tags=["t"])
        for query, wanted in (
            (f"port_id={s.port['id']}", blue),
            ("project_id=red", red),
            ("tags=t", blue),
            (f"floating_ip_address={red['floating_ip_address']}", red),
            ("status=DOWN&project_id=blue", blue),
            (f"router_id={s.router['id']}", blue),
        ):
            found = (await s.api.call(f"GET /v2.0/floatingips?{query}")).body["floatingips"]
            assert [f["id"] for f in found] == [wanted["id"]], query
        stale = await s.api.call(
            f"PUT /v2.0/floatingips/{red['id']}",
            {"floatingip": {"description": "x"}},
            headers={"If-Match": f"revision_number={red['revision_number'] + 1}"},
        )
        assert (stale.status, stale.error) == (412, "RevisionNumberConstraintFailed")
        assert (await s.api.call(f"PUT /v2.0/floatingips/{red['id']}/tags/new")).status == 201
