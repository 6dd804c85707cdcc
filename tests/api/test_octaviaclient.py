"""`openstack loadbalancer …` of python-octaviaclient, and openstacksdk, as they come from PyPI."""

import asyncio
from typing import Any

from tests.api.live import Live, live
from tests.api.test_openstack import openstack
from tests.api.test_sdk import connect
from tests.daemons import OvsdbServer


async def test_the_life_of_a_load_balancer(database: OvsdbServer) -> None:
    async with live(database) as api:

        async def run(line: str) -> Any:
            return await openstack(api, f"loadbalancer {line}")

        network = await api.make("network", name="web")
        subnet = await api.make("subnet", network_id=network["id"], cidr="10.7.0.0/24", name="low")
        ports = [await api.make("port", network_id=network["id"]) for _ in range(2)]
        first, second = (port["fixed_ips"][0]["ip_address"] for port in ports)
        made = await run(f"create --name shop --vip-subnet-id {subnet['id']} --wait -f json")
        assert (made["name"], made["provisioning_status"]) == ("shop", "ACTIVE")
        listener = await run(
            "listener create --name http --protocol TCP --protocol-port 80 --wait shop -f json"
        )
        assert listener["protocol_port"] == 80
        wanted = "--protocol TCP --lb-algorithm SOURCE_IP_PORT --listener http --wait"
        pool = await run(f"pool create --name servers {wanted} -f json")
        assert pool["lb_algorithm"] == "SOURCE_IP_PORT"
        await run(f"member create --address {first} --protocol-port 8080 --wait servers -f json")
        await run(f"member create --address {second} --protocol-port 8080 --weight 3 servers -f json")
        members = await run("member list servers -f json")
        assert {(m["address"], m["weight"]) for m in members} == {(first, 1), (second, 3)}
        await run(
            "healthmonitor create servers --name alive --type TCP --delay 5 --timeout 3 --max-retries 2 "
            "-f json"
        )
        assert [m["type"] for m in await run("healthmonitor list -f json")] == ["TCP"]
        assert (await run("show shop -f json"))["pools"] == [{"id": pool["id"]}]
        tree = await run("status show shop")
        assert tree["loadbalancer"]["listeners"][0]["pools"][0]["health_monitor"]["name"] == "alive"
        await run("set --name store shop")
        await run("listener set --disable http")
        assert [row["name"] for row in await run("list -f json")] == ["store"]
        assert [row["name"] for row in await run("provider list -f json")] == ["ovn"]
        said = await openstack(
            api,
            "loadbalancer pool create --protocol TCP --lb-algorithm ROUND_ROBIN --listener http",
            fails=True,
        )
        assert "lb_algorithm" in said and "SOURCE_IP_PORT" in said
        await run("delete --cascade --wait store")
        assert await run("list -f json") == []


async def test_openstacksdk(database: OvsdbServer) -> None:
    async with live(database) as api:
        network = await api.make("network", name="web")
        subnet = await api.make("subnet", network_id=network["id"], cidr="10.7.0.0/24")
        await asyncio.to_thread(_by_sdk, api, subnet["id"])


def _by_sdk(api: Live, subnet: str) -> None:
    with connect(api.url) as cloud:
        balancing = cloud.load_balancer
        made = balancing.create_load_balancer(name="shop", vip_subnet_id=subnet)
        assert balancing.wait_for_load_balancer(made.id).operating_status == "OFFLINE"
        listener = balancing.create_listener(loadbalancer_id=made.id, protocol="TCP", protocol_port=80)
        pool = balancing.create_pool(listener_id=listener.id, protocol="TCP", lb_algorithm="SOURCE_IP_PORT")
        member = balancing.create_member(pool, address="10.7.0.9", protocol_port=80)
        assert [m.id for m in balancing.members(pool)] == [member.id]
        assert balancing.find_load_balancer("shop").pools == [{"id": pool.id}]
        balancing.delete_load_balancer(made, cascade=True)
        assert list(balancing.load_balancers()) == []
