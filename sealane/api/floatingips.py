"""Floating IPs: the table of attributes, and how one is made, associated, moved and deleted.

The address is held by a port of its own in the external network, of no project, which comes and goes with
the floating IP.
"""

import uuid
from dataclasses import replace
from typing import Any

from sealane.api import convert, floating_reach, port_forwardings, ports, qos, rules
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import WantedIP, nullable
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import AddressesExhausted, BadRequest, Conflict
from sealane.model import FloatingIP, Network, Port
from sealane.names import FLOATING_PORT
from sealane.store.changes import Create, Delete


def _status(floating: FloatingIP, look: Look) -> str:
    """ACTIVE when what it leads to is up; of several one is enough."""
    forwarded = [f.internal_port_id for f in look.forwardings_of(floating.id)]
    leads_to = [floating.port_id] if floating.port_id else forwarded
    return "ACTIVE" if any(look.bindings.up(id) for id in leads_to) else "DOWN"


DETAILS = ("name", "network_id", "mac_address", "admin_state_up", "status", "device_id", "device_owner")


def _details(floating: FloatingIP, look: Look) -> Values | None:
    port = look.state.ports.get(floating.port_id) if floating.port_id else None
    return None if port is None else ports.PORTS.show(port, look, DETAILS)


FORWARDED = (
    *("id", "protocol", "external_port", "external_port_range"),
    *("internal_port", "internal_port_range", "internal_ip_address", "internal_port_id"),
)


def _forwardings(floating: FloatingIP, look: Look) -> list[Values]:
    shown = port_forwardings.PORT_FORWARDINGS.show
    return [shown(f, look, FORWARDED) for f in look.forwardings_of(floating.id)]


ADDRESS = nullable(convert.ADDRESS)
FLOATINGIPS = Kind(
    singular="floatingip",
    plural="floatingips",
    words="Floating IP",
    collection=lambda state: state.floatingips,
    attributes=(
        *(attribute for attribute in standard() if attribute.name != "name"),
        Attribute(name="floating_network_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(
            name="subnet_id", type=nullable(convert.ID), default=None, post=True, visible=False, filter=False
        ),
        Attribute(name="floating_ip_address", type=ADDRESS, default=None, post=True),
        Attribute(name="port_id", type=nullable(convert.ID), default=None, post=True, put=True),
        Attribute(name="fixed_ip_address", type=ADDRESS, default=None, post=True, put=True),
        Attribute(name="router_id", type=nullable(convert.ID)),
        Attribute(name="status", type=convert.NAME, read=_status),
        Attribute(name="port_details", type=convert.ANY, read=_details, filter=False),
        Attribute(name="port_forwardings", type=convert.ANY, read=_forwardings, filter=False),
        qos.POLICY,
        Attribute(name="dns_name", type=convert.DNS, default="", post=True),
        Attribute(name="dns_domain", type=convert.DNS, default="", post=True),
    ),
)
UNSTORED = frozenset({"subnet_id", "floating_ip_address", "port_id", "fixed_ip_address"})


def create(id: str, values: Values, draft: Draft) -> FloatingIP:
    network = _external(values["floating_network_id"], draft)
    port = _port(id, network, values, draft)
    given = {key: value for key, value in values.items() if key not in UNSTORED}
    floating = FloatingIP(
        id=id,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
        floating_ip_address=port.fixed_ips[0].ip_address,
        floating_port_id=port.id,
        **given,
    )
    return _led(floating, values, draft)


def update(old: Any, values: Values, draft: Draft) -> FloatingIP:
    given = {key: value for key, value in values.items() if key not in UNSTORED}
    return _led(replace(old, **given), values, draft)


def delete(floating: Any, draft: Draft) -> tuple[FloatingIP, ...]:
    if draft.look.forwardings_of(floating.id):
        raise Conflict(
            f"Floating IP {floating.id} in use by Port Forwarding resources.", type="FipInUseByPortForwarding"
        )
    port = draft.look.state.ports.get(floating.floating_port_id)
    if port is not None:
        draft.also.append(Delete(port, guarded=True))
        draft.gone.add(port.id)
    return (floating,)


def _led(floating: FloatingIP, values: Values, draft: Draft) -> FloatingIP:
    """As `port_id` and `fixed_ip_address` say; who says nothing of the port changes nothing of it."""
    port_id, address = values.get("port_id"), values.get("fixed_ip_address")
    if port_id is not None:
        found = floating_reach.target(floating, port_id, address, draft)
        return replace(
            floating, port_id=found.port_id, fixed_ip_address=found.address, router_id=found.router_id
        )
    if address is not None:
        raise _bad("fixed_ip_address cannot be specified without a port_id")
    if "port_id" not in values or floating.port_id is None:
        return floating
    return replace(floating, port_id=None, fixed_ip_address=None, router_id=None)


def _external(network_id: str, draft: Draft) -> Network:
    network = rules.network_exists(network_id, draft)
    if not network.external:
        raise _bad(f"Network {network_id} is not a valid external network")
    return network


def _port(id: str, network: Network, values: Values, draft: Draft) -> Port:
    """Holds the address. Raises BadRequest, Conflict, AddressesExhausted."""
    subnet_id, address = values["subnet_id"], values["floating_ip_address"]
    subnets = [s for s in draft.subnets_of(network.id) if s.ip_version == 4 and subnet_id in (None, s.id)]
    if address is not None and ":" in address:
        raise _bad(f"floating_ip_address {address} is no IPv4 address")
    if not subnets and subnet_id is None:
        raise _bad(f"Network {network.id} does not contain any IPv4 subnet")
    if address is not None or subnet_id is not None:
        return _held(id, network, WantedIP(subnet_id, address), draft)
    for subnet in subnets:
        try:
            return _held(id, network, WantedIP(subnet.id, None), draft)
        except AddressesExhausted:
            continue
    raise AddressesExhausted(f"No more IP addresses available on network {network.id}.")


def _held(id: str, network: Network, wanted: WantedIP, draft: Draft) -> Port:
    owner = {"device_owner": FLOATING_PORT, "device_id": id, "project_id": ""}
    port = ports.make(str(uuid.uuid4()), network, (wanted,), draft, port_security_enabled=False, **owner)
    draft.also.append(Create(port))
    return port


def _bad(reason: str) -> BadRequest:
    return BadRequest(f"Bad floatingip request: {reason}.", type="BadRequest")
