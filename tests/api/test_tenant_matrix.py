"""Role × verb × resource × field for users: member and reader of the project 'mine', and an admin.

The tables are read as they stand: what a member gets in each situation.  A reader gets the same for what only
reads, and a 403 for what does not; an admin gets a success for the same request.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sealane.api.app import KINDS
from sealane.api.port_forwardings import PORT_FORWARDINGS
from sealane.api.tenants import TENANTS
from tests.api.house import House, house
from tests.daemons import OvsdbServer

MAC = "fa:16:3e:aa:00:01"
PAIR = [{"ip_address": "10.9.0.0/24"}]
Cells = dict[str, tuple[Any, str]]

SITUATIONS = {
    "network": ("own", "shared", "granted", "foreign"),
    "subnet": ("own", "shared", "granted", "foreign"),
    # in its own network; its own in a shared one; somebody else's in its own; somebody else's elsewhere
    "port": ("own", "guest", "host", "foreign"),
    # of its own floating IP, of somebody else's
    "port_forwarding": ("own", "foreign"),
}
ALL_MINE = "200 403 403 404"
PUTS: dict[str, Cells] = {
    "network": {
        "name": ("x", ALL_MINE),
        "description": ("x", ALL_MINE),
        "admin_state_up": (False, ALL_MINE),
        "mtu": (1300, ALL_MINE),
        "shared": (True, "403 403 403 404"),
        "port_security_enabled": (False, ALL_MINE),
        "dns_domain": ("x.", ALL_MINE),
        "qos_policy_id": (None, ALL_MINE),
        "sealane:multicast_snooping": (True, ALL_MINE),
        "router:external": (True, "403 403 403 404"),
        "sealane:gateway": ("docker", "403 403 403 404"),
        "sealane:labels": ({"a": "b"}, ALL_MINE),
    },
    "subnet": {
        "name": ("x", ALL_MINE),
        "description": ("x", ALL_MINE),
        "gateway_ip": (None, ALL_MINE),
        "enable_dhcp": (False, ALL_MINE),
        "allocation_pools": ([], ALL_MINE),
        "dns_nameservers": (["10.0.0.53"], ALL_MINE),
        "host_routes": ([], ALL_MINE),
        "segment_id": (None, ALL_MINE),
    },
    "port": {
        "name": ("x", "200 200 403 404"),
        "description": ("x", "200 200 403 404"),
        "mac_address": (MAC, "200 403 403 404"),
        "fixed_ips": ([], "200 403 403 404"),
        "admin_state_up": (False, "200 200 403 404"),
        "device_id": ("x", "200 200 403 404"),
        "device_owner": ("network:dhcp", "403 403 403 404"),
        "binding:host_id": ("h3", "403 403 403 404"),
        "binding:vnic_type": ("normal", "200 200 403 404"),
        "binding:profile": ({"a": 1}, "403 403 403 404"),
        "port_security_enabled": (False, "200 403 403 404"),
        "allowed_address_pairs": (PAIR, "200 403 403 404"),
        "dns_name": ("x", "200 200 403 404"),
        "qos_policy_id": (None, "200 200 403 404"),
        "security_groups": ([], "200 200 403 404"),
        "extra_dhcp_opts": ([], "200 200 403 404"),
        "sealane:quarantine": (True, "200 200 403 404"),
        "sealane:dns_aliases": (["x"], "200 403 403 404"),
        "sealane:services": (["x:80"], "200 403 403 404"),
        "sealane:withdrawn": (True, "200 200 403 404"),
        "sealane:taps": (["x"], "200 200 403 404"),
        "sealane:log": ("DROP", "200 200 403 404"),
        "sealane:meters": (["x"], "200 200 403 404"),
    },
    "port_forwarding": {
        "description": ("x", "200 404"),
        "protocol": ("udp", "200 404"),
        "external_port": (81, "200 404"),
        "external_port_range": ("81:81", "200 404"),
        "internal_port": (8081, "200 404"),
        "internal_port_range": ("8081:8081", "200 404"),
        "internal_port_id": ("@mine", "200 404"),
        "internal_ip_address": ("10.0.200.1", "200 404"),
    },
}
# in its own network, in a shared one, in one that it can't see
PLACES = ("own", "shared", "foreign")
IN_SUBNET = "201 403 404"
POSTS: dict[str, Cells] = {
    "network": {
        "name": ("x", "201"),
        "description": ("x", "201"),
        "project_id": ("theirs", "400"),
        "tags": (["x"], "201"),
        "admin_state_up": (False, "201"),
        "mtu": (1300, "201"),
        "shared": (True, "403"),
        "port_security_enabled": (False, "201"),
        "dns_domain": ("x.", "201"),
        "qos_policy_id": (None, "201"),
        "sealane:multicast_snooping": (True, "201"),
        "router:external": (True, "403"),
        "provider:network_type": ("geneve", "403"),
        "provider:physical_network": ("physnet1", "403"),
        "provider:segmentation_id": (7, "403"),
        "segments": ([{"provider:network_type": "geneve"}], "403"),
        "availability_zone_hints": ([], "201"),
        "sealane:gateway": ("docker", "403"),
        "sealane:origin": ("docker", "403"),
        "sealane:labels": ({"a": "b"}, "201"),
    },
    "subnet": {
        "name": ("x", IN_SUBNET),
        "description": ("x", IN_SUBNET),
        "project_id": ("theirs", "400 400 400"),
        "tags": (["x"], IN_SUBNET),
        "ip_version": (4, IN_SUBNET),
        "gateway_ip": (None, IN_SUBNET),
        "enable_dhcp": (False, IN_SUBNET),
        "allocation_pools": ([], IN_SUBNET),
        "dns_nameservers": (["10.0.0.53"], IN_SUBNET),
        "host_routes": ([{"destination": "0.0.0.0/0", "nexthop": "10.0.0.9"}], IN_SUBNET),
        "ipv6_ra_mode": (None, IN_SUBNET),
        "ipv6_address_mode": (None, IN_SUBNET),
        "subnetpool_id": (None, IN_SUBNET),
        "prefixlen": (None, IN_SUBNET),
        "use_default_subnetpool": (False, IN_SUBNET),
        "segment_id": (None, IN_SUBNET),
    },
    "port": {
        "name": ("x", "201 201 404"),
        "description": ("x", "201 201 404"),
        "project_id": ("theirs", "400 400 400"),
        "tags": (["x"], "201 201 404"),
        "mac_address": (MAC, "201 403 404"),
        "fixed_ips": ([{"ip_address": "10.0.9.9"}], "201 403 404"),
        "admin_state_up": (False, "201 201 404"),
        "device_id": ("x", "201 201 404"),
        "device_owner": ("sealane:docker", "403 403 404"),
        "binding:host_id": ("h2", "403 403 404"),
        "binding:vnic_type": ("normal", "201 201 404"),
        "binding:profile": ({"a": 1}, "403 403 404"),
        "port_security_enabled": (False, "201 403 404"),
        "allowed_address_pairs": (PAIR, "201 403 404"),
        "dns_name": ("x", "201 201 404"),
        "qos_policy_id": (None, "201 201 404"),
        "security_groups": ([], "201 201 404"),
        "extra_dhcp_opts": ([], "201 201 404"),
        "sealane:quarantine": (True, "201 201 404"),
        "sealane:dns_aliases": (["x"], "201 403 404"),
        "sealane:services": (["x:80"], "201 403 404"),
        "sealane:withdrawn": (True, "201 201 404"),
        "sealane:taps": (["x"], "201 201 404"),
        "sealane:log": ("DROP", "201 201 404"),
        "sealane:meters": (["x"], "201 201 404"),
        "sealane:allocate_from": ("top", "201 201 404"),
    },
    "port_forwarding": {
        "description": ("x", "201 404"),
        "project_id": ("theirs", "400 400"),
        "protocol": ("udp", "201 404"),
        "external_port": (81, "201 404"),
        "external_port_range": ("81:90", "201 404"),
        "internal_port": (8081, "201 404"),
        "internal_port_range": ("8081:8081", "201 404"),
        "internal_port_id": ("@theirs", "403 404"),
        "internal_ip_address": ("10.0.200.1", "201 404"),
    },
}
OF_FORWARDINGS = {"GET": "200 404", "DELETE": "204 404"}
# verb and path below the row
ROW_CALLS = {
    "GET": "200 200 200 404",
    "GET /tags": "200 200 200 404",
    "GET /tags/t": "204 204 204 404",
    "PUT /tags/x": "201 403 403 404",
    "DELETE /tags/t": "204 403 403 404",
    "DELETE /tags": "204 403 403 404",
    "DELETE": "204 403 403 404",
}
OF_PORTS = {
    "PUT /tags/x": "201 201 403 404",
    "DELETE /tags/t": "204 204 403 404",
    "DELETE /tags": "204 204 403 404",
    "DELETE": "204 204 204 404",
}
CALLS_OF = {"port": {**ROW_CALLS, **OF_PORTS}, "port_forwarding": OF_FORWARDINGS}
PLACES_OF = {"port_forwarding": SITUATIONS["port_forwarding"]}
# a path -> (member, reader); an admin gets a success
CALLS = {
    "GET /v2.0": (200, 200),
    "GET /v2.0/extensions/binding": (200, 200),
    "GET /v2.0/availability_zones": (200, 200),
    "GET /v2.0/service-providers": (200, 200),
    "GET /v2.0/flavors": (200, 200),
    "GET /v2.0/service_profiles": (403, 403),
    "GET /v2.0/network-ip-availabilities": (403, 403),
    "GET /v2.0/networks": (200, 200),
    "GET /v2.0/quotas": (403, 403),
    "GET /v2.0/quotas/mine": (200, 200),
    "GET /v2.0/quotas/mine/default": (200, 200),
    "GET /v2.0/quotas/mine/details.json": (200, 200),
    "GET /v2.0/quotas/theirs": (404, 404),
    "PUT /v2.0/quotas/mine": (403, 403),
    "DELETE /v2.0/quotas/mine": (403, 403),
    "GET /v2.0/sealane/changes": (403, 403),
    "GET /v2.0/sealane/free-cidr": (403, 403),
    "GET /v2.0/sealane/announced": (403, 403),
    "GET /v2.0/sealane/taps": (403, 403),
    "GET /v2.0/sealane/metering": (403, 403),
    "GET /v2.0/sealane/nodes": (403, 403),
    "GET /v2.0/sealane/tokens": (403, 403),
    "POST /v2.0/sealane/tokens": (403, 403),
    "GET /v2.0/sealane/ca": (403, 403),
    "GET /metrics": (403, 403),
}
BODIES: dict[str, Any] = {
    "PUT /v2.0/quotas/mine": {"quota": {"network": 500}},
    "POST /v2.0/sealane/tokens": {"token": {}},
}
NEVER_BY_ADMIN = {"POST /v2.0/sealane/tokens", "GET /v2.0/sealane/ca"}
"""Need a whole central part."""


@dataclass(frozen=True)
class Cell:
    """One request: about a fresh row of `situation`, or a new row (POST) there."""

    wanted: int
    verb: str
    kind: str
    situation: str
    below: str = ""
    given: tuple[tuple[str, Any], ...] = ()

    async def request(self, rooms: House) -> tuple[str, Any]:
        path, more = rooms.path(self.kind, self.situation), _with(self.kind, self.given)
        if self.verb == "POST":
            more = {**await rooms.new(self.kind, self.situation), **more}
            return f"POST {path}", {self.kind: {**more, **await self._values(rooms)}}
        row = await getattr(rooms, self.kind)(self.situation)
        body = {self.kind: {**more, **await self._values(rooms)}} if self.given else None
        return f"{self.verb} {path}/{row['id']}{self.below}", body

    async def _values(self, rooms: House) -> dict[str, Any]:
        """@PROJECT is a fresh port of that project, in the network of the situation."""
        found = dict(self.given)
        for name, value in self.given:
            if isinstance(value, str) and value.startswith("@"):
                found[name] = (await rooms.inner(self.situation, value[1:]))["id"]
        return found

    def wanted_of(self, role: str) -> int:
        if role == "reader" and self.verb != "GET":
            return 403
        return self.wanted

    def __str__(self) -> str:
        return " ".join((self.verb, self.situation, self.kind, self.below, *(name for name, _ in self.given)))


def _with(kind: str, given: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """What has to be given as well."""
    names = [name for name, _ in given]
    if kind == "port" and ("port_security_enabled", False) in given:
        return {"security_groups": []}
    if names in (["external_port_range"], ["internal_port_range"]):
        return {names[0].removesuffix("_range"): None}
    if names == ["provider:physical_network"]:
        return {"provider:network_type": "flat"}
    if names == ["provider:segmentation_id"]:
        return {"provider:network_type": "vlan", "provider:physical_network": "physnet1"}
    return {}


def cells() -> Iterator[Cell]:
    for kind, situations in SITUATIONS.items():
        for name, (value, answers) in PUTS[kind].items():
            for situation, wanted in zip(situations, answers.split(), strict=True):
                yield Cell(int(wanted), "PUT", kind, situation, given=((name, value),))
        for call, answers in CALLS_OF.get(kind, ROW_CALLS).items():
            verb, _, below = call.partition(" ")
            for situation, wanted in zip(situations, answers.split(), strict=True):
                yield Cell(int(wanted), verb, kind, situation, below)
        for name, (value, answers) in POSTS[kind].items():
            for place, wanted in zip(PLACES_OF.get(kind, PLACES), answers.split(), strict=False):
                yield Cell(int(wanted), "POST", kind, place, given=((name, value),))


async def test_users_may_what_the_table_says(database: OvsdbServer) -> None:
    async with house(database) as (rooms, users):
        asked, wrong = Counter[str](), []
        for cell in cells():
            for role in ("member", "reader", "admin"):
                found = await users[role].call(*await cell.request(rooms))
                asked[role] += 1
                good = found.status < 300 if role == "admin" else found.status == cell.wanted_of(role)
                if not good:
                    wrong.append(
                        f"{role} {cell}: {found.status}, wanted {cell.wanted_of(role)}: {found.body}"
                    )
                await rooms.clear()
        print(f"policy: {sum(asked.values())} requests of {len(asked)} roles")
        assert not wrong, "\n".join(wrong)
        assert sum(asked.values()) >= 700


async def test_paths_are_open_for_whom_the_table_says(database: OvsdbServer) -> None:
    async with house(database) as (_, users):
        for line, (member, reader) in CALLS.items():
            for role, wanted in (("member", member), ("reader", reader)):
                assert (await users[role].call(line, BODIES.get(line))).status == wanted, (role, line)
            if line not in NEVER_BY_ADMIN:
                found = await users["admin"].call(line, BODIES.get(line))
                assert found.status < 300, (line, found)


def test_the_matrix_has_every_field_that_can_be_written() -> None:
    for kind in (*KINDS, PORT_FORWARDINGS):
        needed = {"network_id", "cidr"}
        if kind.singular in SITUATIONS:
            assert {a.name for a in kind.attributes if a.post} - needed == POSTS[kind.singular].keys()
            assert {a.name for a in kind.attributes if a.put} == PUTS[kind.singular].keys()


def test_every_kind_has_a_row_in_the_table() -> None:
    assert {kind.singular for kind in KINDS} <= TENANTS.keys()
    for kind in KINDS:
        named = TENANTS[kind.singular].hidden | TENANTS[kind.singular].refers.keys()
        assert named <= kind.by_name.keys(), kind.singular
