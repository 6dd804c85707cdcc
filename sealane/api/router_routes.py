"""Extra routes of a router (Neutron's extensions extraroute and extraroute-atomic)."""

from typing import Any

from sealane.api import convert, ipam
from sealane.api.draft import Draft
from sealane.errors import BadRequest
from sealane.model import HostRoute, Port, Router

MAX_ROUTES = 30
ROUTES = convert.listing(convert.to_route, convert.ROUTES.schema["items"], MAX_ROUTES)


def check(router: Router, draft: Draft) -> None:
    """Each leads to a station beside the router. Raises BadRequest."""
    ports = draft.ports_of_router(router.id)
    subnets = {id: s for p in ports for id, s in draft.subnets_by_id(p.network_id).items() if _in(p, id)}
    own = {fixed.ip_address for port in ports for fixed in port.fixed_ips}
    for route in router.routes:
        if not ipam.same_family(route.destination, route.nexthop):
            raise _bad(router, route, "destination and nexthop are not of one family")
        if route.nexthop in own:
            raise _bad(router, route, "the nexthop is used by router")
        if not any(ipam.contains(subnet.cidr, route.nexthop) for subnet in subnets.values()):
            raise _bad(router, route, "the nexthop is not connected with router")


def added(router: Router, given: tuple[HostRoute, ...]) -> tuple[HostRoute, ...]:
    """Those that are there already stay one."""
    return tuple(dict.fromkeys((*router.routes, *given)))


def removed(router: Router, given: tuple[HostRoute, ...]) -> tuple[HostRoute, ...]:
    """Those that are not there are gone already."""
    return tuple(route for route in router.routes if route not in given)


def accepted(body: Any) -> tuple[HostRoute, ...]:
    """Of {"router": {"routes": […]}}. Raises BadRequest."""
    inner = body.get("router")
    if not isinstance(inner, dict) or set(inner) != {"routes"}:
        raise BadRequest("give {'router': {'routes': […]}}", type="HTTPBadRequest")
    try:
        found: tuple[HostRoute, ...] = ROUTES.convert(inner["routes"])
    except ValueError as exc:
        raise BadRequest(f"Invalid input for routes. Reason: {exc}.", type="HTTPBadRequest") from exc
    return found


def _in(port: Port, subnet_id: str) -> bool:
    return any(fixed.subnet_id == subnet_id for fixed in port.fixed_ips)


def _bad(router: Router, route: HostRoute, reason: str) -> BadRequest:
    shown = f"{route.destination} via {route.nexthop}"
    return BadRequest(f"Invalid format for routes: {shown}, {reason} {router.id}.", type="InvalidRoutes")
