"""RBAC policies of all kinds, called in any order with what relies upon them, against a small model.

An owner's objects; two tenants, who log in, see what is shared with them, and use it for rows of their own.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from sealane import errors
from sealane.cli import exchange
from sealane.cli.api import Api
from sealane.errors import SealaneError
from tests.api.any_order import NOTHING, AnyOrder, Sight, host, refused, run
from tests.api.test_identity import by_password
from tests.api.test_server import Host
from tests.daemons import PATIENCE

__all__ = ["host"]
TENANTS = ("mine", "yours")
TARGETS = st.sampled_from((*TENANTS, "*"))
KINDS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "network": ("networks", {}),
    "security_group": ("security-groups", {"name": "g"}),
    "address_group": ("address-groups", {"addresses": ["10.0.0.0/8"]}),
    "address_scope": ("address-scopes", {"ip_version": 4}),
    "subnetpool": ("subnetpools", {"name": "p", "prefixes": ["10.0.0.0/8"]}),
    "qos_policy": ("qos/policies", {"name": "p"}),
}
"""Type of an object -> where it is made, and of what."""
GO_ALONG = ("security_group",)
"""What can go while somebody relies upon it, and takes that with it."""
HOLDERS = {
    "network": "ports",
    "security_group": "security-group-rules",
    "address_group": "security-group-rules",
    "address_scope": "subnetpools",
    "subnetpool": "networks",
    "qos_policy": "networks",
}
"""Type of an object -> rows by which a tenant relies upon it."""


@dataclass
class Policy:
    object: str
    target: str

    def covers(self, tenant: str) -> bool:
        return self.target in ("*", tenant)


@dataclass
class Use:
    object: str
    tenant: str
    place: str


class Sharing(AnyOrder):
    objects, policies, uses = Bundle("objects"), Bundle("policies"), Bundle("uses")

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.tenants = {name: Api(sight.door, logged_in(api, sight.socket, name)) for name in TENANTS}
        self.kinds: dict[str, str] = {}
        self.known: dict[str, Policy] = {}
        self.used: dict[str, Use] = {}
        self.number = itertools.count(1)
        self.own = {
            name: tenant.create("security-groups", {"name": "own"})["id"]
            for name, tenant in self.tenants.items()
        }

    # what the model says

    def sees(self, tenant: str, id: str) -> bool:
        return any(one.object == id and one.covers(tenant) for one in self.known.values())

    def relied_upon(self, policy: str, target: str | None = None) -> bool:
        """By somebody who is left with nothing where it goes, or is for `target`."""
        old = self.known[policy]
        others = [one for id, one in self.known.items() if id != policy and one.object == old.object]
        if target is not None:
            others.append(Policy(old.object, target))
        return any(
            use.object == old.object
            and old.covers(use.tenant)
            and not any(one.covers(use.tenant) for one in others)
            for use in self.used.values()
        )

    # calls

    @rule(target=objects, kind=st.sampled_from(sorted(KINDS)))
    def make_object(self, kind: str) -> str:
        path, values = KINDS[kind]
        id = str(self.api.create(path, {"project_id": "owner", **values})["id"])
        self.kinds[id] = kind
        return id

    @rule(object=objects)
    def delete_object(self, object: str) -> None:
        """Its policies go with it."""
        kind = self.kinds.get(object)
        held = any(use.object == object for use in self.used.values()) and kind not in GO_ALONG
        why = errors.NotFound if kind is None else errors.Conflict if held else None
        with refused(why):
            self.api.delete(KINDS[kind or "network"][0], object)
        if why is None:
            del self.kinds[object]
            self.known = {id: one for id, one in self.known.items() if one.object != object}
            self.used = {id: use for id, use in self.used.items() if use.object != object}

    @rule(target=policies, object=objects, target_tenant=TARGETS)
    def share(self, object: str, target_tenant: str) -> str:
        wanted, kind = Policy(object, target_tenant), self.kinds.get(object)
        why: type[SealaneError] | None = errors.NotFound if kind is None else None
        if wanted in self.known.values():
            why = errors.Conflict
        body = {"object_type": kind or "network", "object_id": object, "target_tenant": target_tenant}
        with refused(why):
            made = self.api.create("rbac-policies", {**body, "action": "access_as_shared"})
        if why is not None:
            return NOTHING
        self.known[made["id"]] = wanted
        return str(made["id"])

    @rule(policy=policies, target_tenant=TARGETS)
    def share_with_another(self, policy: str, target_tenant: str) -> None:
        known = self.known.get(policy)
        why: type[SealaneError] | None = errors.NotFound if known is None else None
        if known is not None:
            others = [one for id, one in self.known.items() if id != policy]
            if Policy(known.object, target_tenant) in others or self.relied_upon(policy, target_tenant):
                why = errors.Conflict
        with refused(why):
            self.api.update("rbac-policies", policy, {"target_tenant": target_tenant})
        if known is not None and why is None:
            known.target = target_tenant

    @rule(policy=policies)
    def share_no_longer(self, policy: str) -> None:
        there = policy in self.known
        held = there and self.relied_upon(policy)
        with refused(errors.Conflict if held else None if there else errors.NotFound):
            self.api.delete("rbac-policies", policy)
        if there and not held:
            del self.known[policy]

    @rule(target=uses, object=objects, tenant=st.sampled_from(TENANTS))
    def use(self, object: str, tenant: str) -> str:
        """What he does not see is not there."""
        there, kind = self.sees(tenant, object), self.kinds.get(object, "network")
        with refused(None if there else errors.NotFound):
            id = self.rely(self.tenants[tenant], kind, object, self.own[tenant])
        if not there:
            return NOTHING
        self.used[id] = Use(object, tenant, HOLDERS[kind])
        return id

    def rely(self, tenant: Api, kind: str, object: str, group: str) -> str:
        if kind in ("security_group", "address_group"):
            remote = "remote_group_id" if kind == "security_group" else "remote_address_group_id"
            number = 1000 + next(self.number)
            ports = {"protocol": "tcp", "port_range_min": number, "port_range_max": number}
            body = {"security_group_id": group, "direction": "ingress", remote: object, **ports}
        elif kind == "subnetpool":
            return self.rely_upon_a_pool(tenant, object)
        elif kind == "address_scope":
            body = {"name": "p", "address_scope_id": object, "prefixes": [f"10.{next(self.number)}.0.0/16"]}
        else:
            body = {"network_id": object} if kind == "network" else {"qos_policy_id": object}
        return str(tenant.create(HOLDERS[kind], body)["id"])

    def rely_upon_a_pool(self, tenant: Api, pool: str) -> str:
        """By a network with a subnet of it."""
        network = str(tenant.create("networks", {})["id"])
        body = {"network_id": network, "subnetpool_id": pool, "prefixlen": 26}
        try:
            tenant.create("subnets", body)
        except SealaneError:
            tenant.delete("networks", network)
            raise
        return network

    @rule(use=uses)
    def use_no_longer(self, use: str) -> None:
        if (known := self.used.pop(use, None)) is not None:
            self.tenants[known.tenant].delete(known.place, use)

    # what is there

    @invariant()
    def policies_are_as_the_model_says(self) -> None:
        shown = {r["id"]: Policy(r["object_id"], r["target_tenant"]) for r in self.api.list("rbac-policies")}
        assert shown == self.known

    @invariant()
    def each_sees_what_is_shared_with_him(self) -> None:
        for kind, (path, _) in KINDS.items():
            for name, tenant in self.tenants.items():
                listed = {row["id"]: row["shared"] for row in tenant.list(path) if row["id"] in self.kinds}
                assert listed == {
                    id: True for id, its in self.kinds.items() if its == kind and self.sees(name, id)
                }

    @invariant()
    def what_relies_upon_it_is_there(self) -> None:
        for place in set(HOLDERS.values()):
            listed = {row["id"] for row in self.api.list(place)}
            assert {id for id, use in self.used.items() if use.place == place} <= listed


def logged_in(api: Api, socket: str, tenant: str) -> str:
    """A token of a member of that project; both are made where they are not there yet."""
    if not any(row["id"] == tenant for row in api.request("GET", "/v3/projects")["projects"]):
        api.request("POST", "/v3/projects", {"project": {"name": tenant}})
        body = {"user": {"name": tenant, "password": "sesame"}}
        user = api.request("POST", "/v3/users", body)["user"]["id"]
        api.request("PUT", f"/v3/projects/{tenant}/users/{user}/roles/member")
    asked = json.dumps(by_password(tenant, "sesame", tenant)).encode()
    given = {"Content-Type": "application/json"}
    reply = exchange.over_unix(socket, PATIENCE, "POST", "/v3/auth/tokens", asked, given)
    assert reply.status == 201, reply.raw
    return str({name.lower(): value for name, value in reply.headers.items()}["x-subject-token"])


def test_sharing_in_any_order(host: Host) -> None:
    run(Sharing, host, steps=40, examples=10)
