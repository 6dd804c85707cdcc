"""What is another tenant's is not there: each answer about it is that about what there never was."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec

from sealane.api import tenancy
from sealane.api.app import KINDS, RESOURCES
from sealane.api.attributes import Kind
from sealane.api.tenants import TENANTS
from tests.api.house import User
from tests.api.live import Answer, Live, live, plural
from tests.api.test_identity import Town
from tests.daemons import OvsdbServer

SHARED = ("network", "security_group", "address_group", "address_scope", "subnetpool")
"""By RBAC policies under their own name."""
KIND_OF = {kind.singular: kind for kind in KINDS}
MIRRORED = {"remote_ip": "192.0.2.9", "mirror_type": "gre", "directions": {"IN": 7}}


@dataclass
class Stranger:
    """One of each kind, in a project that the tenant has no part in."""

    root: Live
    made: dict[str, Any] = field(default_factory=dict)

    async def furnish(self) -> None:
        await self.add("network", name="secret", tags=["t"], dns_domain="secret.")
        inside = {"network_id": self.id("network")}
        await self.add("subnet", name="secret", cidr="10.7.0.0/24", dns_nameservers=["10.7.0.53"], **inside)
        await self.add("port", name="secret", device_id="d", dns_name="secret", **inside)
        await self.add("trunk", name="secret", port_id=self.id("port"))
        await self.add("security_group", name="secret")
        await self.add(
            "security_group_rule", security_group_id=self.id("security_group"), direction="ingress"
        )
        await self.add(
            "log", name="secret", resource_type="security_group", resource_id=self.id("security_group")
        )
        await self.add("address_group", name="secret", addresses=["10.7.0.0/24"])
        await self.add("address_scope", name="secret", ip_version=4)
        pool = {"address_scope_id": self.id("address_scope"), "prefixes": ["10.7.0.0/16"]}
        await self.add("subnetpool", name="secret", **pool)
        await self.add("policy", name="secret")
        await self.add("tap_service", name="secret", port_id=self.id("port"))
        other = await self.root.make("port", project_id="theirs", **inside)
        flow = {"tap_service_id": self.id("tap_service"), "source_port": other["id"]}
        await self.add("tap_flow", name="secret", direction="IN", **flow)
        await self.add("tap_mirror", name="secret", port_id=other["id"], **MIRRORED)
        await self.add("metering_label", name="secret")
        label = {"metering_label_id": self.id("metering_label"), "direction": "egress"}
        await self.add("metering_label_rule", name="secret", source_ip_prefix="10.7.0.0/24", **label)
        await self.add("router", name="secret")
        outside = {"router:external": True, "provider:network_type": "flat"}
        around = await self.root.make("network", **outside, **{"provider:physical_network": "physnet1"})
        await self.root.make("subnet", network_id=around["id"], cidr="192.0.2.0/24")
        await self.add("floatingip", floating_network_id=around["id"])
        shared = {"object_type": "network", "object_id": self.id("network")}
        await self.add("rbac_policy", action="access_as_shared", target_tenant="third", **shared)
        for kind in self.made:
            self.made[kind] = (await self.shown(kind)).body[kind]

    async def shown(self, kind: str) -> Answer:
        return await self.root.call(f"GET /v2.0/{plural(kind)}/{self.id(kind)}")

    async def add(self, kind: str, **values: Any) -> None:
        self.made[kind] = await self.root.make(kind, project_id="theirs", **values)

    def id(self, kind: str) -> str:
        return str(self.made[kind]["id"])


@asynccontextmanager
async def tenants(database: OvsdbServer) -> AsyncIterator[tuple[Stranger, User]]:
    async with live(database) as api:
        there, stranger = Town(api), Stranger(api)
        for name in ("mine", "theirs"):
            await there.ok("POST /v3/projects", {"project": {"name": name}})
        await there.user("me", "sesame", mine="member")
        user = User(api, await there.token("me", "sesame", "mine"))
        await stranger.furnish()
        yield stranger, user


async def same(user: User, line: str, body: Any, known: str) -> Answer:
    """The answer; asserts that it is the one for an id of nothing."""
    unknown = str(uuid.uuid4())

    def other(text: str) -> str:
        return text.replace(known, unknown)

    raw = msgspec.json.encode(body).decode() if body is not None else None
    about_it = await user.call(line, None if raw is None else raw.encode())
    about_nothing = await user.call(other(line), None if raw is None else other(raw).encode())
    assert about_it.status == about_nothing.status, (line, about_it)
    assert other(str(about_it.body)) == str(about_nothing.body), line
    return about_it


def about_one(kind: Kind, id: str) -> Iterator[tuple[str, Any]]:
    """Requests that name it in their path."""
    path = f"/v2.0/{kind.path}/{id}"
    writable = next((a.name for a in kind.attributes if a.put), None)
    yield f"GET {path}", None
    yield f"GET {path}?fields=id", None
    yield f"PUT {path}", {kind.singular: {writable: "x"} if writable else {}}
    yield f"PUT {path}", {kind.singular: {}}
    for below in ("/tags", "/tags/t"):
        yield f"GET {path}{below}", None
        yield f"DELETE {path}{below}", None
    yield f"PUT {path}/tags", {"tags": ["x"]}
    yield f"PUT {path}/tags/x", None
    yield f"DELETE {path}", None


async def test_every_kind_is_looked_at(database: OvsdbServer) -> None:
    async with tenants(database) as (stranger, _):
        assert stranger.made.keys() == {resource.kind.singular for resource in RESOURCES}


async def test_by_its_id_it_is_not_there(database: OvsdbServer) -> None:
    async with tenants(database) as (stranger, user):
        for name, kind in KIND_OF.items():
            id = stranger.id(name)
            for line, body in about_one(kind, id):
                assert (await same(user, line, body, id)).status in (400, 404), line
            found = await same(user, f"GET /v2.0/{kind.path}?marker={id}&limit=1", None, id)
            assert found.status == 400
        for name in KIND_OF:
            shown = (await stranger.shown(name)).body[name]
            assert shown == stranger.made[name], "nobody has touched it"


async def test_no_list_and_no_filter_tells_of_it(database: OvsdbServer) -> None:
    async with tenants(database) as (stranger, user):
        for name, kind in KIND_OF.items():
            row, asked = stranger.made[name], 0
            for attribute in kind.without(tenancy.hidden(name)).attributes:
                value = row.get(attribute.name)
                if not attribute.filter or not isinstance(value, str | int | bool):
                    continue
                asked += 1
                query = urlencode({attribute.name: value})
                found = await user.call(f"GET /v2.0/{kind.path}?{query}")
                assert found.status == 200, (name, attribute.name, found)
                ids = {one["id"] for one in found.body[kind.plural]}
                assert row["id"] not in ids, (name, attribute.name)
                assert all(one.get("project_id") != "theirs" for one in found.body[kind.plural])
            assert asked >= 4, name
            for query in ("", "?sort_key=id&limit=5", "?tags=t", "?not-tags=x", "?sealane:since="):
                found = await user.call(f"GET /v2.0/{kind.path}{query}")
                assert row["id"] not in str(found.body), (name, query)


async def test_hidden_attributes_are_no_filter_and_no_sort_key(database: OvsdbServer) -> None:
    async with tenants(database) as (_, user):
        for name, kind in KIND_OF.items():
            for attribute in tenancy.hidden(name):
                for query in (f"{attribute}=x", f"sort_key={attribute}"):
                    assert (await user.call(f"GET /v2.0/{kind.path}?{query}")).status == 400, query
                found = await user.call(f"GET /v2.0/{kind.path}?fields={attribute}")
                assert all(not row for row in found.body[kind.plural])


THEIRS = "THEIRS"
"""The id of what is named; other words in capitals are ids of one's own."""
INSIDE = {"network_id": "NETWORK"}
RULE = {"security_group_id": "GROUP", "direction": "ingress"}
LOG = {"resource_type": "security_group"}
POOL = {"name": "x", "prefixes": ["10.1.0.0/16"]}
FLOW = {"tap_service_id": "TAP", "source_port": "PORT", "direction": "IN"}
CARRIED = {"segmentation_type": "vlan", "segmentation_id": 7}
FLOATING = {"floating_network_id": "OUTSIDE"}
SHARING = {"action": "access_as_shared", "target_tenant": "mine"}
REFERENCES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("subnet", "network", {"network_id": THEIRS, "cidr": "10.0.0.0/24"}),
    ("subnet", "subnetpool", {**INSIDE, "subnetpool_id": THEIRS, "prefixlen": 24}),
    ("subnetpool", "address_scope", {**POOL, "address_scope_id": THEIRS}),
    ("network", "policy", {"qos_policy_id": THEIRS}),
    ("port", "network", {"network_id": THEIRS}),
    ("port", "subnet", {**INSIDE, "fixed_ips": [{"subnet_id": THEIRS}]}),
    ("port", "security_group", {**INSIDE, "security_groups": [THEIRS]}),
    ("port", "policy", {**INSIDE, "qos_policy_id": THEIRS}),
    ("security_group_rule", "security_group", {**RULE, "security_group_id": THEIRS}),
    ("security_group_rule", "security_group", {**RULE, "remote_group_id": THEIRS}),
    ("security_group_rule", "address_group", {**RULE, "remote_address_group_id": THEIRS}),
    ("router", "network", {"external_gateway_info": {"network_id": THEIRS}}),
    ("floatingip", "network", {"floating_network_id": THEIRS}),
    ("floatingip", "port", {**FLOATING, "port_id": THEIRS}),
    ("floatingip", "policy", {**FLOATING, "qos_policy_id": THEIRS}),
    ("log", "security_group", {**LOG, "resource_id": THEIRS}),
    ("log", "port", {**LOG, "target_id": THEIRS}),
    ("trunk", "port", {"port_id": THEIRS}),
    ("trunk", "port", {"port_id": "PORT", "sub_ports": [{**CARRIED, "port_id": THEIRS}]}),
    ("tap_service", "port", {"port_id": THEIRS}),
    ("tap_flow", "tap_service", {**FLOW, "tap_service_id": THEIRS}),
    ("tap_flow", "port", {**FLOW, "source_port": THEIRS}),
    ("tap_mirror", "port", {**MIRRORED, "port_id": THEIRS}),
    ("metering_label_rule", "metering_label", {"metering_label_id": THEIRS, "direction": "egress"}),
    *(("rbac_policy", kind, {**SHARING, "object_type": kind, "object_id": THEIRS}) for kind in SHARED),
    ("rbac_policy", "policy", {**SHARING, "object_type": "qos_policy", "object_id": THEIRS}),
)
"""What is made, the kind of what it names, and its values."""


def test_each_attribute_that_names_something_is_among_the_references() -> None:
    tried = {(made, attribute) for made, _, values in REFERENCES for attribute in values}
    assert {(name, attribute) for name in KIND_OF for attribute in TENANTS[name].refers} <= tried


async def ones_own(user: User, stranger: Stranger) -> dict[str, str]:
    """What stands in capitals -> the id of it."""
    found = {"OUTSIDE": stranger.made["floatingip"]["floating_network_id"]}

    async def make(word: str, kind: str, **values: Any) -> None:
        made = await user.call(f"POST /v2.0/{plural(kind)}", {kind: values})
        assert made.status == 201, made
        found[word] = made.body[kind]["id"]

    await make("NETWORK", "network")
    await make("GROUP", "security_group", name="g")
    await make("ROUTER", "router")
    await make("PORT", "port", network_id=found["NETWORK"])
    await make("SINK", "port", network_id=found["NETWORK"])
    await make("TAP", "tap_service", port_id=found["SINK"])
    return found


def filled(values: Any, ids: dict[str, str]) -> Any:
    text = msgspec.json.encode(values).decode()
    for word, id in ids.items():
        text = text.replace(f'"{word}"', f'"{id}"')
    return msgspec.json.decode(text)


async def test_nothing_can_refer_to_it(database: OvsdbServer) -> None:
    async with tenants(database) as (stranger, user):
        mine = await ones_own(user, stranger)
        for named in ("subnet", "port"):
            line = f"PUT /v2.0/routers/{mine['ROUTER']}/add_router_interface"
            theirs = stranger.id(named)
            found = await same(user, line, {f"{named}_id": theirs}, theirs)
            assert found.status == 404, named
        for kind, named, values in REFERENCES:
            theirs = stranger.id(named)
            body = {kind: filled(values, {**mine, THEIRS: theirs})}
            found = await same(user, f"POST /v2.0/{plural(kind)}", body, theirs)
            assert found.status == 404, (kind, values)


async def test_quotas_count_only_ones_own_and_events_are_the_operators(database: OvsdbServer) -> None:
    async with tenants(database) as (_, user):
        found = (await user.call("GET /v2.0/quotas/mine/details.json")).body["quota"]
        used = {kind: one["used"] for kind, one in found.items()}
        assert used["network"] == used["port"] == used["subnet"] == used["rbac_policy"] == 0
        for path in ("quotas/theirs", "quotas/theirs/details.json", "quotas/nowhere"):
            assert (await user.call(f"GET /v2.0/{path}")).status == 404
        for path in ("events", "mismatches", "changes", "nodes"):
            assert (await user.call(f"GET /v2.0/sealane/{path}")).status == 403


async def test_a_policy_shows_what_it_shares_and_nothing_else(database: OvsdbServer) -> None:
    async with tenants(database) as (stranger, user):
        id = stranger.id("network")
        policy = {"object_type": "network", "object_id": id, "action": "access_as_shared"}
        made = await stranger.root.make("rbac_policy", project_id="theirs", target_tenant="mine", **policy)
        shown = await user.call(f"GET /v2.0/networks/{id}")
        assert (shown.status, shown.body["network"]["shared"]) == (200, True)
        for query in ("networks?shared=true", "subnets?shared=true"):
            found = (await user.call(f"GET /v2.0/{query}")).body
            assert [r["project_id"] for r in next(iter(found.values()))] == ["theirs"], query
        assert not (await stranger.shown("network")).body["network"]["shared"], "not with the admin"
        assert len((await user.call("GET /v2.0/subnets")).body["subnets"]) == 1
        assert (await user.call("GET /v2.0/ports")).body["ports"] == []
        assert (await user.call("GET /v2.0/rbac-policies")).body["rbac_policies"] == []
        assert (await user.call(f"DELETE /v2.0/rbac-policies/{made['id']}")).status == 404
        port = await user.call("POST /v2.0/ports", {"port": {"network_id": id}})
        assert port.status == 201, port
        refused = await stranger.root.call(f"DELETE /v2.0/rbac-policies/{made['id']}")
        assert refused.error == "RbacPolicyInUse"
        await user.call(f"DELETE /v2.0/ports/{port.body['port']['id']}")
        assert (await stranger.root.call(f"DELETE /v2.0/rbac-policies/{made['id']}")).status == 204
        assert (await user.call(f"GET /v2.0/networks/{id}")).status == 404


async def test_shared_is_told_to_whom_it_is_shared_with(database: OvsdbServer) -> None:
    async with tenants(database) as (stranger, user):
        for kind in SHARED:
            id, path = stranger.id(kind), f"GET /v2.0/{plural(kind)}/{stranger.id(kind)}"
            policy = {"object_type": kind, "object_id": id, "action": "access_as_shared"}
            one = await stranger.root.make("rbac_policy", target_tenant="mine", **policy)
            assert (await user.call(path)).body[kind]["shared"], kind
            assert not (await stranger.shown(kind)).body[kind]["shared"], kind
            await stranger.root.make("rbac_policy", target_tenant="*", **policy)
            await stranger.root.call(f"DELETE /v2.0/rbac-policies/{one['id']}")
            assert (await user.call(path)).body[kind]["shared"], kind
            assert (await stranger.shown(kind)).body[kind]["shared"], "with everybody, the admin too"


async def test_what_is_shared_goes_with_its_policies(database: OvsdbServer) -> None:
    async with tenants(database) as (stranger, user):
        mine = (await user.call("POST /v2.0/networks", {"network": {}})).body["network"]["id"]
        policy = {"object_type": "network", "object_id": mine, "action": "access_as_shared"}
        own = {"rbac_policy": {**policy, "target_tenant": "theirs"}}
        assert (await user.call("POST /v2.0/rbac-policies", own)).status == 201
        for values in ({"target_tenant": "*"}, {"target_tenant": "x", "action": "access_as_external"}):
            refused = await user.call("POST /v2.0/rbac-policies", {"rbac_policy": {**policy, **values}})
            assert refused.status == 403
        await stranger.root.make("rbac_policy", target_tenant="third", **policy)
        assert (await user.call(f"DELETE /v2.0/networks/{mine}")).status == 204
        left = (await stranger.root.call("GET /v2.0/rbac-policies")).body["rbac_policies"]
        assert [p["id"] for p in left] == [stranger.id("rbac_policy")]


async def test_a_policy_that_is_relied_upon_may_become_wider_and_not_narrower(
    database: OvsdbServer,
) -> None:
    async with tenants(database) as (stranger, user):
        policy = {
            "object_type": "network",
            "object_id": stranger.id("network"),
            "action": "access_as_shared",
        }
        made = await stranger.root.make("rbac_policy", project_id="theirs", target_tenant="mine", **policy)
        port = await user.call("POST /v2.0/ports", {"port": {"network_id": stranger.id("network")}})
        assert port.status == 201, port
        line = f"PUT /v2.0/rbac-policies/{made['id']}"
        for target, status in (("other", 409), ("*", 200), ("other", 409), ("mine", 200)):
            changed = await stranger.root.call(line, {"rbac_policy": {"target_tenant": target}})
            assert changed.status == status, (target, changed)
            shown = await user.call(f"GET /v2.0/networks/{stranger.id('network')}")
            assert shown.status == 200, "he sees what he is in"
