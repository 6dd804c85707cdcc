"""Quotas of load balancers, by Octavia's names: the same rows as Neutron's (quotas.py)."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api.answers import answer, empty
from sealane.api.body import read_object
from sealane.api.caller import caller_of
from sealane.api.desk import Desk
from sealane.api.quotas import Quotas, project_of
from sealane.errors import BadRequest

NAMES: Mapping[str, str] = {
    "loadbalancer": "loadbalancer",
    "load_balancer": "loadbalancer",
    "listener": "listener",
    "pool": "pool",
    "member": "member",
    "healthmonitor": "healthmonitor",
    "health_monitor": "healthmonitor",
}
"""Octavia's name, of which there are an older and a newer one, -> ours."""


class OctaviaQuotas:
    def __init__(self, desk: Desk) -> None:
        self._quotas = Quotas(desk)

    def routes(self, base: str) -> tuple[Route, ...]:
        one = f"{base}/quotas/{{project}}"
        return (
            Route(f"{base}/quotas", self.list, methods=["GET"]),
            Route(f"{base}/quotas/defaults", self.default, methods=["GET"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.update, methods=["PUT"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(f"{one}/default", self.default, methods=["GET"]),
        )

    async def list(self, request: Request) -> Response:
        """Of the projects that have one."""
        return answer({"quotas": [_shown(limits, p) for p, limits in self._quotas.all().items()]})

    async def show(self, request: Request) -> Response:
        project = project_of(request)
        return answer({"quota": _shown(self._quotas.limits(project), project)})

    async def default(self, request: Request) -> Response:
        return answer({"quota": _shown({})})

    async def update(self, request: Request) -> Response:
        project, body = project_of(request), (await read_object(request)).get("quota")
        if not isinstance(body, dict):
            raise BadRequest("Unable to find 'quota' in request body", type="HTTPBadRequest")
        if unknown := sorted(set(body) - set(NAMES)):
            raise BadRequest(
                f"Unrecognized attribute(s) '{', '.join(unknown)}'; there are limits for {', '.join(NAMES)}",
                type="HTTPBadRequest",
            )
        limits = {NAMES[name]: -1 if value is None else value for name, value in body.items()}
        found = await self._quotas.limit(caller_of(request), project, limits)
        return answer({"quota": _shown(found, project)}, 202)

    async def delete(self, request: Request) -> Response:
        project = project_of(request)
        await self._quotas.forget(caller_of(request), project, set(NAMES.values()))
        return empty()


def _shown(limits: Mapping[str, int], project: str = "") -> dict[str, Any]:
    whose = {"project_id": project, "tenant_id": project} if project else {}
    return {**{name: limits.get(ours, -1) for name, ours in NAMES.items()}, **whose}
