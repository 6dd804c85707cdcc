"""What is in the maps when these are the ports and those the routes: rows by map, pure.

An endpoint is known by its address within its network, and within each router that leads to it: addresses of
one router's subnets do not overlap.  Of several routes to an address the longest counts, as it does for OVN.
"""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_interface

from sealane.fastpath import floating, layout
from sealane.fastpath.floating import Floating
from sealane.fastpath.layout import router_realm

FAMILIES = {4: 0x0800, 6: 0x86DD}
Rows = Mapping[bytes, bytes]


@dataclass(frozen=True)
class Port:
    """A container's link; `door` is the link by which Open vSwitch hands over what is for it."""

    link: int
    door: int
    network: str  # UUID
    mac: str
    addresses: tuple[str, ...]  # "10.0.0.2/24"; without a length it has no neighbour on another host
    mtu: int
    peer: bool = True  # the container's end is in another namespace
    vni: int = 0  # OVN's number of the network's datapath
    number: int = 0  # OVN's of the port in it; 0: not known, and nothing goes to or comes from other hosts
    outside: bool = False  # the gateway: every address that nobody of the network has is behind it
    answers: bool = False  # published beside a router: it answers the gateway, to whichever MAC


@dataclass(frozen=True)
class Leg:
    """Where a router is on a network."""

    vni: int  # OVN's number of the network's datapath
    number: int  # OVN's of the network's port to the router
    mac: str  # the router's


@dataclass(frozen=True)
class Route:
    router: int  # OVN's number of the router's datapath
    subnet: IPv4Network | IPv6Network
    leg: Leg | None  # on which whoever has such an address is itself; None: by a further hop, or not fast
    outside: int = 0  # OVN's number of the network to which it leads, if that is a physical one


@dataclass(frozen=True)
class World:
    """Of what is not on this host."""

    routes: tuple[Route, ...] = ()  # all that routers have, or none of a router's
    untracked: frozenset[int] = frozenset()  # datapaths of networks and routers that look at no connections
    peers: frozenset[IPv4Address] = frozenset()  # hosts to which there is a tunnel
    translated: tuple[Floating, ...] = ()  # floating IPs of this host's ports


ALONE = World()


def of(ports: Iterable[Port], world: World) -> Mapping[str, Rows]:
    """`ports`: those of this host."""
    ports = tuple(ports)
    return {
        "ports": dict(_port_rows(ports)),
        "endpoints": {**dict(_endpoint_rows(ports, world)), **dict(_routed_rows(ports, world))},
        "locators": dict(_locator_rows(ports)),
        "legs": dict(_leg_rows(world.routes)),
        "subnets": dict(_subnet_rows(world)),
        "peers": {address.packed: layout.PEER_HOST.pack() for address in world.peers},
        **floating.of(world.translated),
    }


def realm_of(packed: bytes) -> tuple[str, int]:
    """The network, or the number of the router."""
    number = int.from_bytes(packed, "big")
    return ("", number) if number < 1 << 32 else (str(uuid.UUID(bytes=packed)), 0)


def _port_rows(ports: Iterable[Port]) -> Iterator[tuple[bytes, bytes]]:
    for port in ports:
        value = _port_row(port)
        yield layout.link_key(port.link), value
        yield layout.link_key(port.door), value


def _locator_rows(ports: Iterable[Port]) -> Iterator[tuple[bytes, bytes]]:
    for port in ports:
        if port.number:
            yield layout.LOCATOR.pack(vni=port.vni, number=port.number), _port_row(port)


def _port_row(port: Port) -> bytes:
    return layout.PORT.pack(
        network=_network(port), mac=_mac(port.mac), link=port.link, vni=port.vni, number=port.number
    )


def _endpoint_rows(ports: Iterable[Port], world: World) -> Iterator[tuple[bytes, bytes]]:
    vnis = {port.network: port.vni for port in ports if port.vni}
    for port in ports:
        tracking = _tracking(world, vnis.get(port.network, 0))
        common = _common(port, tracking)
        if port.outside:
            key = layout.ENDPOINT_KEY.pack(realm=_network(port))
            yield key, layout.ENDPOINT.pack(**_common(port, tracking | layout.OUTSIDE))
        for text in port.addresses:
            interface = ip_interface(text)
            prefix = 128 - interface.ip.max_prefixlen + interface.network.prefixlen
            key = _endpoint_key(_network(port), interface.ip)
            yield key, layout.ENDPOINT.pack(**common, prefix=prefix)


def _tracking(world: World, *datapaths: int) -> int:
    return layout.UNTRACKED if world.untracked.issuperset(datapaths) else 0


def _routed_rows(ports: Iterable[Port], world: World) -> Iterator[tuple[bytes, bytes]]:
    """None for an address that several would have."""
    by_router: dict[int, list[Route]] = {}
    on_network: dict[int, set[int]] = {}
    for route in sorted(world.routes, key=lambda route: -route.subnet.prefixlen):
        by_router.setdefault(route.router, []).append(route)
        if route.leg:
            on_network.setdefault(route.leg.vni, set()).add(route.router)
    found = [
        (
            _endpoint_key(router_realm(router), address),
            layout.ENDPOINT.pack(**_common(port, _tracking(world, port.vni, router)), router=mac),
        )
        for port in ports
        if port.vni
        for router in on_network.get(port.vni, ())
        for address, mac in _reached(port, by_router[router])
    ]
    several = Counter(key for key, _ in found)
    yield from ((key, value) for key, value in found if several[key] == 1)


def _reached(port: Port, routes: list[Route]) -> Iterator[tuple[IPv4Address | IPv6Address, bytes]]:
    """Those of the port's addresses to which the router's routes, longest first, lead, and by which MAC."""
    for address in (ip_interface(text).ip for text in port.addresses):
        leg = next((r.leg for r in routes if address in r.subnet), None)
        if leg is not None and leg.vni == port.vni:
            yield address, _mac(leg.mac)


def _leg_rows(routes: Iterable[Route]) -> Iterator[tuple[bytes, bytes]]:
    for route in routes:
        if route.leg:
            key = layout.LEG_KEY.pack(vni=route.leg.vni, mac=_mac(route.leg.mac))
            yield key, layout.LEG.pack(realm=router_realm(route.router), number=route.leg.number)


def _subnet_rows(world: World) -> Iterator[tuple[bytes, bytes]]:
    fixed = 8 * (layout.SUBNET_KEY.size - 4) - 128
    for route in world.routes:
        address = route.subnet.network_address
        key = layout.SUBNET_KEY.pack(
            length=fixed + 128 - address.max_prefixlen + route.subnet.prefixlen,
            realm=router_realm(route.router),
            family=FAMILIES[address.version],
            address=layout.mapped(address.packed),
        )
        leg = route.leg
        yield (
            key,
            layout.SUBNET.pack(
                vni=leg.vni,
                mac=_mac(leg.mac),
                number=leg.number,
                flags=_tracking(world, leg.vni, route.router),
            )
            if leg
            else layout.SUBNET.pack(vni=route.outside),
        )


def _endpoint_key(realm: bytes, address: IPv4Address | IPv6Address) -> bytes:
    family = FAMILIES[address.version]
    return layout.ENDPOINT_KEY.pack(realm=realm, address=layout.mapped(address.packed), family=family)


def _common(port: Port, flags: int) -> dict[str, layout.Value]:
    return {"link": port.link, "flags": _flags(port) | flags, "mac": _mac(port.mac), "mtu": port.mtu}


def _flags(port: Port) -> int:
    return (layout.PEER if port.peer else 0) | (layout.ANSWERS if port.answers else 0)


def _network(port: Port) -> bytes:
    return uuid.UUID(port.network).bytes


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
