"""Networks: the table of attributes, and how a row is made and changed."""

from dataclasses import replace
from typing import Any

from sealane.api import convert, network_segments, ports, qos, rules, underlay
from sealane.api.attributes import Attribute, Kind, Read, Values, constant, standard
from sealane.api.convert import BOOLEAN, nullable, one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.model import Network, Port, Segment, Subnet
from sealane.store import segmenting


def _scope(version: int) -> Read:
    """The address scope of the network's subnets of a family, which is that of their pools."""
    return lambda network, look: look.scope_of(network.id, version)


def _is_adjacent(network: Network, look: Look) -> bool:
    """False where subnets are of one segment each, between which the fabric outside routes."""
    several = look.segments_of(network.id)
    return not (several and any(segmenting.of_subnet(s) for s in look.subnets_of(network.id)))


NETWORKS = Kind(
    singular="network",
    plural="networks",
    followed=True,
    collection=lambda state: state.networks,
    attributes=(
        *standard(),
        Attribute(name="admin_state_up", type=BOOLEAN, default=True, post=True, put=True),
        Attribute(name="mtu", type=convert.integer(0, underlay.MAX), post=True, put=True),
        Attribute(
            name="shared",
            type=BOOLEAN,
            read=lambda network, look: network.shared or look.is_shared(network.id),
            default=False,
            post=True,
            put=True,
        ),
        Attribute(name="port_security_enabled", type=BOOLEAN, default=True, post=True, put=True),
        qos.POLICY,
        Attribute(name="dns_domain", type=convert.DNS, default="", post=True, put=True),
        Attribute(
            name="status",
            type=convert.NAME,
            read=lambda network, look: "ACTIVE" if network.admin_state_up else "DOWN",
        ),
        Attribute(
            name="subnets",
            type=convert.ANY,
            read=lambda network, look: [s.id for s in look.subnets_of(network.id)],
            filter=False,
        ),
        Attribute(
            name="router:external",
            type=BOOLEAN,
            field="external",
            default=False,
            post=True,
            put=True,
        ),
        Attribute(
            name="availability_zone_hints",
            type=convert.NOTHING_YET,
            read=lambda network, look: [],
            default=(),
            post=True,
            filter=False,
        ),
        constant("availability_zones", ["default"]),
        *(
            Attribute(name=f"ipv{version}_address_scope", type=nullable(convert.ID), read=_scope(version))
            for version in (4, 6)
        ),
        Attribute(name="l2_adjacency", type=BOOLEAN, read=_is_adjacent, filter=False),
        constant("is_default", False, BOOLEAN, filter=True),
        Attribute(
            name="provider:network_type",
            type=nullable(one_of("geneve", "vlan", "flat")),
            field="network_type",
            post=True,
        ),
        Attribute(
            name="provider:physical_network",
            type=nullable(convert.PHYSICAL_NETWORK),
            field="physical_network",
            post=True,
        ),
        Attribute(
            name="provider:segmentation_id",
            type=nullable(convert.integer(1, 4094)),
            field="segmentation_id",
            read=lambda network, look: (
                network.tunnel_key if network.network_type == "geneve" else network.segmentation_id
            ),
            post=True,
        ),
        Attribute(
            name="segments",
            type=network_segments.WISH,
            read=network_segments.shown,
            default=(),
            post=True,
            filter=False,
        ),
        Attribute(
            name="sealane:gateway",
            type=one_of("host", "router", "docker", "none"),
            field="gateway",
            post=True,
            put=True,
        ),
        Attribute(
            name="sealane:origin", type=one_of("api", "docker"), field="origin", default="api", post=True
        ),
        Attribute(
            name="sealane:multicast_snooping",
            type=BOOLEAN,
            field="multicast_snooping",
            default=False,
            post=True,
            put=True,
        ),
        Attribute(
            name="sealane:labels",
            type=convert.LABELS,
            field="labels",
            default={},
            post=True,
            put=True,
            filter=False,
        ),
    ),
)
UNSTORED = frozenset({"availability_zone_hints", "segments"})
"""Taken for the sake of clients that send their only value."""


def create(id: str, values: Values, draft: Draft) -> Network:
    values = network_segments.as_provider(values, NETWORKS)
    given = NETWORKS.as_fields({k: v for k, v in values.items() if k not in UNSTORED})
    given["network_type"] = given.get("network_type") or "geneve"
    overlay = given["network_type"] == "geneve"
    further = network_segments.further_physical_networks(values)
    most = draft.room.most(given.get("physical_network"), *further)
    given["mtu"] = given.get("mtu") or most
    given.setdefault("gateway", "host" if overlay and not given["external"] else "router")
    network = Network(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)
    rules.segment_is_whole(network)
    rules.mtu_fits(network, most)
    rules.gateway_is_possible(network)
    draft.networks[id] = network
    network_segments.make(network, values, NETWORKS, draft)
    return network


def update(old: Any, values: Values, draft: Draft) -> Network:
    given = NETWORKS.as_fields({k: v for k, v in values.items() if k not in UNSTORED})
    further = (segment.physical_network for segment in draft.segments_of(old.id))
    most = draft.room.most(old.physical_network, *further)
    if given.get("mtu") == 0:
        given["mtu"] = most
    changed: Network = replace(old, **given)
    if "mtu" in given:
        rules.mtu_fits(changed, most)
    if changed.external and changed.gateway == "host" and "gateway" not in given:
        changed = replace(changed, gateway="router")
    if changed.external and not old.external:
        rules.has_one_segment(old, draft)
    if old.external and not changed.external:
        rules.no_router_is_out_there(old, draft.look)
    rules.gateway_is_possible(changed)
    for subnet in draft.subnets_of(changed.id):
        rules.mtu_is_enough(changed, subnet.ip_version)
    return changed


def delete(network: Any, draft: Draft) -> tuple[Port | Subnet | Segment | Network, ...]:
    """The rows that go, in the order in which they may: what is in it with the network, as in Neutron."""
    look = draft.look
    rules.network_unused(network, look)
    waiting = (row for port in look.ports_of(network.id) for row in ports.delete(port, draft))
    return (*waiting, *look.subnets_of(network.id), *look.segments_of(network.id), network)
