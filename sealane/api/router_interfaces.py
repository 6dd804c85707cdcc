"""A router's interfaces in its tenants' networks.

A router has one port in a network, with an address for each subnet that it routes.  Where it has a subnet's
gateway address, it takes the place of the host's gateway: same address, same MAC, so that neighbours of
running containers stay right; and gives it back when it goes.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sealane import names
from sealane.api import convert, floating_reach, ports, router_routes, rules
from sealane.api.draft import Draft
from sealane.errors import AddressInUse, BadRequest, Conflict, NotFound
from sealane.model import FixedIP, Network, Port, Router, Subnet
from sealane.names import ROUTER_INTERFACE
from sealane.store.changes import Create, Delete, Update

BEFORE = "sealane:gateway"
"""In the profile of a port that is its network's gateway: who was it before."""


@dataclass(frozen=True)
class Joined:
    """What a call has joined or parted."""

    port: Port
    subnets: tuple[str, ...]

    def answer(self, router: Router) -> dict[str, Any]:
        return {
            "id": router.id,
            "tenant_id": router.project_id,
            "project_id": router.project_id,
            "port_id": self.port.id,
            "network_id": self.port.network_id,
            "subnet_id": self.subnets[0],
            "subnet_ids": list(self.subnets),
        }


def accepted(body: Any) -> tuple[str | None, str | None]:
    """subnet_id and port_id of the body. Raises BadRequest."""
    try:
        given = convert.record(body, "subnet_id", "port_id")
        found = [
            None if given.get(k) is None else convert.to_uuid(given[k]) for k in ("subnet_id", "port_id")
        ]
    except ValueError as exc:
        raise _bad(f"{exc}") from exc
    if found == [None, None]:
        raise _bad("Either subnet_id or port_id must be specified")
    return found[0], found[1]


def add_subnet(router: Router, subnet: Subnet, draft: Draft, id: str = "") -> Joined:
    """id: of the port that is made, where the caller chooses it."""
    if subnet.gateway_ip is None:
        raise _bad("Subnet for router interface must have a gateway IP")
    rules.cidrs_are_apart(router.id, [subnet], draft)
    network = rules.network_exists(subnet.network_id, draft)
    _gateway_is_free(subnet, draft)
    fixed = FixedIP(subnet_id=subnet.id, ip_address=subnet.gateway_ip)
    there = next((p for p in draft.look.interfaces_of(router.id) if p.network_id == network.id), None)
    if there is None:
        port = _make(id or str(uuid.uuid4()), router, network, fixed, draft)
    else:
        port = _widen(there, fixed, draft)
    _take_gateway(network, draft)
    _touch(router, draft)
    return Joined(port, (subnet.id,))


def add_port(router: Router, port: Port, draft: Draft) -> Joined:
    """A port that was made before; its owner stays."""
    if port.device_id or port.device_owner:
        raise Conflict(
            f"Unable to complete operation on port {port.id} for network {port.network_id}. "
            f"Port already has an attached device {port.device_id or port.device_owner}.",
            type="PortInUse",
        )
    if not port.fixed_ips:
        raise _bad("Router port must have at least one fixed IP")
    if any(p.network_id == port.network_id for p in draft.look.interfaces_of(router.id)):
        raise _bad(f"Router already has a port on network {port.network_id}: add a subnet to it")
    subnets = [draft.look.state.subnets[fixed.subnet_id] for fixed in port.fixed_ips]
    rules.cidrs_are_apart(router.id, subnets, draft)
    newer = replace(
        port,
        device_id=router.id,
        device_owner=ROUTER_INTERFACE,
        port_security_enabled=False,
        security_groups=(),
        allowed_address_pairs=(),
        updated_at=draft.now,
    )
    draft.also.append(Update(port, newer))
    _touch(router, draft)
    return Joined(newer, tuple(dict.fromkeys(s.id for s in subnets)))


def remove(router: Router, subnet_id: str | None, port_id: str | None, draft: Draft) -> Joined:
    """One subnet of a port, or the port with all of them. Raises NotFound, Conflict."""
    port = _find(router, subnet_id, port_id, draft)
    left = tuple(f for f in port.fixed_ips if subnet_id is not None and f.subnet_id != subnet_id)
    gone = tuple(dict.fromkeys(f.subnet_id for f in port.fixed_ips if f not in left))
    _not_needed(router, gone, draft)
    if left:
        newer = replace(port, fixed_ips=left, updated_at=draft.now)
        draft.also.append(Update(port, newer))
        draft.ports.append(newer)
    else:
        draft.also.append(Delete(port, guarded=True))
        draft.gone.add(port.id)
        _give_gateway_back(port, draft)
    _still_routes(router, gone[0], draft)
    _touch(router, draft)
    return Joined(port, gone)


def _still_routes(router: Router, subnet_id: str, draft: Draft) -> None:
    try:
        router_routes.check(router, draft)
    except BadRequest as exc:
        raise Conflict(
            f"Router interface for subnet {subnet_id} on router {router.id} cannot be deleted, "
            "as it is required by one or more routes.",
            type="RouterInterfaceInUseByRoute",
        ) from exc


def _find(router: Router, subnet_id: str | None, port_id: str | None, draft: Draft) -> Port:
    for port in draft.look.interfaces_of(router.id):
        has_subnet = subnet_id is None or any(f.subnet_id == subnet_id for f in port.fixed_ips)
        if has_subnet and port_id in (None, port.id):
            return port
    if port_id is not None:
        raise NotFound(
            f"Router {router.id} does not have an interface with id {port_id}", type="RouterInterfaceNotFound"
        )
    raise NotFound(
        f"Router {router.id} has no interface on subnet {subnet_id}", type="RouterInterfaceNotFoundForSubnet"
    )


def _not_needed(router: Router, subnets: Sequence[str], draft: Draft) -> None:
    if floating_reach.subnets_reached(router.id, draft.look) & set(subnets):
        raise Conflict(
            f"Router interface for subnet {subnets[0]} on router {router.id} cannot be deleted, "
            "as it is required by one or more floating IPs.",
            type="RouterInterfaceInUseByFloatingIP",
        )


def _make(id: str, router: Router, network: Network, fixed: FixedIP, draft: Draft) -> Port:
    mac = names.gateway_mac(network.id)
    port = ports.make(
        id,
        network,
        (),
        draft,
        mac_address=mac if mac not in draft.macs(network.id) else None,
        project_id=router.project_id,
        device_id=router.id,
        device_owner=ROUTER_INTERFACE,
        port_security_enabled=False,
        profile={BEFORE: network.gateway},
    )
    port = replace(port, fixed_ips=(fixed,))
    draft.ports[-1] = port
    draft.also.append(Create(port))
    return port


def _widen(port: Port, fixed: FixedIP, draft: Draft) -> Port:
    newer = replace(port, fixed_ips=(*port.fixed_ips, fixed), updated_at=draft.now)
    draft.also.append(Update(port, newer))
    draft.ports.append(newer)
    return newer


def _gateway_is_free(subnet: Subnet, draft: Draft) -> None:
    for port in draft.look.ports_of(subnet.network_id):
        if any(f.subnet_id == subnet.id and f.ip_address == subnet.gateway_ip for f in port.fixed_ips):
            raise AddressInUse(
                f"IP address {subnet.gateway_ip} already allocated in subnet {subnet.id}: "
                f"port {port.id} has it"
            )


def _take_gateway(network: Network, draft: Draft) -> None:
    """Written also where it is so already: of two routers that come at once, one has to look again."""
    newer = replace(network, gateway="router", updated_at=draft.now)
    draft.also.append(Update(network, newer))


def _give_gateway_back(port: Port, draft: Draft) -> None:
    before: Any = port.profile.get(BEFORE)
    network = draft.look.state.networks.get(port.network_id)
    others = [p for p in draft.look.ports_of(port.network_id) if p.id != port.id]
    if network is None or before is None or any(p.device_owner == ROUTER_INTERFACE for p in others):
        return
    if network.gateway == "router" and before != "router":
        draft.also.append(Update(network, replace(network, gateway=before, updated_at=draft.now)))


def _touch(router: Router, draft: Draft) -> None:
    """Its revision tells of its interfaces: two that are added at once see each other."""
    draft.also.append(Update(router, replace(router, updated_at=draft.now)))


def _bad(message: str) -> BadRequest:
    return BadRequest(f"Bad router request: {message}.", type="BadRequest")
