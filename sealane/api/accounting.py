"""/v3/projects and /v3/users: made, changed and removed by an admin; everybody sees his own."""

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sealane import log, names
from sealane.api import keystone_json, security_groups
from sealane.api.accounts import Accounts, known_projects
from sealane.api.answers import answer, empty
from sealane.api.caller import ADMIN, caller_of
from sealane.api.convert import BOOLEAN, TAGS, Type, text
from sealane.api.desk import Desk
from sealane.api.draft import Draft
from sealane.api.keystone_json import filtered, listed, operator, require, values
from sealane.api.login import Credentials, Login
from sealane.errors import BadRequest, Conflict, NotFound, Unauthorized
from sealane.model import Project, State, User
from sealane.pki import password
from sealane.store.changes import Change, Create, Delete, Stored, Update

PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
"""A name that is the id of its project as well: what Docker's options and nodes' lists call it."""
PROJECT: Mapping[str, Type] = {
    "name": text(255),
    "description": text(1024),
    "enabled": BOOLEAN,
    "tags": TAGS,
}
USER: Mapping[str, Type] = {
    "name": text(255),
    "description": text(1024),
    "enabled": BOOLEAN,
    "email": text(255),
    "default_project_id": text(255),
    "password": text(password.LONGEST),
}
_log = log.get("api")


class Accounting:
    def __init__(self, desk: Desk, login: Login) -> None:
        self._desk = desk
        self._login = login

    # projects

    async def projects(self, request: Request, noun: str, any_name: bool) -> Response:
        operator(request, "list_projects")
        known = sorted(known_projects(self._desk.look().state).values(), key=lambda p: p.name)
        wanted = request.query_params.get("name")
        if any_name and wanted and all(p.name != wanted for p in known):
            known = [_unmade(wanted)]
        return listed(
            f"{noun}s", filtered((keystone_json.project(p, request) for p in known), request), request
        )

    async def project(self, request: Request, noun: str, any_name: bool) -> Response:
        id, caller = request.path_params["id"], caller_of(request)
        state = self._desk.look().state
        if caller.role != "admin" and not _has_part(caller.user, id, state):
            raise _no_project(id)
        unknown = any_name and id not in known_projects(state)
        found = _unmade(id) if unknown else _project(id, state)
        return answer({noun: keystone_json.project(found, request)})

    async def create_project(self, request: Request) -> Response:
        """One that was merely used until now becomes one in its own right."""
        operator(request, "create_project")
        given = values(await keystone_json.read(request, "project"), PROJECT)
        require(given, ["name"])

        def decide(draft: Draft) -> tuple[Sequence[Change], Project]:
            made = replace(_new_project(given["name"], draft), **given)
            return [Create(made)], made

        made, _ = await self._desk.write(caller_of(request), decide)
        return answer({"project": keystone_json.project(made, request)}, 201)

    async def update_project(self, request: Request) -> Response:
        operator(request, "update_project")
        given = values(await keystone_json.read(request, "project"), PROJECT)

        def decide(draft: Draft) -> tuple[Sequence[Change], Project]:
            old, made = stored_project(request.path_params["id"], draft)
            new = replace(old, **given)
            return ([Create(new)] if made else _updates(old, new, draft)), new

        new, _ = await self._desk.write(caller_of(request), decide)
        return answer({"project": keystone_json.project(new, request)})

    async def delete_project(self, request: Request) -> Response:
        """With its roles, quota and default group. Refused while it has networks or anything of that kind."""
        operator(request, "delete_project")
        id = request.path_params["id"]

        def decide(draft: Draft) -> tuple[Sequence[Change], None]:
            state = draft.look.state
            old = Accounts(state).projects.get(id)
            if old is None:
                raise _no_project(id)
            _unused(old, state)
            return [*_belongings(old, draft), Delete(old)], None

        await self._desk.write(caller_of(request), decide)
        return empty()

    # users

    async def users(self, request: Request) -> Response:
        operator(request, "list_users")
        known = sorted(self._desk.look().state.users.values(), key=lambda u: u.name)
        return listed("users", filtered((keystone_json.user(u, request) for u in known), request), request)

    async def user(self, request: Request) -> Response:
        return answer({"user": keystone_json.user(self._seen_user(request), request)})

    async def projects_of_user(self, request: Request) -> Response:
        user = self._seen_user(request)
        mine = Accounts(self._desk.look().state).projects_of(user.id)
        return listed("projects", (keystone_json.project(p, request) for p in mine), request)

    async def create_user(self, request: Request) -> Response:
        operator(request, "create_user")
        given = await self._user_values(request)
        require(given, ["name"])
        id = str(uuid.uuid4())

        def decide(draft: Draft) -> tuple[Sequence[Change], User]:
            made = User(
                id=id,
                revision_number=1,
                created_at=draft.now,
                updated_at=draft.now,
                **{"project_id": "", "password": "", **given},
            )
            return [Create(made)], made

        made, _ = await self._desk.write(caller_of(request), decide)
        return answer({"user": keystone_json.user(made, request)}, 201)

    async def update_user(self, request: Request) -> Response:
        """A new password, and being disabled, end all log-ins of the user."""
        operator(request, "update_user")
        given = await self._user_values(request)
        new = await self._change(request, lambda old: replace(old, **given))
        return answer({"user": keystone_json.user(new, request)})

    async def delete_user(self, request: Request) -> Response:
        operator(request, "delete_user")

        def decide(draft: Draft) -> tuple[Sequence[Change], None]:
            state, old = draft.look.state, _user(request, draft.look.state)
            held = [a for a in state.role_assignments.values() if a.user_id == old.id]
            return [*(Delete(a) for a in held), Delete(old)], None

        await self._desk.write(caller_of(request), decide)
        return empty()

    async def change_password(self, request: Request) -> Response:
        """By the user, who shows the present one."""
        body = await keystone_json.read(request, "user")
        given = values(body, {"original_password": text(password.LONGEST), "password": USER["password"]})
        require(given, ["original_password", "password"])
        if given["password"] == given["original_password"]:
            raise BadRequest("The new password is the present one.")
        user, caller = _user(request, self._desk.look().state), caller_of(request)
        if caller.role != "admin" and caller.user != user.id:
            raise _no_user(user.id)
        address = request.client.host if request.client else ""
        try:
            await self._login.user(Credentials(id=user.id, password=given["original_password"]), address)
        except Unauthorized as exc:
            raise Unauthorized("The present password is another one.") from exc
        hashed = await self._login.hashed(given["password"])
        await self._change(request, lambda old: replace(old, password=hashed))
        return empty()

    async def _user_values(self, request: Request) -> dict[str, Any]:
        given = values(await keystone_json.read(request, "user"), USER)
        if "default_project_id" in given:
            given["project_id"] = given.pop("default_project_id")
        if "password" in given:
            require(given, ["password"])
            given["password"] = await self._login.hashed(given["password"])
        return given

    async def _change(self, request: Request, change: Callable[[User], User]) -> User:
        def decide(draft: Draft) -> tuple[Sequence[Change], User]:
            old = _user(request, draft.look.state)
            new = change(old)
            if new.password != old.password or (old.enabled and not new.enabled):
                new = replace(new, epoch=old.epoch + 1)
            return _updates(old, new, draft), new

        user, _ = await self._desk.write(ADMIN, decide)
        _log.info("changed a user", user=user.name, by=caller_of(request).user)
        return user

    def _seen_user(self, request: Request) -> User:
        caller, found = caller_of(request), _user(request, self._desk.look().state)
        if caller.role != "admin" and caller.user != found.id:
            raise _no_user(found.id)
        return found


def stored_project(id: str, draft: Draft) -> tuple[Project, Sequence[Change]]:
    """The row of a project, and what makes it where the project was merely used. Raises NotFound."""
    found = _project(id, draft.look.state)
    if found.id:
        return found, ()
    made = replace(_new_project(found.name, draft), project_id=id)
    return made, (Create(made),)


def _new_project(name: str, draft: Draft) -> Project:
    """Its id is its name, unless that is another's or can't be one. Raises Conflict."""
    accounts, id = Accounts(draft.look.state), str(uuid.uuid4())
    if accounts.project_named(name) is not None:
        raise Conflict(f"There is a project '{name}' already: choose another name.")
    plain = PLAIN.fullmatch(name) and name not in accounts.projects
    return Project(
        id=id,
        project_id=name if plain else id.replace("-", ""),
        name=name,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
    )


def _unmade(name: str) -> Project:
    """Raises NotFound for what can't be a name."""
    try:
        id = str(PROJECT["name"].convert(name))
    except ValueError as exc:
        raise _no_project(name) from exc
    return Project(id="", project_id=id, name=id)


def _updates(old: Any, new: Any, draft: Draft) -> list[Change]:
    if new == old:
        return []
    return [Update(old, replace(new, updated_at=draft.now, revision_number=old.revision_number + 1))]


def _unused(project: Project, state: State) -> None:
    kinds = {
        "networks": state.networks,
        "subnets": state.subnets,
        "ports": state.ports,
        "routers": state.routers,
        "floating IPs": state.floatingips,
        "security groups": {id: g for id, g in state.security_groups.items() if g.name != "default"},
        "address groups": state.address_groups,
        "subnet pools": state.subnetpools,
        "address scopes": state.address_scopes,
    }
    for name, rows in kinds.items():
        if any(row.project_id == project.project_id for row in rows.values()):
            raise Conflict(f"Project '{project.name}' has {name}: delete them first.")


def _belongings(project: Project, draft: Draft) -> list[Change]:
    id, state = project.project_id, draft.look.state
    group = names.default_group(id)
    held = (a for a in state.role_assignments.values() if a.project_id == id)
    limits = (q for q in state.quotas.values() if q.project_id == id)
    policies = state.rbac_policies.values()
    granted = (p for p in policies if p.target_tenant == id or p.object_id == group)
    rows: tuple[Stored, ...] = (*held, *limits, *granted)
    return [*(Delete(row) for row in rows), *_default_group(group, draft)]


def _default_group(id: str, draft: Draft) -> list[Change]:
    """It came by itself, so it goes by itself. Raises Conflict when somebody else's port is in it."""
    group = draft.look.state.security_groups.get(id)
    gone: Sequence[Any] = security_groups.delete(group, draft) if group else ()
    return [Delete(row) for row in gone]


def _has_part(user: str, project: str, state: State) -> bool:
    return any(a.user_id == user and a.project_id == project for a in state.role_assignments.values())


def _project(id: str, state: State) -> Project:
    found = known_projects(state).get(id)
    if found is None:
        raise _no_project(id)
    return found


def _no_project(id: str) -> NotFound:
    return NotFound(f"Could not find project: {id[:255]}.", type="ProjectNotFound")


def _user(request: Request, state: State) -> User:
    found = state.users.get(request.path_params["id"])
    if found is None:
        raise _no_user(request.path_params["id"])
    return found


def _no_user(id: str) -> NotFound:
    return NotFound(f"Could not find user: {id[:255]}.", type="UserNotFound")
