"""/v3/roles, and who has which in what project. A role's id is its name; accounts.ROLES has the three."""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sealane import log
from sealane.api import keystone_json
from sealane.api.accounting import stored_project
from sealane.api.accounts import ROLES, known_projects
from sealane.api.answers import answer, empty
from sealane.api.caller import caller_of
from sealane.api.desk import Desk
from sealane.api.draft import Draft
from sealane.api.keystone_json import listed, operator
from sealane.api.links import origin
from sealane.errors import NotFound
from sealane.model import RoleAssignment, State, User
from sealane.store.changes import Change, Create, Delete

_log = log.get("api")


class Roles:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def list(self, request: Request) -> Response:
        wanted = request.query_params.getlist("name") or ROLES
        return listed("roles", (keystone_json.role(r, request) for r in ROLES if r in wanted), request)

    async def show(self, request: Request) -> Response:
        return answer({"role": keystone_json.role(_role(request.path_params["id"]), request)})

    async def assignments(self, request: Request) -> Response:
        """Of everybody for an admin; of himself for a user."""
        caller, asked = caller_of(request), request.query_params
        state = self._desk.look().state
        found: Iterable[RoleAssignment] = state.role_assignments.values()
        if caller.role != "admin":
            found = (a for a in found if a.user_id == caller.user)
        wanted = {
            "user_id": asked.get("user.id"),
            "project_id": asked.get("scope.project.id"),
            "role": asked.get("role.id"),
        }
        for name, value in wanted.items():
            if value is not None:
                found = [a for a in found if getattr(a, name) == value]
        named = asked.get("include_names", "false").lower() not in ("false", "0")
        return listed("role_assignments", [_shown(a, state, request, named=named) for a in found], request)

    async def held(self, request: Request) -> Response:
        operator(request, "list_grants")
        state = self._desk.look().state
        found = sorted(a.role for a in _held(state, request))
        return listed("roles", (keystone_json.role(name, request) for name in found), request)

    async def has(self, request: Request) -> Response:
        operator(request, "check_grant")
        if not any(a.role == request.path_params["role"] for a in _held(self._desk.look().state, request)):
            raise _not_held(request)
        return empty()

    async def give(self, request: Request) -> Response:
        operator(request, "create_grant")
        name = _role(request.path_params["role"])

        def decide(draft: Draft) -> tuple[Sequence[Change], None]:
            user = _user(draft.look.state, request)
            project, made = stored_project(request.path_params["project"], draft)
            if any(a.role == name for a in _held(draft.look.state, request)):
                return [], None
            given = RoleAssignment(
                id=str(uuid.uuid4()),
                project_id=project.project_id,
                project=project.id,
                user_id=user.id,
                role=name,
                created_at=draft.now,
            )
            return [*made, Create(given)], None

        await self._desk.write(caller_of(request), decide)
        _log.info("gave a role", role=name, user=request.path_params["user"], by=caller_of(request).user)
        return empty()

    async def take(self, request: Request) -> Response:
        """Log-ins to the project that have no other role in it are void at once."""
        operator(request, "revoke_grant")

        def decide(draft: Draft) -> tuple[Sequence[Change], None]:
            held = _held(draft.look.state, request)
            gone = [a for a in held if a.role == request.path_params["role"]]
            if not gone:
                raise _not_held(request)
            return [Delete(a) for a in gone], None

        await self._desk.write(caller_of(request), decide)
        return empty()


def _held(state: State, request: Request) -> Sequence[RoleAssignment]:
    """Raises NotFound for a user or a project that is not there."""
    user, project = _user(state, request), request.path_params["project"]
    if project not in known_projects(state):
        raise NotFound(f"Could not find project: {project}.", type="ProjectNotFound")
    found = state.role_assignments.values()
    return [a for a in found if a.user_id == user.id and a.project_id == project]


def _user(state: State, request: Request) -> User:
    id = request.path_params["user"]
    if id not in state.users:
        raise NotFound(f"Could not find user: {id}.", type="UserNotFound")
    return state.users[id]


def _role(name: str) -> str:
    if name not in ROLES:
        raise NotFound(f"Could not find role: {name}; there are {', '.join(ROLES)}.", type="RoleNotFound")
    return name


def _not_held(request: Request) -> NotFound:
    return NotFound(f"The user has no role '{request.path_params['role']}' there.", type="RoleNotFound")


def _shown(held: RoleAssignment, state: State, request: Request, *, named: bool) -> dict[str, Any]:
    role: dict[str, Any] = {"id": held.role}
    user: dict[str, Any] = {"id": held.user_id}
    project: dict[str, Any] = {"id": held.project_id}
    if named:
        domain = {"id": keystone_json.DOMAIN["id"], "name": keystone_json.DOMAIN["name"]}
        there = known_projects(state).get(held.project_id)
        role |= {"name": held.role}
        user |= {"name": state.users[held.user_id].name, "domain": domain}
        project |= {"name": there.name if there else "", "domain": domain}
    path = f"/v3/projects/{held.project_id}/users/{held.user_id}/roles/{held.role}"
    link = {"assignment": origin(request) + path}
    return {"role": role, "user": user, "scope": {"project": project}, "links": link}
