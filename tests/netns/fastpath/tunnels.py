"""Ann on this host, Carl on another one, and what goes between the hosts for them."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from pathlib import Path

from sealane.fastpath import bpf, elf, layout
from sealane.fastpath.build import OBJECT
from sealane.fastpath.cache import Cache, Counts, Port, Underlay
from sealane.fastpath.layout import Reason
from tests.e2e.overlay import frames
from tests.e2e.overlay.frames import Station
from tests.netns.fastpath import packets
from tests.netns.fastpath.packets import ANN, BOB, PASSES, REDIRECTED, Bench, between
from tests.netns.hosts import Space

CARL = Station("02:00:00:00:00:0c", "10.0.0.12", "fd00::c")
HERE, THERE, ELSEWHERE = "198.51.100.11", "198.51.100.12", "198.51.100.13"
"""Of hosts; the last one is no neighbour of ours."""
VNI, ANNS, BOBS, CARLS = 0x26, 5, 6, 7
"""OVN's numbers of the network and the ports."""
UNDERLAY, TUNNEL = "nic", "slx0"
UNDERLAY_MAC, TUNNEL_MAC, THERE_MAC = "02:00:00:00:01:01", "02:00:00:00:01:02", "02:00:00:00:01:03"


@dataclass(frozen=True)
class Tunnel:
    """Headers of a tunnel, right unless something is said."""

    source: str = THERE
    target: str = HERE
    sender: int = CARLS
    receiver: int = ANNS
    vni: int = VNI
    mac: str = UNDERLAY_MAC
    tos: int = 0
    port: int = 6081
    summed: int = 0
    geneve: bytes = b"\x02\x40\x65\x58"
    reserved: int = 0
    option: bytes = b"\x01\x02\x80\x01"
    further: bytes = b""  # options
    outer: Callable[[bytes], bytes] = field(default=lambda packet: packet)

    def around(self, inner: bytes) -> bytes:
        numbers = struct.pack("!HH", self.sender, self.receiver)
        vni = struct.pack("!I", self.vni << 8 | self.reserved)
        body = self.geneve + vni + self.option + numbers + self.further + inner
        udp = struct.pack("!HHHH", 40000, self.port, 8 + len(body), self.summed) + body
        packet = frames._ipv4(self.source, self.target, frames.UDP, udp)
        packet = self.outer(with_sum(packet[:1] + bytes([self.tos]) + packet[2:]))
        return frames._mac(self.mac) + frames._mac(THERE_MAC) + b"\x08\x00" + packet


IN = Tunnel()
OUT = Tunnel("169.254.77.2", THERE, ANNS, CARLS, mac=TUNNEL_MAC)
"""As Open vSwitch hands it over: the host puts its own address in later."""


def with_sum(packet: bytes) -> bytes:
    zeroed = packet[:10] + b"\0\0" + packet[12:]
    return zeroed[:10] + struct.pack("!H", frames._sum(zeroed[:20])) + zeroed[12:]


@dataclass
class Wire(Bench):
    """With an underlay; Bob is a second one here."""

    underlay: Underlay

    def leaves(self, port: Port, frame: bytes, gso_size: int = 0) -> Reason:
        return self.sends(port, frame, gso_size)[0]

    def sends(self, port: Port, frame: bytes, gso_size: int = 0) -> tuple[Reason, bytes]:
        """And the frame as it has become."""
        return self._tried("leave", port.link, frame, self.cache.reasons, gso_size)

    def lands(self, frame: bytes, gso_size: int = 0) -> Reason:
        return self.receives(frame, gso_size)[0]

    def receives(self, frame: bytes, gso_size: int = 0) -> tuple[Reason, bytes]:
        return self._tried("land", self.underlay.link, frame, self.cache.landed, gso_size)

    def departs(self, frame: bytes) -> None:
        assert self._run("depart", self.underlay.tunnel, frame, 0) == PASSES

    def _tried(
        self, name: str, link: int, frame: bytes, counts: Callable[[], Counts], gso_size: int
    ) -> tuple[Reason, bytes]:
        before = counts()
        ran = self.within(lambda: bpf.run(self.cache._programs[name], frame, link, gso_size))
        after = counts()
        (reason,) = [r for r in Reason if after[r][0] != before[r][0]]
        assert after[reason] == (before[reason][0] + 1, before[reason][1] + len(frame))
        assert ran.verdict == (REDIRECTED if reason is Reason.FAST else PASSES)
        assert reason is Reason.FAST or ran.packet == frame, "only what is fast is changed"
        return reason, ran.packet

    def establish(self, kind: str = "tcp4") -> tuple[bytes, bytes]:
        """The inner frames of a flow that is fast in both directions."""
        there, back = between(kind, ANN, CARL), between(kind, CARL, ANN)
        assert self.leaves(self.ann, there) == Reason.NEW
        self.departs(OUT.around(there))
        assert self.lands(IN.around(back)) == Reason.NEW
        self.arrives(self.ann, back)
        assert self.leaves(self.ann, there) == self.lands(IN.around(back)) == Reason.FAST
        return there, back


@contextmanager
def links() -> Iterator[Space]:
    with packets.links() as space:
        for name, mac, address in (
            (UNDERLAY, UNDERLAY_MAC, f"{HERE}/24"),
            (TUNNEL, TUNNEL_MAC, "169.254.77.1/30"),
        ):
            space.run("ip", "link", "add", name, "address", mac, "type", "veth", "peer", "name", f"p{name}")
            space.run("ip", "address", "add", address, "dev", name)
            for end in (name, f"p{name}"):
                space.run("ip", "link", "set", end, "up")
        space.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        neighbour(space)
        yield space


def neighbour(space: Space) -> None:
    words = ("ip", "neighbour", "replace", THERE, "lladdr", THERE_MAC, "dev", UNDERLAY, "nud", "permanent")
    space.run(*words)


def ports(space: Space) -> tuple[Port, Port]:
    """Ann's and Bob's, with the lengths of their subnets."""
    return tuple(  # type: ignore[return-value]
        replace(
            packets._port(space, name, who),
            addresses=(f"{who.v4}/24", f"{who.v6}/64"),
            vni=VNI,
            number=number,
        )
        for name, who, number in (("ann", ANN, ANNS), ("bob", BOB, BOBS))
    )


@contextmanager
def wire(space: Space, programs: Path = OBJECT) -> Iterator[Wire]:
    cache = Cache({one.name: bpf.create_map(one) for one in layout.MAPS}, elf.read(programs.read_bytes()))
    link, tunnel = (packets.index(space, name) for name in (UNDERLAY, TUNNEL))
    made = Wire(space, cache, *ports(space), Underlay(link, tunnel, IPv4Address(HERE)))
    try:
        made.within(lambda: cache.set_ports((made.ann, made.bob), made.underlay))
        cache.switch(True)
        cache.resume()
        yield made
    finally:
        cache.close()
