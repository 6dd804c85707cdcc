"""RBAC policies: a project lets another use what belongs to it.

    access_as_shared      a network, a security group or an address group: seen, and ports may use it
    access_as_external    an external network, by an admin: it is for the projects that are named, no more
                          for all; their routers may have gateways in it, and floating IPs

Who may make one is in tenants.py; what it opens is asked of look.is_granted.
"""

from dataclasses import replace
from typing import Any

from sealane.api import convert
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.model import Port, RBACPolicy
from sealane.store.rows import COLLECTIONS, RESOURCES

EVERYBODY = "*"
SHARED, EXTERNAL = "access_as_shared", "access_as_external"
OBJECTS = {
    singular: COLLECTIONS[kind]
    for kind, singular in RESOURCES.items()
    if singular in ("network", "security_group", "address_group")
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
        title = "".join(word.capitalize() for word in policy.object_type.split("_"))
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
        _unused(old, draft.look)
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


def _unused(policy: RBACPolicy, look: Look) -> None:
    """Raises Conflict while a port of the project is in the network, unless that is shared otherwise."""
    network = look.state.networks.get(policy.object_id)
    if policy.action != SHARED or network is None or network.shared:
        return
    for port in look.ports_of(network.id):
        if _relies(port, policy, network.project_id, look):
            raise Conflict(
                f"RBAC policy on object {policy.object_id} cannot be removed because other objects depend on"
                f" it: port {port.id} of project '{port.project_id}' is in the network.",
                type="RbacPolicyInUse",
            )


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


def _relies(port: Port, policy: RBACPolicy, owner: str, look: Look) -> bool:
    if port.project_id in ("", owner) or policy.target_tenant not in (EVERYBODY, port.project_id):
        return False
    others = (p for p in look.state.rbac_policies.values() if p.id != policy.id)
    return not any(
        (p.object_id, p.action) == (policy.object_id, policy.action)
        and p.target_tenant in (EVERYBODY, port.project_id)
        for p in others
    )
