"""Two containers' links without containers, and the frames that they would send."""

import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from sealane.fastpath import bpf, elf, hooks, layout
from sealane.fastpath.build import OBJECT
from sealane.fastpath.cache import Cache, Port
from sealane.fastpath.layout import Reason
from sealane.host import netns
from tests.e2e.overlay import frames
from tests.e2e.overlay.frames import IPV4, IPV6, Station
from tests.netns.hosts import Space

BLUE = "11111111-2222-4333-8444-555555555555"
RED = "99999999-2222-4333-8444-555555555555"
ANN = Station("02:00:00:00:00:0a", "10.0.0.10", "fd00::a")
BOB = Station("02:00:00:00:00:0b", "10.0.0.11", "fd00::b")
PASSES, REDIRECTED = 0xFFFFFFFF, 7
SYN, ACK, FIN, RST = 0x02, 0x10, 0x01, 0x04


def tcp4(source: Station, target: Station, text: str = "data", flags: int = ACK) -> bytes:
    return frames._ipv4(source.v4, target.v4, frames.TCP, tcp(text, flags))


def tcp6(source: Station, target: Station, text: str = "data", flags: int = ACK) -> bytes:
    return frames._ipv6(source.v6, target.v6, frames.TCP, tcp(text, flags))


def tcp(text: str, flags: int) -> bytes:
    """Between port 4000 and itself; the programs leave its checksum to the receiver."""
    return struct.pack("!HHIIBBHHH", 4000, 4000, 1, 1, 5 << 4, flags, 1000, 0, 0) + text.encode()


def udp4(source: Station, target: Station, ports: tuple[int, int] = (4000, 4000)) -> bytes:
    return frames.udp4(source, target, "data", ports)


def udp6(source: Station, target: Station, ports: tuple[int, int] = (4000, 4000)) -> bytes:
    return frames.udp6(source, target, "data", ports)


T = TypeVar("T")
KINDS = {"tcp4": (tcp4, IPV4), "tcp6": (tcp6, IPV6), "udp4": (udp4, IPV4), "udp6": (udp6, IPV6)}


@dataclass
class Bench:
    """Ann's and Bob's links in a space of their own, and the programs, which are attached to none of them."""

    space: Space
    cache: Cache
    ann: Port
    bob: Port

    def leaves(self, port: Port, frame: bytes, gso_size: int = 0) -> Reason:
        """Why the frame went where it went; whether it did is asserted here."""
        before = self.cache.reasons(port.link)
        verdict = self._run("leave", port.link, frame, gso_size)
        after = self.cache.reasons(port.link)
        (reason,) = [r for r in Reason if after[r][0] != before[r][0]]
        assert after[reason] == (before[reason][0] + 1, before[reason][1] + len(frame))
        assert verdict == (REDIRECTED if reason is Reason.FAST else PASSES)
        return reason

    def arrives(self, port: Port, frame: bytes) -> None:
        assert self._run("arrive", port.door, frame, 0) == PASSES

    def passes(self, source: Port, target: Port, frame: bytes) -> Reason:
        """The slow way through a switch that lets everything pass."""
        reason = self.leaves(source, frame)
        if reason is not Reason.FAST:
            self.arrives(target, frame)
        return reason

    def establish(self, kind: str = "tcp4") -> tuple[bytes, bytes]:
        """A flow that is fast in both directions; the frames of either."""
        there, back = between(kind, ANN, BOB), between(kind, BOB, ANN)
        reasons = [self.passes(*way) for way in ((self.ann, self.bob, there), (self.bob, self.ann, back))]
        assert Reason.FAST not in reasons
        assert self.leaves(self.ann, there) == self.leaves(self.bob, back) == Reason.FAST
        return there, back

    def age(self, **seconds: float) -> None:
        """Make the only flow's times older: sent_at, passed_at."""
        self._change_times(lambda name, time: max(0, time - int(seconds[name] * 1e9)), seconds)

    def as_just_now(self) -> None:
        """The only flow is as new as ever, however long it took to get here."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - 20_000_000  # theirs is up to a tick behind
        self._change_times(lambda name, time: now if time else 0, ("sent_at", "passed_at"))

    def _change_times(self, change: Callable[[str, int], int], names: Iterable[str]) -> None:
        table = {one.name: one for one in layout.MAPS}["flows"]
        descriptor = self.cache._maps["flows"]
        (flow,) = self.cache.flows()
        found = bpf.lookup(descriptor, table, flow.key)
        assert found
        told = dict(layout.FLOW.unpack(found[0]))
        for name in names:
            times = told[name]
            assert isinstance(times, tuple)
            told[name] = tuple(change(name, time) for time in times)
        bpf.update(descriptor, table, flow.key, layout.FLOW.pack(**told))

    def within(self, action: Callable[[], T]) -> T:
        return netns.inside(f"/proc/{self.space.pid}/ns/net", action)

    def _run(self, name: str, link: int, frame: bytes, gso_size: int) -> int:
        program = self.cache._programs[name]
        ran = self.within(lambda: bpf.run(program, frame, link, gso_size))
        assert ran.packet == frame, "the programs change nothing"
        return ran.verdict


def between(kind: str, source: Station, target: Station) -> bytes:
    make, ethertype = KINDS[kind]
    return frames.ethernet(source, target, ethertype, make(source, target))


@contextmanager
def links() -> Iterator[Space]:
    space = Space()
    try:
        for link in ("slhann", "slsann", "slhbob", "slsbob"):
            space.run("ip", "link", "add", link, "type", "veth", "peer", "name", f"p{link}")
        yield space
    finally:
        space.close()


@contextmanager
def bench(space: Space, entries: int = 64, at: hooks.Hooks | None = None) -> Iterator[Bench]:
    """`entries`: so many flows there is room for; `at`: where the programs are at the links, or else
    where this kernel has them."""
    maps = {
        one.name: bpf.create_map(replace(one, entries=entries) if one.name == "flows" else one)
        for one in layout.MAPS
    }
    cache = Cache(maps, elf.read(OBJECT.read_bytes()), at or hooks.chosen("auto"))
    made = Bench(space, cache, _port(space, "ann", ANN), _port(space, "bob", BOB))
    try:
        made.within(lambda: cache.set_ports((made.ann, made.bob)))
        cache.switch(True)
        cache.resume()
        yield made
    finally:
        cache.close()


def _port(space: Space, name: str, who: Station) -> Port:
    link, door = (index(space, f"{kind}{name}") for kind in ("slh", "sls"))
    return Port(link, door, BLUE, who.mac, (who.v4, who.v6), 1442)


def index(space: Space, link: str) -> int:
    return netns.inside(f"/proc/{space.pid}/ns/net", lambda: socket.if_nametoindex(link))
