"""Ann in one network, Eve in another one on this host and Fay on another host: a router between them."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_network

from sealane.fastpath.layout import Reason
from sealane.fastpath.rows import Leg, Port, Route, World
from tests.e2e.overlay import frames
from tests.e2e.overlay.frames import Station
from tests.netns.fastpath import tunnels
from tests.netns.fastpath.packets import ANN, between
from tests.netns.fastpath.tunnels import ANNS, BOBS, HERE, THERE, VNI, Tunnel, Wire
from tests.netns.hosts import Space

GREEN = "77777777-2222-4333-8444-555555555555"
EVE = Station("02:00:00:00:01:0e", "10.0.1.14", "fd01::e")
FAY = Station("02:00:00:00:01:0f", "10.0.1.15", "fd01::f")
GREEN_VNI, EVES, FAYS = 0x27, BOBS, 8
ROUTER, OTHER_ROUTER = 0x2B, 0x2C
BLUE_LEG = Leg(VNI, 0x18, "0a:00:00:00:00:01")
GREEN_LEG = Leg(GREEN_VNI, 0x28, "0a:00:00:00:00:02")
OUT = Tunnel("169.254.77.2", THERE, GREEN_LEG.number, FAYS, vni=GREEN_VNI, mac=tunnels.TUNNEL_MAC)
IN = Tunnel(THERE, HERE, BLUE_LEG.number, ANNS, vni=VNI)
"""As the router has them on either host: it puts a packet on the receiver's network where the sender is."""


def routes(router: int = ROUTER) -> tuple[Route, ...]:
    told = (
        ("10.0.0.0/24", BLUE_LEG),
        ("fd00::/64", BLUE_LEG),
        ("10.0.1.0/24", GREEN_LEG),
        ("fd01::/64", GREEN_LEG),
    )
    return tuple(Route(router, ip_network(subnet), leg) for subnet, leg in told)


def leg_of(who: Station) -> Leg:
    return BLUE_LEG if who is ANN else GREEN_LEG


def asked(kind: str, source: Station, target: Station, hops: int = 64) -> bytes:
    """As its sender sends it: to the router's MAC."""
    return with_hops(between(kind, source, replace(target, mac=leg_of(source).mac)), hops)


def routed(kind: str, source: Station, target: Station, hops: int = 63) -> bytes:
    """As its receiver gets it: from the router's MAC there."""
    return with_hops(between(kind, replace(source, mac=leg_of(target).mac), target), hops)


def with_hops(frame: bytes, hops: int) -> bytes:
    """And with the right checksum over an IPv4 header."""
    if frame[12:14] != b"\x08\x00":
        return frame[:21] + bytes([hops]) + frame[22:]
    head = frame[14:22] + bytes([hops]) + frame[23:24] + b"\0\0" + frame[26:34]
    return frame[:14] + head[:10] + struct.pack("!H", frames._sum(head)) + head[12:] + frame[34:]


@dataclass
class Site(Wire):
    """Bob's link is Eve's."""

    @property
    def eve(self) -> Port:
        return self.bob

    def set_routes(self, told: tuple[Route, ...], *ports: Port) -> None:
        self.within(lambda: self.cache.set_ports(ports or (self.ann, self.eve), self.underlay, World(told)))
        self.cache.resume()

    def meet(self, kind: str = "tcp4") -> tuple[bytes, bytes]:
        """What Ann and Eve, on one host, say to each other by a flow that is fast in both directions."""
        there, back = asked(kind, ANN, EVE), asked(kind, EVE, ANN)
        assert self.leaves(self.ann, there) == Reason.NEW
        self.arrives(self.eve, routed(kind, ANN, EVE))
        assert self.leaves(self.eve, back) == Reason.NEW
        self.arrives(self.ann, routed(kind, EVE, ANN))
        assert self.leaves(self.ann, there) == self.leaves(self.eve, back) == Reason.FAST
        return there, back

    def call(self, kind: str = "tcp4") -> tuple[bytes, bytes]:
        """What Ann sends to Fay on the other host, and what comes from there in the tunnel."""
        there, back = asked(kind, ANN, FAY), routed(kind, FAY, ANN)
        assert self.leaves(self.ann, there) == Reason.NEW
        self.departs(OUT.around(routed(kind, ANN, FAY)))
        assert self.lands(IN.around(back)) == Reason.NEW
        self.arrives(self.ann, back)
        assert self.leaves(self.ann, there) == self.lands(IN.around(back)) == Reason.FAST
        return there, back


@contextmanager
def site(space: Space) -> Iterator[Site]:
    with tunnels.wire(space) as wire:
        addresses = (f"{EVE.v4}/24", f"{EVE.v6}/64")
        eve = replace(wire.bob, network=GREEN, mac=EVE.mac, addresses=addresses, vni=GREEN_VNI, number=EVES)
        made = Site(space, wire.cache, wire.ann, eve, wire.underlay)
        made.set_routes(routes())
        yield made
