"""Several segments of a network: what fits together.  Pure; the API asks first, the store as it commits.

    network (vlan or flat) ─┬─ own segment: its provider:… attributes ─── physical network A ─── some hosts
                            └─ further Segment ────────────────────────── physical network B ─── other hosts

OVN takes on each host the one localnet port to whose physical network the host has a bridge, and relies on
the fabric to route between the segments (ovn-architecture(7), "Logical Switch Port Types").  So a segment has
a physical network of its own, an overlay, whose packets take tunnels, has one segment only, and so has a
network with a router's or a load balancer's port: their address is at each host, but in one segment outside.

Names of errors are those of Neutron's extension segment.
"""

from collections.abc import Collection, Iterable, Sequence

from sealane import names
from sealane.errors import BadRequest, Conflict
from sealane.model import Network, Port, Segment, Subnet

OF_ONE = names.ROUTER_PORTS | {names.FLOATING_PORT, names.BALANCER_PORT, names.HEALTH_PORT}
"""Owners of ports that are in networks of one segment only."""
LAST_VLAN = 4094
"""IEEE 802.1Q."""


def own(network: Network) -> Segment:
    """The segment that its provider:… attributes tell."""
    number = network.tunnel_key if network.network_type == "geneve" else network.segmentation_id
    return Segment(
        id=names.segment(network.id),
        project_id=network.project_id,
        name=network.segment_name,
        description=network.segment_description,
        revision_number=network.revision_number,
        created_at=network.created_at,
        updated_at=network.updated_at,
        network_id=network.id,
        network_type=network.network_type,
        physical_network=network.physical_network,
        segmentation_id=number,
    )


def of_subnet(subnet: Subnet) -> str | None:
    """Id of the segment that it is of."""
    return subnet.further_segment_id or (names.segment(subnet.network_id) if subnet.segmented else None)


def refuse_segment(
    new: Segment,
    network: Network,
    others: Sequence[Segment],
    subnets: Iterable[Subnet],
    ports: Iterable[Port],
) -> None:
    """others: the further ones that are there. Raises BadRequest, Conflict."""
    _refuse_form(new)
    if network.network_type == "geneve":
        raise _unsupported(
            f"network {network.id} is an overlay, whose packets take tunnels, and has the segment "
            f"{names.segment(network.id)} only: give a network_id of type vlan or flat, or make a network "
            "of each and a router between them"
        )
    if network.external:
        raise _unsupported(
            f"network {network.id} is external, and routers' gateways are in one segment: give a "
            "network_id with router:external false"
        )
    there = next((s for s in (own(network), *others) if s.physical_network == new.physical_network), None)
    if there is not None:
        raise _unsupported(
            f"network {network.id} has the segment {there.id} on physical_network '{new.physical_network}', "
            "and a host has one way there: give another physical_network"
        )
    if {of_subnet(subnet) is None for subnet in subnets} == {True, False}:
        raise _mixed(network.id)
    for port in ports:
        refuse_port(port, [new])


def _refuse_form(new: Segment) -> None:
    if new.network_type == "geneve":
        raise _invalid(
            "network_type", "an overlay can't be beside segments of physical networks; give vlan or flat"
        )
    if new.physical_network is None:
        raise _invalid("physical_network", f"a segment of type {new.network_type} needs it")
    if new.network_type == "flat" and new.segmentation_id is not None:
        raise _invalid("segmentation_id", "a segment of type flat has no tag; leave it out")
    if new.network_type == "vlan" and not 1 <= (new.segmentation_id or 0) <= LAST_VLAN:
        raise _invalid("segmentation_id", f"a segment of type vlan needs one, 1 to {LAST_VLAN}")


def refuse_port(port: Port, segments: Collection[Segment]) -> None:
    """segments: further ones of its network. Raises Conflict."""
    if segments and port.device_owner in OF_ONE:
        raise _unsupported(
            f"port {port.id} of {port.device_owner} can't be in network {port.network_id} while that has "
            "several segments: the fabric outside routes between them. Take a network of one segment"
        )


def refuse_subnet(subnet: Subnet, siblings: Iterable[Subnet], segments: Collection[Segment]) -> None:
    """A new one. segments: further ones of its network. Raises BadRequest."""
    refuse_strange(subnet.network_id, of_subnet(subnet), segments)
    if any((of_subnet(other) is None) != (of_subnet(subnet) is None) for other in siblings):
        raise _mixed(subnet.network_id)


def refuse_strange(network_id: str, segment_id: str | None, segments: Iterable[Segment]) -> None:
    """Raises BadRequest for a segment that is not the network's."""
    known = [names.segment(network_id), *(segment.id for segment in segments)]
    if segment_id is not None and segment_id not in known:
        raise _invalid(
            "segment_id", f"{segment_id} is no segment of network {network_id}; it has {', '.join(known)}"
        )


def moves(old: Subnet, new: Subnet) -> bool:
    return of_subnet(old) != of_subnet(new)


def refuse_move(subnet: Subnet, segments: Collection[Segment]) -> None:
    """Of a subnet that is there. Raises Conflict, BadRequest."""
    refuse_strange(subnet.network_id, of_subnet(subnet), segments)
    if segments:
        raise Conflict(
            f"The network '{subnet.network_id}' has multiple segments, it is only possible to associate an "
            "existing subnet with a segment on networks with a single segment: delete the subnet and make it "
            "anew with segment_id.",
            type="NoUpdateSubnetWhenMultipleSegmentsOnNetwork",
        )


def _mixed(network_id: str) -> BadRequest:
    return BadRequest(
        f"All of the subnets on network '{network_id}' must either all be associated with segments or all "
        "not associated with any segments: give segment_id as its other subnets have it.",
        type="SubnetsNotAllAssociatedWithSegments",
    )


def _invalid(field: str, why: str) -> BadRequest:
    return BadRequest(f"Invalid input for {field}. Reason: {why}.", type="InvalidInput")


def _unsupported(why: str) -> Conflict:
    return Conflict(f"There can't be such a segment: {why}.", type="SegmentNotSupported")
