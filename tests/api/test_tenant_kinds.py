"""Role × verb × resource × field for the kinds that belong to a project and to nobody else.

As test_tenant_matrix.py, in two situations: the tenant's own row, and another project's.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sealane.api.app import KINDS
from sealane.api.port_forwardings import PORT_FORWARDINGS
from tests.api.house import House, User, house
from tests.api.live import Live, plural
from tests.api.test_tenant_matrix import SITUATIONS
from tests.daemons import OvsdbServer

OWN = {"own": "mine", "foreign": "theirs"}
# field -> (value, what a member gets for his own row); another's is a 404
PUTS: dict[str, dict[str, tuple[Any, int]]] = {
    "security_group": {"name": ("x", 200), "description": ("x", 200), "stateful": (False, 200)},
    "security_group_rule": {"description": ("x", 200)},
    "address_group": {"name": ("x", 200), "description": ("x", 200)},
    "address_scope": {"name": ("x", 200), "shared": (True, 403)},
    "subnetpool": {
        "name": ("x", 200),
        "description": ("x", 200),
        "prefixes": (["10.0.0.0/8"], 200),
        "min_prefixlen": (8, 200),
        "default_prefixlen": (24, 200),
        "max_prefixlen": (30, 200),
        "default_quota": (5, 200),
        "is_default": (True, 403),
        "address_scope_id": ("SCOPE", 404),
    },
    "rbac_policy": {"target_tenant": ("*", 403)},
    "router": {
        "name": ("x", 200),
        "description": ("x", 200),
        "admin_state_up": (False, 200),
        "external_gateway_info": ({"network_id": "NET", "enable_snat": False}, 403),
        "routes": ([], 200),
        "enable_default_route_ecmp": (True, 200),
        "enable_default_route_bfd": (True, 200),
        "sealane:multicast_relay": (True, 200),
        "distributed": (True, 403),
        "ha": (True, 403),
    },
    "floatingip": {
        "description": ("x", 200),
        "port_id": ("GUEST", 403),
        "fixed_ip_address": (None, 200),
        "qos_policy_id": ("HARD", 404),
    },
    "log": {"name": ("x", 200), "description": ("x", 200), "enabled": (False, 200)},
    "trunk": {"name": ("x", 200), "description": ("x", 200), "admin_state_up": (False, 200)},
    "tap_service": {"name": ("x", 200), "description": ("x", 200)},
    "tap_flow": {"name": ("x", 200), "description": ("x", 200)},
    # an admin's to write
    "tap_mirror": {"name": ("x", 403), "description": ("x", 403)},
    "metering_label": {},
    "metering_label_rule": {},
    "policy": {
        "name": ("x", 403),
        "description": ("x", 403),
        "shared": (True, 403),
        "is_default": (False, 403),
    },
}
NAMED: dict[str, tuple[Any, int]] = {
    "name": ("x", 201),
    "description": ("x", 201),
    "project_id": ("theirs", 400),
    "tags": (["x"], 201),
}
UNNAMED = {name: NAMED[name] for name in ("description", "project_id", "tags")}
# field -> (value, what a member gets for a new row with it)
POSTS: dict[str, dict[str, tuple[Any, int]]] = {
    "security_group": {**NAMED, "stateful": (False, 201)},
    "security_group_rule": {
        **UNNAMED,
        "ethertype": ("IPv6", 201),
        "protocol": ("udp", 201),
        "port_range_min": (7, 201),
        "port_range_max": (7, 201),
        "remote_ip_prefix": ("10.0.0.0/8", 201),
        "remote_group_id": ("THEIRS", 404),
        "remote_address_group_id": ("THEIRS", 404),
    },
    "address_group": {**NAMED, "addresses": (["10.0.0.0/8"], 201)},
    "address_scope": {
        **{name: NAMED[name] for name in ("name", "project_id", "tags")},
        "shared": (True, 403),
    },
    "subnetpool": {
        **NAMED,
        "prefixes": (["10.0.0.0/8"], 201),
        "min_prefixlen": (8, 201),
        "default_prefixlen": (24, 201),
        "max_prefixlen": (30, 201),
        "default_quota": (5, 201),
        "is_default": (True, 403),
        "shared": (True, 403),
        "address_scope_id": ("SCOPE", 404),
    },
    "rbac_policy": {
        **{name: UNNAMED[name] for name in ("project_id", "tags")},
        "action": ("access_as_external", 403),
        "target_tenant": ("*", 403),
    },
    "router": {
        **NAMED,
        "admin_state_up": (False, 201),
        "external_gateway_info": (
            {"network_id": "NET", "external_fixed_ips": [{"ip_address": "192.0.2.77"}]},
            403,
        ),
        "enable_default_route_ecmp": (True, 201),
        "enable_default_route_bfd": (True, 201),
        "sealane:multicast_relay": (True, 201),
        "distributed": (True, 403),
        "ha": (True, 403),
        "availability_zone_hints": ([], 201),
    },
    "floatingip": {
        **UNNAMED,
        "subnet_id": ("OUTSIDE", 201),
        "floating_ip_address": ("192.0.2.99", 403),
        "port_id": ("GUEST", 403),
        "fixed_ip_address": (None, 201),
        "dns_name": ("x", 201),
        "dns_domain": ("x.", 201),
        "qos_policy_id": ("GOLD", 201),
    },
    "log": {
        **NAMED,
        "resource_type": ("security_group", 201),
        "resource_id": ("THEIRS", 404),
        "target_id": ("GUEST", 400),
        "event": ("DROP", 201),
        "enabled": (False, 201),
    },
    "trunk": {
        **NAMED,
        "admin_state_up": (False, 201),
        "sub_ports": ([{"port_id": "GUEST", "segmentation_type": "vlan", "segmentation_id": 7}], 403),
    },
    "tap_service": {**NAMED, "port_id": ("GUEST", 403)},
    "tap_flow": {
        **NAMED,
        "tap_service_id": ("WATCHED", 404),
        "source_port": ("GUEST", 403),
        "direction": ("IN", 201),
    },
    "tap_mirror": {
        **{name: (value, 403) for name, (value, _) in NAMED.items()},
        "project_id": ("theirs", 400),
        "port_id": ("GUEST", 403),
        "remote_ip": ("198.51.100.8", 403),
        "mirror_type": ("gre", 403),
        "directions": ({"OUT": 7}, 403),
    },
    "metering_label": {
        **{name: (value, 403) for name, (value, _) in NAMED.items()},
        "project_id": ("theirs", 400),
        "shared": (True, 403),
    },
    "metering_label_rule": {
        **{name: (value, 403) for name, (value, _) in NAMED.items()},
        "project_id": ("theirs", 400),
        **dict.fromkeys(("source_ip_prefix", "destination_ip_prefix"), ("172.16.0.0/12", 403)),
        "remote_ip_prefix": (None, 403),
        "direction": ("egress", 403),
        "excluded": (True, 403),
        "metering_label_id": ("METERED", 404),
    },
    "policy": {
        **{name: (value, 403) for name, (value, _) in NAMED.items()},
        "project_id": ("theirs", 400),
        "shared": (True, 403),
        "is_default": (False, 403),
    },
}
NEEDED = {"security_group_id", "ip_version", "direction", "object_type", "object_id", "floating_network_id"}
ROW_CALLS = {
    "GET": 200,
    "GET /tags": 200,
    "GET /tags/t": 204,
    "PUT /tags/x": 201,
    "DELETE /tags/t": 204,
    "DELETE": 204,
}
_SEEN = {call: wanted if call.startswith("GET") else 403 for call, wanted in ROW_CALLS.items()}
CALLS_OF = dict.fromkeys(("policy", "tap_mirror", "metering_label", "metering_label_rule"), _SEEN)


@dataclass
class Yard:
    """Rows of each situation, made by the admin."""

    root: Live
    rooms: House
    ids: dict[str, str] = field(default_factory=dict)
    sources: dict[str, Iterator[str]] = field(default_factory=dict)
    _number: Any = field(default_factory=lambda: itertools.count(1000))

    async def furnish(self) -> None:
        outside = {"router:external": True, "provider:network_type": "flat"}
        net = await self.root.make("network", **outside, **{"provider:physical_network": "physnet9"})
        around = await self.root.make("subnet", network_id=net["id"], cidr="192.0.2.0/24")
        guest = await self.rooms.port("host")
        self.ids = {"NET": net["id"], "OUTSIDE": around["id"], "GUEST": guest["id"]}
        for name, shared in (("GOLD", True), ("HARD", False)):
            made = await self.root.make("policy", name=name, project_id="theirs", shared=shared)
            self.ids[name] = made["id"]
        scope = await self.root.make("address_scope", ip_version=4, project_id="theirs")
        self.ids["SCOPE"] = scope["id"]
        for situation, project in OWN.items():
            group = await self.root.make("security_group", project_id=project, name="g")
            self.ids[f"group {situation}"] = group["id"]
            await self._tap(situation, project)
            label = await self.root.make("metering_label", project_id=project)
            self.ids[f"label {situation}"] = label["id"]
        self.ids["THEIRS"] = self.ids["group foreign"]
        self.ids["METERED"] = self.ids["label foreign"]
        self.ids["WATCHED"] = self.ids["tap foreign"]

    async def _tap(self, situation: str, project: str) -> None:
        """A tap service, and ports that can be copied to it, each for one flow."""
        place = {"network_id": self.rooms.networks[situation], "project_id": project, "fixed_ips": []}
        made = await self.root.call("POST /v2.0/ports", {"ports": [place] * 200})
        first, *others = (port["id"] for port in made.body["ports"])
        tap = await self.root.make("tap_service", project_id=project, port_id=first)
        self.ids |= {f"tap {situation}": tap["id"], f"sink {situation}": first}
        self.sources[situation] = iter(others)

    def filled(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.filled(inner) for inner in value]
        if isinstance(value, dict):
            return {key: self.filled(inner) for key, inner in value.items()}
        return self.ids.get(value, value) if isinstance(value, str) else value

    async def needed(self, kind: str, situation: str) -> dict[str, Any]:
        if kind == "trunk":
            return {"port_id": (await self.rooms.port(situation))["id"]}
        number = next(self._number)
        if kind == "tap_flow":
            source = next(self.sources[situation])
            service = self.ids[f"tap {situation}"]
            return {"tap_service_id": service, "source_port": source, "direction": "BOTH"}
        if kind == "tap_mirror":
            there = {"remote_ip": "198.51.100.9", "mirror_type": "gre", "directions": {"IN": number}}
            return {"port_id": next(self.sources[situation]), **there}
        ports = {"protocol": "tcp", "port_range_min": number, "port_range_max": number}
        return {
            "security_group_rule": {
                "security_group_id": self.ids[f"group {situation}"],
                "direction": "ingress",
                **ports,
            },
            "rbac_policy": {
                "object_type": "network",
                "object_id": self.rooms.networks[situation],
                "action": "access_as_shared",
                "target_tenant": f"p{number}",
            },
            "floatingip": {"floating_network_id": self.ids["NET"]},
            "log": {"resource_type": "security_group"},
            "address_scope": {"ip_version": 4},
            "subnetpool": {"name": "low", "prefixes": ["10.0.0.0/16"]},
            "metering_label_rule": {
                "metering_label_id": self.ids[f"label {situation}"],
                "source_ip_prefix": f"10.{number // 250}.{number % 250}.0/24",
            },
            "tap_service": {"port_id": self.ids[f"sink {situation}"]},
        }.get(kind, {})

    async def row(self, kind: str, situation: str) -> str:
        given = {"project_id": OWN[situation], "tags": ["t"], **await self.needed(kind, situation)}
        return str((await self.root.make(kind, **given))["id"])


def put_cells() -> Iterator[tuple[str, str, Any, int]]:
    for kind, fields in PUTS.items():
        for name, (value, wanted) in fields.items():
            yield kind, name, value, wanted


async def test_members_write_what_is_theirs_and_readers_nothing(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        yard, wrong = Yard(rooms.root, rooms), []
        await yard.furnish()
        asked = 0

        async def ask(role: str, line: str, body: Any, wanted: int) -> None:
            nonlocal asked
            asked += 1
            user: User = users[role]
            found = await user.call(line, body)
            if found.status != wanted:
                wrong.append(f"{role} {line} {body}: {found.status}, wanted {wanted}: {found.body}")

        for kind, name, value, wanted in put_cells():
            body = {kind: {name: yard.filled(value)}}
            for situation, member in (("own", wanted), ("foreign", 404)):
                line = f"PUT /v2.0/{plural(kind)}/{await yard.row(kind, situation)}"
                await ask("reader", line, body, 403)
                await ask("member", line, body, member)
        for kind in PUTS:
            for call, wanted in CALLS_OF.get(kind, ROW_CALLS).items():
                verb, _, below = call.partition(" ")
                for situation, member in (("own", wanted), ("foreign", 404)):
                    line = f"{verb} /v2.0/{plural(kind)}/{await yard.row(kind, situation)}{below}"
                    await ask("reader", line, None, member if verb == "GET" else 403)
                    await ask("member", line, None, member)
        for kind, fields in POSTS.items():
            for name, (value, wanted) in fields.items():
                given = {**await yard.needed(kind, "own"), name: yard.filled(value)}
                if name.startswith("port_range"):
                    given |= {"port_range_min": 7, "port_range_max": 7}
                line = f"POST /v2.0/{plural(kind)}"
                await ask("reader", line, {kind: given}, 403)
                await ask("member", line, {kind: given}, wanted)
                if name == "port_range_min":
                    await _drop(yard)  # the next cell's rule is the same
        print(f"policy: {asked} requests")
        assert not wrong, "\n".join(wrong)
        assert asked >= 250


async def _drop(yard: Yard) -> None:
    rows = (await yard.root.call("GET /v2.0/security-group-rules?port_range_min=7&protocol=tcp")).body
    for row in rows["security_group_rules"]:
        assert (await yard.root.call(f"DELETE /v2.0/security-group-rules/{row['id']}")).status == 204


def test_every_field_of_every_kind_is_in_a_matrix() -> None:
    kinds = {kind.singular for kind in (*KINDS, PORT_FORWARDINGS)}
    assert kinds == SITUATIONS.keys() | PUTS.keys()
    for kind in KINDS:
        if kind.singular in PUTS:
            assert {a.name for a in kind.attributes if a.put} == PUTS[kind.singular].keys()
            posted = {a.name for a in kind.attributes if a.post}
            needed = {*NEEDED, "port_id"} if kind.singular == "trunk" else NEEDED
            assert posted - needed == POSTS[kind.singular].keys() - needed, kind.singular


async def test_an_external_network_can_be_for_one_project(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        yard, member = Yard(rooms.root, rooms), users["member"]
        await yard.furnish()
        path = f"/v2.0/networks/{yard.ids['NET']}"
        policy = {"object_type": "network", "object_id": yard.ids["NET"], "action": "access_as_external"}
        assert (await member.call(f"GET {path}")).status == 200
        other = await yard.root.make("rbac_policy", target_tenant="theirs", **policy)
        assert (await member.call(f"GET {path}")).status == 404
        wanted = {"router": {"external_gateway_info": {"network_id": yard.ids["NET"]}}}
        assert (await member.call("POST /v2.0/routers", wanted)).error == "NetworkNotFound"
        floating = {"floatingip": {"floating_network_id": yard.ids["NET"]}}
        assert (await member.call("POST /v2.0/floatingips", floating)).error == "NetworkNotFound"
        last = await yard.root.call(f"DELETE /v2.0/rbac-policies/{other['id']}")
        assert last.error == "RbacPolicyInUse", "it would be everybody's"
        await yard.root.make("rbac_policy", target_tenant="mine", **policy)
        assert (await yard.root.call(f"DELETE /v2.0/rbac-policies/{other['id']}")).status == 204
        assert (await member.call("POST /v2.0/routers", wanted)).status == 201
        port = {"port": {"network_id": yard.ids["NET"]}}
        assert (await member.call("POST /v2.0/ports", port)).status == 403, (
            "only for routers and floating IPs"
        )
        inner = {**policy, "object_id": rooms.networks["own"], "target_tenant": "theirs"}
        refused = await yard.root.call("POST /v2.0/rbac-policies", {"rbac_policy": inner})
        assert refused.status == 400 and "router:external first" in refused.body["NeutronError"]["message"]
