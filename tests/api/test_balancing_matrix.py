"""Role × verb × resource × field for load balancers and what belongs to them, as test_tenant_kinds.py.

A member's own row, and another project's, which is a 404; a reader writes nothing; a reader reads his own.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

from sealane.api.octavia import KINDS
from sealane.api.tenants import TENANTS
from tests.api.house import OWNERS, House, house
from tests.api.live import Answer
from tests.daemons import OvsdbServer

GOOD, BAD, GONE = 201, 403, 404
COMMON: dict[str, tuple[Any, int]] = {
    "name": ("x", GOOD),
    "description": ("x", GOOD),
    "tags": (["x"], GOOD),
    "admin_state_up": (False, GOOD),
}
PUTS: dict[str, dict[str, tuple[Any, int]]] = {
    "loadbalancer": COMMON,
    "listener": {**COMMON, "default_pool_id": ("POOL theirs", GONE)},
    "pool": {
        **COMMON,
        "lb_algorithm": ("SOURCE_IP_PORT", GOOD),
        "session_persistence": ({"type": "SOURCE_IP"}, GOOD),
    },
    "member": {**COMMON, "weight": (7, GOOD)},
    "healthmonitor": {
        **COMMON,
        "delay": (9, GOOD),
        "timeout": (2, GOOD),
        "max_retries": (3, GOOD),
        "max_retries_down": (3, GOOD),
    },
}
WHOSE: dict[str, tuple[Any, int]] = {**COMMON, "project_id": ("theirs", 400)}
POSTS: dict[str, dict[str, tuple[Any, int]]] = {
    "loadbalancer": {
        **WHOSE,
        "vip_network_id": ("NET foreign", GONE),
        "vip_subnet_id": ("SUBNET foreign", GONE),
        "vip_port_id": ("PORT foreign", GONE),
        "vip_address": ("10.0.77.7", GOOD),
        "provider": ("ovn", GOOD),
        "vip_vnic_type": ("normal", GOOD),
        "listeners": ([], GOOD),
        "pools": ([], GOOD),
    },
    "listener": {
        **WHOSE,
        "loadbalancer_id": ("BALANCER theirs", GONE),
        "default_pool_id": ("POOL theirs", GONE),
        "protocol": ("UDP", GOOD),
        "protocol_port": (7, GOOD),
    },
    "pool": {
        **WHOSE,
        "loadbalancer_id": ("BALANCER theirs", GONE),
        "listener_id": ("LISTENER theirs", GONE),
        "protocol": ("UDP", GOOD),
        "lb_algorithm": ("SOURCE_IP_PORT", GOOD),
        "session_persistence": ({"type": "SOURCE_IP"}, GOOD),
    },
    "member": {
        **WHOSE,
        "address": ("10.0.99.9", GOOD),
        "protocol_port": (7, GOOD),
        "subnet_id": ("SUBNET foreign", GONE),
        "weight": (7, GOOD),
    },
    "healthmonitor": {
        **WHOSE,
        "pool_id": ("POOL theirs", GONE),
        "type": ("TCP", GOOD),
        "delay": (9, GOOD),
        "timeout": (2, GOOD),
        "max_retries": (3, GOOD),
        "max_retries_down": (3, GOOD),
    },
}


@dataclass
class Row:
    """What is there of a project: a load balancer, a listener that leads nowhere, and a pool."""

    rooms: House
    ids: dict[str, str] = field(default_factory=dict)
    _number: Any = field(default_factory=lambda: itertools.count(1000))

    async def furnish(self) -> None:
        for situation, project in OWNERS.items():
            self.ids[f"NET {situation}"] = self.rooms.networks[situation]
            (subnet,) = (
                await self.rooms.root.call(
                    f"GET /v2.0/subnets?network_id={self.ids[f'NET {situation}']}&cidr=10.0.0.0/16"
                )
            ).body["subnets"]
            self.ids[f"SUBNET {situation}"] = subnet["id"]
            self.ids[f"PORT {situation}"] = (await self.rooms.inner(situation, project))["id"]
            given = {"vip_subnet_id": subnet["id"], "project_id": project}
            self.ids[f"BALANCER {project}"] = await self.make("loadbalancer", "loadbalancers", given)
            self.ids[f"POOL {project}"] = await self.make("pool", "pools", await self.needed("pool", project))
            self.ids[f"LISTENER {project}"] = await self.make(
                "listener", "listeners", await self.needed("listener", project)
            )

    async def make(self, kind: str, path: str, values: dict[str, Any]) -> str:
        answer = await self.rooms.root.call(f"POST /v2.0/lbaas/{path}", {kind: values})
        assert answer.status == 201, answer
        return str(answer.body[kind]["id"])

    async def needed(self, kind: str, project: str) -> dict[str, Any]:
        number = next(self._number)
        balancer = {"loadbalancer_id": self.ids.get(f"BALANCER {project}")}
        pool = {**balancer, "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"}
        situation = next(s for s, p in OWNERS.items() if p == project)
        if kind == "healthmonitor":
            fresh = await self.make("pool", "pools", pool)
            return {"pool_id": fresh, "type": "TCP", "delay": 5, "timeout": 3, "max_retries": 2}
        return {
            "loadbalancer": {"vip_subnet_id": self.ids[f"SUBNET {situation}"]},
            "listener": {**balancer, "protocol": "TCP", "protocol_port": number},
            "pool": pool,
            "member": {"address": f"10.0.100.{number % 200}", "protocol_port": number},
        }[kind]

    def path(self, kind: str, project: str) -> str:
        return f"pools/{self.ids[f'POOL {project}']}/members" if kind == "member" else f"{kind}s"

    def filled(self, value: Any) -> Any:
        return self.ids.get(value, value) if isinstance(value, str) else value


async def test_members_write_what_is_theirs_and_readers_nothing(database: OvsdbServer) -> None:
    wrong: list[str] = []
    async with house(database) as (rooms, users):
        row, asked = Row(rooms), 0
        await row.furnish()

        async def ask(role: str, line: str, body: Any, *wanted: int) -> Answer:
            nonlocal asked
            asked += 1
            verb, path = line.split(" ")
            found = await users[role].call(f"{verb} /v2.0/lbaas/{path}", body)
            if found.status not in wanted:
                wrong.append(f"{role} {line} {body}: {found.status}, wanted {wanted}: {found.body}")
            return found

        for kind in PUTS:
            fresh = {
                project: await row.make(
                    kind,
                    row.path(kind, project),
                    await row.needed(kind, project) | ({} if kind == "member" else {"project_id": project}),
                )
                for project in OWNERS.values()
            }
            lines = {project: f"{row.path(kind, project)}/{id}" for project, id in fresh.items()}
            for role in ("reader", "member"):
                await ask(role, f"GET {lines['mine']}", None, 200)
                await ask(role, f"GET {lines['theirs']}", None, 404)
            for name, (value, wanted) in PUTS[kind].items():
                body = {kind: {name: row.filled(value)}}
                await ask("reader", f"PUT {lines['mine']}", body, 403)
                await ask("member", f"PUT {lines['mine']}", body, 200 if wanted == GOOD else wanted)
                await ask("member", f"PUT {lines['theirs']}", body, 404)
            await ask("reader", f"DELETE {lines['mine']}", None, 403)
            await ask("member", f"DELETE {lines['theirs']}", None, 404)
            await ask("member", f"DELETE {lines['mine']}", None, 204)
            for name, (value, wanted) in POSTS[kind].items():
                given = {**await row.needed(kind, "mine"), name: row.filled(value)}
                if name in ("vip_network_id", "vip_port_id"):
                    del given["vip_subnet_id"]
                line = f"POST {row.path(kind, 'mine')}"
                await ask("reader", line, {kind: given}, 403)
                await ask("member", line, {kind: given}, wanted)
            listed = await ask("member", f"GET {row.path(kind, 'mine')}", None, 200)
            assert {one["project_id"] for one in listed.body[f"{kind}s"]} <= {"mine"}
        assert not wrong, "\n".join(wrong)
        assert asked >= 150


async def test_a_shared_network_is_for_load_balancers_but_its_addresses_are_not_to_choose(
    database: OvsdbServer,
) -> None:
    async with house(database) as (rooms, users):
        line, network = "POST /v2.0/lbaas/loadbalancers", rooms.networks["shared"]
        made = await users["member"].call(line, {"loadbalancer": {"vip_network_id": network}})
        assert made.status == 201, made
        chosen = {"vip_network_id": network, "vip_address": "10.0.9.9"}
        assert (await users["member"].call(line, {"loadbalancer": chosen})).status == 403
        (world,) = (await rooms.root.call("GET /v2.0/networks?router:external=true&limit=1")).body["networks"]
        outer = await users["member"].call(line, {"loadbalancer": {"vip_network_id": world["id"]}})
        assert outer.status == 403, "an external network is for routers and floating IPs"


def test_every_field_of_every_kind_is_in_the_matrix() -> None:
    for kind in KINDS:
        assert kind.singular in TENANTS
        served = [a for a in kind.attributes if a.type.schema.get("enum") not in ([None], [False])]
        served = [a for a in served if a.type.schema.get("maxItems") != 0 and a.name != "connection_limit"]
        assert {a.name for a in served if a.put} == PUTS[kind.singular].keys()
        assert {a.name for a in served if a.post} == POSTS[kind.singular].keys()
