"""Every branch of the programs for what goes across a router, on one host and between hosts."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import ip_network

import pytest

from sealane.fastpath.layout import Reason
from sealane.fastpath.rows import Route, World
from tests.e2e.overlay import frames
from tests.netns.fastpath import packets, tunnels
from tests.netns.fastpath import routed as world
from tests.netns.fastpath.packets import ACK, ANN, FIN, KINDS, RED, RST, SYN
from tests.netns.fastpath.routed import BLUE_LEG, EVE, FAY, GREEN_LEG, IN, OUT, Site, asked, routed, routes
from tests.netns.fastpath.test_programs import IP, TRANSPORT4, put, resummed, with_flags
from tests.netns.fastpath.tunnels import ANNS, ELSEWHERE, HERE, VNI
from tests.netns.hosts import Space


@pytest.fixture
def site(hosts: Space) -> Iterator[Site]:
    with world.site(hosts) as made:
        yield made


# one host


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_is_fast_once_both_directions_came_out_of_the_switch(site: Site, kind: str) -> None:
    there, back = asked(kind, ANN, EVE), asked(kind, EVE, ANN)
    assert site.leaves(site.ann, there) == Reason.NEW
    site.arrives(site.eve, routed(kind, ANN, EVE))
    assert site.leaves(site.ann, there) == Reason.LEARNING
    assert site.leaves(site.eve, back) == Reason.NEW
    assert site.leaves(site.ann, there) == Reason.LEARNING
    site.arrives(site.ann, routed(kind, EVE, ANN))
    assert site.leaves(site.ann, there) == site.leaves(site.eve, back) == Reason.FAST
    (flow,) = site.cache.flows()
    assert (flow.packets, flow.octets) == ((1, 1), (len(there), len(back)))
    assert (flow.network, flow.router) == ("", world.ROUTER)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("hops", [2, 65, 255])
def test_it_arrives_as_a_router_would_hand_it_over(site: Site, kind: str, hops: int) -> None:
    """New MACs and a hop less; all else, and every checksum, as it was."""
    site.meet(kind)
    assert site.leaves(site.ann, asked(kind, ANN, EVE, hops)) == Reason.NEW
    site.arrives(site.eve, routed(kind, ANN, EVE, hops - 1))
    assert site.sends(site.ann, asked(kind, ANN, EVE, hops)) == (
        Reason.FAST,
        routed(kind, ANN, EVE, hops - 1),
    )
    assert site.sends(site.eve, asked(kind, EVE, ANN)) == (Reason.FAST, routed(kind, EVE, ANN))


def test_the_checksum_is_right_whatever_it_is(site: Site) -> None:
    """RFC 1624, near its edges, too: the packet's number takes every value that makes another carry."""
    there, _ = site.meet()
    for number in range(0, 1 << 16, 251):
        reason, sent = site.sends(site.ann, resummed(put(there, IP + 4, number.to_bytes(2, "big"))))
        assert reason == Reason.FAST and frames._sum(sent[IP : IP + 20]) == 0


SLOW: dict[str, tuple[str, Callable[[bytes], bytes], Reason]] = {
    "the last hop": ("tcp4", lambda f: world.with_hops(f, 1), Reason.HOPS),
    "the last hop, IPv6": ("udp6", lambda f: world.with_hops(f, 1), Reason.HOPS),
    "no hop": ("tcp6", lambda f: world.with_hops(f, 0), Reason.HOPS),
    "the receiver's own MAC": ("tcp4", lambda f: put(f, 0, frames._mac(EVE.mac)), Reason.ELSEWHERE),
    "the router's MAC on the other network": (
        "tcp4",
        lambda f: put(f, 0, frames._mac(GREEN_LEG.mac)),
        Reason.ELSEWHERE,
    ),
    "to all": ("udp4", lambda f: put(f, 0, b"\xff" * 6), Reason.ELSEWHERE),
    "from another MAC": ("tcp4", lambda f: put(f, 6, frames._mac(EVE.mac)), Reason.SENDER),
    "from the router's MAC": ("tcp4", lambda f: put(f, 6, frames._mac(BLUE_LEG.mac)), Reason.SENDER),
    "from another address": ("tcp4", lambda f: resummed(put(f, IP + 12, b"\x0a\0\0\x63")), Reason.SENDER),
    "in Eve's name": ("tcp4", lambda f: resummed(put(f, IP + 12, frames._ip(EVE.v4))), Reason.SENDER),
    "to the outside": ("tcp4", lambda f: resummed(put(f, IP + 16, b"\x08\x08\x08\x08")), Reason.ELSEWHERE),
    "to an unknown neighbour of hers": (
        "tcp4",
        lambda f: resummed(put(f, IP + 16, b"\x0a\0\1\x63")),
        Reason.NEW,
    ),
    "SYN": ("tcp4", lambda f: put(f, TRANSPORT4 + 13, bytes([SYN])), Reason.BEGINS_OR_ENDS),
    "FIN": ("tcp4", lambda f: put(f, TRANSPORT4 + 13, bytes([FIN | 0x10])), Reason.BEGINS_OR_ENDS),
    "RST": ("tcp4", lambda f: put(f, TRANSPORT4 + 13, bytes([RST])), Reason.BEGINS_OR_ENDS),
    "options": ("tcp4", lambda f: put(f, IP, b"\x46"), Reason.OPTIONS),
    "a fragment": ("udp4", lambda f: resummed(put(f, IP + 6, b"\x20\x00")), Reason.FRAGMENT),
    "IPv4 checksum": ("tcp4", lambda f: put(f, IP + 10, b"\xde\xad"), Reason.CHECKSUM),
    "another hop limit than before": ("tcp4", lambda f: world.with_hops(f, 63), Reason.NEW),
}


@pytest.mark.parametrize("what", SLOW)
def test_what_is_in_doubt_goes_to_the_switch(site: Site, what: str) -> None:
    kind, change, reason = SLOW[what]
    there, _ = site.meet(kind)
    assert site.leaves(site.ann, change(there)) == reason
    site.leaves(site.ann, there)
    ended = reason is Reason.BEGINS_OR_ENDS
    assert site.leaves(site.ann, there) == (Reason.LEARNING if ended else Reason.FAST)


def test_what_arrives_otherwise_than_the_router_brings_it_is_not_learned(site: Site) -> None:
    """Among it what came by a further hop, a firewall for instance: it has lost more than one hop."""
    there, back = asked("tcp4", ANN, EVE), asked("tcp4", EVE, ANN)
    site.leaves(site.eve, back)
    site.arrives(site.ann, routed("tcp4", EVE, ANN))
    site.leaves(site.ann, there)
    right = routed("tcp4", ANN, EVE)
    for wrong in (
        *(world.with_hops(right, hops) for hops in (64, 62, 61, 1)),
        put(right, 6, frames._mac(ANN.mac)),
        put(right, 6, frames._mac(BLUE_LEG.mac)),
        put(right, 6, b"\x02\0\0\0\0\x63"),
        put(right, 0, frames._mac(FAY.mac)),
        put(right, TRANSPORT4 + 13, bytes([FIN])),
    ):
        site.arrives(site.eve, wrong)
        assert site.leaves(site.ann, there) == Reason.LEARNING
    site.arrives(site.ann, right)
    assert site.leaves(site.ann, there) == Reason.LEARNING
    site.arrives(site.eve, right)
    assert site.leaves(site.ann, there) == Reason.FAST


def test_what_is_translated_one_way_is_not_learned(site: Site) -> None:
    """Ann asks 10.0.1.99, a balancer's or a floating address: OVN makes Eve's of it, and the reverse."""
    balancer = replace(EVE, v4="10.0.1.99")
    there, back = asked("tcp4", ANN, balancer), asked("tcp4", EVE, ANN)
    for _ in range(3):
        assert site.leaves(site.ann, there) in (Reason.NEW, Reason.LEARNING)
        site.arrives(site.eve, routed("tcp4", ANN, EVE))
        assert site.leaves(site.eve, back) in (Reason.NEW, Reason.LEARNING)
        site.arrives(site.ann, routed("tcp4", balancer, ANN))
    assert site.leaves(site.ann, asked("tcp4", ANN, EVE)) == Reason.NEW


def test_two_routers_on_the_way_are_none_of_the_fast_path(site: Site) -> None:
    """Ann's network has one, Eve's another, and one network is between them."""
    one = [route for route in routes() if route.leg == BLUE_LEG]
    other = [route for route in routes(world.OTHER_ROUTER) if route.leg == GREEN_LEG]
    beyond = [Route(r.router, s, None) for r in (one[0], other[0]) for s in (ip_network("0.0.0.0/0"),)]
    site.set_routes((*one, *other, *beyond))
    there, back = asked("tcp4", ANN, EVE), asked("tcp4", EVE, ANN)
    for _ in range(2):
        assert site.leaves(site.ann, there) == site.leaves(site.eve, back) == Reason.ELSEWHERE
        site.arrives(site.eve, routed("tcp4", ANN, EVE, 62))
        site.arrives(site.ann, routed("tcp4", EVE, ANN, 62))
    assert not list(site.cache.flows())


def test_a_route_that_is_longer_leads_elsewhere(site: Site) -> None:
    """Eve's and Fay's addresses are in its way: to them the router sends by a further hop."""
    there, _ = site.meet()
    site.set_routes((*routes(), Route(world.ROUTER, ip_network("10.0.1.0/28"), None)))
    assert site.leaves(site.ann, there) == Reason.ELSEWHERE
    assert site.leaves(site.ann, asked("tcp4", ANN, FAY)) == Reason.ELSEWHERE
    assert site.leaves(site.ann, asked("tcp6", ANN, EVE)) == Reason.NEW


def test_without_the_router_or_its_leg_nothing_is_routed(site: Site) -> None:
    there, back = site.meet()
    site.set_routes(())
    assert site.leaves(site.ann, there) == Reason.ELSEWHERE
    site.set_routes(tuple(route for route in routes() if route.leg == BLUE_LEG))
    assert site.leaves(site.ann, there) == site.leaves(site.eve, back) == Reason.ELSEWHERE
    site.set_routes(routes())
    assert site.leaves(site.ann, there) == Reason.NEW


def test_a_sender_of_no_subnet_of_the_routers_is_not_routed(site: Site) -> None:
    """Ann's network has a second subnet, which the router has not."""
    moved = replace(site.ann, addresses=("10.0.9.10/24", f"{ANN.v6}/64"))
    site.set_routes(routes(), moved, site.eve)
    there = resummed(put(asked("tcp4", ANN, EVE), IP + 12, frames._ip("10.0.9.10")))
    assert site.leaves(site.ann, there) == Reason.ROUTED


def test_an_address_that_two_would_have_is_nobodys(site: Site) -> None:
    twin = replace(site.ann, network=RED, addresses=(f"{EVE.v4}/24",), vni=world.GREEN_VNI, number=9)
    site.set_routes(routes(), twin, site.eve)
    assert len(site.cache._tables.keys("endpoints")) == 3 + 1  # each in its network; Eve's IPv6 by the router


def test_tenants_with_the_same_addresses_do_not_meet(site: Site) -> None:
    """Eve's link is another Ann's, behind a router of her own."""
    there, _ = site.meet()
    red_leg = replace(BLUE_LEG, vni=VNI + 9)
    red = replace(site.eve, network=RED, mac=ANN.mac, addresses=site.ann.addresses, vni=VNI + 9, number=5)
    other = tuple(replace(r, leg=red_leg) for r in routes(world.OTHER_ROUTER) if r.leg == BLUE_LEG)
    beyond = tuple(r for r in routes(world.OTHER_ROUTER) if r.leg == GREEN_LEG)
    site.set_routes((*routes(), *other, *beyond), site.ann, red)
    assert site.leaves(site.ann, there) == site.leaves(red, there) == Reason.NEW
    assert {flow.router for flow in site.cache.flows()} == {world.ROUTER, world.OTHER_ROUTER}


def test_now_and_then_a_packet_goes_to_the_switch_as_it_was(site: Site) -> None:
    there, back = site.meet()
    site.age(sent_at=1.5)
    for port, frame in ((site.ann, there), (site.eve, back)):
        assert site.sends(port, frame) == (Reason.KEEPALIVE, frame)
        assert site.leaves(port, frame) == Reason.FAST


def test_a_flow_without_a_sign_from_the_switch_expires(site: Site) -> None:
    there, _ = site.meet()
    site.age(passed_at=5)
    assert site.leaves(site.ann, there) == Reason.EXPIRED
    site.arrives(site.eve, routed("tcp4", ANN, EVE))
    assert site.leaves(site.ann, there) == Reason.FAST


def test_a_pause_ends_what_was_learned(site: Site) -> None:
    there, back = site.meet()
    site.cache.pause()
    assert site.leaves(site.ann, there) == Reason.PAUSED
    site.arrives(site.eve, routed("tcp4", ANN, EVE))
    site.cache.resume()
    site.arrives(site.eve, routed("tcp4", ANN, EVE))
    assert site.leaves(site.ann, there) == site.leaves(site.eve, back) == Reason.NEW


def test_a_bundle_stays_whole(site: Site) -> None:
    site.meet()
    long = frames.ethernet(
        ANN, replace(EVE, mac=BLUE_LEG.mac), frames.IPV4, packets.tcp4(ANN, EVE, "x" * 3000)
    )
    reason, sent = site.sends(site.ann, long, gso_size=1402)
    assert reason == Reason.FAST and len(sent) == len(long) and sent[IP + 8] == 63
    assert site.leaves(site.ann, long, gso_size=1403) == Reason.MTU


# between hosts


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_between_hosts_is_fast_once_it_went_and_came_by_the_switch(site: Site, kind: str) -> None:
    there, back = asked(kind, ANN, FAY), routed(kind, FAY, ANN)
    assert site.leaves(site.ann, there) == Reason.NEW
    assert site.lands(IN.around(back)) == Reason.LEARNING
    site.arrives(site.ann, back)
    site.departs(OUT.around(routed(kind, ANN, FAY)))
    assert site.leaves(site.ann, there) == Reason.LEARNING
    assert site.lands(IN.around(back)) == Reason.NEW
    site.arrives(site.ann, back)
    assert site.leaves(site.ann, there) == Reason.FAST
    assert site.receives(IN.around(back)) == (Reason.FAST, back)
    (flow,) = site.cache.flows()
    assert flow.router == world.ROUTER and flow.packets == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_is_what_the_switch_would_send(site: Site, kind: str) -> None:
    there, _ = site.call(kind)
    _, sent = site.sends(site.ann, there)
    wanted = replace(OUT, source=HERE, mac=tunnels.THERE_MAC).around(routed(kind, ANN, FAY))
    plain = put(put(sent, 34, wanted[34:36]), 18, b"\0\x07\0\0")
    assert resummed(plain)[14:] == wanted[14:]


STRANGERS: dict[str, tuple[Callable[[bytes], bytes], Reason]] = {
    "another host": (lambda f: replace(IN, source=ELSEWHERE).around(f), Reason.STRANGER),
    "the host itself": (lambda f: replace(IN, source=HERE).around(f), Reason.STRANGER),
    "another port than the router's": (
        lambda f: replace(IN, sender=BLUE_LEG.number + 1).around(f),
        Reason.STRANGER,
    ),
    "the far end's own port": (lambda f: replace(IN, sender=world.FAYS).around(f), Reason.STRANGER),
    "the far end's own MAC": (lambda f: IN.around(put(f, 6, frames._mac(FAY.mac))), Reason.NEW),
    "the router's MAC elsewhere": (lambda f: IN.around(put(f, 6, frames._mac(GREEN_LEG.mac))), Reason.NEW),
    "another network": (lambda f: replace(IN, vni=VNI + 7).around(f), Reason.NO_PORT),
    "the other network": (lambda f: replace(IN, vni=world.GREEN_VNI).around(f), Reason.NO_PORT),
    "another receiver": (lambda f: replace(IN, receiver=99).around(f), Reason.NO_PORT),
    "to the router's MAC": (lambda f: IN.around(put(f, 0, frames._mac(BLUE_LEG.mac))), Reason.ROUTED),
    "in Eve's name": (
        lambda f: IN.around(resummed(put(f, IP + 12, frames._ip(EVE.v4)))),
        Reason.STRANGER,
    ),
    "in a neighbour's name": (
        lambda f: IN.around(resummed(put(f, IP + 12, frames._ip("10.0.0.77")))),
        Reason.NEW,
    ),
    "a checksum": (lambda f: replace(IN, summed=0x1234).around(f), Reason.OUTER_CHECKSUM),
    "congestion": (lambda f: replace(IN, tos=3).around(f), Reason.CONGESTION),
    "no hop": (lambda f: IN.around(world.with_hops(f, 0)), Reason.HOPS),
}


@pytest.mark.parametrize("what", STRANGERS)
def test_what_comes_otherwise_goes_to_the_switch(site: Site, what: str) -> None:
    _, back = site.call()
    change, reason = STRANGERS[what]
    assert site.lands(change(back)) == reason
    assert site.lands(IN.around(back)) == Reason.FAST


NOT_LEARNED: dict[str, Callable[[bytes], bytes]] = {
    "from another port of the network": lambda f: replace(OUT, sender=GREEN_LEG.number + 1).around(f),
    "on the sender's own network": lambda f: replace(OUT, vni=VNI, sender=ANNS).around(f),
    "on another network": lambda f: replace(OUT, vni=world.GREEN_VNI + 1).around(f),
    "with another MAC": lambda f: OUT.around(put(f, 6, b"\x02\0\0\0\0\x0d")),
    "with the sender's MAC": lambda f: OUT.around(put(f, 6, frames._mac(ANN.mac))),
    "by a further hop": lambda f: OUT.around(world.with_hops(f, 61)),
    "not routed at all": lambda f: OUT.around(world.with_hops(f, 64)),
    "of another flow": lambda f: OUT.around(put(f, TRANSPORT4, b"\x0f\xa1")),
    "translated": lambda f: OUT.around(resummed(put(f, IP + 12, b"\xcb\0\x71\2"))),
    "to a translated address": lambda f: OUT.around(resummed(put(f, IP + 16, b"\x0a\0\1\x63"))),
}


@pytest.mark.parametrize("what", NOT_LEARNED)
def test_what_departs_otherwise_than_it_was_sent_is_not_learned(site: Site, what: str) -> None:
    there, back = asked("tcp4", ANN, FAY), routed("tcp4", FAY, ANN)
    site.leaves(site.ann, there)
    site.departs(NOT_LEARNED[what](routed("tcp4", ANN, FAY)))
    assert site.lands(IN.around(back)) == Reason.LEARNING
    site.departs(OUT.around(routed("tcp4", ANN, FAY)))
    assert site.lands(IN.around(back)) == Reason.NEW


def test_only_what_came_from_the_flows_host_is_learned_when_it_arrives(site: Site) -> None:
    there, back = asked("tcp4", ANN, FAY), routed("tcp4", FAY, ANN)
    site.leaves(site.ann, there)
    site.departs(OUT.around(routed("tcp4", ANN, FAY)))
    site.arrives(site.ann, back)
    assert site.lands(replace(IN, source=ELSEWHERE).around(back)) == Reason.STRANGER
    site.arrives(site.ann, back)
    assert site.lands(IN.around(back)) == Reason.NEW
    site.arrives(site.ann, put(back, 6, frames._mac(FAY.mac)))
    site.arrives(site.eve, back)
    assert site.lands(IN.around(back)) == site.leaves(site.ann, there) == Reason.LEARNING
    site.arrives(site.ann, back)
    assert site.lands(IN.around(back)) == site.leaves(site.ann, there) == Reason.FAST


def test_a_port_that_moves_is_not_sent_to_its_old_host(site: Site) -> None:
    there, back = site.call()
    site.departs(replace(OUT, target=ELSEWHERE).around(routed("tcp4", ANN, FAY)))
    assert site.leaves(site.ann, there) == Reason.LEARNING
    assert site.lands(IN.around(back)) == Reason.STRANGER
    moved = replace(IN, source=ELSEWHERE).around(back)
    assert site.lands(moved) == Reason.NEW
    site.arrives(site.ann, back)
    assert site.lands(moved) == Reason.FAST
    assert site.leaves(site.ann, there) == Reason.ROUTE


def test_a_connection_between_hosts_is_fast_after_its_handshake(site: Site) -> None:
    syn, answer = (with_flags(asked("tcp4", ANN, FAY), SYN), with_flags(routed("tcp4", FAY, ANN), SYN | ACK))
    assert site.leaves(site.ann, syn) == Reason.BEGINS_OR_ENDS
    site.departs(OUT.around(with_flags(routed("tcp4", ANN, FAY), SYN)))
    assert site.lands(IN.around(answer)) == Reason.BEGINS_OR_ENDS
    site.arrives(site.ann, answer)
    there = asked("tcp4", ANN, FAY)
    assert [site.leaves(site.ann, there) for _ in range(2)] == [Reason.KEEPALIVE, Reason.FAST]
    assert site.lands(IN.around(routed("tcp4", FAY, ANN))) == Reason.FAST


def test_a_connection_on_one_host_is_fast_after_its_handshake(site: Site) -> None:
    assert site.leaves(site.ann, with_flags(asked("tcp4", ANN, EVE), SYN)) == Reason.BEGINS_OR_ENDS
    site.arrives(site.eve, with_flags(routed("tcp4", ANN, EVE), SYN))
    assert site.leaves(site.eve, with_flags(asked("tcp4", EVE, ANN), SYN | ACK)) == Reason.BEGINS_OR_ENDS
    site.arrives(site.ann, with_flags(routed("tcp4", EVE, ANN), SYN | ACK))
    there = asked("tcp4", ANN, EVE)
    assert [site.leaves(site.ann, there) for _ in range(2)] == [Reason.KEEPALIVE, Reason.FAST]
    assert site.leaves(site.eve, asked("tcp4", EVE, ANN)) == Reason.FAST


@pytest.mark.parametrize("flags", [FIN | 0x10, RST])
def test_a_flow_ends_by_either_end(site: Site, flags: int) -> None:
    there, back = site.call()
    last = put(back, TRANSPORT4 + 13, bytes([flags]))
    assert site.lands(replace(IN, source=ELSEWHERE).around(last)) == Reason.STRANGER
    assert site.leaves(site.ann, there) == Reason.FAST
    assert site.lands(IN.around(last)) == Reason.BEGINS_OR_ENDS
    assert site.leaves(site.ann, there) == Reason.NEW
    assert site.leaves(site.ann, put(there, TRANSPORT4 + 13, bytes([flags]))) == Reason.BEGINS_OR_ENDS
    assert not list(site.cache.flows())


def test_what_the_kernel_refuses_goes_to_the_switch_as_it_was(site: Site) -> None:
    """With all its hops: a bundle of no known kind, as tried here."""
    there, _ = site.call()
    assert site.sends(site.ann, there, gso_size=2) == (Reason.NESTED, there)
    assert site.leaves(site.ann, there) == Reason.FAST


def test_datagrams_in_one_piece_go_to_the_switch(site: Site) -> None:
    there, back = site.call("udp4")
    assert site.leaves(site.ann, there, gso_size=2) == Reason.BUNDLE
    assert site.lands(IN.around(back), gso_size=2) == Reason.BUNDLE


def test_without_an_underlay_nothing_goes_to_other_hosts(site: Site) -> None:
    there, _ = site.call()
    site.within(lambda: site.cache.set_ports((site.ann, site.eve), None, World(routes())))
    site.cache.resume()
    assert site.leaves(site.ann, there) == Reason.ELSEWHERE


def test_with_a_pause_between_hosts_all_is_learned_anew(site: Site) -> None:
    there, back = site.call()
    site.cache.pause()
    assert site.leaves(site.ann, there) == site.lands(IN.around(back)) == Reason.PAUSED
    site.cache.resume()
    site.departs(OUT.around(routed("tcp4", ANN, FAY)))
    assert site.lands(IN.around(back)) == Reason.LEARNING
    assert site.leaves(site.ann, there) == Reason.NEW
