"""The Load Balancer API v2 as Octavia's clients call it: /v2.0/lbaas/… and /v2/lbaas/….

    loadbalancers, listeners, pools, healthmonitors     as Neutron's resources (resources.py)
    pools/ID/members                                    below their pool; PUT replaces all of them
    loadbalancers/ID/status                             the tree; /statuses is its older name
    quotas, providers

https://docs.openstack.org/api-ref/load-balancer/v2/
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api import (
    balancing_status,
    health_monitors,
    health_ports,
    listeners,
    loadbalancers,
    policy,
    pool_members,
    pools,
    tenancy,
)
from sealane.api.answers import answer
from sealane.api.attributes import Values
from sealane.api.balancer_tree import Tree
from sealane.api.body import read_object
from sealane.api.caller import Caller, caller_of
from sealane.api.convert import to_boolean
from sealane.api.desk import Desk
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.api.octavia_quotas import OctaviaQuotas
from sealane.api.query import Query
from sealane.api.resources import Handlers, Resource, updates
from sealane.errors import BadRequest, SealaneError
from sealane.model import Member, ServerPool
from sealane.store.changes import Change, Create, Delete

BASES = ("/v2.0/lbaas", "/v2/lbaas")
PROVIDER = {"name": "ovn", "description": "OVN, on every host"}


class NotCounted(SealaneError):
    status = 501
    type = "NotImplemented"


def _made_below_their_pool(id: str, values: Values, draft: Draft) -> Any:
    raise NotImplementedError


BALANCERS = Resource(
    loadbalancers.LOADBALANCERS, loadbalancers.create, loadbalancers.update, loadbalancers.delete
)
LISTENERS = Resource(listeners.LISTENERS, listeners.create, listeners.update, listeners.delete)
POOLS = Resource(pools.POOLS, pools.create, pools.update, pools.delete)
MONITORS = Resource(
    health_monitors.HEALTHMONITORS, health_monitors.create, health_monitors.update, health_monitors.delete
)
MEMBERS = Resource(pool_members.MEMBERS, _made_below_their_pool, pool_members.update, pool_members.delete)
KINDS = tuple(each.kind for each in (BALANCERS, LISTENERS, POOLS, MEMBERS, MONITORS))


def routes(desk: Desk) -> tuple[Route, ...]:
    balancers, members = Balancers(BALANCERS, desk), Members(MEMBERS, desk)
    quotas = OctaviaQuotas(desk)
    plain = [Handlers(each, desk) for each in (LISTENERS, POOLS, MONITORS)]
    return tuple(
        route
        for base in BASES
        for route in (
            *(r for handlers in (balancers, *plain) for r in _of(handlers, f"{base}/{handlers.kind.plural}")),
            Route(f"{base}/loadbalancers/{{id}}/status", balancers.status, methods=["GET"]),
            Route(f"{base}/loadbalancers/{{id}}/statuses", balancers.status, methods=["GET"]),
            Route(f"{base}/loadbalancers/{{id}}/stats", balancers.stats, methods=["GET"]),
            Route(f"{base}/listeners/{{id}}/stats", _stats, methods=["GET"]),
            Route(f"{base}/pools/{{pool_id}}/members", members.replace_all, methods=["PUT"]),
            *_of(members, f"{base}/pools/{{pool_id}}/members"),
            Route(f"{base}/providers", _providers, methods=["GET"]),
            *quotas.routes(base),
        )
    )


def _of(handlers: Handlers, base: str) -> tuple[Route, ...]:
    return (
        Route(base, handlers.list, methods=["GET"]),
        Route(base, handlers.create, methods=["POST"]),
        Route(f"{base}/{{id}}", handlers.show, methods=["GET"]),
        Route(f"{base}/{{id}}", handlers.update, methods=["PUT"]),
        Route(f"{base}/{{id}}", handlers.delete, methods=["DELETE"]),
    )


async def _providers(request: Request) -> Response:
    return answer({"providers": [PROVIDER]})


async def _stats(request: Request) -> Response:
    raise NotCounted("Connections and bytes of load balancers are not counted: OVN has no counters of them.")


class Balancers(Handlers):
    def make(self, request: Request, id: str, values: Values, draft: Draft) -> Any:
        made = super().make(request, id, values, draft)
        Tree(made, caller_of(request), draft).plant(values)
        return made

    async def delete(self, request: Request) -> Response:
        """`cascade=true`: with what belongs to it."""
        if not _flag(request, "cascade"):
            return await super().delete(request)
        whole = replace(self.resource, delete=loadbalancers.delete_all)
        return await Handlers(whole, self.desk).delete(request)

    async def status(self, request: Request) -> Response:
        look = self.desk.look()
        return answer({"statuses": balancing_status.tree(self.find(request, look), look)})

    async def stats(self, request: Request) -> Response:
        self.find(request, self.desk.look())
        return await _stats(request)


class Members(Handlers):
    """Of the pool of the path; all others are not there."""

    def make(self, request: Request, id: str, values: Values, draft: Draft) -> Member:
        return pool_members.create(id, values, self._pool(request, draft.look), draft)

    def among(self, request: Request, wanted: Query, look: Look) -> Query:
        pool = self._pool(request, look)
        return replace(wanted, tests=(lambda row, look: row.pool_id == pool.id, *wanted.tests))

    def find(self, request: Request, look: Look) -> Any:
        pool, row = self._pool(request, look), super().find(request, look)
        if row.pool_id != pool.id:
            raise self.kind.missing(row.id)
        return row

    async def replace_all(self, request: Request) -> Response:
        """Those that are given are there from now on, by address and port; `additive_only`: nobody goes."""
        body, caller, kind = await read_object(request), caller_of(request), self.kind
        given, additive = body.get("members"), _flag(request, "additive_only")
        if not isinstance(given, list) or len(given) > pool_members.MANY:
            raise BadRequest(
                f"'members' is to be a list of {pool_members.MANY} at most", type="HTTPBadRequest"
            )
        wanted = [kind.accept_new(tenancy.placed(caller, one, kind)) for one in given]

        def decide(draft: Draft) -> tuple[list[Change], None]:
            pool = self._pool(request, draft.look)
            there = {_place(row): row for row in draft.look.below(pool.id, Member)}
            named = {(values["address"], values["protocol_port"]) for values in wanted}
            gone = [] if additive else [row for place, row in there.items() if place not in named]
            draft.gone.update(row.id for row in gone)
            changes: list[Change] = [Delete(row, guarded=True) for row in gone]
            for values, raw in zip(wanted, given, strict=True):
                changes += self._one(caller, pool, values, raw, there, draft)
            for row in gone:
                tenancy.check_may(caller, "delete", row, draft.look)
            health_ports.settle(draft)
            return changes, None

        await self.desk.write(caller, decide)
        return Response(status_code=202)

    def _one(
        self,
        caller: Caller,
        pool: ServerPool,
        values: Values,
        raw: Mapping[str, Any],
        there: Mapping[tuple[str, int], Member],
        draft: Draft,
    ) -> Sequence[Change]:
        old = there.get((values["address"], values["protocol_port"]))
        if old is None:
            policy.check_given(caller, self.kind, values, None, draft.look)
            return [Create(pool_members.create(str(uuid.uuid4()), values, pool, draft))]
        changed = {k: v for k, v in values.items() if k in raw and self.kind.by_name[k].put}
        return updates(old, pool_members.update(old, changed, draft), draft.now)

    def _pool(self, request: Request, look: Look) -> ServerPool:
        """Raises NotFound."""
        found: ServerPool = pools.POOLS.find(look.state, request.path_params["pool_id"])
        if not policy.sees(caller_of(request), found, look):
            raise pools.POOLS.missing(found.id)
        return found


def _place(row: Member) -> tuple[str, int]:
    return row.address, row.protocol_port


def _flag(request: Request, name: str) -> bool:
    """Of the query. Raises BadRequest."""
    try:
        return to_boolean(request.query_params.get(name, False))
    except ValueError as exc:
        raise BadRequest(f"Invalid input for {name}. Reason: {exc}.", type="HTTPBadRequest") from exc
