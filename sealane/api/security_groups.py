"""Security groups: the table of attributes, the group that every project has, and what goes with one.

A group is made with rules that let everything out (as in Neutron), so that what is told of it is all that
holds. The default group comes when it is first needed, with rules that let its members reach each other.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sealane import names
from sealane.api import security_rules
from sealane.api.attributes import DEFAULT_PROJECT, Attribute, Kind, Values, standard
from sealane.api.caller import Caller
from sealane.api.convert import BOOLEAN, Type
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.api.query import Query
from sealane.errors import Conflict
from sealane.model import Resource, SecurityGroup
from sealane.store.changes import Delete

GROUPS = Kind(
    singular="security_group",
    plural="security_groups",
    collection=lambda state: state.security_groups,
    attributes=(
        *standard(),
        Attribute(name="stateful", type=BOOLEAN, default=True, post=True, put=True),
        Attribute(name="shared", type=BOOLEAN, read=lambda group, look: shared(group, look)),
        Attribute(
            name="security_group_rules",
            type=Type(lambda value: value, {"type": "array", "items": {"type": "object"}}),
            read=lambda group, look: [
                security_rules.RULES.show(rule, look) for rule in look.rules_of(group.id)
            ],
            filter=False,
        ),
    ),
)


def shared(group: Any, look: Look) -> bool:
    """With everybody; an RBAC policy can share it with one project as well."""
    return bool(group.shared) or look.is_shared(group.id)


def create(id: str, values: Values, draft: Draft) -> SecurityGroup:
    _not_called_default(values["name"])
    draft.default_group(values["project_id"])
    given = GROUPS.as_fields(values)
    group = SecurityGroup(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)
    draft.add_group(group)
    return group


def update(old: Any, values: Values, draft: Draft) -> SecurityGroup:
    renamed = values.get("name", old.name) != old.name
    if renamed and is_default(old):
        raise Conflict(
            "Updating default security group not allowed.", type="SecurityGroupCannotUpdateDefault"
        )
    if renamed:
        _not_called_default(values["name"])
    changed: SecurityGroup = replace(old, **GROUPS.as_fields(values))
    return changed


def delete(group: Any, draft: Draft) -> Sequence[Resource]:
    """Its rules go with it, and those of other groups that let its members in."""
    look = draft.look
    if any(group.id in port.security_groups for port in look.state.ports.values()):
        raise Conflict(f"Security Group {group.id} in use.", type="SecurityGroupInUse")
    for rule in look.rules_naming(group.id):
        if rule.security_group_id != group.id:
            draft.also.append(Delete(rule))
            draft.touch(look.state.security_groups[rule.security_group_id])
    return (*look.rules_of(group.id), group)


def spare(group: Any, caller: Caller) -> None:
    """Only an admin deletes a default group. Raises Conflict."""
    if is_default(group) and caller.role != "admin":
        raise Conflict(
            "Insufficient rights for removing default security group.",
            type="SecurityGroupCannotRemoveDefault",
        )


def arise(caller: Caller, asked: Query, draft: Draft) -> None:
    """Who looks for groups finds the default groups of the projects that they look at."""
    if caller.role == "node":
        return
    mine = (caller.project,) if caller.is_tenant else ()
    for project in mine or asked.projects or (DEFAULT_PROJECT,):
        if project in (DEFAULT_PROJECT, *mine) or _is_used(project, draft.look):
            draft.default_group(project)


def _is_used(project: str, look: Look) -> bool:
    state = look.state
    kinds = (state.networks, state.ports, state.quotas, state.routers)
    return any(row.project_id == project for rows in kinds for row in rows.values())


def is_default(group: Any) -> bool:
    return bool(group.id == names.default_group(group.project_id))


def _not_called_default(name: str) -> None:
    if name.lower() == "default":
        raise Conflict("Default security group already exists.", type="SecurityGroupDefaultAlreadyExists")
