"""Role × verb × resource × field, against the running application: the table below is read as it stands.

A node 'h1' of the project 'mine'; whatever it gets, an admin gets a success for the same request.
"""

import asyncio
import itertools
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from sealane.api import auth
from sealane.api.app import KINDS, create_app
from sealane.api.desk import Desk
from sealane.api.look import Unbound
from sealane.config import Settings
from sealane.model import Node
from sealane.pki.certificate import Certificate
from sealane.store.changes import Create
from sealane.store.db import Store
from tests.api.live import TOKEN, Live, serving
from tests.daemons import PATIENCE, OvsdbServer

MAC = "fa:16:3e:aa:00:01"
PAIR = [{"ip_address": "10.9.0.0/24"}]

# field -> (value, answers for each situation)
PORT_SITUATIONS = ("made", "adopted", "unbound", "elsewhere", "admins", "foreign")
OPTION = [{"opt_name": "ntp-server", "opt_value": "10.0.0.5"}]
PORT_PUT: dict[str, tuple[Any, str]] = {
    "name": ("x", "200 200 200 403 403 404"),
    "description": ("x", "403 403 403 403 403 404"),
    "mac_address": (MAC, "200 403 403 403 403 404"),
    "fixed_ips": ([], "200 403 403 403 403 404"),
    "admin_state_up": (False, "403 403 403 403 403 404"),
    "device_id": ("x", "200 200 200 403 403 404"),
    "device_owner": ("compute:x", "403 403 403 403 403 404"),
    "binding:host_id": ("h3", "403 403 403 403 403 404"),
    "binding:vnic_type": ("normal", "200 200 200 200 200 404"),
    "binding:profile": ({"a": 1}, "403 403 403 403 403 404"),
    "port_security_enabled": (False, "403 403 403 403 403 404"),
    "allowed_address_pairs": (PAIR, "403 403 403 403 403 404"),
    "dns_name": ("x", "200 200 200 403 403 404"),
    "qos_policy_id": (None, "200 200 200 200 200 404"),
    "security_groups": ([], "200 200 200 200 200 404"),
    "extra_dhcp_opts": (OPTION, "403 403 403 403 403 404"),
    "sealane:quarantine": (True, "200 403 403 403 403 404"),
    "sealane:dns_aliases": (["x"], "200 200 200 403 403 404"),
    "sealane:services": (["x:80"], "200 200 200 403 403 404"),
    "sealane:withdrawn": (True, "200 200 200 403 403 404"),
    "sealane:taps": (["x"], "200 403 403 403 403 404"),
    "sealane:log": ("DROP", "200 403 403 403 403 404"),
    "sealane:meters": (["x"], "200 403 403 403 403 404"),
}
NETWORK_SITUATIONS = ("dockers", "apis", "shared", "foreign")
NETWORK_PUT: dict[str, tuple[Any, str]] = {
    "name": ("x", "200 403 403 404"),
    "description": ("x", "403 403 403 404"),
    "admin_state_up": (False, "403 403 403 404"),
    "mtu": (1300, "403 403 403 404"),
    "shared": (True, "403 403 200 404"),
    "port_security_enabled": (False, "403 403 403 404"),
    "dns_domain": ("x.", "403 403 403 404"),
    "qos_policy_id": (None, "200 200 200 404"),
    "sealane:multicast_snooping": (True, "403 403 403 404"),
    "router:external": (True, "403 403 403 404"),
    "sealane:gateway": ("none", "403 403 403 404"),
    "sealane:labels": ({"a": "b"}, "200 403 403 404"),
}
SUBNET_PUT: dict[str, tuple[Any, str]] = {
    name: (value, "403 403 403 403")
    for name, value in {
        "name": "x",
        "description": "x",
        "gateway_ip": None,
        "enable_dhcp": False,
        "allocation_pools": [],
        "dns_nameservers": ["10.0.0.53"],
        "host_routes": [],
        "segment_id": None,
    }.items()
}
# what a node gives with a port on its own host, a network of Docker, a subnet in one
PORT_POST: dict[str, tuple[Any, str]] = {
    "name": ("x", "201"),
    "description": ("x", "403"),
    "project_id": ("theirs", "403"),
    "tags": (["x"], "403"),
    "mac_address": (MAC, "201"),
    "fixed_ips": ([], "201"),
    "admin_state_up": (False, "403"),
    "device_id": ("x", "201"),
    "device_owner": ("compute:x", "403"),
    "binding:host_id": ("h2", "403"),
    "binding:vnic_type": ("normal", "201"),
    "binding:profile": ({"a": 1}, "403"),
    "port_security_enabled": (False, "403"),
    "allowed_address_pairs": (PAIR, "403"),
    "dns_name": ("x", "201"),
    "qos_policy_id": (None, "201"),
    "security_groups": ([], "201"),
    "extra_dhcp_opts": (OPTION, "403"),
    "sealane:quarantine": (True, "201"),
    "sealane:dns_aliases": (["x"], "201"),
    "sealane:services": (["x:80"], "201"),
    "sealane:withdrawn": (True, "201"),
    "sealane:taps": (["x"], "201"),
    "sealane:log": ("ALL", "201"),
    "sealane:meters": (["x"], "201"),
    "sealane:allocate_from": ("top", "201"),
}
NETWORK_POST: dict[str, tuple[Any, str]] = {
    "name": ("x", "201"),
    "description": ("x", "403"),
    "project_id": ("theirs", "403"),
    "tags": (["x"], "201"),
    "admin_state_up": (False, "403"),
    "mtu": (1300, "201"),
    "shared": (True, "403"),
    "port_security_enabled": (False, "403"),
    "dns_domain": ("x.", "201"),
    "qos_policy_id": (None, "201"),
    "sealane:multicast_snooping": (True, "201"),
    "router:external": (True, "403"),
    "provider:network_type": ("geneve", "201"),
    "provider:physical_network": (None, "201"),
    "provider:segmentation_id": (None, "201"),
    "segments": ([], "201"),
    "availability_zone_hints": ([], "201"),
    "sealane:gateway": ("none", "201"),
    "sealane:origin": ("api", "403"),
    "sealane:labels": ({"a": "b"}, "201"),
}
SUBNET_POST: dict[str, tuple[Any, str]] = {
    "name": ("x", "201"),
    "description": ("x", "403"),
    "project_id": ("theirs", "403"),
    "tags": (["x"], "201"),
    "ip_version": (4, "201"),
    "gateway_ip": (None, "201"),
    "enable_dhcp": (False, "403"),
    "allocation_pools": ([], "201"),
    "dns_nameservers": (["10.0.0.53"], "403"),
    "host_routes": ([{"destination": "0.0.0.0/0", "nexthop": "10.0.0.9"}], "403"),
    "ipv6_ra_mode": (None, "201"),
    "ipv6_address_mode": (None, "201"),
    "subnetpool_id": (None, "201"),
    "prefixlen": (None, "201"),
    "use_default_subnetpool": (False, "201"),
    "segment_id": (None, "201"),
}
# verb and path below the row -> answers for each situation
ROW_CALLS: dict[str, dict[str, str]] = {
    "port": {
        "GET": "200 200 200 200 200 404",
        "GET /tags": "200 200 200 200 200 404",
        "GET /tags/t": "204 204 204 204 204 404",
        "PUT /tags/x": "403 403 403 403 403 403",
        "DELETE /tags/t": "403 403 403 403 403 403",
        "DELETE /tags": "403 403 403 403 403 403",
        "DELETE": "204 403 403 403 403 404",
    },
    "network": {
        "GET": "200 200 200 404",
        "GET /tags": "200 200 200 404",
        "GET /tags/t": "204 204 204 404",
        "PUT /tags/x": "403 403 403 403",
        "DELETE /tags/t": "403 403 403 403",
        "DELETE /tags": "403 403 403 403",
        "DELETE": "204 403 403 404",
    },
    "subnet": {
        "GET": "200 200 200 404",
        "GET /tags": "200 200 200 404",
        "GET /tags/t": "204 204 204 404",
        "PUT /tags/x": "403 403 403 403",
        "DELETE /tags/t": "403 403 403 403",
        "DELETE /tags": "403 403 403 403",
        "DELETE": "204 403 403 404",
    },
}
CALLS: dict[str, int] = {
    "GET /": 200,
    "GET /v2.0": 200,
    "GET /v2.0/extensions": 200,
    "GET /v2.0/extensions/binding": 200,
    "GET /v2.0/availability_zones": 200,
    "GET /v2.0/sealane/changes?after=0": 200,
    "GET /v2.0/sealane/free-cidr": 200,
    "GET /v2.0/sealane/announced": 200,
    "GET /v2.0/sealane/announced?node=h1": 200,
    "GET /v2.0/networks": 200,
    "GET /v2.0/subnets": 200,
    "GET /v2.0/ports": 200,
    "GET /v2.0/routers": 200,
    "GET /v2.0/floatingips": 403,
    "GET /v2.0/security-groups": 200,
    "GET /v2.0/security-group-rules": 403,
    "GET /v2.0/address-groups": 403,
    "GET /v2.0/rbac-policies": 403,
    "GET /v2.0/qos/policies": 200,
    "GET /v2.0/log/logs": 403,
    "GET /v2.0/subnetpools": 200,
    "GET /v2.0/address-scopes": 403,
    "GET /v2.0/trunks": 200,
    "GET /v2.0/taas/tap_services": 200,
    "GET /v2.0/segments": 200,
    "GET /v2.0/taas/tap_flows": 403,
    "GET /v2.0/taas/tap_mirrors": 403,
    "GET /v2.0/metering/metering-labels": 200,
    "GET /v2.0/metering/metering-label-rules": 403,
    "GET /v2.0/sealane/metering?node=h1": 200,
    "GET /v2.0/sealane/metering?node=h2": 403,
    "GET /v2.0/sealane/taps?node=h1": 200,
    "GET /v2.0/sealane/taps?node=h2": 403,
    "GET /openapi.json": 200,
    "GET /metrics": 403,
    "GET /v2.0/quotas": 403,
    "GET /v2.0/quotas/mine": 403,
    "GET /v2.0/quotas/mine/default": 403,
}
# a node reads the groups and routers of its projects, to find them by their names, and that is all
GROUP_SITUATIONS = ("own", "strange")
GROUP_CALLS = {"GET": "200 404", "GET /tags": "403 403", "PUT /tags/x": "403 403", "DELETE": "403 403"}
CLOSED_CALLS = {**GROUP_CALLS, "GET": "403 403"}
ROW_CALLS |= {
    "security_group": GROUP_CALLS,
    "security_group_rule": CLOSED_CALLS,
    "address_group": CLOSED_CALLS,
    "router": GROUP_CALLS,
}
GROUP_PUT: dict[str, tuple[Any, str]] = {
    name: (value, "403 403") for name, value in {"name": "x", "description": "x", "stateful": False}.items()
}
ADDRESSES_PUT: dict[str, tuple[Any, str]] = {k: GROUP_PUT[k] for k in ("name", "description")}
RULE_PUT: dict[str, tuple[Any, str]] = {"description": GROUP_PUT["description"]}
NAMED: dict[str, tuple[Any, str]] = {
    name: (value, "403")
    for name, value in {"name": "x", "description": "x", "project_id": "theirs", "tags": ["x"]}.items()
}
GROUP_POST: dict[str, tuple[Any, str]] = {**NAMED, "stateful": (False, "403")}
ADDRESSES_POST: dict[str, tuple[Any, str]] = {**NAMED, "addresses": (["10.0.0.0/8"], "403")}
RULE_POST: dict[str, tuple[Any, str]] = {
    **{k: v for k, v in NAMED.items() if k != "name"},
    "direction": ("egress", "403"),
    "ethertype": ("IPv6", "403"),
    "protocol": ("udp", "403"),
    "port_range_min": (1, "403"),
    "port_range_max": (65535, "403"),
    "remote_ip_prefix": ("10.0.0.0/8", "403"),
    "remote_group_id": (None, "403"),
    "remote_address_group_id": (None, "403"),
}
ROUTER_PUT: dict[str, tuple[Any, str]] = {
    name: (value, "403 403")
    for name, value in {
        "name": "x",
        "description": "x",
        "admin_state_up": False,
        "external_gateway_info": None,
        "routes": [],
        "enable_default_route_ecmp": True,
        "enable_default_route_bfd": True,
        "sealane:multicast_relay": True,
        "distributed": True,
        "ha": True,
    }.items()
}
ROUTER_POST: dict[str, tuple[Any, str]] = {
    **NAMED,
    "availability_zone_hints": ([], "403"),
    **{name: (value, "403") for name, (value, _) in ROUTER_PUT.items() if name not in (*NAMED, "routes")},
}
POSTS = {
    "router": ROUTER_POST,
    "port": PORT_POST,
    "network": NETWORK_POST,
    "subnet": SUBNET_POST,
    "security_group": GROUP_POST,
    "security_group_rule": RULE_POST,
    "address_group": ADDRESSES_POST,
}
PUTS = {
    "router": ROUTER_PUT,
    "port": PORT_PUT,
    "network": NETWORK_PUT,
    "subnet": SUBNET_PUT,
    "security_group": GROUP_PUT,
    "security_group_rule": RULE_PUT,
    "address_group": ADDRESSES_PUT,
}
SITUATIONS = {
    "router": GROUP_SITUATIONS,
    "port": PORT_SITUATIONS,
    "network": NETWORK_SITUATIONS,
    "subnet": NETWORK_SITUATIONS,
    "security_group": GROUP_SITUATIONS,
    "security_group_rule": GROUP_SITUATIONS,
    "address_group": GROUP_SITUATIONS,
}


PROJECTS = {"own": "mine", "strange": "theirs"}


@dataclass
class Rooms:
    """Rows of each situation, made by the admin; fresh ones for each cell, as a cell may change them."""

    root: Live
    networks: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    _number: Any = field(default_factory=lambda: itertools.count(1))

    async def furnish(self) -> None:
        for situation in NETWORK_SITUATIONS:
            self.networks[situation] = (await self.network(situation))["id"]
            await self.root.make("subnet", network_id=self.networks[situation], cidr="10.0.0.0/16")
        for situation in GROUP_SITUATIONS:
            self.groups[situation] = (await self.security_group(situation))["id"]

    async def security_group(self, situation: str) -> Any:
        return await self.root.make("security_group", project_id=PROJECTS[situation])

    async def address_group(self, situation: str) -> Any:
        return await self.root.make("address_group", project_id=PROJECTS[situation])

    async def router(self, situation: str) -> Any:
        return await self.root.make("router", project_id=PROJECTS[situation], tags=["t"])

    async def security_group_rule(self, situation: str) -> Any:
        return await self.root.make("security_group_rule", **self.rule(situation))

    def rule(self, situation: str) -> dict[str, Any]:
        """One that is not there yet."""
        port = 1000 + next(self._number)
        return {
            "security_group_id": self.groups[situation],
            "direction": "ingress",
            "protocol": "tcp",
            "port_range_min": port,
            "port_range_max": port,
        }

    async def network(self, situation: str) -> Any:
        return await self.root.make(
            "network",
            project_id="theirs" if situation in ("shared", "foreign") else "mine",
            shared=situation == "shared",
            tags=["t"],
            **{"sealane:origin": "docker" if situation in ("dockers", "foreign") else "api"},
        )

    async def subnet(self, situation: str) -> Any:
        network = self.networks[situation]
        project = "theirs" if situation in ("shared", "foreign") else "mine"
        return await self.root.make(
            "subnet", network_id=network, cidr=self.cidr(), tags=["t"], project_id=project
        )

    def cidr(self) -> str:
        number = next(self._number)
        return f"172.{16 + number // 256}.{number % 256}.0/24"

    async def port(self, situation: str) -> Any:
        host, owner, project = {
            "made": ("h1", "sealane:docker", "mine"),
            "adopted": ("h1", "sealane:docker:adopted", "mine"),
            "unbound": ("", "", "mine"),
            "elsewhere": ("h2", "sealane:docker", "mine"),
            "admins": ("", "network:dhcp", "mine"),
            "foreign": ("", "", "theirs"),
        }[situation]
        return await self.root.make(
            "port",
            network_id=self.networks["dockers"],
            device_owner=owner,
            project_id=project,
            tags=["t"],
            security_groups=[],
            **{"binding:host_id": host},
        )

    async def clear(self) -> None:
        """Delete all ports: the next may have the same MAC address."""
        ports = (await self.root.call("GET /v2.0/ports?fields=id")).body["ports"]
        await asyncio.gather(*(self.root.call(f"DELETE /v2.0/ports/{p['id']}") for p in ports))

    def new(self, kind: str) -> dict[str, Any]:
        """A body that a node may post."""
        return {
            "network": {"project_id": "mine", "sealane:origin": "docker"},
            "subnet": {"project_id": "mine", "network_id": self.networks["dockers"], "cidr": self.cidr()},
            "port": {
                "project_id": "mine",
                "network_id": self.networks["dockers"],
                "device_owner": "sealane:docker",
                "binding:host_id": "h1",
            },
            "router": {"project_id": "mine"},
            "security_group": {"project_id": "mine"},
            "security_group_rule": self.rule("own"),
            "address_group": {"project_id": "mine"},
        }[kind]


@asynccontextmanager
async def roles(database: OvsdbServer) -> AsyncIterator[tuple[Live, Live]]:
    """One application, entered as an admin and as the node."""
    store = Store(database.remote)
    await store.start(PATIENCE)
    node = Node(
        id=str(uuid.uuid4()),
        project_id="",
        name="h1",
        address="192.0.2.1",
        projects=("mine",),
        serials=("a",),
    )
    await store.commit(Create(node))
    app = create_app(Desk(Settings(), store, Unbound()), TOKEN)
    shown = Certificate("h1", "a", 0, int(time.time()) + 3600)
    try:
        async with serving(app) as admin, serving(_door(app, shown)) as member:
            yield admin, member
    finally:
        await store.stop()


def _door(app: ASGIApp, shown: Certificate) -> ASGIApp:
    async def enter(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, auth.PEER: shown}, receive, send)

    return enter


@dataclass(frozen=True)
class Cell:
    """One request: about a fresh row of `situation`, a new row (POST), or, without a kind, a path."""

    wanted: int
    verb: str
    kind: str = ""
    situation: str = ""
    below: str = ""
    given: tuple[tuple[str, Any], ...] = ()

    async def request(self, rooms: Rooms) -> tuple[str, Any]:
        if not self.kind:
            return f"{self.verb} {self.below}", None
        path = f"/v2.0/{self.kind.replace('_', '-')}s"
        if self.verb == "POST":
            return f"POST {path}", {self.kind: {**rooms.new(self.kind), **dict(self.given)}}
        row = await getattr(rooms, self.kind)(self.situation)
        body = {self.kind: dict(self.given)} if self.given else None
        return f"{self.verb} {path}/{row['id']}{self.below}", body

    def __str__(self) -> str:
        return " ".join((self.verb, self.situation, self.kind, self.below, *(name for name, _ in self.given)))


def cells() -> Iterator[Cell]:
    for kind, situations in SITUATIONS.items():
        for name, (value, answers) in PUTS[kind].items():
            for situation, wanted in zip(situations, answers.split(), strict=True):
                yield Cell(int(wanted), "PUT", kind, situation, given=((name, value),))
        for call, answers in ROW_CALLS[kind].items():
            verb, _, below = call.partition(" ")
            for situation, wanted in zip(situations, answers.split(), strict=True):
                yield Cell(int(wanted), verb, kind, situation, below)
        for name, (value, wanted) in POSTS[kind].items():
            yield Cell(int(wanted), "POST", kind, given=((name, value),))
    for line, status in CALLS.items():
        yield Cell(status, "GET", below=line.removeprefix("GET "))


async def test_a_node_may_what_the_table_says_and_an_admin_everything(database: OvsdbServer) -> None:
    async with roles(database) as (admin, node):
        rooms = Rooms(admin)
        await rooms.furnish()
        asked, wrong = Counter[str](), []
        for cell in cells():
            for role, api in (("node", node), ("admin", admin)):
                found = await api.call(*await cell.request(rooms))
                asked[role] += 1
                if not (found.status == cell.wanted if role == "node" else found.status < 300):
                    wrong.append(f"{role} {cell}: {found.status}, wanted {cell.wanted}: {found.body}")
                await rooms.clear()
        print(f"policy: {asked['node']} cells for a node, {asked['admin']} for an admin")
        assert not wrong, "\n".join(wrong)
        assert asked["node"] >= 200


def test_the_matrix_has_every_field_that_can_be_written() -> None:
    closed = {line.partition("/v2.0/")[2] for line, status in CALLS.items() if status == 403}
    for kind in KINDS:
        if kind.singular not in SITUATIONS:
            named = ("qos/policies", "subnetpools", "trunks", "taas/tap_services", "metering/metering-labels")
            assert kind.path in closed or kind.path in named, "which are read by name"
            continue
        needed = {"network_id", "cidr", "security_group_id"}
        assert {a.name for a in kind.attributes if a.post} - needed == POSTS[kind.singular].keys()
        assert {a.name for a in kind.attributes if a.put} == PUTS[kind.singular].keys()


async def test_a_node_lists_what_is_there_for_it_and_nothing_else(database: OvsdbServer) -> None:
    async with roles(database) as (admin, node):
        rooms = Rooms(admin)
        await rooms.furnish()
        ports = {s: (await rooms.port(s))["id"] for s in PORT_SITUATIONS}
        seen = (await node.call("GET /v2.0/ports")).body["ports"]
        assert {p["id"] for p in seen} == {id for s, id in ports.items() if s != "foreign"}
        news = (await node.call("GET /v2.0/ports?sealane:since=")).body
        news = (await node.call(f"GET /v2.0/ports?sealane:since={news['sealane:cursor']}")).body
        assert news["ports"] == seen and news["sealane:complete"] and "sealane:gone" not in news
        networks = (await node.call("GET /v2.0/networks?sort_key=name&limit=10")).body["networks"]
        assert {n["id"] for n in networks} == {id for s, id in rooms.networks.items() if s != "foreign"}
        for line in (
            f"GET /v2.0/networks?id={rooms.networks['foreign']}",
            f"GET /v2.0/ports?id={ports['foreign']}",
            f"GET /v2.0/subnets?network_id={rooms.networks['foreign']}",
        ):
            assert list((await node.call(line)).body.values()) == [[]], line
        for body in (rooms.new("port"), rooms.new("subnet")):
            kind = "subnet" if "cidr" in body else "port"
            given = {kind: {**body, "network_id": rooms.networks["foreign"]}}
            assert (await node.call(f"POST /v2.0/{kind}s", given)).error == "NetworkNotFound"


async def test_a_node_adopts_a_port_and_gives_it_back(database: OvsdbServer) -> None:
    async with roles(database) as (admin, node):
        rooms = Rooms(admin)
        await rooms.furnish()
        id = (await rooms.port("unbound"))["id"]
        taken = {"binding:host_id": "h1", "device_owner": "sealane:docker:adopted"}
        assert (await node.call(f"PUT /v2.0/ports/{id}", {"port": taken})).status == 200
        stolen = {"port": {"device_owner": "sealane:docker"}}
        assert (await node.call(f"PUT /v2.0/ports/{id}", stolen)).error == "PolicyNotAuthorized"
        assert (await node.call(f"DELETE /v2.0/ports/{id}")).status == 403
        free = {"binding:host_id": "", "device_owner": "", "device_id": ""}
        assert (await node.call(f"PUT /v2.0/ports/{id}", {"port": free})).status == 200


async def test_a_node_hangs_networks_of_docker_on_routers_of_its_projects(database: OvsdbServer) -> None:
    """Only where the network's label says so, and it parts only what it says."""
    async with roles(database) as (admin, node):
        routers = {situation: (await Rooms(admin).router(situation))["id"] for situation in GROUP_SITUATIONS}
        mine = {"project_id": "mine", "sealane:gateway": "router"}
        hung = ""
        cases = {
            "label": (routers["own"], {**mine, "sealane:origin": "docker"}, routers["own"], 200),
            "none": (routers["own"], {**mine, "sealane:origin": "docker"}, "", 403),
            "api": (routers["own"], mine, routers["own"], 403),
            "strange": (routers["strange"], {**mine, "sealane:origin": "docker"}, routers["strange"], 404),
        }
        for number, (name, (router, values, label, wanted)) in enumerate(cases.items()):
            labels = {"sealane:labels": {"sealane.router": label} if label else {}}
            network = await admin.make("network", **values, **labels)
            hung = network["id"] if wanted == 200 else hung
            given = {"network_id": network["id"], "project_id": "mine"}
            for cidr in (f"10.{number}.0.0/24", f"10.{number}.1.0/24"):
                subnet = {"subnet_id": (await admin.make("subnet", cidr=cidr, **given))["id"]}
                path = f"PUT /v2.0/routers/{router}"
                assert (await node.call(f"{path}/add_router_interface", subnet)).status == wanted, name
                if wanted != 200:
                    assert (await admin.call(f"{path}/add_router_interface", subnet)).status == 200
                    found = await node.call(f"{path}/remove_router_interface", subnet)
                    assert found.status == wanted, name
        [port] = (await node.call(f"GET /v2.0/ports?device_id={routers['own']}&network_id={hung}")).body[
            "ports"
        ]
        assert len(port["fixed_ips"]) == 2
        path = f"PUT /v2.0/routers/{routers['own']}"
        assert (await node.call(f"{path}/remove_router_interface", {"port_id": port["id"]})).status == 200
        assert (await node.call(path, {"router": {"name": "x"}})).status == 403


async def test_a_node_may_not_ask_what_another_announces(database: OvsdbServer) -> None:
    async with roles(database) as (admin, node):
        for path, wanted in (("", 200), ("?node=h1", 200), ("?node=h2", 403)):
            assert (await node.call(f"GET /v2.0/sealane/announced{path}")).status == wanted
        assert (await admin.call("GET /v2.0/sealane/announced?node=h2")).body == {"floating_ips": []}
