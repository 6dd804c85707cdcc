"""Every branch of the programs, run by the kernel on frames of ours (BPF_PROG_TEST_RUN)."""

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from sealane.fastpath.layout import Reason
from tests.e2e.overlay import frames
from tests.e2e.overlay.frames import IPV4, IPV6
from tests.netns.fastpath import packets
from tests.netns.fastpath.packets import ACK, ANN, BOB, FIN, KINDS, RED, RST, SYN, Bench, between
from tests.netns.hosts import Space

IP, TRANSPORT4, TRANSPORT6 = 14, 34, 54


def put(frame: bytes, offset: int, new: bytes) -> bytes:
    return frame[:offset] + new + frame[offset + len(new) :]


def resummed(frame: bytes) -> bytes:
    """With the right checksum in its IPv4 header again."""
    zeroed = put(frame, IP + 10, b"\0\0")
    return put(zeroed, IP + 10, struct.pack("!H", frames._sum(zeroed[IP : IP + 20])))


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_is_fast_once_both_directions_came_out_of_the_switch(bench: Bench, kind: str) -> None:
    there, back = between(kind, ANN, BOB), between(kind, BOB, ANN)
    assert bench.leaves(bench.ann, there) == Reason.NEW
    assert bench.leaves(bench.ann, there) == Reason.LEARNING
    bench.arrives(bench.bob, there)
    assert bench.leaves(bench.ann, there) == Reason.LEARNING
    assert bench.leaves(bench.bob, back) == Reason.NEW
    bench.arrives(bench.ann, back)
    assert bench.leaves(bench.ann, there) == Reason.FAST
    assert bench.leaves(bench.bob, back) == Reason.FAST
    (flow,) = bench.cache.flows()
    assert (flow.packets, flow.octets) == ((1, 1), (len(there), len(back)))
    assert {flow.low[1], flow.high[1]} == {4000} and flow.network == packets.BLUE


SLOW: dict[str, tuple[str, Callable[[bytes], bytes], Reason]] = {
    "arp": ("tcp4", lambda f: put(f, 12, b"\x08\x06"), Reason.NOT_IP),
    "a tag in the frame": ("tcp4", lambda f: f[:12] + b"\x81\x00\x00\x05" + f[12:], Reason.NOT_IP),
    "IPv4 TCP cut off": ("tcp4", lambda f: shortened(f, 12), Reason.SHORT),
    "IPv4 UDP cut off": ("udp4", lambda f: shortened(f, 4), Reason.SHORT),
    "options": ("tcp4", lambda f: put(f, IP, b"\x46"), Reason.OPTIONS),
    "version 6 in a frame of IPv4": ("tcp4", lambda f: put(f, IP, b"\x65"), Reason.OPTIONS),
    "version 4 in a frame of IPv6": ("tcp6", lambda f: put(f, IP, b"\x45"), Reason.OPTIONS),
    "first fragment": ("udp4", lambda f: resummed(put(f, IP + 6, b"\x20\x00")), Reason.FRAGMENT),
    "later fragment": ("udp4", lambda f: resummed(put(f, IP + 6, b"\x00\x10")), Reason.FRAGMENT),
    "reserved flag": ("udp4", lambda f: resummed(put(f, IP + 6, b"\x80\x00")), Reason.FRAGMENT),
    "IPv4 longer than the frame": ("tcp4", lambda f: f[:-1], Reason.LENGTH),
    "IPv4 shorter than the frame": ("tcp4", lambda f: f + b"\0", Reason.LENGTH),
    "IPv4 shorter than its header": ("tcp4", lambda f: put(f, IP + 2, b"\0\x13"), Reason.LENGTH),
    "IPv6 longer than the frame": ("tcp6", lambda f: f[:-1], Reason.LENGTH),
    "IPv6 shorter than the frame": ("tcp6", lambda f: f + b"\0", Reason.LENGTH),
    "TCP header too short": ("tcp4", lambda f: put(f, TRANSPORT4 + 12, b"\x40"), Reason.LENGTH),
    "TCP header longer than the packet": ("tcp4", lambda f: put(f, TRANSPORT4 + 12, b"\xf0"), Reason.LENGTH),
    "UDP too short": ("udp4", lambda f: put(f, TRANSPORT4 + 4, b"\0\x07"), Reason.LENGTH),
    "UDP longer than the packet": ("udp6", lambda f: put(f, TRANSPORT6 + 4, b"\0\xff"), Reason.LENGTH),
    "IPv4 checksum": ("tcp4", lambda f: put(f, IP + 10, b"\xde\xad"), Reason.CHECKSUM),
    "IPv6 UDP without checksum": ("udp6", lambda f: put(f, TRANSPORT6 + 6, b"\0\0"), Reason.CHECKSUM),
    "no time to live": ("tcp4", lambda f: resummed(put(f, IP + 8, b"\0")), Reason.HOPS),
    "no hop limit": ("tcp6", lambda f: put(f, IP + 7, b"\0"), Reason.HOPS),
    "ICMP": ("tcp4", lambda f: resummed(put(f, IP + 9, b"\x01")), Reason.PROTOCOL),
    "SCTP": ("tcp6", lambda f: put(f, IP + 6, b"\x84"), Reason.PROTOCOL),
    "IPv6 fragment": ("tcp6", lambda f: put(f, IP + 6, b"\x2c"), Reason.PROTOCOL),
    "IPv6 destination options": ("udp6", lambda f: put(f, IP + 6, b"\x3c"), Reason.PROTOCOL),
    "the sender's MAC is another": ("tcp4", lambda f: put(f, 6, b"\x02\0\0\0\0\x0c"), Reason.SENDER),
    "the sender has Bob's MAC": ("tcp4", lambda f: put(f, 6, frames._mac(BOB.mac)), Reason.SENDER),
    "an unknown sender's address": (
        "tcp4",
        lambda f: resummed(put(f, IP + 12, b"\x0a\0\0\x63")),
        Reason.SENDER,
    ),
    "Bob's address": ("udp4", lambda f: resummed(put(f, IP + 12, frames._ip(BOB.v4))), Reason.SENDER),
    "Bob's IPv6 address": ("tcp6", lambda f: put(f, IP + 8, frames._ip(BOB.v6)), Reason.SENDER),
    "SYN": ("tcp4", lambda f: put(f, TRANSPORT4 + 13, bytes([SYN])), Reason.BEGINS_OR_ENDS),
    "FIN": ("tcp4", lambda f: put(f, TRANSPORT4 + 13, bytes([FIN | 0x10])), Reason.BEGINS_OR_ENDS),
    "RST": ("tcp6", lambda f: put(f, TRANSPORT6 + 13, bytes([RST])), Reason.BEGINS_OR_ENDS),
    "to nobody here": (
        "tcp4",
        lambda f: resummed(put(f, IP + 16, b"\x0a\0\0\x63")),
        Reason.ELSEWHERE,
    ),
    "multicast": ("udp6", lambda f: put(f, IP + 24, frames._ip("ff02::1")), Reason.ELSEWHERE),
    "by a router's MAC": ("tcp4", lambda f: put(f, 0, b"\x0a\0\0\0\0\x01"), Reason.ROUTED),
    "to all MACs": ("udp4", lambda f: put(f, 0, b"\xff" * 6), Reason.ROUTED),
    "another port": ("tcp4", lambda f: put(f, TRANSPORT4 + 2, b"\x0f\xa1"), Reason.NEW),
    "an IPv4 address in IPv6": (
        "tcp6",
        lambda f: put(f, IP + 8, b"\0" * 12 + frames._ip(ANN.v4)),
        Reason.SENDER,
    ),
}


def shortened(frame: bytes, transport: int) -> bytes:
    """Only so many bytes behind the IPv4 header, and its length says so."""
    length = struct.pack("!H", 20 + transport)
    return resummed(put(frame[: TRANSPORT4 + transport], IP + 2, length))


@pytest.mark.parametrize("what", SLOW)
def test_what_is_in_doubt_goes_to_the_switch(bench: Bench, what: str) -> None:
    kind, change, reason = SLOW[what]
    there, _ = bench.establish(kind)
    assert bench.leaves(bench.ann, change(there)) == reason
    after = {Reason.BEGINS_OR_ENDS: Reason.LEARNING if what == "SYN" else Reason.NEW}
    assert bench.leaves(bench.ann, there) == after.get(reason, Reason.FAST)


@pytest.mark.parametrize("port", [53, 67, 68, 5353, 546, 547])
def test_what_the_switch_answers_itself_goes_there(bench: Bench, port: int) -> None:
    ipv6 = port in (546, 547)
    packet = (packets.udp6 if ipv6 else packets.udp4)(ANN, BOB, (4000, port))
    frame = frames.ethernet(ANN, BOB, IPV6 if ipv6 else IPV4, packet)
    assert bench.leaves(bench.ann, frame) == Reason.SERVICE


def test_one_that_pretends_to_be_the_other_ends_no_flow(bench: Bench) -> None:
    """Bob resets in Ann's name."""
    there, _ = bench.establish()
    assert bench.leaves(bench.bob, put(there, TRANSPORT4 + 13, bytes([RST]))) == Reason.SENDER
    assert bench.leaves(bench.ann, there) == Reason.FAST


def test_the_network_is_a_part_of_the_key(bench: Bench) -> None:
    """The same addresses and MACs in another tenant's network."""
    there, _ = bench.establish()
    moved = (replace(bench.ann, network=RED), bench.bob)
    bench.within(lambda: bench.cache.set_ports(moved))
    bench.cache.resume()
    assert bench.leaves(bench.ann, there) == Reason.ELSEWHERE


def test_only_what_its_sender_sent_to_the_switch_is_learned(bench: Bench) -> None:
    there, back = between("tcp4", ANN, BOB), between("tcp4", BOB, ANN)
    bench.arrives(bench.bob, there)
    bench.passes(bench.bob, bench.ann, back)
    assert bench.leaves(bench.ann, there) == Reason.NEW
    assert bench.leaves(bench.ann, there) == Reason.LEARNING


def test_what_arrives_elsewhere_or_with_another_mac_is_not_learned(bench: Bench) -> None:
    there, back = between("tcp4", ANN, BOB), between("tcp4", BOB, ANN)
    bench.passes(bench.bob, bench.ann, back)
    bench.leaves(bench.ann, there)
    bench.arrives(bench.ann, there)
    bench.arrives(bench.bob, put(there, 6, b"\x02\0\0\0\0\x0c"))
    bench.arrives(bench.bob, put(there, 0, b"\x02\0\0\0\0\x0c"))
    bench.arrives(bench.bob, put(there, TRANSPORT4 + 13, bytes([FIN])))
    assert bench.leaves(bench.ann, there) == Reason.LEARNING
    bench.arrives(bench.bob, there)
    assert bench.leaves(bench.ann, there) == Reason.FAST


def with_flags(frame: bytes, flags: int) -> bytes:
    return put(frame, TRANSPORT4 + 13, bytes([flags]))


def test_a_connection_is_fast_after_its_handshake(bench: Bench) -> None:
    """Of which connection tracking sees all three packets."""
    there, back = between("tcp4", ANN, BOB), between("tcp4", BOB, ANN)
    assert bench.passes(bench.ann, bench.bob, with_flags(there, SYN)) == Reason.BEGINS_OR_ENDS
    assert bench.passes(bench.bob, bench.ann, with_flags(back, SYN | ACK)) == Reason.BEGINS_OR_ENDS
    assert [bench.leaves(bench.ann, there) for _ in range(2)] == [Reason.KEEPALIVE, Reason.FAST]
    assert bench.leaves(bench.bob, back) == Reason.FAST


@pytest.mark.parametrize("lost", ["SYN", "its answer"])
def test_without_the_whole_handshake_it_is_not(bench: Bench, lost: str) -> None:
    there, back = between("tcp4", ANN, BOB), between("tcp4", BOB, ANN)
    bench.leaves(bench.ann, with_flags(there, SYN))
    if lost != "SYN":
        bench.arrives(bench.bob, with_flags(there, SYN))
    bench.leaves(bench.bob, with_flags(back, SYN | ACK))
    if lost == "SYN":
        bench.arrives(bench.ann, with_flags(back, SYN | ACK))
    assert bench.leaves(bench.ann, there) == bench.leaves(bench.bob, back) == Reason.LEARNING


def test_a_new_connection_of_the_same_ports_is_learned_anew(bench: Bench) -> None:
    there, back = bench.establish()
    assert bench.leaves(bench.ann, with_flags(there, SYN | ACK)) == Reason.BEGINS_OR_ENDS
    assert bench.leaves(bench.ann, there) == bench.leaves(bench.bob, back) == Reason.FAST
    assert bench.leaves(bench.ann, with_flags(there, SYN)) == Reason.BEGINS_OR_ENDS
    assert bench.leaves(bench.ann, there) == Reason.LEARNING
    assert bench.leaves(bench.bob, back) == Reason.NEW


def test_nothing_begins_in_a_pause(bench: Bench) -> None:
    there, back = between("tcp4", ANN, BOB), between("tcp4", BOB, ANN)
    bench.cache.pause()
    assert bench.leaves(bench.ann, with_flags(there, SYN)) == Reason.PAUSED
    bench.cache.resume()
    bench.arrives(bench.bob, with_flags(there, SYN))
    bench.passes(bench.bob, bench.ann, with_flags(back, SYN | ACK))
    assert bench.leaves(bench.ann, there) == Reason.NEW


def test_beginnings_that_nobody_answers_are_forgotten_first(bench: Bench) -> None:
    """As those of who tries all ports."""
    bench.leaves(bench.ann, with_flags(between("tcp4", ANN, BOB), SYN))
    (flow,) = bench.cache.flows()
    assert flow.used == 0


def test_a_pause_ends_what_was_learned(bench: Bench) -> None:
    there, back = bench.establish()
    bench.cache.pause()
    assert bench.leaves(bench.ann, there) == Reason.PAUSED
    bench.arrives(bench.bob, there)
    bench.cache.resume()
    assert bench.passes(bench.ann, bench.bob, there) == Reason.NEW
    assert bench.passes(bench.bob, bench.ann, back) == Reason.NEW
    assert bench.leaves(bench.ann, there) == Reason.FAST


def test_what_was_sent_before_a_pause_is_not_learned_after_it(bench: Bench) -> None:
    """By then the rules may be others than those by which it passes."""
    there, back = between("tcp4", ANN, BOB), between("tcp4", BOB, ANN)
    bench.leaves(bench.ann, there)
    bench.cache.pause()
    bench.cache.resume()
    bench.arrives(bench.bob, there)
    bench.passes(bench.bob, bench.ann, back)
    assert bench.leaves(bench.ann, there) == Reason.NEW
    assert bench.leaves(bench.ann, there) == Reason.LEARNING


def test_switched_off_nothing_is_fast_until_it_is_learned_again(bench: Bench) -> None:
    there, _ = bench.establish()
    bench.cache.switch(False)
    assert not bench.cache.on
    assert bench.leaves(bench.ann, there) == Reason.OFF
    bench.arrives(bench.bob, there)
    bench.cache.switch(True)
    bench.cache.resume()
    assert bench.leaves(bench.ann, there) == Reason.NEW


def test_a_port_that_goes_gets_nothing_more_and_sends_nothing_fast(bench: Bench) -> None:
    there, back = bench.establish()
    bench.within(lambda: bench.cache.set_ports([bench.ann]))
    bench.cache.resume()
    assert bench.leaves(bench.ann, there) == Reason.ELSEWHERE
    assert bench._run("leave", bench.bob.link, back, 0) == packets.PASSES
    total = bench.cache.reasons()
    assert total[Reason.NO_PORT] == (1, len(back)) and total[Reason.FAST][0] == 2


def test_a_flow_without_a_sign_from_the_switch_expires(bench: Bench) -> None:
    there, _ = bench.establish()
    bench.age(passed_at=5)
    assert bench.leaves(bench.ann, there) == Reason.EXPIRED
    bench.arrives(bench.bob, there)
    assert bench.leaves(bench.ann, there) == Reason.FAST


def test_now_and_then_a_packet_goes_to_the_switch(bench: Bench) -> None:
    there, back = bench.establish()
    bench.age(sent_at=1.5)
    assert [bench.leaves(bench.ann, there) for _ in range(2)] == [Reason.KEEPALIVE, Reason.FAST]
    assert [bench.leaves(bench.bob, back) for _ in range(2)] == [Reason.KEEPALIVE, Reason.FAST]


def long(text: int) -> bytes:
    return frames.ethernet(ANN, BOB, IPV4, packets.tcp4(ANN, BOB, "x" * text))


def test_a_bundle_stays_whole_and_waits_longer_for_its_turn(bench: Bench) -> None:
    bench.establish()
    bench.age(sent_at=1.5)
    assert bench.leaves(bench.ann, long(3000), gso_size=1402) == Reason.FAST
    bench.age(sent_at=1)
    assert bench.leaves(bench.ann, long(3000), gso_size=1402) == Reason.KEEPALIVE


@pytest.mark.parametrize(("text", "gso_size", "reason"), [
    (1402, 0, Reason.FAST),
    (1403, 0, Reason.MTU),
    (3000, 1402, Reason.FAST),
    (3000, 1403, Reason.MTU),
])  # fmt: skip
def test_the_receivers_link_must_take_it(bench: Bench, text: int, gso_size: int, reason: Reason) -> None:
    bench.establish()
    assert bench.leaves(bench.ann, long(text), gso_size) == reason


def test_a_full_table_leaves_new_flows_to_the_switch(links: Space) -> None:
    with packets.bench(links, entries=1) as bench:
        there, _ = bench.establish()
        other = put(there, TRANSPORT4 + 2, b"\x0f\xa1")
        assert bench.leaves(bench.ann, other) == Reason.FULL
        assert bench.leaves(bench.ann, there) == Reason.FAST
        bench.cache.end(list(bench.cache.flows()))
        assert bench.leaves(bench.ann, other) == Reason.NEW


def test_a_frame_of_an_unknown_link_passes(bench: Bench) -> None:
    before = bench.cache.reasons()[Reason.NO_PORT][0]
    assert bench._run("leave", 1, between("tcp4", ANN, BOB), 0) == packets.PASSES
    assert bench._run("arrive", 1, between("tcp4", ANN, BOB), 0) == packets.PASSES
    assert bench.cache.reasons()[Reason.NO_PORT][0] == before + 1
