"""Routers: the table of attributes, and how a row is made and changed.

A router's ports are rows of their own: those in external networks (router_gateways.py) and those in its
tenants' networks (router_interfaces.py).
"""

from dataclasses import replace
from typing import Any

from sealane.api import convert, router_gateways, router_routes
from sealane.api.attributes import Attribute, Kind, Values, constant, standard
from sealane.api.convert import BOOLEAN
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import Conflict
from sealane.model import Port, Router


def _routes(router: Router, look: Look) -> list[dict[str, str]]:
    return [{"destination": r.destination, "nexthop": r.nexthop} for r in router.routes]


ROUTERS = Kind(
    singular="router",
    plural="routers",
    collection=lambda state: state.routers,
    attributes=(
        *standard(),
        Attribute(name="admin_state_up", type=BOOLEAN, default=True, post=True, put=True),
        Attribute(
            name="status",
            type=convert.NAME,
            read=lambda router, look: "ACTIVE" if router.admin_state_up else "DOWN",
        ),
        Attribute(
            name="external_gateway_info",
            type=router_gateways.GATEWAY,
            read=router_gateways.shown_first,
            default=None,
            post=True,
            put=True,
            filter=False,
        ),
        Attribute(name="external_gateways", type=convert.ANY, read=router_gateways.shown_all, filter=False),
        Attribute(name="routes", type=router_routes.ROUTES, read=_routes, put=True, filter=False),
        Attribute(name="enable_default_route_ecmp", type=BOOLEAN, default=False, post=True, put=True),
        Attribute(name="enable_default_route_bfd", type=BOOLEAN, default=False, post=True, put=True),
        Attribute(
            name="sealane:multicast_relay",
            type=BOOLEAN,
            field="multicast_relay",
            default=False,
            post=True,
            put=True,
        ),
        Attribute(
            name="distributed", type=convert.TRUE_YET, read=lambda router, look: True, post=True, put=True
        ),
        Attribute(name="ha", type=convert.TRUE_YET, read=lambda router, look: True, post=True, put=True),
        Attribute(
            name="availability_zone_hints",
            type=convert.NOTHING_YET,
            read=lambda router, look: [],
            default=(),
            post=True,
            filter=False,
        ),
        constant("availability_zones", ["default"]),
        constant("flavor_id", None),
    ),
)
UNSTORED = frozenset({"external_gateway_info", "distributed", "ha", "availability_zone_hints"})
"""Kept as ports, or taken for the sake of clients that send their only value."""


def _fields(values: Values) -> Values:
    return ROUTERS.as_fields({key: value for key, value in values.items() if key not in UNSTORED})


def create(id: str, values: Values, draft: Draft) -> Router:
    given = {**_fields(values), "created_at": draft.now, "updated_at": draft.now}
    router = Router(id=id, revision_number=1, **given)
    return router_gateways.set_first(router, values.get("external_gateway_info"), draft)


def update(old: Any, values: Values, draft: Draft) -> Router:
    changed: Router = replace(old, **_fields(values))
    if "external_gateway_info" in values:
        changed = router_gateways.set_first(changed, values["external_gateway_info"], draft)
    if "routes" in values:
        router_routes.check(changed, draft)
    return changed


def delete(router: Any, draft: Draft) -> tuple[Port | Router, ...]:
    """Its gateways go with it; its interfaces are for its owner to remove."""
    if draft.look.interfaces_of(router.id):
        raise Conflict(
            f"Router {router.id} still has ports: remove its interfaces first.", type="RouterInUse"
        )
    router_gateways.clear(router, draft)
    return (router,)
