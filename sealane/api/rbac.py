"""RBAC policies: a project lets another use what belongs to it.

    access_as_shared      a network, a security group, …: seen, and ports, rules, subnets, … may use it
    access_as_external    an external network, by an admin: it is for the projects that are named, no more
                          for all; their routers may have gateways in it, and floating IPs

Who may make one is in tenants.py; what it opens is asked of look.is_granted.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sealane.api import convert
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.api.tenants import title_of
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.model import RBACPolicy, Resource
from sealane.store import draws

EVERYBODY = "*"
SHARED, EXTERNAL = "access_as_shared", "access_as_external"
OBJECTS: Mapping[str, str] = {
    "network": "networks",
    "security_group": "security_groups",
    "address_group": "address_groups",
    "address_scope": "address_scopes",
    "subnetpool": "subnetpools",
    "qos_policy": "policies",
}
"""Type of what can be shared -> its collection."""

RBAC_POLICIES = Kind(
    singular="rbac_policy",
    plural="rbac_policies",
    collection=lambda state: state.rbac_policies,
    attributes=(
        *(a for a in standard() if a.name not in ("name", "description")),
        Attribute(name="object_type", type=one_of(*OBJECTS), default=REQUIRED, post=True),
        Attribute(name="object_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(name="action", type=one_of(SHARED, EXTERNAL), default=REQUIRED, post=True),
        Attribute(name="target_tenant", type=convert.text(255), default=REQUIRED, post=True, put=True),
    ),
)


def create(id: str, values: Values, draft: Draft) -> RBACPolicy:
    given = RBAC_POLICIES.as_fields(values)
    policy = RBACPolicy(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)
    if policy.action == EXTERNAL and policy.object_type != "network":
        raise BadRequest(f"Invalid input for action. Reason: '{EXTERNAL}' is for networks.")
    if policy.object_id not in getattr(draft.look.state, OBJECTS[policy.object_type]):
        title = title_of(policy.object_type)
        raise NotFound(f"{title} {policy.object_id} could not be found.", type=f"{title}NotFound")
    _check(policy)
    network = draft.look.state.networks.get(policy.object_id)
    if policy.action == EXTERNAL and network is not None and not network.external:
        raise BadRequest(f"Network {network.id} is not external: set its router:external first.")
    return policy


def update(old: Any, values: Values, draft: Draft) -> RBACPolicy:
    changed: RBACPolicy = replace(old, **values)
    _check(changed)
    if changed.target_tenant != old.target_tenant and old.action == SHARED:
        _unused(old, draft.look, changed)
    return changed


def delete(policy: Any, draft: Draft) -> tuple[RBACPolicy, ...]:
    """Refused while somebody relies upon it, and where it would open an external network to everybody."""
    if policy.action == EXTERNAL:
        _not_the_last(policy, draft.look)
    _unused(policy, draft.look)
    return (policy,)


def _check(policy: RBACPolicy) -> None:
    if not policy.target_tenant:
        raise BadRequest("Invalid input for target_tenant. Reason: give a project's id, or '*' for all.")


def _unused(policy: RBACPolicy, look: Look, changed: RBACPolicy | None = None) -> None:
    """Raises Conflict while something of the project uses the object, unless that is shared otherwise.

    `changed`: what the policy is to become; None: it goes.
    """
    shared = getattr(look.state, OBJECTS[policy.object_type]).get(policy.object_id)
    if policy.action != SHARED or shared is None or shared.shared:
        return
    for what, row in USERS[policy.object_type](shared, look):
        if _relies(row, policy, shared.project_id, look, changed):
            raise Conflict(
                f"RBAC policy on object {policy.object_id} cannot be removed because other objects depend on"
                f" it: {what} {row.id} of project '{row.project_id}' uses it.",
                type="RbacPolicyInUse",
            )


Users = Iterator[tuple[str, Resource]]


def _of_network(network: Any, look: Look) -> Users:
    return (("port", port) for port in look.ports_of(network.id))


def _of_security_group(group: Any, look: Look) -> Users:
    yield from (("port", port) for port in look.state.ports.values() if group.id in port.security_groups)
    yield from (("security group rule", rule) for rule in look.rules_naming(group.id))


def _of_address_group(group: Any, look: Look) -> Users:
    rules = look.state.security_group_rules.values()
    return (("security group rule", rule) for rule in rules if rule.remote_address_group_id == group.id)


def _of_address_scope(scope: Any, look: Look) -> Users:
    pools = look.state.subnetpools.values()
    return (("subnet pool", pool) for pool in pools if pool.address_scope_id == scope.id)


def _of_subnetpool(pool: Any, look: Look) -> Users:
    return (("subnet", subnet) for subnet in draws.of_pool(pool.id, look.state.subnets.values()))


def _of_qos_policy(policy: Any, look: Look) -> Users:
    state = look.state
    rows: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("network", state.networks),
        ("port", state.ports),
        ("floating IP", state.floatingips),
    )
    for what, found in rows:
        yield from ((what, row) for row in found.values() if row.qos_policy_id == policy.id)


USERS: Mapping[str, Callable[[Any, Look], Users]] = {
    "network": _of_network,
    "security_group": _of_security_group,
    "address_group": _of_address_group,
    "address_scope": _of_address_scope,
    "subnetpool": _of_subnetpool,
    "qos_policy": _of_qos_policy,
}
"""What uses an object of a type, of whatever project."""


def _not_the_last(policy: RBACPolicy, look: Look) -> None:
    """Raises Conflict."""
    network = look.state.networks.get(policy.object_id)
    others = [p for p in look.policies_of(policy.object_id) if p.action == EXTERNAL and p.id != policy.id]
    if network is not None and network.external and not others and policy.target_tenant != EVERYBODY:
        raise Conflict(
            f"Without this policy the external network {network.id} would be everybody's: make one for '*'"
            " first, or set its router:external to false.",
            type="RbacPolicyInUse",
        )


def _relies(row: Resource, policy: RBACPolicy, owner: str, look: Look, changed: RBACPolicy | None) -> bool:
    if row.project_id in ("", owner) or policy.target_tenant not in (EVERYBODY, row.project_id):
        return False
    others = [p for p in look.state.rbac_policies.values() if p.id != policy.id]
    others += [changed] if changed is not None else []
    return not any(
        (p.object_id, p.action) == (policy.object_id, policy.action)
        and p.target_tenant in (EVERYBODY, row.project_id)
        for p in others
    )
