"""The shapes of the identity API's answers, and how its requests are read."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sealane.api.accounts import DOMAINS, ROLES
from sealane.api.answers import answer
from sealane.api.body import read_object
from sealane.api.caller import caller_of
from sealane.api.convert import Type, to_boolean
from sealane.api.links import origin
from sealane.api.sessions import Session
from sealane.errors import BadRequest, Forbidden
from sealane.model import Project, User

SMALL = 65536
"""Bytes of a body."""
DOMAIN = {"id": "default", "name": "Default", "enabled": True, "description": "", "links": {}}
_OF_DOMAIN = {"id": DOMAIN["id"], "name": DOMAIN["name"]}
_REGION = "RegionOne"


def version_of(request: Request) -> dict[str, Any]:
    link = {"rel": "self", "href": f"{origin(request)}/v3/"}
    kind = {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
    return {"id": "v3.14", "status": "stable", "links": [link], "media-types": [kind]}


def project(row: Project, request: Request) -> dict[str, Any]:
    return {
        "id": row.project_id,
        "name": row.name,
        "domain_id": DOMAIN["id"],
        "parent_id": DOMAIN["id"],
        "enabled": row.enabled,
        "is_domain": False,
        "description": row.description,
        "options": {},
        "tags": list(row.tags),
        "links": {"self": f"{origin(request)}/v3/projects/{row.project_id}"},
    }


def user(row: User, request: Request) -> dict[str, Any]:
    shown = {
        "id": row.id,
        "name": row.name,
        "domain_id": DOMAIN["id"],
        "enabled": row.enabled,
        "description": row.description,
        "email": row.email,
        "options": {},
        "password_expires_at": None,
        "links": {"self": f"{origin(request)}/v3/users/{row.id}"},
    }
    return shown | ({"default_project_id": row.project_id} if row.project_id else {})


def role(name: str, request: Request) -> dict[str, Any]:
    link = {"self": f"{origin(request)}/v3/roles/{name}"}
    return {"id": name, "name": name, "domain_id": None, "description": "", "options": {}, "links": link}


def token(session: Session, request: Request, *, catalogued: bool = True) -> dict[str, Any]:
    bearer = session.bearer
    shown: dict[str, Any] = {
        "methods": list(bearer.methods),
        "user": {
            "id": session.user.id,
            "name": session.user.name,
            "domain": _OF_DOMAIN,
            "password_expires_at": None,
        },
        "audit_ids": list(bearer.audit),
        "issued_at": moment(bearer.issued),
        "expires_at": moment(bearer.expires),
    }
    if session.project is not None:
        shown["project"] = {
            "id": session.project.project_id,
            "name": session.project.name,
            "domain": _OF_DOMAIN,
        }
        shown |= {"is_domain": False, "roles": [{"id": name, "name": name} for name in session.roles]}
        shown |= {"catalog": catalog(request)} if catalogued else {}
    return {"token": shown}


def catalog(request: Request) -> list[dict[str, Any]]:
    """Of where the caller has called: so it is right through a tunnel and by any of the machine's names."""
    here = origin(request)
    return [
        _service("network", "sealane", here),
        _service("load-balancer", "sealane-balancer", here),
        _service("identity", "sealane-identity", f"{here}/v3"),
    ]


def _service(kind: str, name: str, url: str) -> dict[str, Any]:
    endpoints = [
        {
            "id": f"{kind}-{interface}",
            "interface": interface,
            "region": _REGION,
            "region_id": _REGION,
            "url": url,
        }
        for interface in ("public", "internal", "admin")
    ]
    return {"id": kind, "type": kind, "name": name, "endpoints": endpoints}


def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


def listed(key: str, rows: Iterable[Mapping[str, Any]], request: Request) -> Response:
    link = f"{origin(request)}{request.scope['path']}"
    return answer({key: list(rows), "links": {"self": link, "next": None, "previous": None}})


def filtered(rows: Iterable[Mapping[str, Any]], request: Request) -> list[Mapping[str, Any]]:
    """By the attributes of the query that are plain ones. Raises BadRequest for what is no boolean."""
    found = list(rows)
    for key, value in request.query_params.multi_items():
        if key == "enabled":
            wanted: Any = _flag(key, value or "true")
        elif key in ("id", "name", "domain_id", "parent_id"):
            wanted = value
        else:
            continue
        found = [row for row in found if row.get(key) == wanted]
    return found


async def read(request: Request, key: str) -> dict[str, Any]:
    """The object under `key`. Raises BadRequest."""
    body = (await read_object(request, SMALL)).get(key)
    if not isinstance(body, dict):
        raise BadRequest(f"Unable to find '{key}' in the request body.")
    for name in ("domain_id", "parent_id"):
        if body.get(name) is not None and body[name] not in DOMAINS:
            raise BadRequest(
                f"'{name}' can only be 'default': there is one domain, and projects have no parents."
            )
    if body.get("is_domain"):
        raise BadRequest("'is_domain' can't be true: there is one domain.")
    return body


def values(body: Mapping[str, Any], types: Mapping[str, Type]) -> dict[str, Any]:
    """Those of `types` that are there and not null, converted; what else is there is passed over, as Keystone
    does. Raises BadRequest.
    """
    found = {}
    for name, type in types.items():
        if body.get(name) is not None:
            try:
                found[name] = type.convert(body[name])
            except ValueError as exc:
                raise BadRequest(f"Invalid input for {name}. Reason: {exc}.") from exc
    return found


def require(given: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if not given.get(name):
            raise BadRequest(f"'{name}' is missing or empty.")


def operator(request: Request, action: str) -> None:
    """Raises Forbidden."""
    if caller_of(request).role != "admin":
        raise Forbidden(f"You are not authorized to perform the requested action: identity:{action}.")


def known_role(name: str) -> bool:
    return name in ROLES


def _flag(key: str, value: str) -> bool:
    try:
        return to_boolean(value)
    except ValueError as exc:
        raise BadRequest(f"'{key}': {exc}.") from exc
