"""The identity API under /v3: as much of Keystone's as clients need to log in, and an admin to let them.

    auth/tokens, auth/catalog, auth/projects    logins.py       for everybody
    projects, users                             accounting.py   an admin; everybody his own
    roles, role_assignments                     roles.py        an admin; the roles' names everybody
    /v3, domains                                here            there is one domain, 'default'

https://docs.openstack.org/api-ref/identity/v3/

A client that is told nothing but an endpoint (auth type admin_token) asks for projects and domains there, and
by the paths of v2.0: those are served too, and there every name is a project.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api.accounting import Accounting
from sealane.api.answers import answer
from sealane.api.desk import Desk
from sealane.api.keystone_json import DOMAIN, listed, version_of
from sealane.api.login import Login
from sealane.api.logins import Logins
from sealane.api.roles import Roles
from sealane.api.sessions import Sessions
from sealane.errors import NotFound

BASES = ("/v3", "/v2.0", "")


def routes(desk: Desk, sessions: Sessions) -> tuple[Route, ...]:
    login = Login(sessions)
    logins, accounts, roles = Logins(sessions, login, desk), Accounting(desk, login), Roles(desk)
    project, user = "/v3/projects/{id}", "/v3/users/{id}"
    held = "/v3/projects/{project}/users/{user}/roles"
    return (
        Route("/v3", version, methods=["GET"]),
        Route("/v3/", version, methods=["GET"]),
        *(Route(f"{base}/domains", domains, methods=["GET"]) for base in BASES),
        *(Route(f"{base}/domains/{{id}}", domain, methods=["GET"]) for base in BASES),
        *(route for base in BASES for route in _projects(base, accounts)),
        Route("/v3/auth/tokens", logins.log_in, methods=["POST"]),
        Route("/v3/auth/tokens", logins.validate, methods=["GET"]),
        Route("/v3/auth/tokens", logins.log_out, methods=["DELETE"]),
        Route("/v3/auth/catalog", logins.catalog, methods=["GET"]),
        Route("/v3/auth/projects", logins.projects, methods=["GET"]),
        Route("/v3/auth/domains", domains, methods=["GET"]),
        Route("/v3/projects", accounts.create_project, methods=["POST"]),
        Route(project, accounts.update_project, methods=["PATCH"]),
        Route(project, accounts.delete_project, methods=["DELETE"]),
        Route("/v3/users", accounts.users, methods=["GET"]),
        Route("/v3/users", accounts.create_user, methods=["POST"]),
        Route(user, accounts.user, methods=["GET"]),
        Route(user, accounts.update_user, methods=["PATCH"]),
        Route(user, accounts.delete_user, methods=["DELETE"]),
        Route(f"{user}/password", accounts.change_password, methods=["POST"]),
        Route(f"{user}/projects", accounts.projects_of_user, methods=["GET"]),
        Route("/v3/roles", roles.list, methods=["GET"]),
        Route("/v3/roles/{id}", roles.show, methods=["GET"]),
        Route("/v3/role_assignments", roles.assignments, methods=["GET"]),
        Route(held, roles.held, methods=["GET"]),
        Route(f"{held}/{{role}}", roles.has, methods=["GET"]),
        Route(f"{held}/{{role}}", roles.give, methods=["PUT"]),
        Route(f"{held}/{{role}}", roles.take, methods=["DELETE"]),
    )


def _projects(base: str, accounts: Accounting) -> tuple[Route, ...]:
    return tuple(
        route
        for noun in ("project", "tenant")
        for route in (
            Route(f"{base}/{noun}s", _of(accounts.projects, noun, base != "/v3"), methods=["GET"]),
            Route(f"{base}/{noun}s/{{id}}", _of(accounts.project, noun, base != "/v3"), methods=["GET"]),
        )
    )


def _of(
    handler: Callable[[Request, str, bool], Awaitable[Response]], noun: str, any_name: bool
) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await handler(request, noun, any_name)

    handle.__name__ = handler.__name__
    return handle


async def version(request: Request) -> Response:
    return answer({"version": version_of(request)})


async def domains(request: Request) -> Response:
    wanted = request.query_params.getlist("name")
    return listed("domains", [DOMAIN] if not wanted or DOMAIN["name"] in wanted else [], request)


async def domain(request: Request) -> Response:
    if request.path_params["id"] != DOMAIN["id"]:
        raise NotFound("There is one domain, 'default'.", type="DomainNotFound")
    return answer({"domain": DOMAIN})
