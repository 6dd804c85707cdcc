"""Which port a floating IP leads to, through which router; and what becomes of it when that port goes.

    outside ── floating_network ── gateway │ router │ interface ── subnet of the port's fixed address

A floating IP leads to one fixed address wholly (an association) or to several by protocol and port (port
forwardings, port_forwardings.py), never both.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.model import FixedIP, FloatingIP, Port, Router, Subnet
from sealane.names import ROUTER_GATEWAY, ROUTER_INTERFACE
from sealane.store.changes import Delete, Update


@dataclass(frozen=True)
class Target:
    """Where a floating IP leads."""

    port_id: str
    address: str
    router_id: str


def target(floating: FloatingIP, port_id: str, address: str | None, draft: Draft) -> Target:
    """Raises NotFound, BadRequest, Conflict."""
    port = port_there(port_id, draft)
    fixed = fixed_of(port, address)
    _has_no_forwardings(floating, draft.look)
    _is_forwarded_to_by_none(floating, port, draft.look)
    _has_no_other(floating, port, fixed, draft.look)
    return Target(port.id, fixed.ip_address, router_to(floating, port, fixed, draft))


def port_there(port_id: str, draft: Draft) -> Port:
    port = draft.look.state.ports.get(port_id)
    if port is None:
        raise NotFound(f"Port {port_id} could not be found.", type="PortNotFound")
    return port


def fixed_of(port: Port, address: str | None) -> FixedIP:
    """The one that was asked for, or the only one of IPv4."""
    usable = [fixed for fixed in port.fixed_ips if ":" not in fixed.ip_address]
    if address is not None:
        for fixed in usable:
            if fixed.ip_address == address:
                return fixed
        raise _bad(f"Port {port.id} does not have fixed ip {address}")
    if not usable:
        raise _bad(f"Cannot add floating IP to port {port.id} that has no fixed IPv4 addresses")
    if len(usable) > 1:
        raise _bad(
            f"Port {port.id} has multiple fixed IPv4 addresses. Must provide a specific IPv4 address "
            "when assigning a floating IP"
        )
    return usable[0]


def router_to(floating: FloatingIP, port: Port, fixed: FixedIP, draft: Draft) -> str:
    """Noted as looked at: a router that loses its way meanwhile has to be looked at again."""
    subnet = draft.look.state.subnets.get(fixed.subnet_id)
    found = None if subnet is None else _router(floating.floating_network_id, subnet, draft.look)
    if found is None:
        raise NotFound(
            f"External network {floating.floating_network_id} is not reachable from subnet "
            f"{fixed.subnet_id}. Therefore, cannot associate Port {port.id} with a Floating IP.",
            type="ExternalGatewayForFloatingIPNotFound",
        )
    _touch(found, draft)
    return found.id


def _router(external_id: str, subnet: Subnet, look: Look) -> Router | None:
    """That which is the subnet's gateway, if several are beside it."""
    beside = sorted(
        (fixed.ip_address != subnet.gateway_ip, port.device_id)
        for ports in look.router_ports.values()
        for port in ports
        if port.device_owner == ROUTER_INTERFACE
        for fixed in port.fixed_ips
        if fixed.subnet_id == subnet.id
    )
    for _, router_id in beside:
        ports = look.router_ports.get(router_id, ())
        if any(p.device_owner == ROUTER_GATEWAY and p.network_id == external_id for p in ports):
            return look.state.routers.get(router_id)
    return None


def _touch(router: Router, draft: Draft) -> None:
    if not any(isinstance(change, Update) and change.old.id == router.id for change in draft.also):
        draft.also.append(Update(router, replace(router, updated_at=draft.now)))


def _has_no_forwardings(floating: FloatingIP, look: Look) -> None:
    if look.forwardings_of(floating.id):
        raise Conflict(
            f"Floating IP {floating.id} in use by Port Forwarding resources.", type="FipInUseByPortForwarding"
        )


def _is_forwarded_to_by_none(floating: FloatingIP, port: Port, look: Look) -> None:
    if any(f.internal_port_id == port.id for f in look.state.port_forwardings.values()):
        raise Conflict(
            f"Cannot associate floating IP {floating.floating_ip_address} ({floating.id}) with port "
            f"{port.id}, as it already has Port Forwarding resources.",
            type="PortHasPortForwarding",
        )


def _has_no_other(floating: FloatingIP, port: Port, fixed: FixedIP, look: Look) -> None:
    for other in look.floating_of(port.id):
        if other.id != floating.id and other.fixed_ip_address == fixed.ip_address:
            raise Conflict(
                f"Cannot associate floating IP {floating.floating_ip_address} ({floating.id}) with port "
                f"{port.id} using fixed IP {fixed.ip_address}, as that fixed IP already has a floating IP "
                f"on external network {other.floating_network_id}.",
                type="FloatingIPPortAlreadyAssociated",
            )


def subnets_reached(router_id: str, look: Look) -> set[str]:
    """Where floating IPs lead through the router, wholly or by some ports."""
    state = look.state
    mine = {f.id: f for f in state.floatingips.values() if f.router_id == router_id}
    ends = {(f.port_id or "", f.fixed_ip_address) for f in mine.values()}
    ends |= {
        (f.internal_port_id, f.internal_ip_address)
        for f in state.port_forwardings.values()
        if f.floatingip_id in mine
    }
    ports = [(state.ports[id], address) for id, address in ends if id in state.ports]
    return {f.subnet_id for port, address in ports for f in port.fixed_ips if f.ip_address == address}


def let_go(port: Port, draft: Draft, kept: Sequence[FixedIP] = ()) -> None:
    """Of a port that goes, or that keeps only `kept`: what leads to the addresses leads nowhere, at once."""
    stays = {fixed.ip_address for fixed in kept}
    for floating in draft.look.floating_of(port.id):
        if floating.fixed_ip_address not in stays:
            _update(floating, draft, port_id=None, fixed_ip_address=None, router_id=None)
    forwardings = draft.look.state.port_forwardings.values()
    gone = [f for f in forwardings if f.internal_port_id == port.id and f.internal_ip_address not in stays]
    draft.also += [Delete(forwarding, guarded=True) for forwarding in gone]
    for floating_id in sorted({f.floatingip_id for f in gone}):
        without(draft.look.state.floatingips[floating_id], {f.id for f in gone}, draft)


def without(floating: FloatingIP, gone: Collection[str], draft: Draft) -> None:
    """When these of its forwardings have gone; without any it is on no router."""
    left = any(f.id not in gone for f in draft.look.forwardings_of(floating.id))
    _update(floating, draft, router_id=floating.router_id if left else None)


def on_router(floating: FloatingIP, router_id: str, draft: Draft) -> None:
    """All that it forwards goes through one router.

    It is written also where it is so already: who associates it at the same moment has to look again.
    """
    made = [c.new for c in draft.also if isinstance(c, Update) and c.old.id == floating.id]
    present = made[-1] if made else floating
    if present.router_id not in (None, router_id):  # type: ignore[union-attr]  # it is a floating IP
        raise _bad(f"Floating IP {floating.id} forwards ports through another router already")
    if not made:
        _update(floating, draft, router_id=router_id)


def _update(floating: FloatingIP, draft: Draft, **changed: Any) -> None:
    draft.also.append(Update(floating, replace(floating, updated_at=draft.now, **changed)))


def _bad(reason: str) -> BadRequest:
    return BadRequest(f"Bad floatingip request: {reason}.", type="BadRequest")
