"""What clients look up beside resources: addresses that are left, zones, providers, times, quotas' floor."""

from typing import Any

from tests.api.house import house
from tests.api.live import Live, live
from tests.api.test_openstack import openstack
from tests.daemons import OvsdbServer

AVAILABLE = "/v2.0/network-ip-availabilities"


async def two(api: Live) -> Any:
    network = await api.make("network", name="blue")
    pools = [{"start": "10.0.0.10", "end": "10.0.0.19"}]
    values = {"network_id": network["id"], "cidr": "10.0.0.0/24", "name": "low"}
    low = await api.make("subnet", allocation_pools=pools, **values)
    high = await api.make("subnet", network_id=network["id"], cidr="fd00::/64")
    await api.make("port", network_id=network["id"])
    await api.make("port", network_id=network["id"], fixed_ips=[{"ip_address": "10.0.0.99"}])
    return network, low, high


async def test_how_many_addresses_are_taken(database: OvsdbServer) -> None:
    async with live(database) as api:
        network, low, high = await two(api)
        await api.make("network", name="empty", project_id="red")
        shown = (await api.call(f"GET {AVAILABLE}/{network['id']}")).body["network_ip_availability"]
        by_subnet = {s["subnet_id"]: s for s in shown["subnet_ip_availability"]}
        assert by_subnet[low["id"]] == {
            "subnet_id": low["id"],
            "subnet_name": "low",
            "cidr": "10.0.0.0/24",
            "ip_version": 4,
            "total_ips": 10,
            "used_ips": 2,
        }
        assert by_subnet[high["id"]]["total_ips"] == 2**64 - 2
        assert (shown["total_ips"], shown["used_ips"]) == (10 + 2**64 - 2, 3)
        assert (shown["network_name"], shown["project_id"], shown["tenant_id"]) == (
            *("blue", "default"),
            "default",
        )
        listed = (await api.call(f"GET {AVAILABLE}?ip_version=4")).body["network_ip_availabilities"]
        assert [(n["network_name"], n["total_ips"]) for n in listed] == [("blue", 10)]
        for query, names in (
            ("project_id=red", ["empty"]),
            (f"network_id={network['id']}", ["blue"]),
            ("network_name=empty", ["empty"]),
            ("sort_key=network_name&sort_dir=desc", ["empty", "blue"]),
            ("sort_key=network_name&limit=1", ["blue"]),
        ):
            found = (await api.call(f"GET {AVAILABLE}?{query}")).body["network_ip_availabilities"]
            assert [n["network_name"] for n in found] == names, query
        assert (await api.call(f"GET {AVAILABLE}?fields=used_ips&network_name=blue")).body == {
            "network_ip_availabilities": [{"used_ips": 3}]
        }
        for query in ("ip_version=5", "ip_version=x", "nothing=1", "total_ips=7"):
            assert (await api.call(f"GET {AVAILABLE}?{query}")).status in (200, 400), query
        assert (await api.call(f"GET {AVAILABLE}?nothing=1")).status == 400
        assert (await api.call(f"GET {AVAILABLE}/{low['id']}")).error == "NetworkNotFound"
        seen = await openstack(api, "ip availability list -f json")
        assert [(n["Network Name"], n["Total IPs"], n["Used IPs"]) for n in seen] == [("blue", 10, 2)]
        assert (await openstack(api, "ip availability show blue -f json"))["used_ips"] == 3


async def test_they_are_for_admins(database: OvsdbServer) -> None:
    async with house(database) as (_, users):
        for role, wanted in (("admin", 200), ("member", 403), ("reader", 403)):
            assert (await users[role].call(f"GET {AVAILABLE}")).status == wanted


async def test_a_quota_is_no_lower_than_what_is_used(database: OvsdbServer) -> None:
    async with live(database) as api:
        for _ in range(3):
            await api.make("network", project_id="red")
        line = "PUT /v2.0/quotas/red"
        refused = await api.call(line, {"quota": {"network": 2}})
        assert (refused.status, refused.error) == (400, "InvalidQuotaValue")
        said = refused.body["NeutronError"]["message"]
        assert "network" in said and "3 are in use" in said
        assert (await api.call(line, {"quota": {"network": 2, "check_limit": True}})).status == 400
        assert (await api.call(line, {"quota": {"network": 3, "subnet": 0}})).status == 200
        assert (await api.call(line, {"quota": {"network": 2, "force": True}})).status == 200
        assert (await api.call(line, {"quota": {"network": -1}})).status == 200
        await openstack(api, "quota set --networks 2 --force red")
        assert "in use" in await openstack(api, "quota set --networks 1 --check-limit red", fails=True)


async def test_zones_providers_and_flavors(database: OvsdbServer) -> None:
    async with live(database) as api:
        zones = await openstack(api, "availability zone list --network --long -f json")
        assert {(z["Zone Name"], z["Zone Resource"]) for z in zones} == {
            ("default", "network"),
            ("default", "router"),
        }
        found = await api.call("GET /v2.0/availability_zones?resource=router&fields=name")
        assert found.body == {"availability_zones": [{"name": "default"}]}
        assert (await api.call("GET /v2.0/availability_zones?x=y")).status == 400
        (provider,) = await openstack(api, "network service provider list -f json")
        assert provider["Service Type"] == "L3_ROUTER_NAT" and provider["Default"]
        assert await openstack(api, "network flavor list -f json") == []
        assert await openstack(api, "network flavor profile list -f json") == []
        none = await api.call("GET /v2.0/auto-allocated-topology/default")
        assert none.status == 404 and "auto-allocated-topology" in none.body["NeutronError"]["message"]
        names = {e["Alias"] for e in await openstack(api, "extension list --network -f json")}
        assert {"subnet_allocation", "address-scope", "network-ip-availability", "service-type"} <= names


async def test_what_has_changed_since(database: OvsdbServer) -> None:
    async with live(database) as api:
        made = await api.make("network", name="a")
        for given, found in (
            (made["updated_at"], ["a"]),
            (made["updated_at"].removesuffix("Z"), ["a"]),
            ("2001-01-01T00:00:00%2B02:00", ["a"]),
            ("2999-01-01T00:00:00Z", []),
        ):
            for key in ("changed_since", "changed-since"):
                answer = await api.call(f"GET /v2.0/networks?{key}={given}")
                assert [n["name"] for n in answer.body["networks"]] == found, (key, given)
        refused = await api.call("GET /v2.0/networks?changed_since=yesterday")
        assert refused.status == 400 and "changed_since" in refused.body["NeutronError"]["message"]


async def test_the_mtu_is_enough_for_the_subnets(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await api.make("network", mtu=1200)
        path = f"PUT /v2.0/networks/{network['id']}"
        six = {"subnet": {"network_id": network["id"], "cidr": "fd00::/64"}}
        refused = await api.call("POST /v2.0/subnets", six)
        assert (refused.status, refused.error) == (409, "NetworkMTUSubnetConflict")
        await api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24")
        assert (await api.call(path, {"network": {"mtu": 67}})).error == "NetworkMTUSubnetConflict"
        assert (await api.call(path, {"network": {"mtu": 1280}})).status == 200
        assert (await api.call("POST /v2.0/subnets", six)).status == 201
        assert (await api.call(path, {"network": {"mtu": 1279}})).error == "NetworkMTUSubnetConflict"
        for wrong in (-1, 9001, "x", None):
            assert (await api.call(path, {"network": {"mtu": wrong}})).status == 400, wrong
