"""Load balancers: their life by Octavia's API, the tree, and what is refused."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.api.live import Answer, Live, live
from tests.daemons import OvsdbServer

NOBODY = "0a000000-0000-4000-8000-00000000dead"
SOURCE_IP_PORT = {"lb_algorithm": "SOURCE_IP_PORT"}
MONITOR = {"type": "TCP", "delay": 3, "timeout": 2, "max_retries": 2}


class Health:
    """Bindings: ports are up, and servers are as said here."""

    def __init__(self) -> None:
        self.servers: dict[tuple[str, str, int], str] = {}

    def up(self, port_id: str) -> bool:
        return True

    def chassis(self, port_id: str) -> str | None:
        return None

    def health(self, port_id: str, protocol: str, port: int) -> str:
        return self.servers.get((port_id, protocol, port), "")


@dataclass
class Site:
    """A network with two machines, a second one behind a router, and one apart."""

    api: Live
    network: Any
    subnet: Any
    beside: Any
    apart: Any
    machines: list[Any] = field(default_factory=list)

    async def call(self, line: str, body: object = None) -> Answer:
        verb, path = line.split(" ", 1)
        return await self.api.call(f"{verb} /v2.0/lbaas/{path}", body)

    async def make(self, kind: str, path: str = "", **values: Any) -> Any:
        answer = await self.call(f"POST {path or kind + 's'}", {kind: values})
        assert answer.status == 201, answer
        return answer.body[kind]

    async def refused(self, status: int, kind: str, path: str = "", **values: Any) -> str:
        answer = await self.call(f"POST {path or kind + 's'}", {kind: values})
        return fault(answer, status)

    async def balancer(self, **values: Any) -> Any:
        return await self.make("loadbalancer", vip_subnet_id=self.subnet["id"], **values)

    async def served(self) -> tuple[Any, Any, Any]:
        """A load balancer, a listener and its pool."""
        made = await self.balancer(name="shop")
        listener = await self.make("listener", loadbalancer_id=made["id"], protocol="TCP", protocol_port=80)
        pool = await self.make("pool", listener_id=listener["id"], protocol="TCP", **SOURCE_IP_PORT)
        return made, listener, pool

    async def held(self, owner: str) -> list[Any]:
        return list((await self.api.call(f"GET /v2.0/ports?device_owner={owner}")).body["ports"])


def fault(answer: Answer, status: int) -> str:
    """The message; also checks the one shape that errors have."""
    assert answer.status == status, answer
    assert set(answer.body) == {"faultcode", "faultstring", "debuginfo"}
    return str(answer.body["faultstring"])


def first(port: Any) -> str:
    return str(port["fixed_ips"][0]["ip_address"])


@asynccontextmanager
async def site(database: OvsdbServer, bindings: Health | None = None) -> AsyncIterator[Site]:
    async with live(database, bindings) as api:
        network = await api.make("network", name="web")
        subnet = await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24")
        found = {}
        for name, cidr in (("beside", "10.1.0.0/24"), ("apart", "10.2.0.0/24")):
            other = await api.make("network", name=name)
            found[name] = await api.make("subnet", network_id=other["id"], cidr=cidr)
        router = await api.make("router")
        for joined in (subnet, found["beside"]):
            path = f"PUT /v2.0/routers/{router['id']}/add_router_interface"
            assert (await api.call(path, {"subnet_id": joined["id"]})).status == 200
        machines = [await api.make("port", network_id=network["id"]) for _ in range(2)]
        yield Site(api, network, subnet, found["beside"], found["apart"], machines)


async def test_life_of_a_load_balancer(database: OvsdbServer) -> None:
    async with site(database) as s:
        made, listener, pool = await s.served()
        (port,) = await s.held("Octavia")
        assert made["vip_address"] == first(port) and made["vip_port_id"] == port["id"]
        assert (made["vip_network_id"], made["vip_subnet_id"]) == (s.network["id"], s.subnet["id"])
        assert (made["provider"], made["provisioning_status"]) == ("ovn", "ACTIVE")
        assert made["operating_status"] == "OFFLINE"
        below = f"pools/{pool['id']}/members"
        one = await s.make("member", below, address=first(s.machines[0]), protocol_port=8080, weight=3)
        two = await s.make("member", below, address="10.1.0.9", protocol_port=8080, name="far")
        assert (one["subnet_id"], two["subnet_id"]) == (s.subnet["id"], s.beside["id"])
        assert one["operating_status"] == "NO_MONITOR"
        shown = (await s.call(f"GET loadbalancers/{made['id']}")).body["loadbalancer"]
        assert (shown["listeners"], shown["pools"]) == ([{"id": listener["id"]}], [{"id": pool["id"]}])
        assert shown["operating_status"] == "ONLINE"
        shown = (await s.call(f"GET pools/{pool['id']}")).body["pool"]
        assert {m["id"] for m in shown["members"]} == {one["id"], two["id"]}
        assert shown["listeners"] == [{"id": listener["id"]}]
        listed = (await s.call(f"GET {below}?protocol_port=8080&name=far")).body["members"]
        assert [m["id"] for m in listed] == [two["id"]]
        drained = await s.call(f"PUT {below}/{one['id']}", {"member": {"weight": 0}})
        assert drained.body["member"]["operating_status"] == "DRAINING"
        renamed = await s.call(
            f"PUT loadbalancers/{made['id']}", {"loadbalancer": {"name": "x", "tags": ["a"]}}
        )
        assert (renamed.body["loadbalancer"]["name"], renamed.body["loadbalancer"]["tags"]) == ("x", ["a"])
        assert len((await s.call("GET loadbalancers?tags=a")).body["loadbalancers"]) == 1
        in_use = fault(await s.call(f"DELETE loadbalancers/{made['id']}"), 409)
        assert "cascade" in in_use
        assert (await s.call(f"DELETE loadbalancers/{made['id']}?cascade=true")).status == 204
        for kind in ("loadbalancers", "listeners", "pools", "healthmonitors"):
            assert (await s.call(f"GET {kind}")).body[kind] == []
        assert await s.held("Octavia") == []


async def test_both_paths_and_the_catalog_lead_there(database: OvsdbServer) -> None:
    async with site(database) as s:
        made = await s.balancer()
        for base in ("/v2/lbaas", "/v2.0/lbaas"):
            assert (await s.api.call(f"GET {base}/loadbalancers/{made['id']}")).status == 200
            assert fault(await s.api.call(f"GET {base}/loadbalancers/{NOBODY}"), 404)
            assert fault(await s.api.call(f"GET {base}/flavors"), 404)
            assert fault(await s.api.call(f"GET {base}/loadbalancers", headers={"X-Auth-Token": "x"}), 401)
        assert [p["name"] for p in (await s.call("GET providers")).body["providers"]] == ["ovn"]
        assert "not counted" in fault(await s.call(f"GET loadbalancers/{made['id']}/stats"), 501)


async def test_statuses_follow_the_checks(database: OvsdbServer) -> None:
    health = Health()
    async with site(database, health) as s:
        made, listener, pool = await s.served()
        below = f"pools/{pool['id']}/members"
        for machine in s.machines:
            await s.make("member", below, address=first(machine), protocol_port=8080)
        monitor = await s.make("healthmonitor", pool_id=pool["id"], **MONITOR)
        (asking,) = await s.held("ovn-lb-hm:distributed")
        assert first(asking) not in {made["vip_address"], *map(first, s.machines)}
        keys = [(machine["id"], "tcp", 8080) for machine in s.machines]

        async def statuses() -> list[str]:
            answer = await s.call(f"GET loadbalancers/{made['id']}/status")
            root = answer.body["statuses"]["loadbalancer"]
            inner = root["listeners"][0]["pools"][0]
            assert (
                inner["health_monitor"]["id"] == monitor["id"]
                and root["listeners"][0]["id"] == listener["id"]
            )
            by_address = {row["address"]: row for row in inner["members"]}
            members = [by_address[first(machine)] for machine in s.machines]
            return [row["operating_status"] for row in (root, inner, *members)]

        assert await statuses() == ["ONLINE", "ONLINE", "OFFLINE", "OFFLINE"]
        for said, wanted in (
            (("online", "online"), ["ONLINE"] * 4),
            (("online", "offline"), ["DEGRADED", "DEGRADED", "ONLINE", "ERROR"]),
            (("error", "offline"), ["ERROR"] * 4),
        ):
            health.servers = dict(zip(keys, said, strict=True))
            assert await statuses() == wanted
        assert (await s.call(f"DELETE healthmonitors/{monitor['id']}")).status == 204
        assert await s.held("ovn-lb-hm:distributed") == []


async def test_all_in_one_call(database: OvsdbServer) -> None:
    async with site(database) as s:
        members = [{"address": first(machine), "protocol_port": 8080} for machine in s.machines]
        pool = {"protocol": "TCP", "members": members, "healthmonitor": MONITOR, **SOURCE_IP_PORT}
        udp = {"name": "dns", "protocol": "UDP", **SOURCE_IP_PORT}
        listeners = [
            {"protocol": "TCP", "protocol_port": 80, "default_pool": pool},
            {"protocol": "UDP", "protocol_port": 53, "default_pool": {"name": "dns"}},
        ]
        made = await s.balancer(listeners=listeners, pools=[udp])
        assert (len(made["listeners"]), len(made["pools"])) == (2, 2)
        found = (await s.call("GET listeners?protocol=UDP")).body["listeners"][0]
        (dns,) = (await s.call("GET pools?name=dns")).body["pools"]
        assert found["default_pool_id"] == dns["id"]
        assert len(await s.held("ovn-lb-hm:distributed")) == 1
        bad = {**pool, "members": [*members, {"address": "192.0.2.1", "protocol_port": 1}]}
        listeners[0]["default_pool"] = bad
        said = await s.refused(400, "loadbalancer", vip_subnet_id=s.subnet["id"], listeners=listeners)
        assert "192.0.2.1" in said
        assert len((await s.call("GET loadbalancers")).body["loadbalancers"]) == 1
        assert len(await s.held("Octavia")) == 1, "nothing is half done"
        assert (await s.call(f"DELETE loadbalancers/{made['id']}?cascade=1")).status == 204
        assert await s.held("ovn-lb-hm:distributed") == []


async def test_members_are_replaced_at_once(database: OvsdbServer) -> None:
    async with site(database) as s:
        _, _, pool = await s.served()
        below = f"pools/{pool['id']}/members"

        async def put(query: str = "", *addresses: str, **more: Any) -> Answer:
            given = [{"address": a, "protocol_port": 80, **more} for a in addresses]
            return await s.call(f"PUT {below}{query}", {"members": given})

        async def there() -> dict[str, tuple[str, int]]:
            rows = (await s.call(f"GET {below}")).body["members"]
            return {row["address"]: (row["id"], row["weight"]) for row in rows}

        assert (await put("", "10.0.0.5", "10.0.0.6")).status == 202
        before = await there()
        assert (await put("", "10.0.0.6", "10.0.0.7", weight=5)).status == 202
        after = await there()
        assert after.keys() == {"10.0.0.6", "10.0.0.7"}
        assert after["10.0.0.6"] == (before["10.0.0.6"][0], 5)
        assert (await put("?additive_only=true", "10.0.0.8")).status == 202
        assert (await there()).keys() == {"10.0.0.6", "10.0.0.7", "10.0.0.8"}
        assert "192.0.2.1" in fault(await put("", "10.0.0.9", "192.0.2.1"), 400)
        assert (await there()).keys() == {"10.0.0.6", "10.0.0.7", "10.0.0.8"}
        assert (await put("")).status == 202
        assert await there() == {}


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        ("listener", {"protocol": "HTTP", "protocol_port": 81}, "protocol"),
        ("listener", {"protocol": "TCP", "protocol_port": 0}, "protocol_port"),
        ("listener", {"protocol": "TCP", "protocol_port": 65536}, "protocol_port"),
        ("listener", {"protocol": "TCP", "protocol_port": 81, "connection_limit": 7}, "connection_limit"),
        (
            "listener",
            {"protocol": "TCP", "protocol_port": 81, "allowed_cidrs": ["10.0.0.0/8"]},
            "allowed_cidrs",
        ),
        ("pool", {"protocol": "TCP", "lb_algorithm": "ROUND_ROBIN"}, "lb_algorithm"),
        (
            "pool",
            {"protocol": "TCP", **SOURCE_IP_PORT, "session_persistence": {"type": "HTTP_COOKIE"}},
            "type",
        ),
        (
            "pool",
            {
                "protocol": "TCP",
                **SOURCE_IP_PORT,
                "session_persistence": {"type": "SOURCE_IP", "persistence_timeout": 65536},
            },
            "session_persistence",
        ),
    ],
)
async def test_what_cannot_be(database: OvsdbServer, kind: str, values: Any, named: str) -> None:
    async with site(database) as s:
        made = await s.balancer()
        assert named in await s.refused(400, kind, loadbalancer_id=made["id"], **values)
        assert (await s.call(f"GET {kind}s")).body[f"{kind}s"] == []


async def test_what_does_not_fit_together(database: OvsdbServer) -> None:
    async with site(database) as s:
        made, listener, pool = await s.served()
        below = f"pools/{pool['id']}/members"
        same = {"loadbalancer_id": made["id"], "protocol": "TCP", "protocol_port": 80}
        assert "protocol_port 80" in await s.refused(409, "listener", **same)
        assert (await s.make("listener", **{**same, "protocol": "UDP"}))["protocol_port"] == 80
        assert "listener_id" in await s.refused(400, "pool", protocol="TCP", **SOURCE_IP_PORT)
        assert "listener_id" in await s.refused(
            409, "pool", protocol="TCP", listener_id=listener["id"], **SOURCE_IP_PORT
        )
        udp = await s.make("pool", loadbalancer_id=made["id"], protocol="UDP", **SOURCE_IP_PORT)
        led = await s.call(f"PUT listeners/{listener['id']}", {"listener": {"default_pool_id": udp["id"]}})
        assert "default_pool_id" in fault(led, 400)
        for values, named in (
            ({"address": "192.0.2.1"}, "address"),
            ({"address": "10.2.0.5", "subnet_id": s.apart["id"]}, "subnet_id"),
            ({"address": "10.2.0.5"}, "address"),
            ({"address": "10.0.0.5", "subnet_id": s.beside["id"]}, "address"),
            ({"address": made["vip_address"]}, "address"),
            ({"address": "fd00::5"}, "address"),
            ({"address": "10.0.0.5", "weight": 257}, "weight"),
            ({"address": "10.0.0.5", "weight": -1}, "weight"),
            ({"address": "10.0.0.5", "protocol_port": 70000}, "protocol_port"),
            ({"address": "10.0.0.5", "backup": True}, "backup"),
        ):
            said = await s.refused(400, "member", below, **{"protocol_port": 80, **values})
            assert named in said, said
        assert (await s.call(f"GET {below}")).body["members"] == []
        await s.make("member", below, address="10.0.0.200", protocol_port=80)
        assert "10.0.0.200" in await s.refused(409, "member", below, address="10.0.0.200", protocol_port=80)
        no_port = await s.refused(400, "healthmonitor", pool_id=pool["id"], **MONITOR)
        assert "10.0.0.200" in no_port
        for values, named in (
            ({"pool_id": udp["id"]}, "type"),
            ({"pool_id": udp["id"], "type": "UDP-CONNECT", "timeout": 9}, "timeout"),
            ({"pool_id": udp["id"], "type": "HTTP"}, "type"),
            ({"pool_id": udp["id"], "type": "UDP-CONNECT", "max_retries": 11}, "max_retries"),
            ({"pool_id": udp["id"], "type": "UDP-CONNECT", "url_path": "/"}, "url_path"),
        ):
            said = await s.refused(400, "healthmonitor", **{**MONITOR, **values})
            assert named in said, said
        asked = await s.make("healthmonitor", **{**MONITOR, "pool_id": udp["id"], "type": "UDP-CONNECT"})
        assert "pool_id" in await s.refused(
            409, "healthmonitor", **{**MONITOR, "pool_id": udp["id"], "type": "UDP-CONNECT"}
        )
        said = await s.refused(
            400, "member", f"pools/{udp['id']}/members", address="10.0.0.9", protocol_port=53
        )
        assert "10.0.0.9" in said
        sctp = await s.make("pool", loadbalancer_id=made["id"], protocol="SCTP", **SOURCE_IP_PORT)
        assert "type" in await s.refused(400, "healthmonitor", pool_id=sctp["id"], **MONITOR)
        assert (await s.call("GET healthmonitors")).body["healthmonitors"][0]["id"] == asked["id"]


async def test_the_address_is_given_or_a_port_of_ones_own(database: OvsdbServer) -> None:
    async with site(database) as s:
        assert "vip_subnet_id" in await s.refused(400, "loadbalancer")
        given = await s.balancer(vip_address="10.0.0.77")
        assert given["vip_address"] == "10.0.0.77"
        assert "10.0.0.77" in await s.refused(
            409, "loadbalancer", vip_subnet_id=s.subnet["id"], vip_address="10.0.0.77"
        )
        assert NOBODY in await s.refused(404, "loadbalancer", vip_network_id=NOBODY)
        mine = s.machines[0]
        made = await s.make("loadbalancer", vip_port_id=mine["id"])
        assert made["vip_address"] == first(mine)
        assert mine["id"] in await s.refused(409, "loadbalancer", vip_port_id=mine["id"])
        kept = await s.api.call(f"DELETE /v2.0/ports/{mine['id']}")
        assert kept.error == "ServicePortInUse"
        moved = await s.api.call(f"PUT /v2.0/ports/{mine['id']}", {"port": {"fixed_ips": []}})
        assert moved.error == "PortInUse"
        assert (await s.call(f"DELETE loadbalancers/{made['id']}")).status == 204
        back = (await s.api.call(f"GET /v2.0/ports/{mine['id']}")).body["port"]
        assert (back["device_owner"], back["device_id"]) == ("", "")


async def test_quotas_by_either_name(database: OvsdbServer) -> None:
    async with site(database) as s:
        changed = await s.call("PUT quotas/default", {"quota": {"load_balancer": 1, "health_monitor": 0}})
        assert changed.status == 202 and changed.body["quota"]["loadbalancer"] == 1
        await s.balancer()
        assert "loadbalancer" in await s.refused(409, "loadbalancer", vip_subnet_id=s.subnet["id"])
        assert len(await s.held("Octavia")) == 1
        shown = (await s.api.call("GET /v2.0/quotas/default")).body["quota"]
        assert (shown["loadbalancer"], shown["healthmonitor"], shown["listener"]) == (1, 0, -1)
        assert "load_balancers" in fault(
            await s.call("PUT quotas/default", {"quota": {"load_balancers": 1}}), 400
        )
        assert (await s.call("DELETE quotas/default")).status == 204
        assert (await s.call("GET quotas/default")).body["quota"]["load_balancer"] == -1
        await s.balancer()


async def test_sctp_is_refused_where_a_host_forwards_in_user_space(database: OvsdbServer) -> None:
    """Also with all that belongs to it in one call: nothing of it is left, and nobody learns of the host."""
    async with site(database) as s:
        made = await s.balancer(name="shop")
        sctp = {"loadbalancer_id": made["id"], "protocol": "SCTP"}
        await s.make("listener", **sctp, protocol_port=80)
        node = {"name": "host9", "address": "192.0.2.9", "datapath_type": "netdev"}
        assert (await s.api.call("POST /v2.0/sealane/nodes", {"node": node})).status in (200, 201)
        said = await s.refused(400, "listener", **sctp, protocol_port=81)
        assert "protocol" in said and "user space" in said and "host9" not in said
        whole = {"name": "whole", "vip_subnet_id": s.subnet["id"]}
        said = await s.refused(
            400, "loadbalancer", **whole, listeners=[{"protocol": "SCTP", "protocol_port": 80}]
        )
        assert "user space" in said
        listed = (await s.call("GET loadbalancers")).body["loadbalancers"]
        assert [one["name"] for one in listed] == ["shop"]
        await s.make("listener", loadbalancer_id=made["id"], protocol="TCP", protocol_port=81)
