"""A tenant's house for the matrix of who may what: rows of every situation, and users who have logged in."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.api.live import Answer, Live, live, plural
from tests.api.test_identity import Town
from tests.daemons import OvsdbServer

OWNERS = {"own": "mine", "foreign": "theirs"}
OUTSIDE = "203.0.113.0/24"


@dataclass
class User:
    """Somebody who has logged in."""

    api: Live
    token: str

    async def call(self, line: str, body: object = None) -> Answer:
        return await self.api.call(line, body, headers={"X-Auth-Token": self.token})


@dataclass
class House:
    """Rows of each situation, made by the admin; fresh ones for each cell."""

    root: Live
    networks: dict[str, str] = field(default_factory=dict)
    floating: dict[str, str] = field(default_factory=dict)
    _number: Any = field(default_factory=lambda: itertools.count(1))

    async def furnish(self) -> None:
        for situation in ("own", "shared", "granted", "foreign"):
            self.networks[situation] = (await self.network(situation))["id"]
            made = await self.root.make("subnet", network_id=self.networks[situation], cidr="10.0.0.0/16")
            if situation in OWNERS:
                await self.route(situation, made["id"])

    async def route(self, situation: str, subnet: str) -> None:
        """A router of the owner's, with a gateway to an external network, and a floating IP of that."""
        owner = OWNERS[situation]
        world = (await self.root.make("network", **{"router:external": True}))["id"]
        await self.root.make("subnet", network_id=world, cidr=OUTSIDE)
        gateway = {"network_id": world}
        router = await self.root.make("router", project_id=owner, external_gateway_info=gateway)
        line = f"PUT /v2.0/routers/{router['id']}/add_router_interface"
        assert (await self.root.call(line, {"subnet_id": subnet})).status == 200
        made = await self.root.make("floatingip", floating_network_id=world, project_id=owner)
        self.floating[situation] = made["id"]

    async def network(self, situation: str) -> Any:
        project = "mine" if situation == "own" else "theirs"
        made = await self.root.make("network", project_id=project, shared=situation == "shared", tags=["t"])
        if situation == "granted":
            await self.grant(made["id"])
        return made

    async def grant(self, network: str, target: str = "mine") -> None:
        policy = {"object_type": "network", "object_id": network, "action": "access_as_shared"}
        body = {"rbac_policy": {**policy, "target_tenant": target}}
        assert (await self.root.call("POST /v2.0/rbac-policies", body)).status == 201

    async def subnet(self, situation: str) -> Any:
        project = "mine" if situation == "own" else "theirs"
        network = self.networks[situation]
        return await self.root.make(
            "subnet", network_id=network, cidr=self.cidr(), tags=["t"], project_id=project
        )

    def cidr(self) -> str:
        number = next(self._number)
        return f"172.{16 + number // 256}.{number % 256}.0/24"

    async def port(self, situation: str) -> Any:
        network, project = {
            "own": ("own", "mine"),
            "guest": ("shared", "mine"),
            "host": ("own", "theirs"),
            "foreign": ("foreign", "theirs"),
        }[situation]
        return await self.root.make("port", network_id=self.networks[network], project_id=project, tags=["t"])

    def path(self, kind: str, situation: str) -> str:
        if kind == "port_forwarding":
            return f"/v2.0/floatingips/{self.floating[situation]}/port_forwardings"
        return f"/v2.0/{plural(kind)}"

    async def inner(self, situation: str, project: str, *fixed: dict[str, str]) -> Any:
        """A port that the router of the situation reaches."""
        wanted = fixed or ({"subnet_id": await self._routed(situation)},)
        return await self.root.make(
            "port", network_id=self.networks[situation], project_id=project, fixed_ips=wanted
        )

    async def _routed(self, situation: str) -> str:
        query = f"network_id={self.networks[situation]}&cidr=10.0.0.0/16"
        (subnet,) = (await self.root.call(f"GET /v2.0/subnets?{query}")).body["subnets"]
        return str(subnet["id"])

    async def port_forwarding(self, situation: str) -> Any:
        path, body = self.path("port_forwarding", situation), await self._forwarded(situation)
        made = await self.root.call(f"POST {path}", {"port_forwarding": body})
        assert made.status == 201, made
        return made.body["port_forwarding"]

    async def _forwarded(self, situation: str) -> dict[str, Any]:
        port = await self.inner(situation, OWNERS[situation], {"ip_address": "10.0.200.1"})
        return {
            "protocol": "tcp",
            "external_port": 80,
            "internal_port": 8080,
            "internal_port_id": port["id"],
        }

    async def clear(self) -> None:
        for port in (await self.root.call("GET /v2.0/ports?fields=id")).body["ports"]:
            await self.root.call(f"DELETE /v2.0/ports/{port['id']}")

    async def new(self, kind: str, place: str) -> dict[str, Any]:
        if kind == "network":
            return {}
        if kind == "port_forwarding":
            return await self._forwarded(place)
        inside = {"network_id": self.networks[place]}
        return {**inside, "cidr": self.cidr()} if kind == "subnet" else inside


@asynccontextmanager
async def house(database: OvsdbServer) -> AsyncIterator[tuple[House, dict[str, User]]]:
    async with live(database) as api:
        built, rooms = Town(api), House(api)
        for name in ("mine", "theirs"):
            await built.ok("POST /v3/projects", {"project": {"name": name}})
        users = {}
        for role in ("admin", "member", "reader"):
            await built.user(role, "sesame", mine=role)
            users[role] = User(api, await built.token(role, "sesame", "mine"))
        await rooms.furnish()
        yield rooms, users
