"""Networks: the table of attributes, and how a row is made and changed."""

from dataclasses import replace
from typing import Any

from sealane.api import convert, rules
from sealane.api.attributes import Attribute, Kind, Values, constant, standard
from sealane.api.convert import BOOLEAN, nullable, one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.model import Network, Subnet

MAX_MTU = 9000

NETWORKS = Kind(
    singular="network",
    plural="networks",
    followed=True,
    collection=lambda state: state.networks,
    attributes=(
        *standard(),
        Attribute(name="admin_state_up", type=BOOLEAN, default=True, post=True, put=True),
        Attribute(name="mtu", type=convert.integer(0, MAX_MTU), post=True, put=True),
        Attribute(name="shared", type=BOOLEAN, default=False, post=True, put=True),
        Attribute(name="port_security_enabled", type=BOOLEAN, default=True, post=True, put=True),
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
            type=convert.FALSE_YET,
            read=lambda network, look: False,
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
        constant("ipv4_address_scope", None),
        constant("ipv6_address_scope", None),
        constant("l2_adjacency", True),
        constant("is_default", False, BOOLEAN, filter=True),
        constant("provider:network_type", "geneve", convert.NAME, filter=True),
        constant("provider:physical_network", None, nullable(convert.NAME), filter=True),
        Attribute(name="provider:segmentation_id", type=convert.INTEGER, field="tunnel_key"),
        Attribute(
            name="sealane:gateway",
            type=one_of("host", "router", "docker", "none"),
            field="gateway",
            default="host",
            post=True,
            put=True,
        ),
        Attribute(
            name="sealane:origin", type=one_of("api", "docker"), field="origin", default="api", post=True
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
UNSTORED = frozenset({"router:external", "availability_zone_hints"})
"""Taken for the sake of clients that send their only value."""


def create(id: str, values: Values, draft: Draft) -> Network:
    given = NETWORKS.as_fields({k: v for k, v in values.items() if k not in UNSTORED})
    given["mtu"] = given.get("mtu") or draft.default_mtu
    network = Network(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)
    draft.networks[id] = network
    return network


def update(old: Any, values: Values, draft: Draft) -> Network:
    given = NETWORKS.as_fields({k: v for k, v in values.items() if k not in UNSTORED})
    if "mtu" in given:
        given["mtu"] = given["mtu"] or draft.default_mtu
    changed: Network = replace(old, **given)
    return changed


def delete(network: Any, look: Look) -> tuple[Subnet | Network, ...]:
    """The rows that go, in the order in which they may: subnets with their network, as in Neutron."""
    rules.network_unused(network, look)
    return (*look.subnets_of(network.id), network)
