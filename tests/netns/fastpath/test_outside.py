"""Every branch of the programs for what goes out by the gateway and comes in by it (BPF_PROG_TEST_RUN)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from sealane.fastpath import bpf
from sealane.fastpath.cache import Port
from sealane.fastpath.layout import Reason
from tests.e2e.overlay import frames
from tests.e2e.overlay.frames import Station
from tests.netns.fastpath import packets
from tests.netns.fastpath.packets import (
    ANN,
    BLUE,
    BOB,
    FIN,
    KINDS,
    PASSES,
    RED,
    REDIRECTED,
    RST,
    SYN,
    Bench,
    between,
)
from tests.netns.fastpath.test_programs import IP, TRANSPORT4, put, resummed
from tests.netns.hosts import Space

GATEWAY = Station("0a:00:00:00:00:01", "10.0.0.1", "fd00::1")
WORLD = replace(GATEWAY, v4="192.0.2.9", v6="2001:db8::9")
"""Somebody outside: all that comes from there has the gateway's MAC."""
ROUTER = "fa:16:3e:00:00:01"


@dataclass
class Gate:
    """Ann's and Bob's links, and their network's gateway's."""

    bench: Bench
    ann: Port
    bob: Port
    way: Port

    def set(self, *ports: Port) -> None:
        self.bench.within(lambda: self.bench.cache.set_ports(ports))
        self.bench.cache.resume()

    def establish(self, kind: str = "tcp4") -> tuple[bytes, bytes]:
        """A flow between Ann and the world that is fast in both directions; the frames of either."""
        out, back = between(kind, ANN, WORLD), between(kind, WORLD, ANN)
        assert Reason.FAST not in (self.passes(out), self.comes(back))
        assert self.bench.leaves(self.ann, out) == self.bench.leaves(self.way, back) == Reason.FAST
        return out, back

    def passes(self, out: bytes) -> Reason:
        return self.bench.passes(self.ann, self.way, out)

    def comes(self, back: bytes) -> Reason:
        return self.bench.passes(self.way, self.ann, back)

    def turned(self, port: Port, frame: bytes) -> bytes:
        """What is handed over, where that is another frame than the one that was sent."""
        program = self.bench.cache._programs["leave"]
        ran = self.bench.within(lambda: bpf.run(program, frame, port.link, 0))
        assert ran.verdict == REDIRECTED
        return ran.packet


def way(space: Space, name: str, network: str) -> Port:
    link, door = (packets.index(space, f"{kind}{name}") for kind in ("slg", "slw"))
    addresses = (f"{GATEWAY.v4}/24", f"{GATEWAY.v6}/64")
    return Port(link, door, network, GATEWAY.mac, addresses, 1442, outside=True)


@pytest.fixture(scope="module")
def house() -> Iterator[Space]:
    with packets.links() as space:
        for link in ("slgblue", "slwblue", "slgred", "slwred", "slhred", "slsred"):
            space.run("ip", "link", "add", link, "type", "veth", "peer", "name", f"p{link}")
        yield space


@pytest.fixture
def gate(house: Space) -> Iterator[Gate]:
    with packets.bench(house) as bench:
        ann, bob = (
            replace(port, addresses=(f"{port.addresses[0]}/24", f"{port.addresses[1]}/64"))
            for port in (bench.ann, bench.bob)
        )
        made = Gate(bench, ann, bob, way(house, "blue", BLUE))
        made.set(ann, bob, made.way)
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_is_fast_once_both_directions_came_out_of_the_switch(gate: Gate, kind: str) -> None:
    out, back = between(kind, ANN, WORLD), between(kind, WORLD, ANN)
    assert gate.bench.leaves(gate.ann, out) == Reason.NEW
    gate.bench.arrives(gate.way, out)
    assert gate.bench.leaves(gate.ann, out) == Reason.LEARNING
    assert gate.bench.leaves(gate.way, back) == Reason.NEW
    assert gate.bench.leaves(gate.way, back) == Reason.LEARNING
    gate.bench.arrives(gate.ann, back)
    assert gate.bench.leaves(gate.ann, out) == gate.bench.leaves(gate.way, back) == Reason.FAST
    (flow,) = gate.bench.cache.flows()
    assert (flow.packets, flow.octets) == ((1, 1), (len(out), len(back)))


def test_the_gateways_own_addresses_are_as_a_containers(gate: Gate) -> None:
    """By which the host asks where the client's own address can't be answered."""
    out, back = between("tcp4", ANN, GATEWAY), between("tcp4", GATEWAY, ANN)
    assert (gate.passes(out), gate.comes(back)) == (Reason.NEW, Reason.NEW)
    assert gate.bench.leaves(gate.ann, out) == gate.bench.leaves(gate.way, back) == Reason.FAST


OUTWARD = {
    "to nobody of the sender's own subnet": (IP + 16, b"\x0a\0\0\x63", Reason.ELSEWHERE),
    "to Bob": (IP + 16, frames._ip(BOB.v4), Reason.ROUTED),
    "by another MAC": (0, frames._mac(ROUTER), Reason.ELSEWHERE),
    "by Bob's MAC": (0, frames._mac(BOB.mac), Reason.ELSEWHERE),
    "to all MACs": (0, b"\xff" * 6, Reason.ELSEWHERE),
    "from an address of the world's": (IP + 12, frames._ip("192.0.2.7"), Reason.SENDER),
    "from Bob's address": (IP + 12, frames._ip(BOB.v4), Reason.SENDER),
    "from the gateway's address": (IP + 12, frames._ip(GATEWAY.v4), Reason.SENDER),
    "from the gateway's MAC": (6, frames._mac(GATEWAY.mac), Reason.SENDER),
    "FIN": (TRANSPORT4 + 13, bytes([FIN | 0x10]), Reason.BEGINS_OR_ENDS),
    "a fragment": (IP + 6, b"\x20\x00", Reason.FRAGMENT),
    "another port": (TRANSPORT4 + 2, b"\x0f\xa1", Reason.NEW),
    "to another address": (IP + 16, frames._ip("192.0.2.10"), Reason.NEW),
}


@pytest.mark.parametrize("what", OUTWARD)
def test_what_goes_out_and_is_in_doubt_goes_to_the_switch(gate: Gate, what: str) -> None:
    offset, new, reason = OUTWARD[what]
    out, _ = gate.establish()
    assert gate.bench.leaves(gate.ann, resummed(put(out, offset, new))) == reason
    ended = reason is Reason.BEGINS_OR_ENDS
    assert gate.bench.leaves(gate.ann, out) == (Reason.NEW if ended else Reason.FAST)


INWARD = {
    "from Bob's address": (IP + 12, frames._ip(BOB.v4), Reason.SENDER),
    "from nobody of the receiver's subnet": (IP + 12, b"\x0a\0\0\x63", Reason.SENDER),
    "from another MAC": (6, frames._mac(ROUTER), Reason.SENDER),
    "to another MAC": (0, frames._mac(BOB.mac), Reason.ROUTED),
    "to nobody here": (IP + 16, b"\x0a\0\0\x63", Reason.ELSEWHERE),
    "back to the world": (IP + 16, frames._ip("192.0.2.7"), Reason.ELSEWHERE),
    "RST": (TRANSPORT4 + 13, bytes([RST]), Reason.BEGINS_OR_ENDS),
    "to Bob, who has it not": (0, frames._mac(BOB.mac) + frames._mac(GATEWAY.mac), Reason.ROUTED),
    "from another address": (IP + 12, frames._ip("192.0.2.10"), Reason.NEW),
}


@pytest.mark.parametrize("what", INWARD)
def test_what_comes_in_and_is_in_doubt_goes_to_the_switch(gate: Gate, what: str) -> None:
    offset, new, reason = INWARD[what]
    _, back = gate.establish()
    assert gate.bench.leaves(gate.way, resummed(put(back, offset, new))) == reason
    ended = reason is Reason.BEGINS_OR_ENDS
    assert gate.bench.leaves(gate.way, back) == (Reason.NEW if ended else Reason.FAST)


def test_nobody_speaks_for_the_world(gate: Gate) -> None:
    """Bob, as the world by the gateway's MAC or by his own: it is no packet of the flow, and ends none."""
    out, back = gate.establish()
    for flags in (0x10, RST, SYN):
        said = put(back, TRANSPORT4 + 13, bytes([flags]))
        assert gate.bench.leaves(gate.bob, said) == Reason.SENDER
        assert gate.bench.leaves(gate.bob, put(said, 6, frames._mac(BOB.mac))) == Reason.SENDER
    assert gate.bench.leaves(gate.ann, out) == gate.bench.leaves(gate.way, back) == Reason.FAST


def test_only_what_the_gateway_sent_to_the_switch_is_learned(gate: Gate) -> None:
    out, back = between("tcp4", ANN, WORLD), between("tcp4", WORLD, ANN)
    gate.passes(out)
    gate.bench.arrives(gate.ann, back)
    assert gate.bench.leaves(gate.way, back) == Reason.NEW
    gate.bench.arrives(gate.ann, put(back, 6, frames._mac(BOB.mac)))
    gate.bench.arrives(gate.bob, back)
    gate.bench.arrives(gate.way, back)
    assert gate.bench.leaves(gate.way, back) == Reason.LEARNING
    gate.bench.arrives(gate.ann, back)
    assert gate.bench.leaves(gate.way, back) == Reason.FAST


def test_what_arrives_at_the_gateway_with_another_mac_is_not_learned(gate: Gate) -> None:
    out, back = between("tcp4", ANN, WORLD), between("tcp4", WORLD, ANN)
    gate.comes(back)
    gate.bench.leaves(gate.ann, out)
    gate.bench.arrives(gate.way, put(out, 0, frames._mac(ROUTER)))
    gate.bench.arrives(gate.way, put(out, 6, frames._mac(BOB.mac)))
    gate.bench.arrives(gate.bob, out)
    assert gate.bench.leaves(gate.ann, out) == Reason.LEARNING
    gate.bench.arrives(gate.way, out)
    assert gate.bench.leaves(gate.ann, out) == Reason.FAST


def test_a_pause_ends_what_was_learned(gate: Gate) -> None:
    out, back = gate.establish()
    gate.bench.cache.pause()
    assert gate.bench.leaves(gate.ann, out) == gate.bench.leaves(gate.way, back) == Reason.PAUSED
    gate.bench.cache.resume()
    assert gate.bench.leaves(gate.ann, out) == gate.bench.leaves(gate.way, back) == Reason.NEW


def test_without_the_gateway_there_is_no_outside(gate: Gate) -> None:
    out, _ = gate.establish()
    gate.set(gate.ann, gate.bob)
    assert gate.bench.leaves(gate.ann, out) == Reason.ELSEWHERE


def test_networks_with_the_same_addresses_have_nothing_in_common(gate: Gate, house: Space) -> None:
    """Another tenant's container of Ann's address and MAC, a gateway of the same MAC, the same peer."""
    red = replace(way(house, "red", RED), network=RED)
    rita = replace(
        gate.ann,
        network=RED,
        link=packets.index(house, "slhred"),
        door=packets.index(house, "slsred"),
    )
    gate.set(gate.ann, gate.bob, gate.way, rita, red)
    out, back = gate.establish()
    assert gate.bench.leaves(rita, out) == Reason.NEW
    assert gate.bench.leaves(red, back) == Reason.NEW
    gate.bench.arrives(gate.way, out)
    gate.bench.arrives(gate.ann, back)
    assert gate.bench.leaves(rita, out) == gate.bench.leaves(red, back) == Reason.LEARNING
    gate.bench.arrives(red, out)
    gate.bench.arrives(rita, back)
    assert gate.bench.leaves(rita, out) == gate.bench.leaves(red, back) == Reason.FAST
    assert len(list(gate.bench.cache.flows())) == 2


# beside a router


def routed(frame: bytes) -> bytes:
    return put(frame, 0, frames._mac(ROUTER))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_asked_by_the_host_is_answered_by_the_host(gate: Gate, kind: str) -> None:
    """Though Ann sends her answer to the router's MAC: on the slow way another program turns it."""
    gate.set(replace(gate.ann, answers=True), gate.bob, gate.way)
    asked, answer = between(kind, WORLD, ANN), between(kind, ANN, WORLD)
    assert gate.bench.leaves(gate.ann, routed(answer)) == Reason.ELSEWHERE
    assert gate.comes(asked) == Reason.NEW
    assert gate.bench.leaves(gate.ann, routed(answer)) == Reason.NEW
    gate.bench.arrives(gate.way, answer)
    assert gate.bench.leaves(gate.way, asked) == Reason.FAST
    assert gate.turned(gate.ann, routed(answer)) == answer
    (flow,) = gate.bench.cache.flows()
    assert flow.packets == (1, 1)


def test_what_a_published_container_begins_goes_to_the_router(gate: Gate) -> None:
    gate.set(replace(gate.ann, answers=True), gate.bob, gate.way)
    gate.establish()
    other = routed(resummed(put(between("tcp4", ANN, WORLD), IP + 16, frames._ip("192.0.2.10"))))
    assert gate.bench.leaves(gate.ann, other) == Reason.ELSEWHERE
    assert (
        gate.bench.leaves(gate.ann, put(routed(between("tcp4", ANN, WORLD)), 0, b"\xff" * 6))
        == Reason.ELSEWHERE
    )
    gate.bench.cache.pause()
    gate.bench.cache.resume()
    assert gate.bench.leaves(gate.ann, routed(between("tcp4", ANN, WORLD))) == Reason.ELSEWHERE


def test_one_that_publishes_nothing_answers_by_its_routes(gate: Gate) -> None:
    out, _ = gate.establish()
    assert gate.bench.leaves(gate.ann, routed(out)) == Reason.ELSEWHERE


def test_a_frame_of_no_gateway_passes(gate: Gate) -> None:
    gate.set(gate.ann, gate.bob)
    back = between("tcp4", WORLD, ANN)
    assert gate.bench._run("leave", gate.way.link, back, 0) == PASSES
