"""Load balancers by OpenDaylight's path, in the shape in which Neutron's driver sends them."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.api.test_odl import BASE, CANARY, Odl, odl
from tests.daemons import OvsdbServer

BALANCING = {
    "loadbalancer": "loadbalancers",
    "listener": "listeners",
    "pool": "pools",
    "member": "members",
    "healthmonitor": "healthmonitors",
}


@dataclass
class Balanced:
    """A load balancer with all that belongs to it, each sent twice, as networking-odl's driver does."""

    client: Odl
    paths: dict[str, str] = field(default_factory=dict)
    """What -> its path; parents first."""
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)

    async def send(self, what: str, path: str, **values: Any) -> str:
        id = await self.client.send(path, what, **values)
        await self.client.send(path, what, **{**values, "id": id})
        self.paths[what], self.sent[what] = f"{path}/{id}", {**values, "id": id}
        return id

    async def furnish(self) -> None:
        network = await self.client.send("networks", "network")
        inside = {"network_id": network, "cidr": "10.0.0.0/24", "ip_version": 4}
        subnet = await self.client.send("subnets", "subnet", **inside)
        at = lambda ip: {"network_id": network, "fixed_ips": [{"subnet_id": subnet, "ip_address": ip}]}  # noqa: E731
        owner = {"device_owner": "neutron:LOADBALANCERV2", "device_id": str(uuid.uuid4()), "tenant_id": "t"}
        port = await self.send("port", "ports", **at("10.0.0.50"), **owner)
        vip = {"vip_port_id": port, "vip_subnet_id": subnet, "vip_address": "10.0.0.50", "tenant_id": "t"}
        vip |= {"provider": "opendaylight", "provisioning_status": "PENDING_CREATE"}
        balancer = await self.send("loadbalancer", "lbaas/loadbalancers", listeners=[], pools=[], **vip)
        await self.client.send("ports", "port", **self.sent["port"])
        above = {"loadbalancers": [{"id": balancer}], "tenant_id": "t"}
        given = {"protocol": "HTTP", "protocol_port": 80, "connection_limit": -1, "sni_container_refs": []}
        listener = await self.send("listener", "lbaas/listeners", **given, **above)
        given = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": [], "healthmonitor_id": None}
        pool = await self.send("pool", "lbaas/pools", listeners=[{"id": listener}], **given, **above)
        await self.client.send("ports", "port", **at("10.0.0.9"))
        member = {"address": "10.0.0.9", "protocol_port": 8080, "weight": 1, "subnet_id": subnet}
        await self.send("member", f"lbaas/pools/{pool}/members", **member)
        asked = {"type": "TCP", "delay": 5, "timeout": 2, "max_retries": 3, "pools": [{"id": pool}]}
        await self.send("healthmonitor", "lbaas/healthmonitors", **asked)


@asynccontextmanager
async def balanced(database: OvsdbServer) -> AsyncIterator[Balanced]:
    async with odl(database) as client:
        made = Balanced(client)
        await made.furnish()
        yield made


async def test_load_balancers_in_the_shape_of_neutron_s_driver(database: OvsdbServer) -> None:
    async with balanced(database) as there:
        client, ids = there.client, {what: body["id"] for what, body in there.sent.items()}
        shown = (await client.api.call(f"GET /v2.0/lbaas/pools/{ids['pool']}")).body["pool"]
        assert shown["members"] == [{"id": ids["member"]}]
        assert shown["listeners"] == [{"id": ids["listener"]}]
        assert (shown["protocol"], shown["healthmonitor_id"]) == ("TCP", ids["healthmonitor"])
        listed = await client.call(f"GET {BASE}/lbaas/pools/{ids['pool']}/members")
        assert [row["id"] for row in listed.body["members"]] == [ids["member"]]
        weight = {"member": {**there.sent["member"], "weight": 7}}
        changed = await client.call(f"PUT {BASE}/{there.paths['member']}", weight)
        assert changed.body["member"]["weight"] == 7


async def test_what_can_t_be_balanced_is_refused(database: OvsdbServer) -> None:
    async with balanced(database) as there:
        client, pool = there.client, there.sent["pool"]
        least = {**pool, "id": str(uuid.uuid4()), "lb_algorithm": "LEAST_CONNECTIONS", "listeners": []}
        refused = await client.call(f"POST {BASE}/lbaas/pools", {"pool": least})
        assert refused.status == 400
        assert "lb_algorithm" in refused.body["NeutronError"]["message"]
        assert (await client.call(f"GET {BASE}/lbaas/pools/{CANARY}/members")).status == 404
        lost = {**there.sent["listener"], "id": str(uuid.uuid4()), "loadbalancers": [{"id": CANARY}]}
        assert (await client.call(f"POST {BASE}/lbaas/listeners", {"listener": lost})).status == 442


async def test_a_load_balancer_goes_from_its_monitor_to_its_port(database: OvsdbServer) -> None:
    async with balanced(database) as there:
        client = there.client
        assert (await client.call(f"DELETE {BASE}/{there.paths['loadbalancer']}")).status == 409
        for path in reversed(there.paths.values()):
            assert (await client.call(f"DELETE {BASE}/{path}")).status == 204, path
            assert (await client.call(f"DELETE {BASE}/{path}")).status == 404, path
        assert (await client.api.call("GET /v2.0/lbaas/loadbalancers")).body["loadbalancers"] == []


async def test_load_balancers_have_both_forms(database: OvsdbServer) -> None:
    async with balanced(database) as there:
        for singular, plural in BALANCING.items():
            path, client = there.paths[singular], there.client
            collection, _, id = path.rpartition("/")
            listed = await client.call(f"GET {BASE}/{collection}")
            assert [row["id"] for row in listed.body[plural]] == [id]
            shown = await client.call(f"GET {BASE}/{path}?fields=id")
            assert shown.body == {singular: {"id": id}}
            again = await client.call(f"POST {BASE}/{collection}", {plural: [there.sent[singular]]})
            assert (again.status, [row["id"] for row in again.body[plural]]) == (201, [id])
            assert (await client.call(f"PUT {BASE}/{path}", {plural: [there.sent[singular]]})).status == 400
            for verb in ("GET", "DELETE"):
                assert (await client.call(f"{verb} {BASE}/{collection}/{CANARY}")).status == 404
