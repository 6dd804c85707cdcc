"""/v2.0/quotas: how many resources of each kind a project may have. Without one it may have any number."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api import convert
from sealane.api.answers import answer, empty
from sealane.api.body import read_object
from sealane.api.caller import Caller, caller_of
from sealane.api.desk import Desk
from sealane.api.draft import Draft
from sealane.errors import BadRequest, NotFound
from sealane.model import (
    FloatingIP,
    HealthMonitor,
    Listener,
    LoadBalancer,
    Log,
    Member,
    Network,
    Port,
    Quota,
    RBACPolicy,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    ServerPool,
    State,
    Subnet,
    SubnetPool,
    TapFlow,
    TapMirror,
    TapService,
    Trunk,
)
from sealane.store.changes import Change, Create, Delete, Update
from sealane.store.plan import is_counted
from sealane.store.rows import COLLECTIONS, RESOURCES

LIMITED: Mapping[str, str] = {
    RESOURCES[kind]: COLLECTIONS[kind]
    for kind in (
        *(Network, Subnet, SubnetPool, Port, Trunk, Router, FloatingIP),
        *(SecurityGroup, SecurityGroupRule, RBACPolicy, Log),
        *(TapService, TapFlow, TapMirror),
        *(LoadBalancer, Listener, ServerPool, Member, HealthMonitor),
    )
}
"""Kind -> its collection."""
FLAGS = {"check_limit": True, "force": False}
"""In the body of a PUT -> what it is when it is not given."""
LIMIT = convert.integer(-1, 2**31 - 1)
PROJECT = convert.text(255)
UNLIMITED = dict.fromkeys(LIMITED, -1)


class Quotas:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        one = "/v2.0/quotas/{project}"
        return (
            Route("/v2.0/quotas", self.list, methods=["GET"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.update, methods=["PUT"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(f"{one}/default", self.default, methods=["GET"]),
            Route(f"{one}/details.json", self.details, methods=["GET"]),
            Route(f"{one}/details", self.details, methods=["GET"]),
        )

    async def list(self, request: Request) -> Response:
        """Of the projects that have one."""
        return answer({"quotas": [_shown(project, limits) for project, limits in self.all().items()]})

    async def show(self, request: Request) -> Response:
        project = project_of(request)
        return answer({"quota": _shown(project, _limits(self._desk.look().state, project))})

    async def default(self, request: Request) -> Response:
        return answer({"quota": _shown(project_of(request), {})})

    async def details(self, request: Request) -> Response:
        project, state = project_of(request), self._desk.look().state
        limits = {**UNLIMITED, **_limits(state, project)}
        counts = {kind: _used(state, project, kind) for kind in LIMITED}
        shown = {k: {"limit": limits[k], "used": counts[k], "reserved": 0} for k in LIMITED}
        return answer({"quota": shown})

    async def update(self, request: Request) -> Response:
        """No lower than what is used, unless `force` says so (Neutron's quota-check-limit-default)."""
        project, body = project_of(request), (await read_object(request)).get("quota")
        check, limits = _checks(body), _accepted(body)
        found = await self._set(caller_of(request), project, limits, check=check)
        return answer({"quota": _shown(project, found)})

    async def limit(self, caller: Caller, project: str, limits: Any) -> Mapping[str, int]:
        """Those of the project, from now on with these. Raises BadRequest."""
        return await self._set(caller, project, _accepted(limits), check=False)

    async def forget(self, caller: Caller, project: str, kinds: Collection[str]) -> None:
        """The limits of these kinds."""
        await self._set(caller, project, dict.fromkeys(kinds, -1), check=False)

    def limits(self, project: str) -> Mapping[str, int]:
        return _limits(self._desk.look().state, project)

    def all(self) -> Mapping[str, Mapping[str, int]]:
        """Limits by project, of those that have any."""
        quotas = sorted(self._desk.look().state.quotas.values(), key=lambda q: q.project_id)
        return {quota.project_id: quota.limits for quota in quotas}

    async def _set(
        self, caller: Caller, project: str, limits: Mapping[str, int], *, check: bool
    ) -> Mapping[str, int]:
        def decide(draft: Draft) -> tuple[list[Change], None]:
            old = _of(draft.look.state, project)
            if check:
                _covers(limits, draft.look.state, project)
            if old is None:
                return [Create(_new(project, limits, draft.now))], None
            merged = {**old.limits, **limits}
            return [Update(old, replace(old, limits=merged, updated_at=draft.now))], None

        _, look = await self._desk.write(caller, decide)
        return _limits(look.state, project)

    async def delete(self, request: Request) -> Response:
        """Back to no limit."""
        project = project_of(request)

        def decide(draft: Draft) -> tuple[list[Change], None]:
            old = _of(draft.look.state, project)
            if old is None:
                raise NotFound(f"Quota for tenant {project} could not be found.", type="TenantQuotaNotFound")
            return [Delete(old)], None

        await self._desk.write(caller_of(request), decide)
        return empty()


def project_of(request: Request) -> str:
    try:
        return str(PROJECT.convert(request.path_params["project"]))
    except ValueError as exc:
        raise BadRequest(f"Invalid input for project_id. Reason: {exc}.", type="HTTPBadRequest") from exc


def _checks(body: Any) -> bool:
    """`check_limit` is what is done anyway; `force` is the opposite."""
    if not isinstance(body, dict):
        return False  # _accepted says so
    try:
        given = {flag: convert.to_boolean(body.get(flag, default)) for flag, default in FLAGS.items()}
    except ValueError as exc:
        raise BadRequest(
            f"Invalid input for check_limit, force. Reason: {exc}.", type="HTTPBadRequest"
        ) from exc
    return given["check_limit"] and not given["force"]


def _covers(limits: Mapping[str, int], state: State, project: str) -> None:
    for kind, limit in limits.items():
        if 0 <= limit < _used(state, project, kind):
            raise BadRequest(
                f"Quota limit for {kind} of project '{project}' can't be {limit}: "
                f"{_used(state, project, kind)} are in use",
                type="InvalidQuotaValue",
            )


def _accepted(body: Any) -> dict[str, int]:
    if not isinstance(body, dict):
        raise BadRequest("Unable to find 'quota' in request body", type="HTTPBadRequest")
    if unknown := sorted(set(body) - set(LIMITED) - set(FLAGS)):
        raise BadRequest(
            f"Unrecognized attribute(s) '{', '.join(unknown)}'; there are limits for {', '.join(LIMITED)}",
            type="HTTPBadRequest",
        )
    found = {}
    for kind in body.keys() & LIMITED.keys():
        try:
            found[kind] = LIMIT.convert(body[kind])
        except ValueError as exc:
            raise BadRequest(f"Invalid input for {kind}. Reason: {exc}.", type="HTTPBadRequest") from exc
    return found


def _new(project: str, limits: Mapping[str, int], now: str) -> Quota:
    return Quota(
        id=str(uuid.uuid4()),
        project_id=project,
        revision_number=1,
        created_at=now,
        updated_at=now,
        limits=limits,
    )


def _of(state: State, project: str) -> Quota | None:
    return next((q for q in state.quotas.values() if q.project_id == project), None)


def _limits(state: State, project: str) -> Mapping[str, int]:
    quota = _of(state, project)
    return quota.limits if quota is not None else {}


def _used(state: State, project: str, kind: str) -> int:
    return sum(1 for row in getattr(state, LIMITED[kind]).values() if is_counted(row, project))


def _shown(project: str, limits: Mapping[str, int]) -> dict[str, Any]:
    return {"project_id": project, "tenant_id": project, **UNLIMITED, **limits}
