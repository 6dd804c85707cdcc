"""Every branch of the programs for what goes to another host and comes from one (BPF_PROG_TEST_RUN)."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sealane.fastpath import bpf, build, cache
from sealane.fastpath.cache import Cache
from sealane.fastpath.layout import Reason
from tests.e2e.overlay import frames
from tests.netns.fastpath import packets, tunnels
from tests.netns.fastpath.packets import ACK, ANN, BOB, FIN, KINDS, PASSES, RED, RST, SYN, between
from tests.netns.fastpath.test_programs import IP, TRANSPORT4, put, resummed, with_flags
from tests.netns.fastpath.tunnels import CARL, CARLS, ELSEWHERE, HERE, IN, OUT, THERE, VNI, Tunnel, Wire
from tests.netns.hosts import Space


@pytest.fixture
def wire(hosts: Space) -> Iterator[Wire]:
    with tunnels.wire(hosts) as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_is_fast_once_it_went_and_came_by_the_switch(wire: Wire, kind: str) -> None:
    there, back = between(kind, ANN, CARL), between(kind, CARL, ANN)
    assert wire.leaves(wire.ann, there) == Reason.NEW
    assert wire.lands(IN.around(back)) == Reason.LEARNING
    wire.arrives(wire.ann, back)
    wire.departs(OUT.around(there))
    assert wire.leaves(wire.ann, there) == Reason.LEARNING
    assert wire.lands(IN.around(back)) == Reason.NEW
    assert wire.lands(IN.around(back)) == Reason.LEARNING
    wire.arrives(wire.ann, back)
    assert wire.leaves(wire.ann, there) == Reason.FAST
    assert wire.receives(IN.around(back)) == (Reason.FAST, back)
    (flow,) = wire.cache.flows()
    assert (flow.packets, flow.octets) == ((1, 1), (len(there), len(back)))


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_is_what_the_switch_would_send(wire: Wire, kind: str) -> None:
    there, _ = wire.establish(kind)
    _, sent = wire.sends(wire.ann, there)
    wanted = replace(OUT, source=HERE, mac=tunnels.THERE_MAC).around(there)
    assert sent[:6] == frames._mac(tunnels.THERE_MAC) and sent[6:12] == frames._mac(tunnels.UNDERLAY_MAC)
    port = struct.unpack_from("!H", sent, 34)[0]
    assert port >= 0x8000
    # The number of a packet that is never split, and that it is not to be; Open vSwitch does likewise.
    plain = put(put(sent, 34, wanted[34:36]), 18, b"\0\x07\0\0")
    assert resummed(plain)[14:] == wanted[14:]


@pytest.mark.parametrize(("inner", "outer"), [(0, 0), (1, 1), (2, 2), (3, 2), (0xB8 | 1, 1)])
def test_congestion_notification_is_told_to_the_tunnel(wire: Wire, inner: int, outer: int) -> None:
    there, _ = wire.establish()
    assert wire.sends(wire.ann, resummed(put(there, IP + 1, bytes([inner]))))[1][15] == outer
    there, _ = wire.establish("udp6")
    told = struct.pack("!H", 0x6000 | inner << 4)
    assert wire.sends(wire.ann, put(there, IP, told))[1][15] == outer


def fragmented(packet: bytes) -> bytes:
    return tunnels.with_sum(packet[:6] + b"\x20\0" + packet[8:])


OUTER_REASONS: dict[str, tuple[Tunnel, Reason]] = {
    "Geneve's version": (replace(IN, geneve=b"\x42\x40\x65\x58"), Reason.OUTER),
    "no option": (replace(IN, geneve=b"\x00\x40\x65\x58"), Reason.OUTER),
    "an option more": (
        replace(IN, geneve=b"\x03\x40\x65\x58", further=b"\x01\x03\x00\x00"),
        Reason.OUTER,
    ),
    "for operators (OAM)": (replace(IN, geneve=b"\x02\xc0\x65\x58"), Reason.OUTER),
    "not critical": (replace(IN, geneve=b"\x02\x00\x65\x58"), Reason.OUTER),
    "IPv4 without Ethernet": (replace(IN, geneve=b"\x02\x40\x08\x00"), Reason.OUTER),
    "a reserved byte": (replace(IN, reserved=1), Reason.OUTER),
    "another class": (replace(IN, option=b"\x01\x03\x80\x01"), Reason.OUTER),
    "another type": (replace(IN, option=b"\x01\x02\x81\x01"), Reason.OUTER),
    "another length of the option": (replace(IN, option=b"\x01\x02\x80\x02"), Reason.OUTER),
    "no time to live": (replace(IN, outer=lambda p: tunnels.with_sum(p[:8] + b"\0" + p[9:])), Reason.OUTER),
    "IPv4's checksum": (replace(IN, outer=lambda p: p[:10] + b"\xde\xad" + p[12:]), Reason.OUTER),
    "longer than it says": (replace(IN, outer=lambda p: p + b"\0"), Reason.OUTER),
    "UDP's length": (replace(IN, outer=lambda p: p[:24] + b"\0\x20" + p[26:]), Reason.OUTER),
    "a checksum": (replace(IN, summed=0x1234), Reason.OUTER_CHECKSUM),
    "congestion": (replace(IN, tos=3), Reason.CONGESTION),
    "another host": (replace(IN, source=ELSEWHERE), Reason.STRANGER),
    "the host itself": (replace(IN, source=HERE), Reason.STRANGER),
    "another port of the sender": (replace(IN, sender=CARLS + 1), Reason.STRANGER),
    "another network": (replace(IN, vni=VNI + 1), Reason.NO_PORT),
    "another receiver": (replace(IN, receiver=99), Reason.NO_PORT),
    "Bob": (replace(IN, receiver=tunnels.BOBS), Reason.ELSEWHERE),
    "a group of receivers": (replace(IN, receiver=0x8000), Reason.NO_PORT),
}


@pytest.mark.parametrize("what", OUTER_REASONS)
def test_a_tunnel_that_is_in_doubt_goes_to_the_switch(wire: Wire, what: str) -> None:
    _, back = wire.establish()
    tunnel, reason = OUTER_REASONS[what]
    assert wire.lands(tunnel.around(back)) == reason
    assert wire.lands(IN.around(back)) == Reason.FAST


INNER: dict[str, tuple[str, Callable[[bytes], bytes], Reason]] = {
    "arp": ("tcp4", lambda f: put(f, 12, b"\x08\x06"), Reason.NOT_IP),
    "a tag": ("tcp4", lambda f: f[:12] + b"\x81\x00\x00\x05" + f[12:], Reason.NOT_IP),
    "options": ("tcp4", lambda f: put(f, IP, b"\x46"), Reason.OPTIONS),
    "a fragment": ("udp4", lambda f: resummed(put(f, IP + 6, b"\x20\x00")), Reason.FRAGMENT),
    "shorter": ("tcp4", lambda f: f[:-1], Reason.LENGTH),
    "longer": ("tcp6", lambda f: f + b"\0", Reason.LENGTH),
    "nearly nothing": ("tcp4", lambda f: f[:10], Reason.SHORT),
    "a wrong checksum": ("tcp4", lambda f: put(f, IP + 10, b"\xde\xad"), Reason.CHECKSUM),
    "no hop": ("tcp6", lambda f: put(f, IP + 7, b"\0"), Reason.HOPS),
    "ICMP": ("tcp4", lambda f: resummed(put(f, IP + 9, b"\x01")), Reason.PROTOCOL),
    "DNS": ("udp4", lambda f: put(f, TRANSPORT4, b"\0\x35"), Reason.SERVICE),
    "Bob's MAC": ("tcp4", lambda f: put(f, 0, frames._mac(BOB.mac)), Reason.ROUTED),
    "to all": ("tcp4", lambda f: put(f, 0, b"\xff" * 6), Reason.ROUTED),
    "to Bob's address": ("tcp4", lambda f: resummed(put(f, IP + 16, frames._ip(BOB.v4))), Reason.ELSEWHERE),
    "by another MAC": ("tcp4", lambda f: put(f, 6, b"\x02\0\0\0\0\x0d"), Reason.STRANGER),
    "in Bob's name": ("tcp4", lambda f: resummed(put(f, IP + 12, frames._ip(BOB.v4))), Reason.STRANGER),
    "an unknown flow": ("tcp4", lambda f: put(f, TRANSPORT4, b"\x0f\xa1"), Reason.NEW),
}


@pytest.mark.parametrize("what", INNER)
def test_a_packet_in_a_tunnel_that_is_in_doubt_goes_to_the_switch(wire: Wire, what: str) -> None:
    kind, change, reason = INNER[what]
    _, back = wire.establish(kind)
    assert wire.lands(IN.around(change(back))) == reason
    assert wire.lands(IN.around(back)) == Reason.FAST


OTHERS: dict[str, Callable[[bytes], bytes]] = {
    "another port": lambda inner: replace(IN, port=6082).around(inner),
    "another address": lambda inner: replace(IN, target=ELSEWHERE).around(inner),
    "a fragment": lambda inner: replace(IN, outer=fragmented).around(inner),
    "options": lambda inner: replace(IN, outer=lambda p: b"\x46" + p[1:]).around(inner),
    "TCP": lambda inner: replace(IN, outer=lambda p: tunnels.with_sum(p[:9] + b"\6" + p[10:])).around(inner),
    "another MAC": lambda inner: replace(IN, mac=tunnels.THERE_MAC).around(inner),
    "no tunnel": lambda inner: inner,
    "too short": lambda inner: IN.around(b"")[:40],
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_tunnel_to_this_host_is_not_looked_at(wire: Wire, what: str) -> None:
    _, back = wire.establish()
    before = wire.cache.landed()
    assert wire._run("land", wire.underlay.link, OTHERS[what](back), 0) == PASSES
    assert wire.cache.landed() == before


def test_a_packet_to_another_mac_is_another_flow(wire: Wire) -> None:
    """It is not where the flow's packets go; what it was sent to is learned anew."""
    there, back = wire.establish()
    other = put(there, 0, b"\x02\0\0\0\0\x0d")
    assert wire.leaves(wire.ann, other) == Reason.NEW
    assert wire.leaves(wire.ann, there) == Reason.NEW
    assert wire.leaves(wire.ann, there) == Reason.FAST
    wire.leaves(wire.ann, other)
    wire.departs(replace(OUT, receiver=CARLS + 1).around(other))
    assert wire.leaves(wire.ann, there) == Reason.NEW
    assert wire.leaves(wire.ann, there) == Reason.LEARNING
    assert wire.lands(IN.around(back)) == Reason.STRANGER


def test_a_port_that_moves_is_not_sent_to_its_old_host(wire: Wire) -> None:
    """Also within a generation: what the switch sends says where."""
    there, back = wire.establish()
    wire.departs(replace(OUT, target=ELSEWHERE).around(there))
    assert wire.leaves(wire.ann, there) == Reason.LEARNING
    assert wire.lands(IN.around(back)) == Reason.STRANGER
    moved = replace(IN, source=ELSEWHERE).around(back)
    assert wire.lands(moved) == Reason.NEW
    wire.arrives(wire.ann, back)
    assert wire.lands(moved) == Reason.FAST
    assert wire.leaves(wire.ann, there) == Reason.ROUTE


NOT_LEARNED: dict[str, Callable[[bytes], bytes]] = {
    "of another port": lambda there: replace(OUT, sender=tunnels.BOBS).around(there),
    "of an unknown port": lambda there: replace(OUT, sender=99).around(there),
    "of another network": lambda there: replace(OUT, vni=VNI + 1).around(there),
    "with another MAC": lambda there: OUT.around(put(there, 6, b"\x02\0\0\0\0\x0d")),
    "to another MAC": lambda there: OUT.around(put(there, 0, b"\x02\0\0\0\0\x0d")),
    "an end": lambda there: OUT.around(put(there, TRANSPORT4 + 13, bytes([FIN]))),
    "of another flow": lambda there: OUT.around(put(there, TRANSPORT4, b"\x0f\xa1")),
    "of no tunnel of OVN's": lambda there: replace(OUT, option=b"\x01\x03\x80\x01").around(there),
    "without a tunnel": lambda there: there,
}


@pytest.mark.parametrize("what", NOT_LEARNED)
def test_what_departs_otherwise_than_it_was_sent_is_not_learned(wire: Wire, what: str) -> None:
    there, back = between("tcp4", ANN, CARL), between("tcp4", CARL, ANN)
    wire.leaves(wire.ann, there)
    wire.departs(NOT_LEARNED[what](there))
    assert wire.lands(IN.around(back)) == Reason.LEARNING
    wire.departs(OUT.around(there))
    assert wire.lands(IN.around(back)) == Reason.NEW


def test_only_what_came_from_the_flows_other_end_is_learned_when_it_arrives(wire: Wire) -> None:
    there, back = between("tcp4", ANN, CARL), between("tcp4", CARL, ANN)
    wire.leaves(wire.ann, there)
    wire.departs(OUT.around(there))
    wire.arrives(wire.ann, back)
    for stranger in (replace(IN, source=ELSEWHERE), replace(IN, sender=CARLS + 1)):
        assert wire.lands(stranger.around(back)) == Reason.STRANGER
        wire.arrives(wire.ann, back)
    assert wire.lands(IN.around(back)) == Reason.NEW
    wire.arrives(wire.ann, put(back, 6, b"\x02\0\0\0\0\x0d"))
    wire.arrives(wire.bob, back)
    assert wire.lands(IN.around(back)) == wire.leaves(wire.ann, there) == Reason.LEARNING
    wire.arrives(wire.ann, back)
    assert wire.lands(IN.around(back)) == wire.leaves(wire.ann, there) == Reason.FAST


def test_a_connection_is_fast_after_its_handshake(wire: Wire) -> None:
    """The client's host, on which connection tracking sees all three packets; then the server's."""
    there, back = between("tcp4", ANN, CARL), between("tcp4", CARL, ANN)
    assert wire.leaves(wire.ann, with_flags(there, SYN)) == Reason.BEGINS_OR_ENDS
    wire.departs(OUT.around(with_flags(there, SYN)))
    assert wire.lands(IN.around(with_flags(back, SYN | ACK))) == Reason.BEGINS_OR_ENDS
    wire.arrives(wire.ann, with_flags(back, SYN | ACK))
    assert [wire.leaves(wire.ann, there) for _ in range(2)] == [Reason.KEEPALIVE, Reason.FAST]
    assert wire.lands(IN.around(back)) == Reason.FAST


def test_a_connection_from_another_host_is_fast_after_its_handshake(wire: Wire) -> None:
    there, back = between("tcp4", CARL, ANN), between("tcp4", ANN, CARL)
    assert wire.lands(IN.around(with_flags(there, SYN))) == Reason.NEW
    wire.arrives(wire.ann, with_flags(there, SYN))
    assert wire.leaves(wire.ann, with_flags(back, SYN | ACK)) == Reason.BEGINS_OR_ENDS
    wire.departs(OUT.around(with_flags(back, SYN | ACK)))
    assert wire.lands(IN.around(there)) == Reason.NEW
    wire.arrives(wire.ann, there)
    assert wire.lands(IN.around(there)) == wire.leaves(wire.ann, back) == Reason.FAST


def test_a_new_connection_from_another_host_is_learned_anew(wire: Wire) -> None:
    there, back = wire.establish()
    assert wire.lands(replace(IN, source=ELSEWHERE).around(with_flags(back, SYN))) == Reason.STRANGER
    assert wire.lands(IN.around(with_flags(back, SYN | ACK))) == Reason.BEGINS_OR_ENDS
    assert wire.leaves(wire.ann, there) == Reason.FAST
    assert wire.lands(IN.around(with_flags(back, SYN))) == Reason.BEGINS_OR_ENDS
    assert wire.lands(IN.around(back)) == wire.leaves(wire.ann, there) == Reason.NEW


@pytest.mark.parametrize("flags", [FIN | 0x10, RST])
def test_a_flow_ends_by_either_end(wire: Wire, flags: int) -> None:
    there, back = wire.establish()
    last = put(back, TRANSPORT4 + 13, bytes([flags]))
    assert wire.lands(replace(IN, source=ELSEWHERE).around(last)) == Reason.STRANGER
    assert wire.leaves(wire.ann, there) == Reason.FAST
    assert wire.lands(IN.around(last)) == Reason.BEGINS_OR_ENDS
    assert wire.lands(IN.around(back)) == wire.leaves(wire.ann, there) == Reason.NEW
    wire.departs(OUT.around(there))
    assert wire.leaves(wire.ann, put(there, TRANSPORT4 + 13, bytes([flags]))) == Reason.BEGINS_OR_ENDS
    assert wire.lands(IN.around(back)) == Reason.NEW
    assert not list(wire.cache.flows())


def test_a_pause_ends_both_directions(wire: Wire) -> None:
    there, back = wire.establish()
    wire.cache.pause()
    assert wire.leaves(wire.ann, there) == wire.lands(IN.around(back)) == Reason.PAUSED
    wire.departs(OUT.around(there))
    wire.arrives(wire.ann, back)
    wire.cache.resume()
    wire.departs(OUT.around(there))
    wire.arrives(wire.ann, back)
    assert wire.lands(IN.around(back)) == Reason.LEARNING
    assert wire.leaves(wire.ann, there) == Reason.NEW
    assert wire.lands(IN.around(back)) == wire.leaves(wire.ann, there) == Reason.LEARNING
    wire.departs(OUT.around(there))
    assert wire.lands(IN.around(back)) == Reason.NEW
    wire.arrives(wire.ann, back)
    assert wire.lands(IN.around(back)) == wire.leaves(wire.ann, there) == Reason.FAST


def test_switched_off_nothing_is_changed(wire: Wire) -> None:
    there, back = wire.establish()
    wire.cache.switch(False)
    assert wire.leaves(wire.ann, there) == wire.lands(IN.around(back)) == Reason.OFF


def test_flows_without_a_sign_from_the_switch_expire(wire: Wire) -> None:
    there, back = wire.establish()
    wire.age(passed_at=5)
    assert wire.leaves(wire.ann, there) == wire.lands(IN.around(back)) == Reason.EXPIRED
    wire.departs(OUT.around(there))
    wire.arrives(wire.ann, back)
    assert wire.leaves(wire.ann, there) == wire.lands(IN.around(back)) == Reason.FAST


def test_now_and_then_a_packet_goes_to_the_switch(wire: Wire) -> None:
    """What comes in is asked for less often: the other host sends such packets as well."""
    there, back = wire.establish()
    wire.age(sent_at=1.5)
    assert [wire.leaves(wire.ann, there) for _ in range(2)] == [Reason.KEEPALIVE, Reason.FAST]
    assert wire.lands(IN.around(back)) == Reason.FAST
    wire.age(sent_at=1)
    assert [wire.lands(IN.around(back)) for _ in range(2)] == [Reason.KEEPALIVE, Reason.FAST]


def test_a_checksum_or_congestion_tells_that_the_flow_lives(wire: Wire) -> None:
    """Else a far end without a fast path would have its packets called keepalives."""
    _, back = wire.establish()
    for tunnel in (replace(IN, summed=1), replace(IN, tos=3)):
        wire.age(sent_at=2.5)
        wire.lands(tunnel.around(back))
        assert wire.lands(IN.around(back)) == Reason.FAST


def test_datagrams_in_one_piece_go_to_the_switch(wire: Wire) -> None:
    there, back = wire.establish("udp4")
    assert wire.leaves(wire.ann, there, gso_size=2) == Reason.BUNDLE
    assert wire.lands(IN.around(back), gso_size=2) == Reason.BUNDLE


def test_what_the_kernel_refuses_goes_to_the_switch_as_it_was(wire: Wire) -> None:
    """A bundle of no known kind, as tried here; in earnest, a tunnel of the container's own."""
    there, _ = wire.establish()
    assert wire.leaves(wire.ann, there, gso_size=2) == Reason.NESTED
    assert wire.leaves(wire.ann, there) == Reason.FAST


def long(kind: str, source: frames.Station, target: frames.Station, text: int) -> bytes:
    make, ethertype = {"4": (packets.tcp4, frames.IPV4), "6": (packets.tcp6, frames.IPV6)}[kind]
    return frames.ethernet(source, target, ethertype, make(source, target, "x" * text))


@pytest.mark.parametrize(("text", "reason"), [(1402, Reason.FAST), (1403, Reason.MTU)])
def test_the_containers_link_must_take_it(wire: Wire, text: int, reason: Reason) -> None:
    wire.establish()
    assert wire.leaves(wire.ann, long("4", ANN, CARL, text)) == reason
    assert wire.lands(IN.around(long("4", CARL, ANN, text))) == reason


@pytest.mark.parametrize(("mtu", "reason"), [("1500", Reason.FAST), ("1499", Reason.ROUTE)])
def test_the_underlay_must_take_it(wire: Wire, hosts: Space, mtu: str, reason: Reason) -> None:
    wire.establish()
    hosts.run("ip", "link", "set", tunnels.UNDERLAY, "mtu", mtu)
    try:
        assert wire.leaves(wire.ann, long("4", ANN, CARL, 1402)) == reason
    finally:
        hosts.run("ip", "link", "set", tunnels.UNDERLAY, "mtu", "1500")


@pytest.mark.parametrize("change", [
    ("neighbour", "del", THERE, "dev", tunnels.UNDERLAY),
    ("route", "add", "blackhole", f"{THERE}/32"),
    ("route", "add", f"{THERE}/32", "via", "169.254.77.2", "dev", tunnels.TUNNEL),
])  # fmt: skip
def test_without_a_way_to_the_host_it_goes_to_the_switch(
    wire: Wire, hosts: Space, change: tuple[str, ...]
) -> None:
    there, _ = wire.establish()
    hosts.run("ip", *change)
    try:
        assert wire.leaves(wire.ann, there) == Reason.ROUTE
    finally:
        if change[0] == "route":
            hosts.run("ip", "route", "del", f"{THERE}/32")
        tunnels.neighbour(hosts)
    assert wire.leaves(wire.ann, there) == Reason.FAST


def test_nothing_goes_to_other_hosts_without_an_underlay_or_a_number(wire: Wire) -> None:
    there, back = wire.establish()
    unknown = replace(wire.ann, number=0)
    wire.within(lambda: wire.cache.set_ports((unknown, wire.bob), wire.underlay))
    wire.cache.resume()
    assert wire.leaves(wire.ann, there) == Reason.ELSEWHERE
    assert wire.lands(IN.around(back)) == Reason.NO_PORT
    before = wire.cache.landed()
    wire.within(lambda: wire.cache.set_ports((wire.ann, wire.bob)))
    wire.cache.resume()
    assert wire.leaves(wire.ann, there) == Reason.ELSEWHERE
    assert wire._run("land", wire.underlay.link, IN.around(back), 0) == PASSES
    assert wire.cache.landed() == before


@pytest.mark.parametrize(("change", "reason"), [
    (lambda f: resummed(put(f, IP + 16, b"\x0a\0\0\x63")), Reason.NEW),
    (lambda f: resummed(put(f, IP + 16, b"\x0a\0\1\x0c")), Reason.ELSEWHERE),
    (lambda f: resummed(put(f, IP + 16, b"\x08\x08\x08\x08")), Reason.ELSEWHERE),
    (lambda f: put(f, 0, b"\xff" * 6), Reason.ELSEWHERE),
])  # fmt: skip
def test_others_of_the_subnet_may_be_elsewhere(
    wire: Wire, change: Callable[[bytes], bytes], reason: Reason
) -> None:
    assert wire.leaves(wire.ann, change(between("tcp4", ANN, CARL))) == reason


@pytest.mark.parametrize(("target", "reason"), [
    ("fd00::99", Reason.NEW),
    ("fd00:0:0:0:8000::1", Reason.NEW),
    ("fd00:0:0:1::c", Reason.ELSEWHERE),
    ("fd01::c", Reason.ELSEWHERE),
])  # fmt: skip
def test_the_subnet_counts_for_ipv6(wire: Wire, target: str, reason: Reason) -> None:
    frame = put(between("tcp6", ANN, CARL), IP + 24, frames._ip(target))
    assert wire.leaves(wire.ann, frame) == reason


def test_tenants_with_the_same_addresses_do_not_meet(wire: Wire) -> None:
    """Bob's link is another Ann's, in the red network; Carl is on both."""
    red = replace(wire.bob, network=RED, mac=ANN.mac, addresses=wire.ann.addresses, vni=VNI + 1, number=5)
    wire.within(lambda: wire.cache.set_ports((wire.ann, red), wire.underlay))
    wire.cache.resume()
    there, back = wire.establish()
    to_red = replace(IN, vni=VNI + 1)
    assert wire.leaves(red, there) == Reason.NEW
    assert wire.lands(to_red.around(back)) == Reason.LEARNING
    wire.departs(OUT.around(there))
    assert wire.lands(to_red.around(back)) == wire.leaves(red, there) == Reason.LEARNING
    wire.departs(replace(OUT, vni=VNI + 1).around(there))
    assert wire.lands(to_red.around(back)) == Reason.NEW
    wire.arrives(wire.ann, back)
    assert wire.lands(to_red.around(back)) == Reason.LEARNING
    wire.arrives(red, back)
    assert wire.lands(to_red.around(back)) == wire.lands(IN.around(back)) == Reason.FAST
    assert len(list(wire.cache.flows())) == 2


def test_a_port_that_goes_gets_nothing_more(wire: Wire) -> None:
    _, back = wire.establish()
    wire.within(lambda: wire.cache.set_ports((wire.bob,), wire.underlay))
    wire.cache.resume()
    assert wire.lands(IN.around(back)) == Reason.NO_PORT


def test_the_next_process_goes_on_with_these_flows_too(wire: Wire) -> None:
    there, back = wire.establish()
    everywhere = [wire.underlay.link, wire.underlay.tunnel, wire.ann.link, wire.ann.door]
    found = wire.within(lambda: Cache.find(everywhere))
    try:
        assert [flow.key for flow in found.flows()] == [flow.key for flow in wire.cache.flows()]
        wire.within(lambda: found.set_ports((wire.ann, wire.bob), wire.underlay))
        wire.as_just_now()
        assert wire.leaves(wire.ann, there) == wire.lands(IN.around(back)) == Reason.FAST
        assert found.landed()[Reason.FAST][0] == wire.cache.landed()[Reason.FAST][0]
        found.pause()
        assert wire.lands(IN.around(back)) == Reason.PAUSED
    finally:
        found.close()


def test_programs_are_at_the_underlay_as_long_as_it_is_one(wire: Wire) -> None:
    def there() -> list[int]:
        return [len(bpf.attached(link)) for link in (wire.underlay.link, wire.underlay.tunnel)]

    assert wire.within(there) == [1, 1]
    wire.within(lambda: wire.cache.set_ports((wire.ann, wire.bob), wire.underlay))
    assert wire.within(there) == [1, 1]
    wire.within(lambda: wire.cache.set_ports((wire.ann, wire.bob)))
    assert wire.within(there) == [0, 0]
    wire.within(lambda: wire.cache.set_ports((wire.ann, wire.bob), wire.underlay))
    assert wire.within(there) == [1, 1]
    wire.within(lambda: cache.detach((wire.underlay.link, wire.underlay.tunnel)))
    assert wire.within(there) == [0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_tunnels_end_without_what_kernels_before_6_3_lack(hosts: Space, tmp_path: Path, kind: str) -> None:
    """The programs with a flag that no kernel knows instead of the one that those do not."""
    programs = tmp_path / "programs.o"
    build.compiled(programs, "-DBPF_F_ADJ_ROOM_DECAP_L3_IPV6=(1ULL<<40)")
    with tunnels.wire(hosts, programs) as made:
        _, back = made.establish(kind)
        assert made.receives(IN.around(back)) == (Reason.FAST, back)
