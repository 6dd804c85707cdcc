"""The application: its routes, readable as a list."""

import asyncio
import secrets
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api import (
    address_groups,
    address_scopes,
    answers,
    documents,
    floatingips,
    forwarding_calls,
    identity,
    metering,
    networks,
    octavia,
    odl,
    openapi,
    packet_logs,
    ports,
    qos,
    qos_calls,
    rbac,
    routers,
    security_groups,
    security_rules,
    segments,
    services,
    subnet_pools,
    subnets,
    tap_mirrors,
    taps,
    trunks,
)
from sealane.api.auth import Guard, Keys
from sealane.api.availability import Availabilities
from sealane.api.desk import Desk
from sealane.api.extras import Extras
from sealane.api.front import Front
from sealane.api.membership import Membership
from sealane.api.metered import MeterDesk, MeterMetrics
from sealane.api.metrics import Metrics
from sealane.api.quotas import Quotas
from sealane.api.resources import Handlers, Resource
from sealane.api.router_calls import RouterCalls
from sealane.api.seen import Seen
from sealane.api.sessions import Sessions
from sealane.api.tapped import TapDesk, Tapped
from sealane.api.waiting import Waiting
from sealane.ovn.applied import Applied
from sealane.pki.bearer import Signer

RESOURCES = (
    Resource(networks.NETWORKS, networks.create, networks.update, networks.delete),
    Resource(subnets.SUBNETS, subnets.create, subnets.update, subnets.delete),
    Resource(ports.PORTS, services.create_port, services.update_port, services.delete_port),
    Resource(
        security_groups.GROUPS,
        security_groups.create,
        security_groups.update,
        security_groups.delete,
        security_groups.spare,
        security_groups.arise,
    ),
    Resource(security_rules.RULES, security_rules.create, security_rules.update, security_rules.delete),
    ADDRESS_GROUPS := Resource(
        address_groups.ADDRESS_GROUPS, address_groups.create, address_groups.update, address_groups.delete
    ),
    Resource(
        address_scopes.ADDRESS_SCOPES, address_scopes.create, address_scopes.update, address_scopes.delete
    ),
    SUBNET_POOLS := Resource(
        subnet_pools.SUBNET_POOLS, subnet_pools.create, subnet_pools.update, subnet_pools.delete
    ),
    Resource(qos.POLICIES, qos.create, qos.update, qos.delete),
    Resource(packet_logs.LOGS, packet_logs.create, packet_logs.update, packet_logs.delete),
    TRUNKS := Resource(trunks.TRUNKS, trunks.create, trunks.update, trunks.delete),
    Resource(taps.SERVICES, taps.create_service, taps.update, taps.delete_service),
    Resource(taps.FLOWS, taps.create_flow, taps.update, taps.delete_flow),
    Resource(tap_mirrors.MIRRORS, tap_mirrors.create, tap_mirrors.update, tap_mirrors.delete),
    Resource(metering.LABELS, metering.create_label, metering.update, metering.delete_label),
    Resource(metering.RULES, metering.create_rule, metering.update, metering.delete_rule),
    Resource(rbac.RBAC_POLICIES, rbac.create, rbac.update, rbac.delete),
    ROUTERS := Resource(routers.ROUTERS, routers.create, routers.update, routers.delete),
    Resource(floatingips.FLOATINGIPS, floatingips.create, floatingips.update, floatingips.delete),
)
KINDS = tuple(r.kind for r in RESOURCES)
_OF_ODL = (
    *("network", "subnet", "port", "security_group", "security_group_rule", "router", "floatingip"),
    *("metering_label", "metering_label_rule"),
)
ODL = tuple(r for r in RESOURCES if r.kind.singular in _OF_ODL)
"""What OpenDaylight has in the same shape; what it has in others is in odl.py."""

Handler = Callable[[Request], object]


def routes_of(handlers: Handlers) -> list[Route]:
    base = f"/v2.0/{handlers.kind.path}"
    return [
        Route(base, handlers.list, methods=["GET"]),
        Route(base, handlers.create, methods=["POST"]),
        Route(f"{base}/{{id}}", handlers.show, methods=["GET"]),
        Route(f"{base}/{{id}}", handlers.update, methods=["PUT"]),
        Route(f"{base}/{{id}}", handlers.delete, methods=["DELETE"]),
        Route(f"{base}/{{id}}/tags", handlers.tags, methods=["GET"]),
        Route(f"{base}/{{id}}/tags", handlers.set_tags, methods=["PUT"]),
        Route(f"{base}/{{id}}/tags", handlers.clear_tags, methods=["DELETE"]),
        Route(f"{base}/{{id}}/tags/{{tag}}", handlers.has_tag, methods=["GET"]),
        Route(f"{base}/{{id}}/tags/{{tag}}", handlers.add_tag, methods=["PUT"]),
        Route(f"{base}/{{id}}/tags/{{tag}}", handlers.remove_tag, methods=["DELETE"]),
    ]


def create_app(
    desk: Desk,
    keys: Keys | str,
    *,
    more: tuple[Route, ...] = (),
    closing: asyncio.Event | None = None,
    applied: Applied | None = None,
    seen: Seen | None = None,
) -> Starlette:
    """`more`: routes that need more than the store (health, agents). `closing`: set when about to stop.

    keys: the admin's token alone will do; what users get then is good only with this process.
    Further gauges can be added to `state.metrics` of what is returned.  Without `applied` nobody is waited
    for.
    """
    store, seen, tapped = desk.store, seen or Seen(), Tapped()
    keys = Keys(keys, secrets.token_hex(32)) if isinstance(keys, str) else keys
    sessions = Sessions(Signer(keys.login), lambda: store.state, desk.settings.login_lifetime)
    metrics = Metrics()
    for kind in KINDS:
        _count(metrics, kind.plural, lambda kind=kind: len(kind.collection(store.state)))  # type: ignore[misc]
    desk.meters.hosts = lambda: [n.name for n in store.state.nodes.values() if not seen.gone(n.name)]
    metrics.add(MeterMetrics(desk.meters, lambda: store.state))

    guard = Guard(keys, sessions, lambda: store.state)
    middleware = [Middleware(Front, guard=guard, metrics=metrics, seen=seen)]
    metered = MeterDesk(desk)
    if applied is not None:
        middleware.append(
            Middleware(
                Waiting, applied=applied, state=lambda: store.state, seen=seen, tapped=tapped, metered=metered
            )
        )
    app = Starlette(
        routes=[
            *_routes(desk, sessions, Extras(desk, closing or asyncio.Event())),
            *TapDesk(desk, tapped).routes(),
            *metered.routes(),
            _metrics(metrics),
            *more,
        ],
        middleware=middleware,
        exception_handlers={HTTPException: answers.of_http},
    )
    app.router.redirect_slashes = False
    app.state.metrics = metrics
    return app


def _routes(desk: Desk, sessions: Sessions, extras: Extras) -> list[Route]:
    return [
        Route("/", documents.versions, methods=["GET"]),
        Route("/v2.0", documents.version(KINDS), methods=["GET"]),
        Route("/v2.0/", documents.version(KINDS), methods=["GET"]),
        *(route for resource in RESOURCES for route in routes_of(Handlers(resource, desk))),
        *address_groups.routes(Handlers(ADDRESS_GROUPS, desk)),
        *subnet_pools.routes(Handlers(SUBNET_POOLS, desk)),
        *qos_calls.routes(desk),
        *segments.routes(desk),
        *trunks.routes(Handlers(TRUNKS, desk)),
        Route("/v2.0/log/loggable-resources", packet_logs.loggable, methods=["GET"]),
        *RouterCalls(Handlers(ROUTERS, desk)).routes(),
        *forwarding_calls.ForwardingHandlers(forwarding_calls.RESOURCE, desk).routes(),
        *odl.routes(ODL, desk),
        Route("/v2.0/extensions", documents.extensions, methods=["GET"]),
        Route("/v2.0/extensions/{alias}", documents.extension, methods=["GET"]),
        *Quotas(desk).routes(),
        *Availabilities(desk).routes(),
        *octavia.routes(desk),
        *identity.routes(desk, sessions),
        Route("/v2.0/availability_zones", documents.availability_zones, methods=["GET"]),
        Route("/v2.0/service-providers", documents.service_providers, methods=["GET"]),
        Route("/v2.0/flavors", documents.none_of("flavors"), methods=["GET"]),
        Route("/v2.0/service_profiles", documents.none_of("service_profiles"), methods=["GET"]),
        Route("/v2.0/sealane/changes", extras.changes, methods=["GET"]),
        Route("/v2.0/sealane/free-cidr", extras.free_cidr, methods=["GET"]),
        Route("/v2.0/sealane/announced", extras.announced, methods=["GET"]),
        Route("/openapi.json", openapi.handler(KINDS, [r.kind for r in ODL]), methods=["GET"]),
        *Membership(desk).routes(),
    ]


def _metrics(metrics: Metrics) -> Route:
    async def show(request: Request) -> Response:
        return metrics.show()

    return Route("/metrics", show, methods=["GET"])


def _count(metrics: Metrics, plural: str, read: Callable[[], float]) -> None:
    metrics.gauge(f"sealane_{plural}", f"Number of {plural}", read)
