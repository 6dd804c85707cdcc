"""Which segment of a network a host is in, and what follows for the addresses of ports there.

Where a network has several segments and its subnets say of which they are, it is *routed* (Neutron: routed
provider networks): a port has addresses of one segment, that to whose physical network its host has a bridge.
A port that is not on a host yet gets them when it is (Neutron: deferred IP allocation).
"""

from collections.abc import Iterable, Sequence

from sealane.api import ipam
from sealane.api.convert import WantedIP
from sealane.api.draft import Draft
from sealane.errors import BadRequest, Conflict
from sealane.model import Network, Port, Segment, Subnet
from sealane.store import segmenting


def subnets(network: Network, host: str, wanted: Sequence[WantedIP] | None, draft: Draft) -> Sequence[Subnet]:
    """Of which a port may be given addresses beside those that are wanted, or any (None).

    host: where it is, "" while that is not known. Raises Conflict where a routed network has no way there.
    """
    there = draft.subnets_of(network.id)
    if not is_routed(network, draft):
        return there
    if wanted is not None:
        named = {_segment_of(wish, there) for wish in wanted} - {None}
        return [subnet for subnet in there if segmenting.of_subnet(subnet) in named]
    if not host:
        return ()
    segment = _only(network, host, draft)
    found = [subnet for subnet in there if segmenting.of_subnet(subnet) == segment.id]
    if not found:
        raise Conflict(
            f"No valid subnets found for the network {network.id} on host {host}: give it a subnet with "
            f"segment_id {segment.id}.",
            type="IpAddressGenerationFailureNoMatchingSubnet",
        )
    return found


def _segment_of(wish: WantedIP, subnets: Iterable[Subnet]) -> str | None:
    for subnet in subnets:
        if wish.subnet_id == subnet.id:
            return segmenting.of_subnet(subnet)
        if wish.subnet_id is None and wish.ip_address and ipam.contains(subnet.cidr, wish.ip_address):
            return segmenting.of_subnet(subnet)
    return None


def is_routed(network: Network, draft: Draft) -> bool:
    if not draft.segments_of(network.id):
        return False
    return any(segmenting.of_subnet(subnet) is not None for subnet in draft.subnets_of(network.id))


def check(port: Port, draft: Draft) -> None:
    """That its host leads to where its addresses are. Raises BadRequest, Conflict."""
    network = draft.network(port.network_id)
    if network is None or not draft.segments_of(network.id):
        return
    reached = _reached(network, port.host, draft)
    if len(reached) > 1:
        raise _several(network, port.host, reached)
    if not is_routed(network, draft):
        return
    by_id = draft.subnets_by_id(network.id)
    places = {segmenting.of_subnet(by_id[fixed.subnet_id]) for fixed in port.fixed_ips}
    if len(places) > 1:
        raise BadRequest(
            f"Cannot allocate addresses from different segments: fixed_ips of port {port.id} are to be of "
            "subnets of one segment_id.",
            type="FixedIpsSubnetsNotOnSameSegment",
        )
    if port.host and places and places != {segment.id for segment in reached}:
        raise Conflict(
            f"Host {port.host} is not connected to a segment where the existing fixed_ips on port {port.id} "
            f"will function given the routed network topology: bind it to a host with a bridge to the "
            f"physical network of segment {', '.join(sorted(map(str, places)))}, or give other fixed_ips.",
            type="HostNotCompatibleWithFixedIps",
        )


def refuse_ports(network: Network, ports: Iterable[Port], draft: Draft) -> None:
    """Of ports that are there when a segment comes. Raises Conflict."""
    for port in ports:
        check(port, draft)


def is_in(port: Port, segment: Segment, draft: Draft) -> bool:
    """Whether its host has it there."""
    network = draft.look.state.networks[segment.network_id]
    return bool(port.host) and segment in _reached(network, port.host, draft)


def _reached(network: Network, host: str, draft: Draft) -> Sequence[Segment]:
    """Segments to whose physical network the host has a bridge; of a host that is no node it is not known."""
    ways = draft.look.ways.get(host, ()) if host else ()
    every = (segmenting.own(network), *draft.segments_of(network.id))
    return [segment for segment in every if segment.physical_network in ways]


def _only(network: Network, host: str, draft: Draft) -> Segment:
    found = _reached(network, host, draft)
    if not found:
        raise Conflict(
            f"Host {host} is not connected to any segments on routed provider network '{network.id}'. It "
            "should be connected to one: lead its setting bridge_mappings to one of the network's.",
            type="HostNotConnectedToAnySegment",
        )
    if len(found) > 1:
        raise _several(network, host, found)
    return found[0]


def _several(network: Network, host: str, found: Sequence[Segment]) -> Conflict:
    there = ", ".join(str(segment.physical_network) for segment in found)
    return Conflict(
        f"Host {host} is connected to multiple segments on routed provider network '{network.id}' ({there}). "
        "It should be connected to one: take the others from its setting bridge_mappings.",
        type="HostConnectedToMultipleSegments",
    )
