"""What must hold between resources: pure checks over a draft. Each raises the error clients expect.

Message texts and types are those of neutron-lib's exceptions where it has one.  The store checks
again what others may change meanwhile (unique addresses, revisions); these make the answer kind.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from sealane import names
from sealane.api import ipam
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import AddressesExhausted, AddressInUse, BadRequest, Conflict, NotFound, RevisionMismatch
from sealane.model import FixedIP, HostRoute, Network, Pool, Port, Resource, Segment, Subnet
from sealane.names import BALANCER_PORT, FLOATING_PORT, HEALTH_PORT, ROUTER_GATEWAY, ROUTER_PORTS

SERVICE_PORTS = ROUTER_PORTS | {FLOATING_PORT, BALANCER_PORT, HEALTH_PORT}

SPARE = 16
"""Addresses of a family that a network must have left, and a quarter of all, for a port to wait there."""

LEAST_MTU = {4: 68, 6: 1280}
"""Bytes that a link of a family has to carry (RFC 791, RFC 8200)."""


def mtu_is_enough(network: Network, ip_version: int) -> None:
    """For a subnet of the family. Raises Conflict."""
    if network.mtu < LEAST_MTU[ip_version]:
        raise Conflict(
            f"MTU of {network.id} is not valid, subnet requires a minimum of {LEAST_MTU[ip_version]}",
            type="NetworkMTUSubnetConflict",
        )


def mtu_fits(network: Network, most: int) -> None:
    """most: what its segments carry. Raises BadRequest."""
    if network.mtu > most:
        carrier = "path_mtu" if network.physical_network is None else "physical_network_mtus"
        raise _invalid(
            f"Requested MTU is too big, maximum is {most}: give an mtu of no more than that, or 0 for it; "
            f"what there is room for follows from the underlay and the setting {carrier}"
        )


def segment_carries(segment: Segment, network: Network, most: int) -> None:
    """Packets of the network that it becomes a part of. Raises BadRequest."""
    if network.mtu > most:
        raise _invalid(
            f"physical_network '{segment.physical_network}' carries packets of {most} bytes, and the mtu of "
            f"network {network.id} is {network.mtu}: lower that first, or raise the setting "
            "physical_network_mtus"
        )


def revision_is(resource: Resource, wanted: int | None) -> None:
    """`If-Match: revision_number=N` (Neutron's extension revision-if-match)."""
    if wanted is not None and wanted != resource.revision_number:
        raise RevisionMismatch(f"Constrained to {wanted}, but current revision is {resource.revision_number}")


def network_exists(id: str, draft: Draft) -> Network:
    network = draft.network(id)
    if network is None:
        raise NotFound(f"Network {id} could not be found.", type="NetworkNotFound")
    return network


def network_unused(network: Network, look: Look) -> None:
    """Subnets go with their network; of ports only those that wait for a container."""
    if not all(map(names.waits, look.ports_of(network.id))):
        raise Conflict(
            f"Unable to complete operation on network {network.id}. "
            "There are one or more ports still in use on the network.",
            type="NetworkInUse",
        )


def has_one_segment(network: Network, draft: Draft) -> None:
    """An external network, since routers' gateways are in one segment. Raises Conflict."""
    if draft.segments_of(network.id):
        raise Conflict(
            f"router:external can't be true for network {network.id}: it has several segments, and routers' "
            "gateways are in one. Delete the further ones, or make another network.",
            type="SegmentNotSupported",
        )


def segment_is_whole(network: Network) -> None:
    """Which attributes of a provider network go together."""
    kind, physical, number = network.network_type, network.physical_network, network.segmentation_id
    if kind == "geneve" and (physical is not None or number is not None):
        what = "provider:physical_network" if physical is not None else "provider:segmentation_id"
        raise _invalid(f"{what} can't be given for a network of type geneve; the number is chosen")
    if kind != "geneve" and physical is None:
        raise _invalid(f"a network of type {kind} needs provider:physical_network")
    if kind == "vlan" and number is None:
        raise _invalid("a network of type vlan needs provider:segmentation_id, 1 to 4094")
    if kind == "flat" and number is not None:
        raise _invalid("provider:segmentation_id can't be given for a network of type flat: it has no tag")


def gateway_is_possible(network: Network) -> None:
    """The host is the gateway of an overlay for its own containers only."""
    if network.gateway == "host" and (network.external or network.network_type != "geneve"):
        raise _invalid("sealane:gateway 'host' can't be for an external or a physical network; give 'router'")


def cidrs_are_apart(router_id: str, subnets: Iterable[Subnet], draft: Draft, but: str = "") -> None:
    """A router can't have two ways to one address. but: a network that it may have several ports in."""
    mine = draft.ports_of_router(router_id)
    ids = {f.subnet_id for port in mine if port.network_id != but for f in port.fixed_ips}
    there = [s for port in mine for s in draft.subnets_of(port.network_id) if s.id in ids]
    for subnet in subnets:
        taken = ipam.overlaps(subnet.cidr, (s.cidr for s in there))
        if taken is not None:
            other = next(s for s in there if s.cidr == taken)
            raise BadRequest(
                f"Bad router request: Cidr {subnet.cidr} of subnet {subnet.id} overlaps with cidr {taken} "
                f"of subnet {other.id}.",
                type="BadRequest",
            )


def no_router_is_out_there(network: Network, look: Look) -> None:
    owners = {port.device_owner for port in look.ports_of(network.id)}
    if owners & {ROUTER_GATEWAY, FLOATING_PORT}:
        raise Conflict(
            f"External network {network.id} cannot be updated to be made non-external, "
            "since it has existing gateway ports.",
            type="ExternalNetworkInUse",
        )


def subnet_unused(subnet: Subnet, look: Look) -> None:
    users = (p for p in look.ports_of(subnet.network_id) if not names.waits(p))
    if any(f.subnet_id == subnet.id for p in users for f in p.fixed_ips):
        raise Conflict(
            f"Unable to complete operation on subnet {subnet.id}: "
            "One or more ports have an IP allocation from this subnet.",
            type="SubnetInUse",
        )


def version_matches(cidr: str, ip_version: int) -> None:
    if ipaddress.ip_network(cidr).version != ip_version:
        raise _invalid(f"cidr '{cidr}' does not match the ip_version '{ip_version}'")


def cidr_is_free(cidr: str, network_id: str, draft: Draft) -> None:
    taken = ipam.overlaps(cidr, (s.cidr for s in draft.subnets_of(network_id)))
    if taken is not None:
        raise _invalid(
            f"Requested subnet with cidr: {cidr} for network: {network_id} overlaps with subnet {taken}"
        )


def cidr_is_usable(cidr: str) -> None:
    """Not the whole of the internet, no multicast, no loopback, no link-local."""
    network = ipaddress.ip_network(cidr)
    bad = network.is_multicast or network.is_loopback or network.is_link_local or network.is_unspecified
    if bad or network.prefixlen == 0:
        raise _invalid(f"'{cidr}' can't be the cidr of a subnet; take a private or a public unicast network")


def gateway_is_inside(gateway_ip: str | None, cidr: str) -> None:
    if gateway_ip is None:
        return
    first, last = ipam.usable(cidr)
    if not ipam.same_family(gateway_ip, cidr) or not first <= ipam.number(gateway_ip) <= last:
        raise _invalid(f"Gateway {gateway_ip} is not valid on subnet {cidr}")


def gateway_is_free(gateway_ip: str | None, pools: Iterable[Pool]) -> None:
    if gateway_ip is None:
        return
    for pool in pools:
        first, last = ipam.pool_span(pool)
        if ipam.same_family(pool.start, gateway_ip) and first <= ipam.number(gateway_ip) <= last:
            raise Conflict(
                f"Gateway ip {gateway_ip} conflicts with allocation pool {pool.start}-{pool.end}.",
                type="GatewayConflictWithAllocationPools",
            )


def gateway_is_nobodys(gateway_ip: str | None, subnet: Subnet, draft: Draft) -> None:
    """A port that has the address keeps it, unless it only waits."""
    for port in draft.look.ports_of(subnet.network_id):
        if all((f.subnet_id, f.ip_address) != (subnet.id, gateway_ip) for f in port.fixed_ips):
            continue
        if draft.dismiss(subnet.network_id, lambda one, port=port: one.id == port.id):  # type: ignore[misc]
            continue
        raise Conflict(
            f"Gateway ip {gateway_ip} is in use by a port of subnet {subnet.id}.", type="GatewayIpInUse"
        )


def pools_fit(pools: Sequence[Pool], cidr: str) -> None:
    """Inside the subnet, first before last, none over another."""
    first, last = ipam.usable(cidr)
    seen: list[Pool] = []
    for pool in pools:
        if not (ipam.same_family(pool.start, cidr) and ipam.same_family(pool.end, cidr)):
            raise _invalid(f"The allocation pool {pool.start}-{pool.end} is not of the family of {cidr}")
        start, end = ipam.pool_span(pool)
        if start > end or start < first or end > last:
            raise BadRequest(
                f"The allocation pool {pool.start}-{pool.end} spans beyond the subnet cidr {cidr}.",
                type="OutOfBoundsAllocationPool",
            )
        for other in seen:
            if ipam.overlap((start, end), ipam.pool_span(other)):
                raise Conflict(
                    f"Found overlapping allocation pools: {other.start}-{other.end} "
                    f"{pool.start}-{pool.end} for subnet {cidr}.",
                    type="OverlappingAllocationPools",
                )
        seen.append(pool)


def family_is(addresses: Iterable[str], ip_version: int, what: str) -> None:
    for value in addresses:
        if (":" in value) != (ip_version == 6):
            raise _invalid(f"{what} '{value}' does not match the ip_version '{ip_version}'")


def routes_fit(routes: Iterable[HostRoute], ip_version: int) -> None:
    for route in routes:
        family_is((route.destination, route.nexthop), ip_version, "host route")


def ipv6_modes_fit(ip_version: int, ra_mode: str | None, address_mode: str | None, dhcp: bool) -> None:
    """The combinations of Neutron's API reference."""
    if ra_mode is None and address_mode is None:
        return
    if ip_version != 6:
        raise _invalid("ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version is 4")
    if not dhcp:
        raise _invalid("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
    if ra_mode and address_mode and ra_mode != address_mode:
        raise _invalid(
            f"ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to '{address_mode}' is not valid. "
            "If both attributes are set, they must be the same value"
        )


def mac_is_free(mac: str, network_id: str, draft: Draft) -> None:
    if mac in draft.macs(network_id) and not draft.dismiss(network_id, lambda port: port.mac_address == mac):
        raise Conflict(
            f"Unable to complete operation for network {network_id}. The mac address {mac} is in use.",
            type="MacAddressInUse",
        )


def address_is_free(ip_address: str, subnet: Subnet, draft: Draft) -> None:
    """A port that only waits gives way."""
    if ipam.number(ip_address) not in draft.used(subnet):
        return
    place = FixedIP(subnet_id=subnet.id, ip_address=ip_address)
    if not draft.dismiss(subnet.network_id, lambda port: place in port.fixed_ips):
        raise AddressInUse(f"IP address {ip_address} already allocated in subnet {subnet.id}")


def room_to_wait(subnets: Iterable[Subnet], draft: Draft) -> None:
    """A port that only waits takes no address where few are left.  Raises AddressesExhausted."""
    left, whole = {4: 0, 6: 0}, {4: 0, 6: 0}
    for subnet in subnets:
        size = sum(last - first + 1 for first, last in map(ipam.pool_span, subnet.allocation_pools))
        whole[subnet.ip_version] += size
        left[subnet.ip_version] += size - len(draft.used(subnet))
    for version in (4, 6):
        if whole[version] and left[version] < max(SPARE, whole[version] // 4):
            raise AddressesExhausted(
                f"{left[version]} of {whole[version]} IPv{version} addresses are left: too few to keep a port"
                " ready."
            )


def address_is_usable(ip_address: str, subnet: Subnet) -> None:
    first, last = ipam.usable(subnet.cidr)
    if not ipam.same_family(ip_address, subnet.cidr) or not first <= ipam.number(ip_address) <= last:
        raise BadRequest(
            f"IP address {ip_address} is not a valid IP for the specified subnet.", type="InvalidIpForSubnet"
        )


def subnet_is_of(subnet_id: str, network_id: str, draft: Draft) -> Subnet:
    for subnet in draft.subnets_of(network_id):
        if subnet.id == subnet_id:
            return subnet
    if subnet_id not in draft.look.state.subnets:
        raise NotFound(f"Subnet {subnet_id} could not be found.", type="SubnetNotFound")
    raise _invalid(
        f"Failed to create port on network {network_id}, "
        f"because fixed_ips included invalid subnet {subnet_id}"
    )


def subnet_of_address(ip_address: str, network_id: str, draft: Draft) -> Subnet:
    for subnet in draft.subnets_of(network_id):
        if ipam.contains(subnet.cidr, ip_address):
            return subnet
    raise BadRequest(
        f"IP address {ip_address} is not a valid IP for any of the subnets on the specified network.",
        type="InvalidIpForNetwork",
    )


def port_is_nobodys_service(port: Port) -> None:
    """Ports of routers, floating IPs and load balancers go with them."""
    if port.device_owner in SERVICE_PORTS and port.device_id:
        raise Conflict(
            f"Port {port.id} cannot be deleted directly via the port API: has device owner "
            f"{port.device_owner}.",
            type="ServicePortInUse",
        )


def owner_is_ones_to_give(device_owner: str) -> None:
    if device_owner in SERVICE_PORTS:
        raise _invalid(
            f"device_owner '{device_owner}' is for what a router, a floating IP or a load balancer has"
        )


def port_may_bind(port: Port) -> None:
    """An unsecured port can have no pairs: they would say nothing."""
    if port.allowed_address_pairs and not port.port_security_enabled:
        raise Conflict(
            "Port Security must be enabled in order to have allowed address pairs on a port.",
            type="AddressPairAndPortSecurityRequired",
        )


def port_may_have_groups_at_all(asked: bool) -> None:
    if asked:
        raise BadRequest(
            "Port security must be enabled in order to use security groups (port_security_enabled).",
            type="PortSecurityAndIPRequiredForSecurityGroups",
        )


def port_may_have_groups(port: Port, *, asked: bool) -> None:
    """asked: the groups are part of the same request."""
    if port.port_security_enabled or not port.security_groups:
        return
    port_may_have_groups_at_all(asked)
    raise Conflict(
        "Port has security group associated. Cannot disable port security or IP address until "
        "security group is removed.",
        type="PortSecurityPortHasSecurityGroup",
    )


def _invalid(reason: str) -> BadRequest:
    return BadRequest(f"Invalid input for operation: {reason}.", type="InvalidInput")
