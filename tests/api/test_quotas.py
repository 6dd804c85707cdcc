"""Quotas: set, shown, taken away, and kept by the store whoever creates at the same moment."""

import asyncio

from tests.api.live import live
from tests.daemons import OvsdbServer

KINDS = dict.fromkeys(
    (
        *("network", "subnet", "subnetpool", "port", "router", "floatingip"),
        *("security_group", "security_group_rule", "rbac_policy", "log", "trunk"),
        *("tap_service", "tap_flow", "tap_mirror"),
        *("loadbalancer", "listener", "pool", "member", "healthmonitor"),
    ),
    -1,
)


async def test_life_of_a_quota(database: OvsdbServer) -> None:
    async with live(database) as api:
        path = "/v2.0/quotas/red"
        whose = {"project_id": "red", "tenant_id": "red"}
        assert (await api.call(f"GET {path}")).body == {"quota": {**whose, **KINDS}}
        assert (await api.call("GET /v2.0/quotas")).body == {"quotas": []}
        assert (await api.call(f"DELETE {path}")).error == "TenantQuotaNotFound"
        given = await api.call(f"PUT {path}", {"quota": {"port": 5, "network": "2"}})
        assert (given.status, given.body) == (200, {"quota": {**whose, **KINDS, "port": 5, "network": 2}})
        assert (await api.call(f"PUT {path}", {"quota": {"network": -1}})).body["quota"]["port"] == 5
        assert [q["project_id"] for q in (await api.call("GET /v2.0/quotas")).body["quotas"]] == ["red"]
        assert (await api.call(f"GET {path}/default")).body == {"quota": {**whose, **KINDS}}
        network = await api.make("network", project_id="red")
        await api.make("port", network_id=network["id"], project_id="red")
        details = (await api.call(f"GET {path}/details.json")).body["quota"]
        assert details["port"] == {"limit": 5, "used": 1, "reserved": 0}
        assert details["network"] == {"limit": -1, "used": 1, "reserved": 0}
        found = {kind: details[kind]["used"] for kind in ("security_group", "security_group_rule")}
        assert found == {"security_group": 1, "security_group_rule": 4}, (
            "the default one counts, as in Neutron"
        )
        assert (await api.call(f"DELETE {path}")).status == 204
        assert (await api.call(f"GET {path}")).body == {"quota": {**whose, **KINDS}}
        tight = {"network": 0, "check_limit": True}
        assert (await api.call(f"PUT {path}", {"quota": tight})).error == "InvalidQuotaValue"
        assert (await api.call(f"PUT {path}", {"quota": {**tight, "force": True}})).status == 200
        for body in ({"port": -2}, {"port": "x"}, {"port": True}, {"node": 1}, {"port": 2**31}, 1, None):
            assert (await api.call(f"PUT {path}", {"quota": body})).status == 400, body
        assert (await api.call(f"PUT /v2.0/quotas/{'x' * 256}", {"quota": {}})).status == 400


async def test_more_than_the_quota_is_refused_at_once_and_wholly(database: OvsdbServer) -> None:
    async with live(database) as api:
        await api.call("PUT /v2.0/quotas/red", {"quota": {"network": 1, "port": 3, "subnet": 1}})
        network = await api.make("network", project_id="red")
        await api.make("subnet", project_id="red", network_id=network["id"], cidr="10.0.0.0/24")
        begun = asyncio.get_running_loop().time()
        for kind, body in (
            ("network", {"network": {"project_id": "red"}}),
            ("subnet", {"subnet": {"project_id": "red", "network_id": network["id"], "cidr": "10.1.0.0/24"}}),
            ("port", {"ports": [{"project_id": "red", "network_id": network["id"]}] * 4}),
        ):
            refused = await api.call(f"POST /v2.0/{kind}s", body)
            assert (refused.status, refused.error) == (409, "OverQuota")
            assert f"['{kind}']" in refused.body["NeutronError"]["message"]
        assert asyncio.get_running_loop().time() - begun < 0.9, "refused without waiting for other news"
        assert (await api.call("GET /v2.0/ports")).body == {"ports": []}
        bodies = [{"project_id": "red", "network_id": network["id"]}] * 3
        assert (await api.call("POST /v2.0/ports", {"ports": bodies})).status == 201
        await api.make("port", network_id=network["id"])  # of another project
        await api.call("PUT /v2.0/quotas/red", {"quota": {"port": -1}})
        await api.make("port", project_id="red", network_id=network["id"])


async def test_processes_that_create_at_once_stay_within_the_quota(database: OvsdbServer) -> None:
    async with live(database) as one, live(database) as two, live(database) as three:
        await one.call("PUT /v2.0/quotas/red", {"quota": {"port": 20}})
        network = await one.make("network", project_id="red")
        for api in (two, three):
            while (await api.call("GET /v2.0/quotas/red")).body["quota"]["port"] != 20:
                await api.call("GET /v2.0/sealane/changes?after=2&timeout=1")
            while (await api.call(f"GET /v2.0/networks/{network['id']}")).status != 200:
                await api.call("GET /v2.0/sealane/changes?after=3&timeout=1")
        body = {"port": {"project_id": "red", "network_id": network["id"]}}
        calls = [api.call("POST /v2.0/ports", body) for _ in range(15) for api in (one, two, three)]
        found = await asyncio.gather(*calls)
        assert sorted(a.status for a in found) == [201] * 20 + [409] * 25
        assert {a.error for a in found if a.status == 409} == {"OverQuota"}
        assert len((await one.call("GET /v2.0/ports")).body["ports"]) == 20
