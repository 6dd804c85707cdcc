"""Port forwardings: a protocol and a port of a floating IP lead to a port of a fixed address.

They are rows below their floating IP: /v2.0/floatingips/ID/port_forwardings/ID.
"""

from dataclasses import replace
from typing import Any

from sealane.api import convert, floating_reach
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import BadRequest, Conflict
from sealane.model import FloatingIP, PortForwarding

OF_OTHERS = frozenset({"name", "tags", "tenant_id"})
"""Standard attributes that Neutron's port forwardings have not."""
PORT_NUMBER = convert.integer(1, 65535)

PORT_FORWARDINGS = Kind(
    singular="port_forwarding",
    plural="port_forwardings",
    collection=lambda state: state.port_forwardings,
    attributes=(
        *(attribute for attribute in standard() if attribute.name not in OF_OTHERS),
        Attribute(name="protocol", type=one_of("tcp", "udp", "sctp"), default=REQUIRED, post=True, put=True),
        Attribute(name="external_port", type=PORT_NUMBER, default=REQUIRED, post=True, put=True),
        Attribute(name="internal_port", type=PORT_NUMBER, default=REQUIRED, post=True, put=True),
        Attribute(name="internal_port_id", type=convert.ID, default=REQUIRED, post=True, put=True),
        Attribute(name="internal_ip_address", type=convert.ADDRESS, post=True, put=True),
    ),
)


def create(id: str, values: Values, floating: FloatingIP, draft: Draft) -> PortForwarding:
    """Within `floating`, whose project it has."""
    _leads_nowhere_else(floating)
    given = {**values, "project_id": floating.project_id}
    given["internal_ip_address"] = _address(floating, given, draft)
    made = PortForwarding(
        id=id,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
        floatingip_id=floating.id,
        **given,
    )
    _is_the_only(made, draft.look)
    return made


def update(old: Any, values: Values, draft: Draft) -> PortForwarding:
    given = dict(values)
    if given.keys() & {"internal_port_id", "internal_ip_address"}:
        given.setdefault("internal_port_id", old.internal_port_id)
        floating = draft.look.state.floatingips[old.floatingip_id]
        given["internal_ip_address"] = _address(floating, given, draft)
    changed: PortForwarding = replace(old, **given)
    _is_the_only(changed, draft.look)
    return changed


def delete(forwarding: Any, draft: Draft) -> tuple[PortForwarding, ...]:
    floating = draft.look.state.floatingips[forwarding.floatingip_id]
    floating_reach.without(floating, {forwarding.id}, draft)
    return (forwarding,)


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


def _is_the_only(forwarding: PortForwarding, look: Look) -> None:
    for other in look.forwardings_of(forwarding.floatingip_id):
        same = (other.protocol, other.external_port) == (forwarding.protocol, forwarding.external_port)
        if same and other.id != forwarding.id:
            raise BadRequest(
                "Bad port_forwarding request: A duplicate port forwarding entry with same attributes already "
                f"exists, conflicting values are protocol {other.protocol}, external_port "
                f"{other.external_port}.",
                type="BadRequest",
            )
