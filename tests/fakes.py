"""Stand-ins for what a Docker driver talks to: the API over a dictionary, and a host that only remembers.

FakeApi checks, chooses and shows with the real API's tables and rules, so it refuses what the API refuses.
"""

import json
import random
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sealane.agent.attachment import Attachment, PortRequest, Publication
from sealane.agent.docker.engine import Aliases, EngineContainer, EngineNetwork
from sealane.agent.memory import Memory
from sealane.api import ipam, networks, ports, query, router_interfaces, routers, security_groups, subnets
from sealane.api.draft import Draft
from sealane.api.look import Look, Unbound
from sealane.errors import BadRequest, Conflict, DeadlineExceeded, HostError, NotFound, PortInUse, Unavailable
from sealane.model import State
from sealane.store.changes import Change, Delete, Update

KINDS: Mapping[str, Any] = {
    "networks": (networks.NETWORKS, networks),
    "subnets": (subnets.SUBNETS, subnets),
    "ports": (ports.PORTS, ports),
    "routers": (routers.ROUTERS, routers),
    "security-groups": (security_groups.GROUPS, security_groups),
}


class FakeApi:
    """`down`: nobody answers. `calls`: (verb, collection) of every call."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {name: {} for name in KINDS}
        self.down = False
        self.calls: list[tuple[str, str]] = []

    async def list(self, collection: str, **filters: str) -> list[dict[str, Any]]:
        self._called("list", collection)
        kind, _ = KINDS[collection]
        raw = "&".join(f"{key}={value}" for key, value in filters.items())
        page = query.select(kind, query.parse(kind, raw), self._look())
        return [kind.show(row, self._look()) for row in page.rows]

    async def get(self, collection: str, resource_id: str) -> dict[str, Any]:
        self._called("get", collection)
        kind, _ = KINDS[collection]
        return dict(kind.show(kind.find(self._state(), resource_id), self._look()))

    async def create(self, collection: str, resource: Mapping[str, Any]) -> dict[str, Any]:
        self._called("create", collection)
        kind, module = KINDS[collection]
        values = kind.accept_new(dict(resource))
        made = module.create(str(uuid.uuid4()), values, self._draft())
        self.rows[collection][made.id] = made
        return dict(kind.show(made, self._look()))

    async def update(
        self, collection: str, resource_id: str, changes: Mapping[str, Any], *, applied_on: str = ""
    ) -> dict[str, Any]:
        self._called("update", collection)
        kind, module = KINDS[collection]
        old = kind.find(self._state(), resource_id)
        self.rows[collection][old.id] = module.update(old, kind.accept_changes(dict(changes)), self._draft())
        return dict(kind.show(self.rows[collection][old.id], self._look()))

    async def delete(self, collection: str, resource_id: str) -> None:
        self._called("delete", collection)
        kind, module = KINDS[collection]
        for row in module.delete(kind.find(self._state(), resource_id), self._draft()):
            for rows in self.rows.values():
                rows.pop(row.id, None)

    async def request(self, method: str, path: str, body: Mapping[str, str]) -> dict[str, Any]:
        """A router's interface comes or goes."""
        _, id, verb = path.split("/")
        self._called(method, verb)
        router, draft = routers.ROUTERS.find(self._state(), id), self._draft()
        if verb == "add_router_interface":
            subnet = self.rows["subnets"][body["subnet_id"]]
            joined = router_interfaces.add_subnet(router, subnet, draft)
        else:
            joined = router_interfaces.remove(router, None, body["port_id"], draft)
        for change in draft.also:
            self._carry_out(change)
        return joined.answer(router)

    def _carry_out(self, change: Change) -> None:
        row = change.new if isinstance(change, Update) else change.obj
        for rows in self.rows.values():
            rows.pop(row.id, None)
        if not isinstance(change, Delete):
            self.rows[f"{type(row).__name__.lower()}s"][row.id] = row

    async def free_cidr(self, ip_version: int = 4) -> str:
        self._called("free", "cidr")
        taken = [subnet.cidr for subnet in self.rows["subnets"].values()]
        pool, length = ("10.96.0.0/11", 24) if ip_version == 4 else ("fd5e:a1a0::/32", 64)
        return ipam.free_cidr(pool, length, taken, random.Random(1))

    def all(self, collection: str) -> tuple[Any, ...]:
        return tuple(self.rows[collection].values())

    def _called(self, verb: str, collection: str) -> None:
        self.calls.append((verb, collection))
        if self.down:
            raise Unavailable("the API can't be reached: nobody listens")

    def _state(self) -> State:
        rows = self.rows
        groups = rows["security-groups"]
        there = (rows["networks"], rows["subnets"], rows["ports"])
        return State(*there, 1, security_groups=groups, routers=rows["routers"])

    def _look(self) -> Look:
        return Look(self._state(), Unbound())

    def _draft(self) -> Draft:
        return Draft(self._look(), "2026-01-01T00:00:00Z")


class FakeReconciler:
    """Remembers attachments in the real memory; `stuck`: OVN never binds; `refuse`: the kernel says no."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.stuck = False
        self.refuse = False
        self.plumbed: list[str] = []
        self.wished: dict[str, tuple[PortRequest, ...]] = {}
        self.moved: set[str] = set()

    async def set(self, attachment: Attachment) -> None:
        if self.refuse:
            raise HostError("no more links")
        self.plumbed.append(attachment.id)
        self._memory.put(attachment)

    async def remove(self, attachment_id: str) -> None:
        self._memory.remove(attachment_id)

    async def resync(self) -> None:
        return None

    async def wait_bound(self, port_id: str, deadline: float) -> None:
        if self.stuck:
            raise DeadlineExceeded(f"port {port_id} is not bound")

    def awaits_sandbox(self, port_id: str) -> bool:
        return port_id not in self.moved

    async def publish(self, attachment_id: str, wanted: Iterable[PortRequest]) -> tuple[Publication, ...]:
        if attachment_id not in self._memory.attachments:
            raise NotFound(attachment_id)
        wanted = tuple(wanted)
        others = (a for a in self._memory.attachments.values() if a.id != attachment_id)
        taken = {(p.protocol, p.host_port) for other in others for p in other.publish}
        if any((w.protocol, w.host_port) in taken for w in wanted):
            raise PortInUse("taken")
        self.wished[attachment_id] = tuple(wanted)
        made = tuple(
            Publication(protocol=w.protocol, host_ip=w.host_ip, host_port=w.host_port or 32768, port=w.port)
            for w in self.wished[attachment_id]
        )
        self._memory.put(replace(self._memory.attachments[attachment_id], publish=made))
        return made

    async def unpublish(self, attachment_id: str) -> None:
        self.wished.pop(attachment_id, None)
        if attachment := self._memory.attachments.get(attachment_id):
            self._memory.put(replace(attachment, publish=()))


class FakeEngine:
    """A Docker engine that keeps lists, and calls the driver when a mirror is made or removed."""

    def __init__(self) -> None:
        self.driver: Any = None
        self.nets: dict[str, EngineNetwork] = {}
        self.running: list[EngineContainer] = []
        self.alive: set[str] = set()
        self.taken: set[str] = set()
        self.used: set[str] = set()
        self.made = 0

    async def networks(self) -> list[EngineNetwork]:
        return list(self.nets.values())

    async def endpoints(self, network_id: str) -> set[str]:
        return set(self.alive)

    async def networks_in_use(self) -> set[str]:
        return set(self.used)

    async def containers(self) -> list[EngineContainer]:
        return list(self.running)

    async def aliases(self, container_id: str) -> Aliases:
        (container,) = [c for c in self.running if c.id == container_id]
        return Aliases(
            hostname="", of_endpoint=dict.fromkeys(container.endpoints.values(), ("alias", "b_d!"))
        )

    async def create_network(self, name: str, spec: Mapping[str, Any]) -> str:
        if name in self.taken or name in {n.name for n in self.nets.values()}:
            raise Conflict(f"network with name {name} already exists")
        self.made += 1
        docker_id = f"{self.made:064x}"
        data = [{"AddressSpace": "sealane", "Pool": c["Subnet"]} for c in spec["IPAM"]["Config"]]
        body = {
            "NetworkID": docker_id,
            "Options": {"com.docker.network.generic": spec["Options"]},
            "IPv4Data": data,
        }
        await self._call("CreateNetwork", body)
        subnets = frozenset(c["Subnet"] for c in spec["IPAM"]["Config"])
        options = spec["Options"]
        self.nets[docker_id] = EngineNetwork(id=docker_id, name=name, options=options, subnets=subnets)
        return docker_id

    async def remove_network(self, network_id: str) -> None:
        self.nets.pop(network_id, None)
        await self._call("DeleteNetwork", {"NetworkID": network_id})

    async def _call(self, method: str, body: Mapping[str, Any]) -> None:
        _, answer = await self.driver.answer(f"NetworkDriver.{method}", json.dumps(body).encode())
        if b'"Err"' in answer:
            raise BadRequest(answer.decode())
