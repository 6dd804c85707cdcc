"""Ports -> logical switch ports, in the shape in which Neutron's ML2/OVN driver writes them.

What reaches a port is said by its groups (groups.py).  What a port may claim to be is held by port_security:
its MAC and addresses and those of allowed_address_pairs.  A port without port security may be anything, so
OVN also sends it what it knows no owner for ('unknown').  A floating IP's port only keeps an address: it has
no row; nor has that from which the health of a load balancer's servers is asked.

A sub-port of a trunk has no link of its own: its frames come and go by its parent's, with its tag, which OVN
takes off and puts on (ovn-nb(5), Logical_Switch_Port, "Containers"). northd writes `tag` of `tag_request`; we
write it as well, since it does not take it away again from a port that is within a trunk no more.
"""

from collections.abc import Iterator, Mapping, Sequence

from sealane import names
from sealane.model import Network, Port, State, Subnet, SubPort, Trunk
from sealane.translate import dhcp, dhcp_options, groups
from sealane.translate.memo import Memo
from sealane.translate.rows import OWNED, Row, Value
from sealane.translate.switches import parent, prefix_length, tunnel_key

UNKNOWN = "unknown"


def rows(state: State, memo: Memo) -> list[Row]:
    """A port whose network is not there (yet) has no row: it comes with the network.

    That of a floating IP has none: its router answers for it; of a health check's northd does.
    """
    networks, subnets, ports = state.networks, state.subnets, state.ports
    within = {each.port_id for each in state.sub_ports.values() if each.trunk_id in state.trunks}

    def given(port: Port) -> tuple[Port, Network, *tuple[Subnet | None, ...]] | None:
        network = networks.get(port.network_id)
        if network is None or port.device_owner in (names.FLOATING_PORT, names.HEALTH_PORT):
            return None
        return (port, network, *(subnets.get(fixed.subnet_id) for fixed in port.fixed_ips))

    def of_port(port: Port) -> tuple[Port, Network, *tuple[Subnet | None, ...]] | None:
        return None if port.id in within else given(port)

    def of_place(place: SubPort) -> tuple[SubPort, Trunk, Port, Network, *tuple[Subnet | None, ...]] | None:
        trunk, port = state.trunks.get(place.trunk_id), ports.get(place.port_id)
        found = given(port) if port is not None else None
        return None if trunk is None or found is None else (place, trunk, *found)

    beside = networks, subnets, state.trunks
    made = memo.each(_port, ports, of_port, (*beside, state.sub_ports))
    return made + memo.each(_sub_port, state.sub_ports, of_place, (*beside, ports))


def _port(port: Port, network: Network, *subnets: Subnet | None) -> Row:
    """`subnets`: of its fixed addresses, one by one."""
    if port.device_owner in names.ROUTER_PORTS or port.device_owner == names.BALANCER_PORT:
        return _router_port(port, network, subnets)
    return _machine(port, network, subnets, None, None)


def _sub_port(place: SubPort, trunk: Trunk, port: Port, network: Network, *subnets: Subnet | None) -> Row:
    return _machine(port, network, subnets, names.logical_port(trunk.port_id), place.segmentation_id)


def _machine(
    port: Port, network: Network, subnets: Sequence[Subnet | None], carrier: str | None, tag: int | None
) -> Row:
    """`carrier`: the parent that it is within, by that VLAN."""
    allowed = _allowed(port)
    columns: dict[str, Value] = {
        "name": names.logical_port(port.id),
        "type": "",
        "parent_name": carrier,
        "tag": tag,
        "tag_request": tag,
        "addresses": _addresses(port, allowed),
        "port_security": frozenset(_words(allowed)) if port.port_security_enabled else frozenset[str](),
        "enabled": port.admin_state_up and network.admin_state_up,
        "dhcpv4_options": (options := dhcp.options_of(port, subnets)),
        "dhcpv6_options": None,
        "external_ids": _external_ids(port, subnets),
        "options": _options(port, told=options is not None),
    }
    held = (parent(port.network_id), *groups.parents(port, network))
    return Row("Logical_Switch_Port", names.logical_port(port.id), columns, held)


def _router_port(port: Port, network: Network, subnets: Sequence[Subnet | None]) -> Row:
    """The switch's end of a router's port; its addresses are at the router's end (routers.py)."""
    gateway = port.device_owner == names.ROUTER_GATEWAY
    # The outside hears of the gateway's addresses when it comes up and when it moves to another host.
    told = {"nat-addresses": "router", "exclude-lb-vips-from-garp": "true"} if gateway else {}
    columns: dict[str, Value] = {
        "name": names.logical_port(port.id),
        "type": "router",
        "addresses": frozenset({"router"}),
        "port_security": frozenset[str](),
        "enabled": port.admin_state_up and network.admin_state_up,
        "external_ids": _external_ids(port, subnets),
        "options": {"router-port": names.router_port(port.id), **tunnel_key(port.tunnel_key), **told},
    }
    return Row("Logical_Switch_Port", names.logical_port(port.id), columns, (parent(port.network_id),))


def _addresses(port: Port, allowed: Mapping[str, list[str]]) -> frozenset[str]:
    """Own addresses are answered for by OVN; of a pair's MAC only the place is known, never the address."""
    own = " ".join([port.mac_address, *(f.ip_address for f in port.fixed_ips)])
    others = [mac for mac in allowed if mac != port.mac_address]
    unknown = [] if port.port_security_enabled else [UNKNOWN]
    return frozenset([own, *others, *unknown])


def _allowed(port: Port) -> dict[str, list[str]]:
    """MAC -> the addresses that it may use, own ones first."""
    allowed = {port.mac_address: [f.ip_address for f in port.fixed_ips]}
    for pair in port.allowed_address_pairs:
        found = allowed.setdefault(pair.mac_address or port.mac_address, [])
        if pair.ip_address not in found:
            found.append(pair.ip_address)
    return allowed


def _words(allowed: Mapping[str, list[str]]) -> Iterator[str]:
    for mac, addresses in allowed.items():
        yield " ".join([mac, *addresses])


def _options(port: Port, *, told: bool) -> dict[str, str]:
    """`told`: by DHCP, where a name comes with the address.

    requested-chassis keeps every other host from claiming the port, also while it moves.

    OVN lets any chassis claim a port without it (ovn-nb(5)), so a port that is nobody's names nobody.
    """
    name = {"hostname": dhcp_options.quoted(known)} if told and (known := dhcp.hostname(port)) else {}
    return {"requested-chassis": port.host or names.NOWHERE, **tunnel_key(port.tunnel_key), **name}


def _external_ids(port: Port, subnets: Sequence[Subnet | None]) -> dict[str, str]:
    return {
        **OWNED,
        "neutron:cidrs": " ".join(_cidrs(port, subnets)),
        "neutron:device_id": port.device_id,
        "neutron:device_owner": port.device_owner,
        "neutron:host_id": port.host,
        "neutron:network_name": names.logical_switch(port.network_id),
        "neutron:port_name": port.name,
        "neutron:project_id": port.project_id,
        "neutron:revision_number": str(port.revision_number),
        "neutron:security_group_ids": " ".join(port.security_groups),
        "neutron:vnic_type": port.vnic_type,
    }


def _cidrs(port: Port, subnets: Sequence[Subnet | None]) -> Iterator[str]:
    for fixed, subnet in zip(port.fixed_ips, subnets, strict=True):
        if subnet is not None:
            yield f"{fixed.ip_address}/{prefix_length(subnet)}"
