"""Which groups a container is in that its network says something of, and when it waits in quarantine.

    network label sealane.security-groups=web,db          these, where the endpoint has none of its own
    network label sealane.security-groups-by-label=true,  what the container's own label says; until the agent
    or that tag on the project's default group            has read it, the port is in no group at all

It is decided where the port is made, so that there is no moment in which it is in another group.
"""

from collections.abc import Iterator

from sealane import names
from sealane.api.convert import to_boolean
from sealane.api.draft import Draft
from sealane.errors import BadRequest
from sealane.model import Network, SecurityGroup


def of_network(network: Network, draft: Draft) -> tuple[str, ...]:
    """Ids, in order. Raises BadRequest that names the group that is not there."""
    wanted = network.labels.get(names.SECURITY_GROUPS, "")
    known = list(_usable(network.project_id, draft))
    return tuple(sorted({_named(word, known, network) for word in words(wanted)}))


def waits_for_label(network: Network, draft: Draft) -> bool:
    """Whether the network or its project selects by label."""
    group = draft.group(names.default_group(network.project_id))
    if group is not None and names.BY_LABEL in group.tags:
        return True
    try:
        return to_boolean(network.labels.get(names.BY_LABEL, "false"))
    except ValueError:
        return True  # somebody has meant something: better nothing than anything


def words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _usable(project_id: str, draft: Draft) -> Iterator[SecurityGroup]:
    for group in draft.look.state.security_groups.values():
        if group.project_id == project_id or group.shared or draft.look.is_shared(group.id):
            yield group


def _named(word: str, known: list[SecurityGroup], network: Network) -> str:
    found = [g for g in known if word in (g.id, g.name)]
    own = [g for g in found if g.project_id == network.project_id] or found
    if len(own) == 1:
        return own[0].id
    said = f"{len(own)} security groups are" if own else "no security group is"
    raise BadRequest(
        f"Network '{network.name}' wants {names.SECURITY_GROUPS}={word}: {said} called '{word}' in project "
        f"'{network.project_id}'.",
        type="SecurityGroupNotFound",
    )
