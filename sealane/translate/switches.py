"""Networks -> logical switches.

    Network ── Logical_Switch "neutron-<id>"
       └─ Logical_Switch_Port "gw-<id>", type localport: gateway "host": with the gateway's addresses
                                                         others: where the resolver answers, and
                                                         published ports are led in beside a router
       └─ Logical_Switch_Port "provnet-<id>", type localnet: the segment of a physical network
    Segment ── the same, "provnet-<its id>": hosts take the one to whose physical network they have a bridge

A localport exists on every chassis at once and its packets never take a tunnel (ovn-nb(5), type), so
each host's kernel can be the gateway of the containers on that host, under one MAC and one address.
OVN answers ARP and neighbour solicitations for it on the spot.  It has no port_security: what comes
through it bears the sources of the whole Internet.

Keys of external_ids are those that Neutron's ML2/OVN driver writes, so that tools made for OpenStack
recognise what they see.
"""

from collections.abc import Iterator, Mapping

from sealane import names
from sealane.model import Network, Segment, State, Subnet
from sealane.translate.memo import Memo
from sealane.translate.rows import OWNED, Parent, Ref, Row, Value

FLOODING = {"mcast_snoop": "false", "mcast_flood_unregistered": "false", "vlan-passthru": "false"}
"""Multicast goes to all ports of the network, as on any switch; VLAN tags of containers are dropped."""

ASKED_EVERY = 10
"""Seconds between a host's questions who listens; an ovn-controller that is started knows nobody before."""
FORGOTTEN_AFTER = 45
"""Seconds of silence: four questions."""

DEVICE_OWNER_DISTRIBUTED = "network:distributed"
"""What Neutron calls the owner of a port that is on every host."""


def rows(state: State, memo: Memo) -> Iterator[Row]:
    subnets = by_network(state)
    switch, gateway_of, physical = memo.of(_switch), memo.of(_gateway), memo.of(_physical)
    for network in state.networks.values():
        yield switch(network.id, network)
        gateway = gateway_of(network.id, network, *subnets.get(network.id, ()))
        if gateway is not None:
            yield gateway
        if network.physical_network is not None:
            yield physical(network.id, network)
    further = memo.of(_further)
    for segment in state.segments.values():
        if segment.network_id in state.networks:
            yield further(segment.id, segment, state.networks[segment.network_id])


def parent(network_id: str) -> Parent:
    """The switch that the ports of a network hang on."""
    return Parent(Ref("Logical_Switch", names.logical_switch(network_id)), "ports")


def tunnel_key(key: int) -> dict[str, str]:
    """Fixed by the store, so it survives a wiped database; 0: northd chooses."""
    return {"requested-tnl-key": str(key)} if key else {}


def prefix_length(subnet: Subnet) -> str:
    """The API stores a subnet's CIDR in its canonical form, so the text will do."""
    return subnet.cidr.rpartition("/")[2]


def _switch(network: Network) -> Row:
    name = names.logical_switch(network.id)
    columns: dict[str, Value] = {
        "name": name,
        "external_ids": {
            **OWNED,
            "neutron:network_name": network.name,
            "neutron:mtu": str(network.mtu),
            "neutron:revision_number": str(network.revision_number),
            "neutron:availability_zone_hints": "",
            "neutron:project_id": network.project_id,
        },
        "other_config": {**_multicast(network), **tunnel_key(network.tunnel_key)},
    }
    return Row("Logical_Switch", name, columns)


def _multicast(network: Network) -> dict[str, str]:
    """Who asks for members bears addresses that nobody else has."""
    if not network.multicast_snooping:
        return FLOODING
    return {
        **FLOODING,
        "mcast_snoop": "true",
        "mcast_querier": "true",
        "mcast_query_interval": str(ASKED_EVERY),
        "mcast_idle_timeout": str(FORGOTTEN_AFTER),
        "mcast_eth_src": names.querier_mac(network.id),
        "mcast_ip4_src": names.QUERIER,
        "mcast_ip6_src": names.querier_address(network.id),
    }


def _gateway(network: Network, *subnets: Subnet) -> Row | None:
    """Without a gateway on the host, machines find the resolver at an address that no subnet has, and
    published ports are led in beside a router."""
    host = network.gateway == "host"
    cidrs = [f"{s.gateway_ip}/{prefix_length(s)}" for s in subnets if host and s.gateway_ip]
    gated = bool(cidrs)
    if not cidrs and any(s.ip_version == 4 for s in subnets):
        cidrs = [f"{names.RESOLVER}/32"]
    if not cidrs and not (network.gateway == "router" and subnets):
        return None
    name = names.gateway_port(network.id)
    mac = names.gateway_mac(network.id) if gated else names.resolver_mac(network.id)
    addresses = " ".join([mac, *(c.split("/")[0] for c in cidrs)])
    columns: dict[str, Value] = {
        "name": name,
        "type": "localport",
        "addresses": frozenset({addresses}),
        "port_security": frozenset[str](),
        "enabled": network.admin_state_up,
        "external_ids": {
            **OWNED,
            "neutron:cidrs": " ".join(cidrs),
            "neutron:device_id": name,
            "neutron:device_owner": DEVICE_OWNER_DISTRIBUTED,
            "neutron:network_name": names.logical_switch(network.id),
            "neutron:project_id": network.project_id,
        },
        "options": tunnel_key(names.GATEWAY_PORT_KEY),
    }
    return Row("Logical_Switch_Port", name, columns, (parent(network.id),))


def _physical(network: Network) -> Row:
    return _localnet(names.physical_port(network.id), network, network, names.PHYSICAL_PORT_KEY)


def _further(segment: Segment, network: Network) -> Row:
    return _localnet(names.further_physical_port(segment.id), segment, network, segment.tunnel_key)


def _localnet(name: str, part: Network | Segment, network: Network, key: int) -> Row:
    """Where the segment of a physical network begins; hosts without a bridge to it have none."""
    columns: dict[str, Value] = {
        "name": name,
        "type": "localnet",
        "tag": part.segmentation_id,
        "addresses": frozenset({"unknown"}),
        "port_security": frozenset[str](),
        "enabled": network.admin_state_up,
        "external_ids": {**OWNED, "neutron:network_name": names.logical_switch(network.id)},
        "options": {
            "network_name": part.physical_network or "",
            "mcast_flood": "false",
            "mcast_flood_reports": "true",
            **tunnel_key(key),
        },
    }
    return Row("Logical_Switch_Port", name, columns, (parent(network.id),))


def by_network(state: State) -> Mapping[str, list[Subnet]]:
    """The order decides that of a gateway's addresses, so it may not depend on the order of arrival."""
    grouped: dict[str, list[Subnet]] = {}
    for subnet in sorted(state.subnets.values(), key=lambda s: (s.ip_version, s.created_at, s.id)):
        grouped.setdefault(subnet.network_id, []).append(subnet)
    return grouped
