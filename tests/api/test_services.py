"""Ports that offer the same service: a load balancer comes, follows and goes by itself."""

from typing import Any

from tests.api.live import Live, live
from tests.api.test_loadbalancers import first
from tests.daemons import OvsdbServer

OFFER = "sealane:services"


async def rows(api: Live, path: str) -> list[Any]:
    (found,) = [v for v in (await api.call(f"GET /v2.0/lbaas/{path}")).body.values() if isinstance(v, list)]
    return list(found)


async def members(api: Live) -> dict[str, tuple[int, bool]]:
    found = {}
    for pool in await rows(api, "pools"):
        for row in await rows(api, f"pools/{pool['id']}/members"):
            found[f"{row['address']}:{row['protocol_port']}"] = (row["weight"], row["admin_state_up"])
    return found


async def test_a_service_follows_its_ports(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await api.make("network", name="web", project_id="red")
        await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24", project_id="red")

        async def port(**values: Any) -> Any:
            return await api.make("port", network_id=network["id"], project_id="red", **values)

        async def change(row: Any, **values: Any) -> None:
            assert (await api.call(f"PUT /v2.0/ports/{row['id']}", {"port": values})).status == 200

        one, two = await port(**{OFFER: ["shop:80:8080"]}), await port()
        assert one[OFFER] == ["shop:80:8080/tcp"]
        (balancer,) = await rows(api, "loadbalancers")
        assert (balancer["name"], balancer["project_id"]) == ("shop", "red")
        (vip,) = (await api.call("GET /v2.0/ports?device_owner=Octavia")).body["ports"]
        assert (vip["dns_name"], first(vip)) == ("shop", balancer["vip_address"])
        (listener,) = await rows(api, "listeners")
        assert (listener["protocol"], listener["protocol_port"]) == ("TCP", 80)
        here, there = f"{first(one)}:8080", f"{first(two)}:8080"
        assert await members(api) == {here: (1, True)}
        await change(two, **{OFFER: ["shop:80:8080/tcp", "shop:53/udp"], "sealane:withdrawn": True})
        assert await members(api) == {here: (1, True), there: (1, False), f"{first(two)}:53": (1, False)}
        await change(two, **{"sealane:withdrawn": False})
        assert (await members(api))[there] == (1, True)
        assert [b["id"] for b in await rows(api, "loadbalancers")] == [balancer["id"]]
        await change(two, **{OFFER: ["other:80"]})
        assert {b["name"] for b in await rows(api, "loadbalancers")} == {"shop", "other"}
        assert [r["protocol_port"] for r in await rows(api, "listeners")] == [80, 80], (
            "nobody offers UDP any more"
        )
        assert (await api.call(f"DELETE /v2.0/ports/{one['id']}")).status == 204
        assert {b["name"] for b in await rows(api, "loadbalancers")} == {"other"}
        assert (await api.call(f"DELETE /v2.0/ports/{two['id']}")).status == 204
        for path in ("loadbalancers", "listeners", "pools"):
            assert await rows(api, path) == []
        assert (await api.call("GET /v2.0/ports?device_owner=Octavia")).body["ports"] == []
        for bad in ("shop", "shop:0", "shop:80:70000", "Shop:80", "shop:80/icmp"):
            refused = await api.call(
                "POST /v2.0/ports", {"port": {"network_id": network["id"], OFFER: [bad]}}
            )
            assert refused.status == 400 and "NAME:PORT" in refused.body["NeutronError"]["message"]
