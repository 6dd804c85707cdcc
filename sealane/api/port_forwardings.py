"""Port forwardings: a protocol and ports of a floating IP lead to ports of a fixed address.

They are rows below their floating IP: /v2.0/floatingips/ID/port_forwardings/ID.  A range leads port by port
to one of the same size, or all of it to a single port.
"""

from dataclasses import replace
from typing import Any

from sealane.api import convert, floating_reach
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import nullable, one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import BadRequest, Conflict
from sealane.model import FloatingIP, PortForwarding

OF_OTHERS = frozenset({"name", "tags", "tenant_id"})
"""Standard attributes that Neutron's port forwardings have not."""
PORT_NUMBER = nullable(convert.integer(1, 65535))
PORT_RANGE = nullable(convert.PORTS)
SIDES = ("external", "internal")
MANY = 1000
"""Ports of one forwarding at most: OVN keeps an entry for each, on every network of the router."""
ADDRESSED, NUMBERED = (
    {"internal_port_id", "internal_ip_address"},
    {"protocol", "external_port", "external_last"},
)


def _single(ports: range) -> int | None:
    return ports[0] if len(ports) == 1 else None


def _range(ports: range) -> str:
    return f"{ports[0]}:{ports[-1]}"


PORT_FORWARDINGS = Kind(
    singular="port_forwarding",
    plural="port_forwardings",
    collection=lambda state: state.port_forwardings,
    attributes=(
        *(attribute for attribute in standard() if attribute.name not in OF_OTHERS),
        Attribute(name="protocol", type=one_of("tcp", "udp", "sctp"), default=REQUIRED, post=True, put=True),
        Attribute(
            name="external_port",
            type=PORT_NUMBER,
            read=lambda forwarding, look: _single(forwarding.external_ports),
            post=True,
            put=True,
        ),
        Attribute(
            name="external_port_range",
            type=PORT_RANGE,
            read=lambda forwarding, look: _range(forwarding.external_ports),
            post=True,
            put=True,
        ),
        Attribute(
            name="internal_port",
            type=PORT_NUMBER,
            read=lambda forwarding, look: _single(forwarding.internal_ports),
            post=True,
            put=True,
        ),
        Attribute(
            name="internal_port_range",
            type=PORT_RANGE,
            read=lambda forwarding, look: _range(forwarding.internal_ports),
            post=True,
            put=True,
        ),
        Attribute(name="internal_port_id", type=convert.ID, default=REQUIRED, post=True, put=True),
        Attribute(name="internal_ip_address", type=convert.ADDRESS, post=True, put=True),
    ),
)


def create(id: str, values: Values, floating: FloatingIP, draft: Draft) -> PortForwarding:
    """Within `floating`, whose project it has."""
    _leads_nowhere_else(floating)
    given = {**_numbered(values), "project_id": floating.project_id}
    for side in SIDES:
        if f"{side}_port" not in given:
            raise _bad(f"'{side}_port' or '{side}_port_range' is needed")
    given["internal_ip_address"] = _address(floating, given, draft)
    made = PortForwarding(
        id=id,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
        floatingip_id=floating.id,
        **given,
    )
    _check(made, draft)
    draft.forwardings.append(made)
    return made


def update(old: Any, values: Values, draft: Draft) -> PortForwarding:
    given = _numbered(values)
    floating = draft.look.state.floatingips[old.floatingip_id]
    if given.keys() & ADDRESSED:
        given.setdefault("internal_port_id", old.internal_port_id)
        given["internal_ip_address"] = _address(floating, given, draft)
    elif given.keys() & NUMBERED and floating.router_id:
        floating_reach.on_router(floating, floating.router_id, draft)
    changed: PortForwarding = replace(old, **given)
    _check(changed, draft)
    return changed


def delete(forwarding: Any, draft: Draft) -> tuple[PortForwarding, ...]:
    floating = draft.look.state.floatingips[forwarding.floatingip_id]
    floating_reach.without(floating, {forwarding.id}, draft)
    return (forwarding,)


def _numbered(values: Values) -> Values:
    """With the first and the last port of each side that is given, alone or as a range."""
    given = {key: value for key, value in values.items() if not key.endswith(("_port", "_port_range"))}
    for side in SIDES:
        one, several = values.get(f"{side}_port"), values.get(f"{side}_port_range")
        if one is not None and several not in (None, f"{one}:{one}"):
            raise _bad(f"'{side}_port' is {one} and '{side}_port_range' {several}: give one of them")
        if one is not None or several is not None:
            first, last = map(int, (several or f"{one}:{one}").split(":"))
            given |= {f"{side}_port": first, f"{side}_last": last if last > first else 0}
    return given


def _address(floating: FloatingIP, given: Values, draft: Draft) -> str:
    """Of the port that is led to, through the router on which the floating IP is or is going to be."""
    port = floating_reach.port_there(given["internal_port_id"], draft)
    fixed = floating_reach.fixed_of(port, given.get("internal_ip_address"))
    _has_no_floating_ip(floating, port.id, fixed.ip_address, draft.look)
    router_id = floating_reach.router_to(floating, port, fixed, draft)
    floating_reach.on_router(floating, router_id, draft)
    return fixed.ip_address


def _leads_nowhere_else(floating: FloatingIP) -> None:
    if floating.port_id is not None:
        raise Conflict(
            f"Cannot forward ports of floating IP {floating.floating_ip_address} ({floating.id}), as it is "
            f"associated with port {floating.port_id} using fixed IP {floating.fixed_ip_address}.",
            type="FloatingIPPortAlreadyAssociated",
        )


def _has_no_floating_ip(floating: FloatingIP, port_id: str, address: str, look: Look) -> None:
    if any(other.fixed_ip_address == address for other in look.floating_of(port_id)):
        raise Conflict(
            f"Cannot create port forwarding to floating IP {floating.floating_ip_address} ({floating.id}) "
            f"with port {port_id} using fixed IP {address}, as that port already has a binding floating IP.",
            type="PortHasBindingFloatingIP",
        )


def _check(forwarding: PortForwarding, draft: Draft) -> None:
    outside, inside = forwarding.external_ports, forwarding.internal_ports
    if len(inside) not in (1, len(outside)):
        raise _bad(
            f"internal_port_range {_range(inside)} has {len(inside)} ports and external_port_range "
            f"{_range(outside)} {len(outside)}: give as many, or one internal port for all"
        )
    if len(outside) > MANY:
        raise _bad(f"external_port_range {_range(outside)} has {len(outside)} ports: {MANY} at most")
    for other in draft.forwardings_of(forwarding.floatingip_id):
        if other.id != forwarding.id and other.protocol == forwarding.protocol:
            _is_apart(outside, other)


def _is_apart(ports: range, other: PortForwarding) -> None:
    theirs = other.external_ports
    if ports[0] <= theirs[-1] and theirs[0] <= ports[-1]:
        raise _bad(
            f"A duplicate port forwarding entry with same attributes already exists: {other.protocol} "
            f"external_port_range {_range(theirs)} of {other.id} overlaps {_range(ports)}"
        )


def _bad(reason: str) -> BadRequest:
    return BadRequest(f"Bad port_forwarding request: {reason}.", type="BadRequest")
