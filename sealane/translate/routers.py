"""Routers -> logical routers, distributed over all hosts, with their gateways to external networks.

    Router ── Logical_Router "neutron-<id>"
       ├─ Logical_Router_Port "lrp-<port id>"     an interface, or a gateway: then with
       │      └─ Gateway_Chassis                  the hosts on which it may be (gateways.py)
       ├─ NAT snat                                enable_snat: each tenant's IPv4 subnet behind each gateway
       ├─ Logical_Router_Static_Route             the way out by the external subnet's gateway; extra routes
       │      ·· BFD                              enable_default_route_bfd: it counts while that one answers
       └─ Logical_Router_Policy                   between networks of different address scopes (scopes.py);
                                                  what metering labels count (metering.py)

The other end of a router's port is a Logical_Switch_Port of type router (ports.py).  What a router does is
done on the host of the machine that sends; only what leaves by a gateway passes the gateway's host.
Shapes and options are those of Neutron's ML2/OVN driver, the meaning that of ovn-nb(5).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sealane import names
from sealane.model import MeteringLabelRule, Network, Node, Port, Router, State, Subnet
from sealane.translate import gateways, metering
from sealane.translate import scopes as address_scopes
from sealane.translate.memo import Memo
from sealane.translate.rows import Parent, Ref, Row, Value, row
from sealane.translate.switches import prefix_length, tunnel_key

EVERYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
RA_MODES = {
    "slaac": "slaac",
    "dhcpv6-stateful": "dhcpv6_stateful",
    "dhcpv6-stateless": "dhcpv6_stateless",
}
"""Of a subnet -> of `address_mode` in ipv6_ra_configs."""


class Leg(NamedTuple):
    """A router's port, and where it leads; `subnets`: of its fixed addresses, one by one."""

    port: Port
    network: Network
    subnets: tuple[Subnet, ...]
    scopes: address_scopes.Scopes = address_scopes.NOWHERE
    named: tuple[metering.Pair, ...] = ()
    """Whose packets metering labels count that its network or ports name."""

    @property
    def is_gateway(self) -> bool:
        return self.port.device_owner == names.ROUTER_GATEWAY

    def addresses(self) -> Iterator[tuple[str, Subnet]]:
        return zip((f.ip_address for f in self.port.fixed_ips), self.subnets, strict=True)


def rows(state: State, memo: Memo) -> Iterator[Row]:
    if not state.routers:
        return
    legs, router_rows = _legs(state), memo.of(_router)
    nodes = tuple(sorted(state.nodes.values(), key=lambda node: node.name))
    translated, metered = address_scopes.translated(state), metering.of_projects(state)
    for router in state.routers.values():
        lets, rules = translated.get(router.id, ()), _rules_for(router, metered)
        yield from router_rows(router.id, router, nodes, lets, rules, *legs.get(router.id, ()))


def _rules_for(router: Router, metered: Mapping[str, metering.Rules]) -> metering.Rules:
    return metered.get(router.project_id, metered[""])


def ways(state: State) -> Mapping[str, metering.Way]:
    """Where metering labels count, by the match of each way."""
    if not state.metering_labels:
        return {}
    legs, translated, metered = _legs(state), address_scopes.translated(state), metering.of_projects(state)
    found: dict[str, metering.Way] = {}
    for router in state.routers.values():
        mine, rules = tuple(legs.get(router.id, ())), _rules_for(router, metered)
        if rules or any(leg.named for leg in mine):
            apart = address_scopes.policies(router, translated.get(router.id, ()), mine)
            found |= {way.match: way for way in metering.ways(rules, mine, tuple(apart))}
    return found


def _legs(state: State) -> Mapping[str, list[Leg]]:
    """In the order of their ids, so that it does not depend on that of arrival."""
    found: dict[str, list[Leg]] = {}
    scoped, named = address_scopes.by_network(state), metering.named(state)
    there = [port for port in state.ports.values() if port.device_owner in names.ROUTER_PORTS]
    for port in sorted(there, key=lambda port: port.id):
        network = state.networks.get(port.network_id)
        subnets = tuple(s for f in port.fixed_ips if (s := state.subnets.get(f.subnet_id)))
        if network is not None and len(subnets) == len(port.fixed_ips):
            mine, metered = scoped.get(network.id, address_scopes.NOWHERE), named.get(network.id, ())
            found.setdefault(port.device_id, []).append(Leg(port, network, subnets, mine, metered))
    return found


def _router(
    router: Router,
    nodes: tuple[Node, ...],
    lets: tuple[str, ...],
    rules: tuple[MeteringLabelRule, ...],
    *legs: Leg,
) -> tuple[Row, ...]:
    outer = sorted((leg for leg in legs if leg.is_gateway), key=lambda leg: _place(router, leg.port))
    inner = [leg for leg in legs if not leg.is_gateway]
    apart = tuple(address_scopes.policies(router, lets, legs))
    return (
        _logical_router(router, outer),
        *(_port(router, leg, inner, outer) for leg in legs),
        *(r for leg in outer for r in gateways.rows(router, leg.port, leg.network, nodes)),
        *(r for leg in outer if router.enable_snat for r in _snats(router, leg, inner)),
        *_default_routes(router, outer),
        *_extra_routes(router),
        *apart,
        *metering.rows(router, rules, legs, apart),
    )


def _place(router: Router, port: Port) -> tuple[int, str]:
    known = port.id in router.gateway_ports
    return (router.gateway_ports.index(port.id) if known else len(router.gateway_ports), port.id)


def _hold(router: Router, column: str) -> Parent:
    return Parent(Ref("Logical_Router", names.logical_router(router.id)), column)


def _logical_router(router: Router, outer: Iterable[Leg]) -> Row:
    columns: dict[str, Value] = {
        "enabled": router.admin_state_up,
        "external_ids": {
            "neutron:router_name": router.name,
            "neutron:revision_number": str(router.revision_number),
            "neutron:availability_zone_hints": "",
            "neutron:gw_port_id": " ".join(leg.port.id for leg in outer),
        },
        "options": {
            # Neighbours are asked for when they are needed, not learnt from whatever they ask.
            "always_learn_from_arp_request": "false",
            "dynamic_neigh_routers": "true",
            **({"mcast_relay": "true"} if router.multicast_relay else {}),
            **tunnel_key(router.tunnel_key),
        },
    }
    return row("Logical_Router", names.logical_router(router.id), columns)


def _port(router: Router, leg: Leg, inner: Iterable[Leg], outer: list[Leg]) -> Row:
    cidrs = [f"{address}/{prefix_length(subnet)}" for address, subnet in leg.addresses()]
    columns: dict[str, Value] = {
        "mac": leg.port.mac_address,
        "networks": frozenset(cidrs),
        "enabled": leg.port.admin_state_up,
        "ipv6_ra_configs": {} if leg.is_gateway else _advertised(leg),
        "options": {**_length(leg, inner), **({} if leg.is_gateway else _options(leg, outer))},
        "external_ids": {
            "neutron:cidrs": " ".join(cidrs),
            "neutron:network_name": names.logical_switch(leg.network.id),
            "neutron:revision_number": str(leg.port.revision_number),
            "neutron:router_name": router.id,
            "neutron:subnet_ids": " ".join(subnet.id for subnet in leg.subnets),
        },
    }
    return row("Logical_Router_Port", names.router_port(leg.port.id), columns, _hold(router, "ports"))


def _length(leg: Leg, inner: Iterable[Leg]) -> dict[str, str]:
    """What comes from a tenant's network with a larger MTU and is too large is answered with 'fragmentation
    needed' or 'packet too big' (RFC 1191, RFC 8201), at a price: packets to there are measured, and nothing
    of the router's floating IPs is fast. So it isn't for what comes from outside, where 1500 is the rule."""
    larger = any(other.network.mtu > leg.network.mtu for other in inner)
    return {"gateway_mtu": str(leg.network.mtu)} if larger else {}


def _options(leg: Leg, outer: list[Leg]) -> dict[str, str]:
    """On a physical network the router's MAC may appear in one place only; the gateway is one."""
    physical = leg.network.physical_network is not None and len(outer) == 1
    return {"reside-on-redirect-chassis": "true"} if physical else {}


def _advertised(leg: Leg) -> dict[str, str]:
    """Prefixes are those of the port's networks (ovn-nb(5), ipv6_ra_configs:address_mode)."""
    subnet = next((s for s in leg.subnets if s.ip_version == 6 and s.ipv6_ra_mode), None)
    if subnet is None or subnet.ipv6_ra_mode is None:
        return {}
    servers = [server for server in subnet.dns_nameservers if ":" in server]
    return {
        "address_mode": RA_MODES[subnet.ipv6_ra_mode],
        "send_periodic": "true",
        "mtu": str(leg.network.mtu),
        **({"rdnss": servers[0]} if servers else {}),
    }


def _snats(router: Router, leg: Leg, inner: Iterable[Leg]) -> Iterator[Row]:
    """IPv6 goes out as it is: every machine has an address of its own. So does what is of the same scope."""
    outside = next((address for address, s in leg.addresses() if s.ip_version == 4), None)
    others = [other for other in inner if leg.scopes[0] is None or other.scopes[0] != leg.scopes[0]]
    subnets = {s.id: s for other in others for s in other.subnets if s.ip_version == 4}
    if outside is None:
        return
    for subnet in subnets.values():
        columns: dict[str, Value] = {
            "type": "snat",
            "external_ip": outside,
            "logical_ip": subnet.cidr,
            "gateway_port": Ref("Logical_Router_Port", names.router_port(leg.port.id)),
            "external_ids": {"neutron:router_name": router.id},
        }
        yield row("NAT", f"snat {leg.port.id} {subnet.id}", columns, _hold(router, "nat"))


def _default_routes(router: Router, outer: Iterable[Leg]) -> Iterator[Row]:
    """By the first gateway that knows one, of each family; with ECMP by all of them.

    With BFD (RFC 5880, 5881) northd leaves a route out while the station does not answer.
    """
    taken: set[int] = set()
    for leg in outer:
        found = {s.id: s for s in leg.subnets if s.gateway_ip and s.ip_version not in taken}
        for subnet in found.values():
            port = names.router_port(leg.port.id)
            prefix, hop = EVERYWHERE[subnet.ip_version], subnet.gateway_ip or ""
            session = _session(router, leg, subnet, hop) if router.enable_default_route_bfd else None
            if session is not None:
                yield session
            yield _route(router, f"default {leg.port.id} {subnet.id}", prefix, hop, port, session)
        if not router.enable_default_route_ecmp:
            taken |= {subnet.ip_version for subnet in found.values()}


def _session(router: Router, leg: Leg, subnet: Subnet, hop: str) -> Row:
    columns: dict[str, Value] = {
        "logical_port": names.router_port(leg.port.id),
        "dst_ip": hop,
        "external_ids": {"neutron:router_name": router.id},
    }
    return row("BFD", f"default {leg.port.id} {subnet.id} {hop}", columns)


def _extra_routes(router: Router) -> Iterator[Row]:
    for route in router.routes:
        key = f"route {router.id} {route.destination} {route.nexthop}"
        yield _route(router, key, route.destination, route.nexthop, None)


def _route(
    router: Router, key: str, prefix: str, nexthop: str, port: str | None, session: Row | None = None
) -> Row:
    columns: dict[str, Value] = {
        "ip_prefix": prefix,
        "nexthop": nexthop,
        "output_port": port,
        "policy": None,
        "bfd": session.ref if session else None,
        "external_ids": {"neutron:router_name": router.id},
    }
    return row("Logical_Router_Static_Route", key, columns, _hold(router, "static_routes"))
