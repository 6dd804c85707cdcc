"""Logs of security groups: the table of attributes, and what there may be a log of."""

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sealane.api import convert
from sealane.api.answers import answer
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import BOOLEAN, Type, nullable, one_of
from sealane.api.draft import Draft
from sealane.errors import BadRequest, NotFound
from sealane.model import Log

TYPES = ("security_group",)
EVENTS = ("ALL", "ACCEPT", "DROP")

LOGS = Kind(
    singular="log",
    plural="logs",
    place="log/logs",
    collection=lambda state: state.logs,
    attributes=(
        *standard(),
        Attribute(
            name="resource_type",
            type=Type(one_of(*TYPES).convert, {"type": "string", "enum": list(TYPES)}),
            default=REQUIRED,
            post=True,
        ),
        Attribute(name="resource_id", type=nullable(convert.ID), default=None, post=True),
        Attribute(name="target_id", type=nullable(convert.ID), default=None, post=True),
        Attribute(
            name="event",
            type=Type(one_of(*EVENTS).convert, {"type": "string", "enum": list(EVENTS)}),
            default="ALL",
            post=True,
        ),
        Attribute(name="enabled", type=BOOLEAN, default=True, post=True, put=True),
    ),
)


def create(id: str, values: Values, draft: Draft) -> Log:
    made = Log(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **LOGS.as_fields(values))
    _check(made, draft)
    return made


def update(old: Any, values: Values, draft: Draft) -> Log:
    changed: Log = replace(old, **values)
    return changed


def delete(log: Any, draft: Draft) -> tuple[Log, ...]:
    return (log,)


def _check(log: Log, draft: Draft) -> None:
    """A log is about packets of its own project's ports. Raises NotFound, BadRequest."""
    look = draft.look
    group = look.state.security_groups.get(log.resource_id or "")
    port = look.state.ports.get(log.target_id or "")
    if log.resource_id is not None:
        if group is None:
            raise NotFound(f"Resource {log.resource_id} could not be found.", type="ResourceNotFound")
        shared = group.shared or look.is_granted("access_as_shared", group.id, log.project_id)
        if group.project_id != log.project_id and not shared:
            raise _foreign("resource_id", group.project_id)
    if log.target_id is not None:
        if port is None:
            raise NotFound(
                f"Target resource {log.target_id} could not be found.", type="TargetResourceNotFound"
            )
        if port.project_id != log.project_id:
            raise _foreign("target_id", port.project_id)
    if group is not None and port is not None and group.id not in port.security_groups:
        raise BadRequest(
            f"Invalid resource constraint between resource (security_group, {group.id}) and target resource "
            f"({port.id}): the port is not in that group.",
            type="InvalidResourceConstraint",
        )


def _foreign(name: str, project: str) -> BadRequest:
    return BadRequest(
        f"Invalid input for {name}. Reason: it belongs to project '{project}', and a log is about its own "
        "project's: give that as the log's project_id.",
        type="HTTPBadRequest",
    )


async def loggable(request: Request) -> Response:
    return answer({"loggable_resources": [{"type": name} for name in TYPES]})
