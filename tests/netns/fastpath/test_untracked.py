"""Where no rule looks at connections a direction does not wait for the other one; run by the kernel."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from sealane.fastpath.layout import Reason
from sealane.fastpath.rows import World
from tests.netns.fastpath import packets, routed, tunnels
from tests.netns.fastpath.packets import ANN, BOB, FIN, KINDS, RST, SYN, between
from tests.netns.fastpath.routed import EVE, FAY, GREEN_VNI, ROUTER, Site
from tests.netns.fastpath.test_programs import with_flags
from tests.netns.fastpath.tunnels import ANNS, CARL, ELSEWHERE, IN, OUT, THERE, VNI, Wire
from tests.netns.hosts import Space

PEERS = frozenset({IPv4Address(THERE)})
EVERYONE = World(routed.routes(), frozenset({VNI, GREEN_VNI, ROUTER}), PEERS)


@pytest.fixture(scope="module")
def underlay() -> Iterator[Space]:
    with tunnels.links() as space:
        yield space


@pytest.fixture
def wire(underlay: Space) -> Iterator[Wire]:
    """Ann and Bob on this host, Carl on another one."""
    with tunnels.wire(underlay) as made:
        lives_in(made, World(untracked=frozenset({VNI}), peers=PEERS))
        yield made


@pytest.fixture
def site(underlay: Space) -> Iterator[Site]:
    with routed.site(underlay) as made:
        lives_in(made, EVERYONE)
        yield made


def lives_in(wire: Wire, world: World) -> None:
    wire.within(lambda: wire.cache.set_ports((wire.ann, wire.bob), wire.underlay, world))
    wire.cache.resume()


@pytest.mark.parametrize("kind", KINDS)
def test_on_one_host_the_second_packet_is_fast(wire: Wire, kind: str) -> None:
    there, back = between(kind, ANN, BOB), between(kind, BOB, ANN)
    assert wire.leaves(wire.ann, there) == Reason.NEW
    assert wire.leaves(wire.ann, there) == Reason.LEARNING, "the first has not come out"
    wire.arrives(wire.bob, there)
    assert wire.leaves(wire.ann, there) == Reason.FAST
    assert wire.leaves(wire.bob, back) == Reason.NEW, "the other direction has rules of its own"
    assert wire.leaves(wire.bob, back) == Reason.LEARNING


def test_of_a_connection_the_second_packet_of_either_end_is_fast(wire: Wire) -> None:
    there, back = between("tcp4", ANN, BOB), between("tcp4", BOB, ANN)
    assert wire.passes(wire.ann, wire.bob, with_flags(there, SYN)) == Reason.BEGINS_OR_ENDS
    assert wire.leaves(wire.ann, there) == Reason.FAST
    assert wire.passes(wire.bob, wire.ann, with_flags(back, SYN | packets.ACK)) == Reason.BEGINS_OR_ENDS
    assert wire.leaves(wire.bob, back) == wire.leaves(wire.ann, there) == Reason.FAST
    assert wire.leaves(wire.ann, with_flags(there, FIN)) == Reason.BEGINS_OR_ENDS
    assert wire.leaves(wire.ann, there) == Reason.NEW


def test_a_pause_ends_it_and_a_lease_ends(wire: Wire) -> None:
    there = between("udp4", ANN, BOB)
    wire.passes(wire.ann, wire.bob, there)
    wire.age(passed_at=5)
    assert wire.leaves(wire.ann, there) == Reason.EXPIRED
    wire.arrives(wire.bob, there)
    assert wire.leaves(wire.ann, there) == Reason.FAST
    wire.age(sent_at=1.5)
    assert [wire.leaves(wire.ann, there) for _ in range(2)] == [Reason.KEEPALIVE, Reason.FAST]
    wire.cache.pause()
    assert wire.leaves(wire.ann, there) == Reason.PAUSED
    wire.cache.resume()
    assert [wire.leaves(wire.ann, there) for _ in range(2)] == [Reason.NEW, Reason.LEARNING]


def test_a_network_that_becomes_stateful_waits_for_both_directions_again(wire: Wire) -> None:
    there = between("udp4", ANN, BOB)
    wire.passes(wire.ann, wire.bob, there)
    assert wire.leaves(wire.ann, there) == Reason.FAST
    lives_in(wire, World(peers=PEERS))
    assert wire.passes(wire.ann, wire.bob, there) == Reason.NEW
    assert wire.leaves(wire.ann, there) == Reason.LEARNING


@pytest.mark.parametrize("kind", KINDS)
def test_to_another_host_likewise(wire: Wire, kind: str) -> None:
    there = between(kind, ANN, CARL)
    assert wire.leaves(wire.ann, there) == Reason.NEW
    assert wire.leaves(wire.ann, there) == Reason.LEARNING
    wire.departs(OUT.around(there))
    assert wire.leaves(wire.ann, there) == Reason.FAST


def test_to_another_host_not_where_there_are_stateful_rules(wire: Wire) -> None:
    lives_in(wire, World(peers=PEERS))
    there = between("udp4", ANN, CARL)
    wire.leaves(wire.ann, there)
    wire.departs(OUT.around(there))
    assert wire.leaves(wire.ann, there) == Reason.LEARNING


@pytest.mark.parametrize("kind", KINDS)
def test_from_another_host_likewise(wire: Wire, kind: str) -> None:
    frame = between(kind, CARL, ANN)
    assert wire.lands(IN.around(frame)) == Reason.NEW
    assert wire.lands(IN.around(frame)) == Reason.LEARNING
    wire.arrives(wire.ann, frame)
    assert wire.lands(IN.around(frame)) == Reason.FAST
    wire.age(passed_at=5)
    assert wire.lands(IN.around(frame)) == Reason.EXPIRED


def test_of_a_connection_from_another_host_the_second_packet_is_fast(wire: Wire) -> None:
    frame = between("tcp4", CARL, ANN)
    assert wire.lands(IN.around(with_flags(frame, SYN))) == Reason.NEW
    wire.arrives(wire.ann, with_flags(frame, SYN))
    assert wire.lands(IN.around(frame)) == Reason.FAST
    assert wire.lands(IN.around(with_flags(frame, SYN))) == Reason.BEGINS_OR_ENDS
    assert wire.lands(IN.around(frame)) == Reason.NEW


@pytest.mark.parametrize("flags", [FIN, RST])
def test_what_ends_a_connection_tells_nothing_of_another_host(wire: Wire, flags: int) -> None:
    frame = between("tcp4", CARL, ANN)
    wire.lands(IN.around(with_flags(frame, flags)))
    wire.arrives(wire.ann, frame)
    assert wire.lands(IN.around(frame)) == Reason.NEW


def test_only_hosts_to_which_there_is_a_tunnel_tell_anything(wire: Wire) -> None:
    """What others send Open vSwitch drops, while the same from the right host comes out."""
    frame = between("udp4", CARL, ANN)
    stranger = replace(IN, source=ELSEWHERE)
    assert wire.lands(stranger.around(frame)) == Reason.NEW
    wire.arrives(wire.ann, frame)
    assert not list(wire.cache.flows())
    wire.lands(IN.around(frame))
    assert wire.lands(stranger.around(frame)) == Reason.LEARNING
    wire.arrives(wire.ann, frame)
    assert wire.lands(IN.around(frame)) == Reason.FAST
    assert wire.lands(stranger.around(frame)) == Reason.LEARNING
    assert wire.lands(IN.around(frame)) == Reason.FAST


def test_a_port_is_not_told_of_by_its_own_number(wire: Wire) -> None:
    """Open vSwitch sends nothing back to where it comes from."""
    frame = between("udp4", CARL, ANN)
    assert wire.lands(replace(IN, sender=ANNS).around(frame)) == Reason.NEW
    assert not list(wire.cache.flows())


def test_from_another_place_it_is_learned_anew(wire: Wire) -> None:
    """The sender has moved: its port has another number there, or it is on another host."""
    both = frozenset({*PEERS, IPv4Address(ELSEWHERE)})
    lives_in(wire, World(untracked=frozenset({VNI}), peers=both))
    frame = between("udp4", CARL, ANN)
    for one in (IN, replace(IN, sender=99), replace(IN, source=ELSEWHERE), IN):
        assert wire.lands(one.around(frame)) == Reason.NEW
        wire.arrives(wire.ann, frame)
        assert wire.lands(one.around(frame)) == Reason.FAST
    wire.lands(replace(IN, source=ELSEWHERE).around(frame))
    assert wire.lands(IN.around(frame)) == Reason.NEW, "what came out is to be of the same place"


def test_where_answers_go_counts_once_there_are_some(wire: Wire) -> None:
    """From there on a packet from elsewhere is a stranger's, and moves nothing."""
    there, back = between("udp4", ANN, CARL), between("udp4", CARL, ANN)
    wire.lands(IN.around(back))
    wire.arrives(wire.ann, back)
    assert wire.leaves(wire.ann, there) == Reason.NEW
    wire.departs(OUT.around(there))
    assert wire.leaves(wire.ann, there) == wire.lands(IN.around(back)) == Reason.FAST
    assert wire.lands(replace(IN, sender=99).around(back)) == Reason.STRANGER
    assert wire.leaves(wire.ann, there) == wire.lands(IN.around(back)) == Reason.FAST


@pytest.mark.parametrize("kind", KINDS)
def test_across_a_router_on_one_host(site: Site, kind: str) -> None:
    there = routed.asked(kind, ANN, EVE)
    assert site.leaves(site.ann, there) == Reason.NEW
    site.arrives(site.eve, routed.routed(kind, ANN, EVE))
    assert site.leaves(site.ann, there) == Reason.FAST


@pytest.mark.parametrize("kind", KINDS)
def test_across_a_router_to_and_from_another_host(site: Site, kind: str) -> None:
    there, back = routed.asked(kind, ANN, FAY), routed.routed(kind, FAY, ANN)
    assert site.leaves(site.ann, there) == Reason.NEW
    site.departs(routed.OUT.around(routed.routed(kind, ANN, FAY)))
    assert site.leaves(site.ann, there) == Reason.FAST
    site.cache.end(list(site.cache.flows()))
    assert site.lands(routed.IN.around(back)) == Reason.NEW
    site.arrives(site.ann, back)
    assert site.lands(routed.IN.around(back)) == Reason.FAST


def test_both_directions_across_a_router_find_the_same_place(site: Site) -> None:
    """What lands is of the router's port, what departs tells the far end's own: it settles."""
    there, back = routed.asked("udp4", ANN, FAY), routed.routed("udp4", FAY, ANN)
    site.lands(routed.IN.around(back))
    site.arrives(site.ann, back)
    site.leaves(site.ann, there)
    site.departs(routed.OUT.around(routed.routed("udp4", ANN, FAY)))
    assert site.lands(routed.IN.around(back)) == Reason.NEW
    site.arrives(site.ann, back)
    for _ in range(2):
        assert site.lands(routed.IN.around(back)) == site.leaves(site.ann, there) == Reason.FAST


@pytest.mark.parametrize("tracked", [VNI, GREEN_VNI, ROUTER])
def test_across_a_router_everything_on_the_way_must_be_untracked(site: Site, tracked: int) -> None:
    lives_in(site, replace(EVERYONE, untracked=EVERYONE.untracked - {tracked}))
    site.leaves(site.ann, routed.asked("udp4", ANN, EVE))
    site.arrives(site.eve, routed.routed("udp4", ANN, EVE))
    assert site.leaves(site.ann, routed.asked("udp4", ANN, EVE)) == Reason.LEARNING
    site.leaves(site.ann, routed.asked("udp4", ANN, FAY))
    site.departs(routed.OUT.around(routed.routed("udp4", ANN, FAY)))
    assert site.leaves(site.ann, routed.asked("udp4", ANN, FAY)) == Reason.LEARNING
