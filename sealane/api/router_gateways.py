"""A router's gateways: ports in external networks, of no project, which come and go with the router's wish.

`external_gateway_info` is the first of them, `external_gateways` are all
(https://docs.openstack.org/api-ref/network/v2/, "Routers" and "external-gateway-multihoming").
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sealane.api import convert, ports, router_routes, rules
from sealane.api.convert import Type, WantedIP
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.model import Port, Router
from sealane.names import ROUTER_GATEWAY
from sealane.store.changes import Create, Delete, Update


@dataclass(frozen=True)
class Wanted:
    """One gateway as the caller gave it; None is as it is, or as we choose."""

    network_id: str
    enable_snat: bool | None = None
    fixed_ips: tuple[WantedIP, ...] | None = None


def _gateway(value: Any) -> Wanted | None:
    """No gateway is null or {}."""
    if value is None or value == {}:
        return None
    keys = ("network_id", "enable_snat", "external_fixed_ips", "qos_policy_id")
    given = convert.record(value, *keys, required=("network_id",))
    if given.get("qos_policy_id") is not None:
        raise ValueError("qos_policy_id: only null is taken here yet")
    snat, fixed = given.get("enable_snat"), given.get("external_fixed_ips")
    return Wanted(
        convert.to_uuid(given["network_id"]),
        None if snat is None else convert.to_boolean(snat),
        None if fixed is None else convert.FIXED_IPS.convert(fixed),
    )


def _gateways(value: Any) -> tuple[Wanted, ...]:
    """`openstack router unset` says {} for none."""
    if value == {}:
        return ()
    if not isinstance(value, list) or len(value) > 16:
        raise ValueError("it is to be a list of 16 gateways at most")
    found = tuple(gateway for each in value if (gateway := _gateway(each)) is not None)
    if len(found) != len(value):
        raise ValueError("a gateway needs its network_id")
    return found


SCHEMA: dict[str, Any] = {
    "type": "object",
    "nullable": True,
    "properties": {
        "network_id": {"type": "string", "format": "uuid"},
        "enable_snat": {"type": "boolean"},
        "external_fixed_ips": dict(convert.FIXED_IPS.schema),
    },
}
GATEWAY = Type(_gateway, SCHEMA)
LIST: dict[str, Any] = {"type": "array", "items": SCHEMA, "maxItems": 16}
GATEWAYS = Type(_gateways, {"anyOf": [LIST, {"type": "object", "maxProperties": 0}]})


def shown_first(router: Router, look: Look) -> dict[str, Any] | None:
    found = shown_all(router, look) if router.gateway_ports else []
    return found[0] if found else None


def shown_all(router: Router, look: Look) -> list[dict[str, Any]]:
    if not router.gateway_ports:
        return []
    gateways = (look.state.ports.get(id) for id in router.gateway_ports)
    return [_shown(router, port) for port in gateways if port is not None]


def _shown(router: Router, port: Port) -> dict[str, Any]:
    fixed = [{"subnet_id": f.subnet_id, "ip_address": f.ip_address} for f in port.fixed_ips]
    snat = router.enable_snat
    return {"network_id": port.network_id, "enable_snat": snat, "external_fixed_ips": fixed}


def set_first(router: Router, wanted: Wanted | None, draft: Draft) -> Router:
    """The router with that gateway in the first place; None takes all of them away."""
    if wanted is None:
        return clear(router, draft)
    there = _ports(router, draft)
    first = there[0] if there else None
    rest = tuple(port.id for port in there[1:])
    if first is not None and first.network_id == wanted.network_id:
        _move(first, wanted, draft)
        router = replace(router, gateway_ports=(first.id, *rest))
    else:
        made = _make(router, wanted, draft)
        if first is not None:
            _remove(router, first, draft)
        router = replace(router, gateway_ports=(made.id, *rest))
    return _checked(_with_snat(router, wanted), draft)


def add(router: Router, wanted: Sequence[Wanted], draft: Draft) -> Router:
    made = tuple(_make(router, each, draft).id for each in wanted)
    router = replace(router, gateway_ports=(*router.gateway_ports, *made))
    return _checked(_with_snat(router, *wanted), draft)


def change(router: Router, wanted: Sequence[Wanted], draft: Draft) -> Router:
    """These, in this order, and no others: one that is there keeps its port, the others are made or go."""
    if not wanted:
        return clear(router, draft)
    left, kept = _ports(router, draft), []
    for each in wanted:
        port = _match(left, each)
        if port is None:
            port = _make(router, each, draft)
        else:
            left.remove(port)
            _move(port, each, draft)
        kept.append(port.id)
    for port in left:
        _remove(router, port, draft)
    return _checked(_with_snat(replace(router, gateway_ports=tuple(kept)), *wanted), draft)


def remove(router: Router, wanted: Sequence[Wanted], draft: Draft) -> Router:
    for each in wanted:
        port = _find(router, each, draft)
        _remove(router, port, draft)
        router = replace(router, gateway_ports=tuple(id for id in router.gateway_ports if id != port.id))
    return _checked(router, draft)


def clear(router: Router, draft: Draft) -> Router:
    for port in _ports(router, draft):
        _remove(router, port, draft)
    return _checked(replace(router, gateway_ports=(), enable_snat=True), draft)


def _with_snat(router: Router, *wanted: Wanted) -> Router:
    """A router has one answer for all of its gateways."""
    said = [each.enable_snat for each in wanted if each.enable_snat is not None]
    return replace(router, enable_snat=said[-1]) if said else router


def _checked(router: Router, draft: Draft) -> Router:
    router_routes.check(router, draft)
    return router


def _ports(router: Router, draft: Draft) -> list[Port]:
    state = draft.look.state
    return [state.ports[id] for id in router.gateway_ports if id in state.ports]


def _find(router: Router, wanted: Wanted, draft: Draft) -> Port:
    port = _match(_ports(router, draft), wanted)
    if port is None:
        raise NotFound(
            f"Router {router.id} has no gateway in network {wanted.network_id}.", type="GatewayNotFound"
        )
    return port


def _match(ports: Sequence[Port], wanted: Wanted) -> Port | None:
    """The address tells two gateways of one network apart."""
    given = {w.ip_address for w in wanted.fixed_ips or () if w.ip_address}
    there = [port for port in ports if port.network_id == wanted.network_id]
    named = [port for port in there if given & {f.ip_address for f in port.fixed_ips}]
    return next(iter(named or there), None)


def _make(router: Router, wanted: Wanted, draft: Draft) -> Port:
    network = rules.network_exists(wanted.network_id, draft)
    if not network.external:
        raise BadRequest(
            f"Bad router request: Network {network.id} is not an external network.", type="BadRequest"
        )
    rules.cidrs_are_apart(router.id, draft.subnets_of(network.id), draft, but=network.id)
    owner = {"device_owner": ROUTER_GATEWAY, "device_id": router.id, "project_id": ""}
    port = ports.make(
        str(uuid.uuid4()), network, wanted.fixed_ips, draft, port_security_enabled=False, **owner
    )
    draft.also.append(Create(port))
    return port


def _move(port: Port, wanted: Wanted, draft: Draft) -> None:
    if wanted.fixed_ips is None:
        return
    fixed = ports.moved(port, wanted.fixed_ips, draft)
    if fixed != port.fixed_ips:
        newer = replace(port, fixed_ips=fixed, updated_at=draft.now)
        draft.also.append(Update(port, newer))
        draft.ports.append(newer)


def _remove(router: Router, port: Port, draft: Draft) -> None:
    floating = draft.look.state.floatingips.values()
    if any(f.router_id == router.id and f.floating_network_id == port.network_id for f in floating):
        raise Conflict(
            f"Gateway cannot be updated for router {router.id}, since a gateway to external network "
            f"{port.network_id} is required by one or more floating IPs.",
            type="RouterExternalGatewayInUseByFloatingIp",
        )
    draft.also.append(Delete(port, guarded=True))
    draft.gone.add(port.id)
