"""Every branch of the programs for what goes out and comes in by a floating IP (BPF_PROG_TEST_RUN)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_network

import pytest

from sealane.fastpath import bpf, layout
from sealane.fastpath.layout import Reason
from sealane.fastpath.rows import Route, World
from tests.e2e.overlay import frames
from tests.netns.fastpath import outside, packets
from tests.netns.fastpath.outside import (
    KINDS,
    OTHER,
    OUTSIDE_VNI,
    PUBLIC,
    WORLD,
    Outside,
    asked,
    back,
    brought,
    out,
    said,
)
from tests.netns.fastpath.packets import ACK, ANN, FIN, PASSES, RED, RST, SYN
from tests.netns.fastpath.routed import BLUE_LEG, EVE, GREEN_LEG, OTHER_ROUTER, ROUTER, routes, with_hops
from tests.netns.fastpath.test_programs import IP, TRANSPORT4, put, resummed
from tests.netns.hosts import Space


@pytest.fixture
def site(hosts: Space) -> Iterator[Outside]:
    with outside.outside(hosts) as made:
        yield made


# learning


@pytest.mark.parametrize("kind", KINDS)
def test_what_ann_begins_is_fast_once_both_directions_came_out(site: Outside, kind: str) -> None:
    assert site.leaves(site.ann, asked(kind)) == Reason.NEW
    assert site.enters(back(kind)) == Reason.LEARNING, "nobody is answered who was not asked"
    site.emerges(out(kind))
    assert site.leaves(site.ann, asked(kind)) == Reason.LEARNING
    assert site.enters(back(kind)) == Reason.NEW
    assert site.enters(back(kind)) == Reason.LEARNING
    site.arrives(site.ann, brought(kind))
    assert site.leaves(site.ann, asked(kind)) == site.enters(back(kind)) == Reason.FAST
    (flow,) = site.cache.flows()
    assert (flow.packets, flow.octets) == ((1, 1), (len(asked(kind)), len(back(kind))))
    assert (flow.network, flow.router) == ("", ROUTER)


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_in_is_fast_once_ann_has_answered(site: Outside, kind: str) -> None:
    """Whoever asks from outside makes no entry."""
    assert site.enters(back(kind)) == Reason.NEW
    site.arrives(site.ann, brought(kind))
    assert list(site.cache.flows()) == []
    assert site.leaves(site.ann, asked(kind)) == Reason.NEW
    site.emerges(out(kind))
    assert site.enters(back(kind)) == Reason.NEW
    site.arrives(site.ann, brought(kind))
    assert site.enters(back(kind)) == site.leaves(site.ann, asked(kind)) == Reason.FAST


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hops", [2, 65, 255])
def test_it_is_as_the_router_would_make_it(site: Outside, kind: str, hops: int) -> None:
    """Addresses, MACs, a hop less, and every checksum that there was; a datagram without one has none."""
    site.talk(kind)
    assert site.leaves(site.ann, asked(kind, hops=hops)) == Reason.NEW
    site.emerges(out(kind, hops=hops - 1))
    assert site.sends(site.ann, asked(kind, hops=hops)) == (Reason.FAST, out(kind, hops=hops - 1))
    assert site.enters(back(kind, hops=hops)) == Reason.NEW
    site.arrives(site.ann, brought(kind, hops=hops - 1))
    assert site.entered(back(kind, hops=hops)) == (Reason.FAST, brought(kind, hops=hops - 1))


def test_a_datagrams_sum_that_comes_to_nothing_is_all_ones(site: Outside) -> None:
    """RFC 768: zero would say that there is none."""
    texts = (number.to_bytes(2, "big") for number in range(1 << 16))
    text = next(t for t in texts if _with_text(out("udp"), PUBLIC.v4, WORLD.v4, t)[40:42] == b"\xff\xff")
    there = _with_text(asked("udp"), ANN.v4, WORLD.v4, text)
    assert site.leaves(site.ann, there) == Reason.NEW
    site.emerges(out("udp"))
    site.enters(back("udp"))
    site.arrives(site.ann, brought("udp"))
    assert site.sends(site.ann, there) == (Reason.FAST, _with_text(out("udp"), PUBLIC.v4, WORLD.v4, text))


def _with_text(frame: bytes, source: str, target: str, text: bytes) -> bytes:
    return resummed(
        put(frame[:TRANSPORT4], IP + 2, (28 + len(text)).to_bytes(2, "big"))
        + frames._udp(source, target, (4000, 4000), text)
    )


def test_a_connection_is_fast_after_its_handshake(site: Outside) -> None:
    """Of which connection tracking sees all three packets, whoever begins."""
    assert site.leaves(site.ann, asked("tcp", flags=SYN)) == Reason.BEGINS_OR_ENDS
    site.emerges(out("tcp", flags=SYN))
    assert site.enters(back("tcp", flags=SYN | ACK)) == Reason.BEGINS_OR_ENDS
    site.arrives(site.ann, brought("tcp", flags=SYN | ACK))
    assert site.leaves(site.ann, asked("tcp")) == Reason.KEEPALIVE
    site.emerges(out("tcp"))
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.FAST


def test_one_from_outside_is_fast_after_its_handshake(site: Outside) -> None:
    assert site.enters(back("tcp", flags=SYN)) == Reason.NEW
    site.arrives(site.ann, brought("tcp", flags=SYN))
    assert site.leaves(site.ann, asked("tcp", flags=SYN | ACK)) == Reason.BEGINS_OR_ENDS
    site.emerges(out("tcp", flags=SYN | ACK))
    assert site.enters(back("tcp")) == Reason.NEW
    site.arrives(site.ann, brought("tcp"))
    assert site.enters(back("tcp")) == site.leaves(site.ann, asked("tcp")) == Reason.FAST


@pytest.mark.parametrize("flags", [FIN | ACK, RST, SYN])
def test_either_end_ends_it(site: Outside, flags: int) -> None:
    site.talk()
    assert site.leaves(site.ann, asked("tcp", flags=flags)) == Reason.BEGINS_OR_ENDS
    assert site.enters(back("tcp")) != Reason.FAST
    site.cache.end(list(site.cache.flows()))
    site.talk()
    assert site.enters(back("tcp", flags=flags)) == Reason.BEGINS_OR_ENDS
    assert list(site.cache.flows()) == []
    assert site.leaves(site.ann, asked("tcp")) == Reason.NEW


def test_one_packet_a_second_goes_by_the_switch_and_leases_end(site: Outside) -> None:
    """So that its entries in connection tracking live, and the station outside is still the right one."""
    site.talk()
    site.age(sent_at=1.1)
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.KEEPALIVE
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.FAST
    site.age(passed_at=4.1)
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.EXPIRED


def test_another_station_outside_is_learned(site: Outside) -> None:
    site.talk()
    moved = put(out("tcp"), 0, frames._mac("02:00:00:00:02:02"))
    site.emerges(moved)
    assert site.sends(site.ann, asked("tcp")) == (Reason.FAST, moved)


def test_a_bundle_stays_whole(site: Outside) -> None:
    site.talk()
    bundle = put(asked("tcp"), IP + 4, b"\0\7")
    assert site.leaves(site.ann, bundle, gso_size=2) == site.enters(back("tcp"), gso_size=2) == Reason.FAST


# doubt


OUTWARD: dict[str, tuple[Callable[[bytes], bytes], Reason]] = {
    "the last hop": (lambda f: with_hops(f, 1), Reason.HOPS),
    "another hop limit": (lambda f: with_hops(f, 63), Reason.NEW),
    "in Eve's name": (lambda f: resummed(put(f, IP + 12, frames._ip(EVE.v4))), Reason.SENDER),
    "in her own name outside": (lambda f: resummed(put(f, IP + 12, frames._ip(PUBLIC.v4))), Reason.SENDER),
    "from another MAC": (lambda f: put(f, 6, frames._mac(EVE.mac)), Reason.SENDER),
    "to all": (lambda f: put(f, 0, b"\xff" * 6), Reason.ELSEWHERE),
    "to the MAC outside": (lambda f: put(f, 0, frames._mac(PUBLIC.mac)), Reason.ELSEWHERE),
    "another port": (lambda f: put(f, TRANSPORT4 + 2, b"\x0f\xa1"), Reason.NEW),
    "to another address": (lambda f: resummed(put(f, IP + 16, b"\x08\x08\x08\x08")), Reason.NEW),
    "a fragment": (lambda f: resummed(put(f, IP + 6, b"\x20\x00")), Reason.FRAGMENT),
    "options": (lambda f: put(f, IP, b"\x46"), Reason.OPTIONS),
    "IPv4 checksum": (lambda f: put(f, IP + 10, b"\xde\xad"), Reason.CHECKSUM),
    "ICMP": (lambda f: resummed(put(f, IP + 9, b"\x01")), Reason.PROTOCOL),
    "DNS": (lambda f: put(f, TRANSPORT4 + 2, b"\0\x35"), Reason.SERVICE),
}
INWARD: dict[str, tuple[Callable[[bytes], bytes], Reason]] = {
    "the last hop": (lambda f: with_hops(f, 1), Reason.HOPS),
    "another hop limit": (lambda f: with_hops(f, 63), Reason.NEW),
    "from Eve's address": (lambda f: resummed(put(f, IP + 12, frames._ip(EVE.v4))), Reason.STRANGER),
    "another port": (lambda f: put(f, TRANSPORT4, b"\x0f\xa1"), Reason.NEW),
    "from another address": (lambda f: resummed(put(f, IP + 12, b"\x08\x08\x08\x08")), Reason.NEW),
    "a fragment": (lambda f: resummed(put(f, IP + 6, b"\x20\x00")), Reason.FRAGMENT),
    "options": (lambda f: put(f, IP, b"\x46"), Reason.OPTIONS),
    "IPv4 checksum": (lambda f: put(f, IP + 10, b"\xde\xad"), Reason.CHECKSUM),
    "longer than its header says": (lambda f: f + b"\0", Reason.LENGTH),
    "ICMP": (lambda f: resummed(put(f, IP + 9, b"\x01")), Reason.PROTOCOL),
    "DNS": (lambda f: put(f, TRANSPORT4, b"\0\x35"), Reason.SERVICE),
}


@pytest.mark.parametrize("what", OUTWARD)
def test_what_goes_out_and_is_in_doubt_goes_to_the_switch(site: Outside, what: str) -> None:
    change, reason = OUTWARD[what]
    site.talk()
    assert site.leaves(site.ann, change(asked("tcp"))) == reason
    if what != "another hop limit":
        assert site.leaves(site.ann, asked("tcp")) == Reason.FAST


@pytest.mark.parametrize("what", INWARD)
def test_what_comes_in_and_is_in_doubt_goes_to_the_switch(site: Outside, what: str) -> None:
    change, reason = INWARD[what]
    site.talk()
    assert site.enters(change(back("tcp"))) == reason
    if what != "another hop limit":
        assert site.enters(back("tcp")) == Reason.FAST
    assert len([f for f in site.cache.flows() if max(f.packets)]) == 1


def test_longer_than_a_link_takes(site: Outside) -> None:
    site.talk("udp")
    site.lead(replace(site.floating, mtu=20))
    site.cache.end(list(site.cache.flows()))
    site.leaves(site.ann, asked("udp"))
    site.emerges(out("udp"))
    site.enters(back("udp"))
    site.arrives(site.ann, brought("udp"))
    assert site.leaves(site.ann, asked("udp")) == Reason.MTU


def test_what_is_for_no_floating_ip_is_none_of_its_business(site: Outside) -> None:
    """All that the physical network has comes by there, and is not even counted."""
    site.talk()
    assert site.ignores(resummed(put(back("tcp"), IP + 16, b"\xcb\0\x71\x63")))
    assert site.ignores(put(back("tcp"), 0, b"\xff" * 6))
    assert site.ignores(put(back("tcp"), 0, frames._mac(EVE.mac)))
    assert site.ignores(b"\xff" * 12 + b"\x08\x06" + bytes(46))
    assert site.enters(back("tcp")) == Reason.FAST


def test_what_emerges_otherwise_than_the_router_makes_it_is_not_learned(site: Outside, hosts: Space) -> None:
    other = packets.index(hosts, OTHER)
    site.leaves(site.ann, asked("tcp"))
    right = out("tcp")
    for wrong in (
        put(right, 6, frames._mac(BLUE_LEG.mac)),  # from the MAC of a router
        put(right, 0, b"\xff" * 6),  # to all
        resummed(put(right, IP + 12, b"\xcb\0\x71\x02")),  # by the router's own address
        with_hops(right, 64),  # not routed
        with_hops(right, 62),  # by a further hop
        put(right, TRANSPORT4, b"\x0f\xa1"),  # from another port
        out("tcp", flags=RST),
    ):
        site.emerges(wrong)
        assert site.leaves(site.ann, asked("tcp")) == Reason.LEARNING
    site.emerges(right, other)
    assert site.enters(back("tcp")) == Reason.LEARNING
    site.emerges(right)
    assert site.enters(back("tcp")) == Reason.NEW


def test_what_arrives_without_having_entered_is_not_learned(site: Outside) -> None:
    site.leaves(site.ann, asked("tcp"))
    site.emerges(out("tcp"))
    site.arrives(site.ann, brought("tcp"))
    assert site.leaves(site.ann, asked("tcp")) == Reason.LEARNING
    site.enters(back("tcp"))
    site.arrives(site.ann, brought("tcp", hops=62))
    site.arrives(site.ann, put(brought("tcp"), 6, frames._mac(GREEN_LEG.mac)))
    site.arrives(site.eve, brought("tcp"))
    assert site.leaves(site.ann, asked("tcp")) == Reason.LEARNING
    site.arrives(site.ann, brought("tcp"))
    assert site.leaves(site.ann, asked("tcp")) == Reason.FAST


def test_what_leave_has_handed_over_teaches_nothing(site: Outside) -> None:
    """It is told by a mark, which nothing has that came out of another namespace; and has none afterwards."""
    site.leaves(site.ann, asked("tcp"))
    program = site.cache._programs["emerge"]
    ran = site.within(lambda: bpf.run(program, out("tcp"), site.outer, mark=layout.HANDED))
    assert (ran.verdict, ran.mark) == (PASSES, 0)
    assert site.leaves(site.ann, asked("tcp")) == Reason.LEARNING
    ran = site.within(lambda: bpf.run(program, out("tcp"), site.outer, mark=5))
    assert (ran.verdict, ran.mark) == (PASSES, 5)
    assert site.enters(back("tcp")) == Reason.NEW


# what rules say


def test_a_pause_ends_what_was_learned(site: Outside) -> None:
    site.talk()
    site.cache.pause()
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.PAUSED
    site.emerges(out("tcp"))
    site.cache.resume()
    assert site.enters(back("tcp")) == Reason.LEARNING
    assert site.leaves(site.ann, asked("tcp")) == Reason.NEW


def test_once_it_is_taken_away_nothing_passes(site: Outside) -> None:
    site.talk()
    site.lead()
    assert site.leaves(site.ann, asked("tcp")) == Reason.ELSEWHERE
    assert site.ignores(back("tcp"))
    site.lead(site.floating)
    assert site.leaves(site.ann, asked("tcp")) == Reason.NEW


def test_once_it_is_off_all_goes_by_the_switch(site: Outside) -> None:
    site.talk()
    site.cache.switch(False)
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.OFF


def test_another_address_outside_does_not_take_the_flow_along(site: Outside) -> None:
    """Even if no rule had changed: the marks hold by which address and link it went."""
    site.talk()
    site.lead(replace(site.floating, address=IPv4Address("203.0.113.81")))
    assert site.leaves(site.ann, asked("tcp")) == Reason.NEW
    assert site.ignores(back("tcp"))


ROUTED_ELSEWHERE = {
    "no way": (),
    "another network's way": (Route(ROUTER, ip_network("0.0.0.0/0"), None, OUTSIDE_VNI + 1),),
    "a further hop inside": (
        Route(ROUTER, ip_network("0.0.0.0/0"), None, OUTSIDE_VNI),
        Route(ROUTER, ip_network("192.0.2.0/24"), None),
    ),
    "another router's": (Route(OTHER_ROUTER, ip_network("0.0.0.0/0"), None, OUTSIDE_VNI),),
}


@pytest.mark.parametrize("what", ROUTED_ELSEWHERE)
def test_only_where_the_route_leads_there(site: Outside, what: str) -> None:
    site.lead(site.floating, routes=(*routes(), *ROUTED_ELSEWHERE[what]))
    assert site.leaves(site.ann, asked("tcp")) == Reason.ELSEWHERE


def test_one_without_has_no_way_out(site: Outside) -> None:
    said_by_eve = said("tcp", EVE, replace(WORLD, mac=GREEN_LEG.mac))
    assert site.leaves(site.eve, said_by_eve) == Reason.ELSEWHERE


def test_a_receiver_that_is_no_port_here_is_left_to_the_switch(site: Outside) -> None:
    site.talk()
    ports = (site.eve,)
    told = (*routes(), Route(ROUTER, ip_network("0.0.0.0/0"), None, OUTSIDE_VNI))
    site.within(lambda: site.cache.set_ports(ports, site.underlay, World(told, translated=(site.floating,))))
    site.cache.resume()
    assert site.enters(back("tcp")) == Reason.ELSEWHERE


def test_an_address_of_several_is_nobodys(site: Outside) -> None:
    twice = replace(site.floating, fixed=IPv4Network(EVE.v4))
    site.lead(site.floating, twice)
    assert site.ignores(back("tcp"))
    assert site.leaves(site.ann, asked("tcp")) == Reason.ELSEWHERE
    site.lead(site.floating, replace(site.floating, address=IPv4Address("203.0.113.81")))
    assert site.leaves(site.ann, asked("tcp")) == Reason.ELSEWHERE


def test_tenants_with_the_same_addresses_have_nothing_in_common(site: Outside, hosts: Space) -> None:
    """Rita has Ann's address and MAC behind another router, the same peer, and a floating IP of her own."""
    link, door = (packets.index(hosts, name) for name in ("slhrita", "slsrita"))
    rita = replace(site.ann, network=RED, link=link, door=door, vni=0x77, number=3)
    leg = replace(BLUE_LEG, vni=0x77)
    hers = replace(
        site.floating, router=OTHER_ROUTER, address=IPv4Address("203.0.113.81"), mac="fa:16:3e:00:00:51"
    )
    told = (
        *routes(),
        Route(ROUTER, ip_network("0.0.0.0/0"), None, OUTSIDE_VNI),
        Route(OTHER_ROUTER, ip_network("10.0.0.0/24"), leg),
        Route(OTHER_ROUTER, ip_network("0.0.0.0/0"), None, OUTSIDE_VNI),
    )
    world = World(told, translated=(site.floating, hers))
    site.within(lambda: site.cache.set_ports((site.ann, rita), site.underlay, world))
    site.cache.resume()
    site.talk()
    public = replace(PUBLIC, v4="203.0.113.81", mac="fa:16:3e:00:00:51")
    assert site.leaves(rita, asked("tcp")) == Reason.NEW
    site.emerges(out("tcp"))
    assert site.leaves(rita, asked("tcp")) == Reason.LEARNING
    site.emerges(said("tcp", public, WORLD, 63))
    assert site.enters(said("tcp", WORLD, public)) == Reason.NEW
    site.arrives(site.ann, brought("tcp"))
    assert site.enters(said("tcp", WORLD, public)) == Reason.LEARNING
    site.arrives(rita, brought("tcp"))
    assert site.sends(rita, asked("tcp")) == (Reason.FAST, said("tcp", public, WORLD, 63))
    assert site.sends(site.ann, asked("tcp")) == (Reason.FAST, out("tcp"))
    assert len(list(site.cache.flows())) == 2


def test_programs_are_at_the_link_while_there_is_a_floating_ip(site: Outside) -> None:
    def there() -> list[int]:
        hooks = site.cache._hooks
        return site.within(lambda: [len(hooks.attached(site.outer, side)) for side in (False, True)])

    assert there() == [1, 1]
    site.lead()
    assert there() == [0, 0]
    site.lead(site.floating)
    assert there() == [1, 1]
