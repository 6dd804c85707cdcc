"""The calls of a router that are no plain change of a row: interfaces, gateways, routes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api import policy, router_gateways, router_interfaces, router_routes
from sealane.api.answers import answer
from sealane.api.body import read_object
from sealane.api.caller import caller_of
from sealane.api.draft import Draft
from sealane.api.resources import Handlers
from sealane.errors import BadRequest, NotFound
from sealane.model import Router
from sealane.store.changes import Change

Gateways = Callable[[Router, Sequence[router_gateways.Wanted], Draft], Router]


class RouterCalls:
    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers

    def routes(self) -> tuple[Route, ...]:
        one = "/v2.0/routers/{id}"
        return (
            Route(f"{one}/add_router_interface", self.add_interface, methods=["PUT"]),
            Route(f"{one}/remove_router_interface", self.remove_interface, methods=["PUT"]),
            Route(f"{one}/add_extraroutes", self.add_routes, methods=["PUT"]),
            Route(f"{one}/remove_extraroutes", self.remove_routes, methods=["PUT"]),
            Route(f"{one}/add_external_gateways", self.add_gateways, methods=["PUT"]),
            Route(f"{one}/update_external_gateways", self.update_gateways, methods=["PUT"]),
            Route(f"{one}/remove_external_gateways", self.remove_gateways, methods=["PUT"]),
        )

    async def add_interface(self, request: Request) -> Response:
        subnet_id, port_id = router_interfaces.accepted(await read_object(request))
        if subnet_id is not None and port_id is not None:
            raise BadRequest(
                "Bad router request: Cannot specify both subnet-id and port-id.", type="BadRequest"
            )

        def join(router: Router, draft: Draft) -> router_interfaces.Joined:
            state, caller = draft.look.state, caller_of(request)
            if subnet_id is not None:
                subnet = state.subnets.get(subnet_id)
                if subnet is None or not policy.sees(caller, subnet, draft.look):
                    raise NotFound(f"Subnet {subnet_id} could not be found.", type="SubnetNotFound")
                policy.check_owns_the_gateway(caller, subnet, draft.look)
                return router_interfaces.add_subnet(router, subnet, draft)
            port = state.ports.get(str(port_id))
            if port is None or not policy.sees(caller, port, draft.look):
                raise NotFound(f"Port {port_id} could not be found.", type="PortNotFound")
            return router_interfaces.add_port(router, port, draft)

        return await self._interface(request, join)

    async def remove_interface(self, request: Request) -> Response:
        subnet_id, port_id = router_interfaces.accepted(await read_object(request))

        def part(router: Router, draft: Draft) -> router_interfaces.Joined:
            return router_interfaces.remove(router, subnet_id, port_id, draft)

        return await self._interface(request, part)

    async def _interface(
        self, request: Request, act: Callable[[Router, Draft], router_interfaces.Joined]
    ) -> Response:
        caller = caller_of(request)

        def decide(draft: Draft) -> tuple[list[Change], dict[str, Any]]:
            router = self._handlers.find(request, draft.look)
            policy.check_may_change(caller, router, draft.look)
            joined = act(router, draft)
            policy.check_may_join(caller, router, joined.port.network_id, draft.look)
            return [], joined.answer(router)

        joined, _ = await self._handlers.desk.write(caller, decide)
        return answer(joined)

    async def add_routes(self, request: Request) -> Response:
        given = router_routes.accepted(await read_object(request))
        return await self._routes(request, lambda router: router_routes.added(router, given))

    async def remove_routes(self, request: Request) -> Response:
        given = router_routes.accepted(await read_object(request))
        return await self._routes(request, lambda router: router_routes.removed(router, given))

    async def _routes(self, request: Request, change: Callable[[Router], Any]) -> Response:
        def update(old: Router, draft: Draft) -> Router:
            new = replace(old, routes=change(old))
            if len(new.routes) > router_routes.MAX_ROUTES:
                raise BadRequest(
                    f"Unable to complete operation for {old.id}. The number of routes exceeds the maximum "
                    f"{router_routes.MAX_ROUTES}.",
                    type="RoutesExhausted",
                )
            router_routes.check(new, draft)
            return new

        return answer({"router": await self._handlers.change(request, update)})

    async def add_gateways(self, request: Request) -> Response:
        return await self._gateways(request, router_gateways.add)

    async def update_gateways(self, request: Request) -> Response:
        return await self._gateways(request, router_gateways.change)

    async def remove_gateways(self, request: Request) -> Response:
        return await self._gateways(request, router_gateways.remove)

    async def _gateways(self, request: Request, change: Gateways) -> Response:
        inner = (await read_object(request)).get("router")
        if not isinstance(inner, dict) or set(inner) != {"external_gateways"}:
            raise BadRequest("give {'router': {'external_gateways': […]}}", type="HTTPBadRequest")
        try:
            wanted = router_gateways.GATEWAYS.convert(inner["external_gateways"])
        except ValueError as exc:
            raise BadRequest(
                f"Invalid input for external_gateways. Reason: {exc}.", type="HTTPBadRequest"
            ) from exc
        caller, kind = caller_of(request), self._handlers.kind

        def update(old: Router, draft: Draft) -> Router:
            for gateway in wanted:
                policy.check_given(caller, kind, {"external_gateway_info": gateway}, old, draft.look)
            return change(old, wanted, draft)

        changed = await self._handlers.change(request, update)
        return answer({"router": changed})
