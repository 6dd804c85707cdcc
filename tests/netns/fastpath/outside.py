"""Ann behind the router with a floating IP, and a station outside on a physical network."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, ip_network

from sealane.fastpath import bpf
from sealane.fastpath.floating import Floating
from sealane.fastpath.layout import Reason
from sealane.fastpath.rows import Route, World
from tests.e2e.overlay import frames
from tests.e2e.overlay.frames import IPV4, TCP, Station
from tests.netns.fastpath import packets, routed
from tests.netns.fastpath.packets import ACK, ANN, PASSES
from tests.netns.fastpath.routed import BLUE_LEG, EVE, ROUTER, Site, with_hops
from tests.netns.hosts import Space

NEXT = Station("02:00:00:00:02:01", "203.0.113.1", "2001:db8::1")
"""The station to which the router sends what is for the world."""
WORLD = replace(NEXT, v4="192.0.2.9")
PUBLIC = Station("fa:16:3e:00:00:50", "203.0.113.80", "")
"""Ann, as the outside knows her."""
OUTSIDE_VNI, MTU = 0x14, 1500
LINK, OTHER = "slplan", "slpother"
KINDS = ("tcp", "udp", "plain")
"""The last one is UDP without a checksum."""


def said(
    kind: str,
    source: Station,
    target: Station,
    hops: int = 64,
    flags: int = ACK,
    ports: tuple[int, int] = (4000, 4000),
) -> bytes:
    """With right checksums."""
    if kind == "tcp":
        body = struct.pack("!HH", *ports) + packets.tcp("data", flags)[4:]
        pseudo = frames._ip(source.v4) + frames._ip(target.v4) + struct.pack("!HH", TCP, len(body))
        body = body[:16] + struct.pack("!H", frames._sum(pseudo + body)) + body[18:]
        packet = frames._ipv4(source.v4, target.v4, TCP, body)
    else:
        packet = frames.udp4(source, target, "data", ports)
        packet = packet if kind == "udp" else packet[:26] + b"\0\0" + packet[28:]
    return with_hops(frames.ethernet(source, target, IPV4, packet), hops)


def asked(kind: str, **values: int) -> bytes:
    """Ann's, as she sends it to the router."""
    return said(kind, ANN, replace(WORLD, mac=BLUE_LEG.mac), **values)


def out(kind: str, hops: int = 63, **values: int) -> bytes:
    """The same, as it leaves for the outside."""
    return said(kind, PUBLIC, WORLD, hops, **values)


def back(kind: str, **values: int) -> bytes:
    """The world's, as it comes."""
    return said(kind, WORLD, PUBLIC, **values)


def brought(kind: str, hops: int = 63, **values: int) -> bytes:
    """The same, as the router brings it to Ann."""
    return said(kind, replace(WORLD, mac=BLUE_LEG.mac), ANN, hops, **values)


@dataclass
class Outside(Site):
    outer: int
    """Index of the link to the physical network."""
    floating: Floating = field(init=False)

    def __post_init__(self) -> None:
        fixed, address = IPv4Network(ANN.v4), IPv4Address(PUBLIC.v4)
        self.floating = Floating(ROUTER, fixed, address, PUBLIC.mac, OUTSIDE_VNI, self.outer, MTU)

    def lead(self, *floating: Floating, routes: tuple[Route, ...] | None = None) -> None:
        """By these, and with a default route to the outside unless others are given."""
        told = (*routed.routes(), Route(ROUTER, ip_network("0.0.0.0/0"), None, OUTSIDE_VNI))
        given = told if routes is None else routes
        ports = (self.ann, self.eve)
        world = World(given, translated=floating)
        self.within(lambda: self.cache.set_ports(ports, self.underlay, world))
        self.cache.resume()

    def emerges(self, frame: bytes, link: int = 0) -> None:
        assert self._run("emerge", link or self.outer, frame, 0) == PASSES

    def enters(self, frame: bytes, gso_size: int = 0) -> Reason:
        return self.entered(frame, gso_size)[0]

    def entered(self, frame: bytes, gso_size: int = 0) -> tuple[Reason, bytes]:
        """And the frame as it has become."""
        return self._tried("enter", self.outer, frame, self.cache.landed, gso_size)

    def ignores(self, frame: bytes) -> bool:
        """It passes, and is not counted."""
        before = self.cache.landed()
        ran = self.within(lambda: bpf.run(self.cache._programs["enter"], frame, self.outer))
        return (ran.verdict, ran.packet, self.cache.landed()) == (PASSES, frame, before)

    def talk(self, kind: str = "tcp") -> None:
        """A flow between Ann and the world that is fast in both directions."""
        assert self.leaves(self.ann, asked(kind)) == Reason.NEW
        self.emerges(out(kind))
        assert self.enters(back(kind)) == Reason.NEW
        self.arrives(self.ann, brought(kind))
        assert self.leaves(self.ann, asked(kind)) == self.enters(back(kind)) == Reason.FAST


@contextmanager
def outside(space: Space) -> Iterator[Outside]:
    with routed.site(space) as site:
        made = Outside(space, site.cache, site.ann, site.eve, site.underlay, packets.index(space, LINK))
        made.lead(made.floating)
        yield made


__all__ = ["EVE", "Outside"]
