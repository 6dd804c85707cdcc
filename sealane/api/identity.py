"""What clients ask an identity service before they ask us about a project: whether there is one of that name.

A project is whatever somebody calls one: its id is its name, and every name is a project.  There are no
users, no roles and no tokens to be had here; reading is all, by the paths of Keystone's v3 and v2.0.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api.answers import answer
from sealane.api.attributes import DEFAULT_PROJECT
from sealane.api.convert import text
from sealane.api.desk import Desk
from sealane.api.links import origin
from sealane.errors import NotFound

NAME = text(255)
BASES = ("/v3", "/v2.0", "")
"""A client that is told nothing but an endpoint (auth type admin_token) takes it as it is."""
DOMAIN = {"id": "default", "name": "Default", "enabled": True, "description": "", "links": {}}


class Identity:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("/v3", version, methods=["GET"]),
            Route("/v3/", version, methods=["GET"]),
            *(route for base in BASES for route in self._projects(f"{base}/projects", "project")),
            *(route for base in BASES for route in self._projects(f"{base}/tenants", "tenant")),
            *(Route(f"{base}/domains", domains, methods=["GET"]) for base in BASES),
            *(Route(f"{base}/domains/{{id}}", domain, methods=["GET"]) for base in BASES),
        )

    def _projects(self, path: str, noun: str) -> tuple[Route, Route]:
        async def list(request: Request) -> Response:
            wanted = request.query_params.getlist("name") or sorted(self._known())
            return answer({f"{noun}s": [_project(name, request) for name in wanted]})

        async def show(request: Request) -> Response:
            return answer({noun: _project(_name(request.path_params["id"]), request)})

        return Route(path, list, methods=["GET"]), Route(f"{path}/{{id}}", show, methods=["GET"])

    def _known(self) -> set[str]:
        """Those that somebody has used."""
        state = self._desk.look().state
        kinds = (state.networks, state.subnets, state.ports, state.quotas)
        used = {row.project_id for rows in kinds for row in rows.values()}
        named = {name for node in state.nodes.values() for name in node.projects if name != "*"}
        return {DEFAULT_PROJECT, *used, *named}


def version_of(request: Request) -> dict[str, Any]:
    link = {"rel": "self", "href": f"{origin(request)}/v3/"}
    kind = {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
    return {"id": "v3.14", "status": "stable", "links": [link], "media-types": [kind]}


async def version(request: Request) -> Response:
    return answer({"version": version_of(request)})


async def domains(request: Request) -> Response:
    wanted = request.query_params.getlist("name")
    return answer({"domains": [DOMAIN] if not wanted or DOMAIN["name"] in wanted else []})


async def domain(request: Request) -> Response:
    if request.path_params["id"] != DOMAIN["id"]:
        raise NotFound("There is one domain, 'default'.", type="DomainNotFound")
    return answer({"domain": DOMAIN})


def _name(given: str) -> str:
    try:
        return str(NAME.convert(given))
    except ValueError as exc:
        raise NotFound(f"Could not find project: {exc}.", type="ProjectNotFound") from exc


def _project(name: str, request: Request) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "domain_id": DOMAIN["id"],
        "parent_id": DOMAIN["id"],
        "enabled": True,
        "is_domain": False,
        "description": "",
        "options": {},
        "tags": [],
        "links": {"self": f"{origin(request)}/v3/projects"},
    }
