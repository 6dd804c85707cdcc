"""Every branch of the programs for what leaves by an address that many share, and what comes back to it
(BPF_PROG_TEST_RUN): by the port that connection tracking has given it, while that is known for sure."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_network

import pytest

from sealane.fastpath import layout, shared
from sealane.fastpath.floating import Floating
from sealane.fastpath.layout import Reason
from sealane.fastpath.rows import Route, World
from sealane.fastpath.shared import Answer, Tuple
from tests.e2e.overlay import frames
from tests.e2e.overlay.frames import Station
from tests.netns.fastpath import outside, packets
from tests.netns.fastpath.outside import KINDS, MTU, OTHER, OUTSIDE_VNI, WORLD, Outside, asked, brought, said
from tests.netns.fastpath.packets import ANN, FIN, RED, RST, SYN
from tests.netns.fastpath.routed import BLUE_LEG, OTHER_ROUTER, ROUTER, routes, with_hops
from tests.netns.fastpath.test_programs import IP, TRANSPORT4, put, resummed
from tests.netns.hosts import Space

ROUTERS = Station("fa:16:3e:00:00:02", "203.0.113.2", "")
"""Ann and all others of her network, as the outside knows them."""
GIVEN = 5001
SECOND = 1_000_000_000


@pytest.fixture
def site(hosts: Space) -> Iterator[Outside]:
    with outside.outside(hosts) as made:
        made.lead(sharing(made))
        made.cache.shared.vouch(now() + 60 * SECOND)
        yield made


def sharing(site: Outside) -> Floating:
    """All of Ann's network by the router's own address."""
    outside = IPv4Address(ROUTERS.v4), ROUTERS.mac, OUTSIDE_VNI, site.outer, MTU
    return Floating(ROUTER, IPv4Network("10.0.0.0/24"), *outside, shared=True)


def now() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def out(kind: str, port: int = GIVEN, hops: int = 63, **values: int) -> bytes:
    return said(kind, ROUTERS, WORLD, hops, ports=(port, 4000), **values)


def back(kind: str, port: int = GIVEN, **values: int) -> bytes:
    return said(kind, WORLD, ROUTERS, ports=(4000, port), **values)


def answer(site: Outside, kind: str = "tcp", port: int = GIVEN, router: int = ROUTER) -> Answer:
    protocol = 6 if kind == "tcp" else 17
    inside = Tuple(protocol, IPv4Address(ANN.v4), 4000, IPv4Address(WORLD.v4), 4000)
    return Answer(router, inside, site.outer, IPv4Address(ROUTERS.v4), port)


def change(site: Outside, table: str, key: bytes, **values: Callable[[int], int]) -> None:
    """Numbers of the record that has the key."""
    record = {"asked": layout.ASKED, "translations": layout.TRANSLATION}[table]
    (found,) = site.cache._tables.read(table, key)
    told = dict(record.unpack(found))
    for name, how in values.items():
        before = told[name]
        assert isinstance(before, int)
        told[name] = how(before)
    site.cache._tables.write(table, key, record.pack(**told))


def older(seconds: int) -> Callable[[int], int]:
    return lambda time: time - seconds * SECOND


def know(site: Outside, one: Answer) -> None:
    """As the agent does it for a flow that began a while ago."""
    change(site, "asked", one.key, begun=older(2))
    site.cache.shared.answer(one, now())


def talk(site: Outside, kind: str = "tcp", port: int = GIVEN) -> None:
    assert site.leaves(site.ann, asked(kind)) == Reason.TRANSLATION
    know(site, answer(site, kind, port))
    assert site.leaves(site.ann, asked(kind)) == Reason.NEW
    site.emerges(out(kind, port))
    assert site.enters(back(kind, port)) == Reason.NEW
    site.arrives(site.ann, brought(kind))
    assert site.leaves(site.ann, asked(kind)) == site.enters(back(kind, port)) == Reason.FAST


# learning


@pytest.mark.parametrize("port", [GIVEN, 4000])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_fast_by_its_port_once_both_directions_came_out(site: Outside, kind: str, port: int) -> None:
    assert site.leaves(site.ann, asked(kind)) == Reason.TRANSLATION
    site.emerges(out(kind, port))
    assert site.enters(back(kind, port)) == Reason.TRANSLATION
    assert list(site.cache.flows()) == [], "without an answer there is no entry"
    know(site, answer(site, kind, port))
    assert site.enters(back(kind, port)) == Reason.NEW, "nor for who is outside"
    assert site.leaves(site.ann, asked(kind)) == Reason.NEW
    assert site.leaves(site.ann, asked(kind)) == Reason.LEARNING
    site.emerges(out(kind, port))
    assert site.leaves(site.ann, asked(kind)) == Reason.LEARNING
    assert site.enters(back(kind, port)) == Reason.NEW
    site.arrives(site.ann, brought(kind))
    assert site.sends(site.ann, asked(kind)) == (Reason.FAST, out(kind, port))
    assert site.entered(back(kind, port)) == (Reason.FAST, brought(kind))
    (flow,) = site.cache.flows()
    assert (flow.packets, flow.router) == ((1, 1), ROUTER)


def test_a_flow_is_asked_about_once_it_is_worth_it(site: Outside) -> None:
    key = answer(site).key
    for _ in range(shared.WORTH):
        assert site.cache.shared.asked(now() + 2 * SECOND) == set()
        assert site.leaves(site.ann, asked("tcp")) == Reason.TRANSLATION
    assert site.cache.shared.asked(now()) == set(), "it has just begun"
    assert site.cache.shared.asked(now() + 2 * SECOND) == {key}
    assert site.cache.shared.asked(now() + 6 * SECOND) == set(), "it has been silent for long"
    assert site.cache.shared.asked(now() + 11 * SECOND) == set()
    assert site.cache._tables.keys("asked") == []


def test_no_more_flows_are_asked_about_than_there_is_room_for(site: Outside) -> None:
    for number in range(16384):
        there = answer(site, port=number).inside
        key = shared.flow_key(OTHER_ROUTER, replace(there, source_port=number, target_port=number >> 2))
        site.cache._tables.write("asked", key, layout.ASKED.pack())
    assert site.leaves(site.ann, asked("tcp")) == Reason.FULL
    assert site.leaves(site.ann, asked("tcp", flags=SYN)) == Reason.FULL


# when an answer counts


def test_while_somebody_vouches_for_it(site: Outside) -> None:
    talk(site)
    site.cache.shared.vouch(0)
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.TRANSLATION
    site.emerges(out("tcp"))
    site.cache.shared.vouch(now() + 60 * SECOND)
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.FAST
    site.cache.shared.vouch(now() - SECOND)
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.TRANSLATION


BEGINS: dict[str, tuple[Callable[[Outside], Reason], bool]] = {
    "SYN": (lambda site: site.leaves(site.ann, asked("tcp", flags=SYN)), True),
    "FIN": (lambda site: site.leaves(site.ann, asked("tcp", flags=FIN)), False),
    "RST": (lambda site: site.leaves(site.ann, asked("tcp", flags=RST)), False),
    "SYN from outside": (lambda site: site.enters(back("tcp", flags=SYN)), True),
    "FIN from outside": (lambda site: site.enters(back("tcp", flags=FIN)), False),
    "RST from outside": (lambda site: site.enters(back("tcp", flags=RST)), False),
}


@pytest.mark.parametrize("what", BEGINS)
def test_a_connection_that_begins_or_ends_may_have_another_port_afterwards(site: Outside, what: str) -> None:
    action, again = BEGINS[what]
    talk(site)
    assert action(site) == Reason.BEGINS_OR_ENDS
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.TRANSLATION
    site.cache.shared.answer(answer(site), now())
    assert site.leaves(site.ann, asked("tcp")) == Reason.TRANSLATION, "the question was put too early"
    if again:
        change(site, "asked", answer(site).key, begun=older(2))
        assert site.leaves(site.ann, asked("tcp")) == Reason.NEW
    else:
        (found,) = site.cache._tables.rows("asked").values()
        assert layout.ASKED.unpack(found)["begun"] == layout.ENDED


def test_for_as_long_as_open_vswitch_surely_knows_the_connection(site: Outside) -> None:
    talk(site)
    key = answer(site).key
    change(site, "translations", key, known=older(15))
    assert site.leaves(site.ann, asked("tcp")) == Reason.FAST
    site.emerges(out("tcp"))
    change(site, "translations", key, known=older(15))
    assert site.leaves(site.ann, asked("tcp")) == Reason.FAST, "it was seen since"
    change(site, "translations", key, known=older(15))
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.TRANSLATION
    site.emerges(out("tcp"))
    assert site.leaves(site.ann, asked("tcp")) == Reason.TRANSLATION
    assert site.cache.shared.answered(now()) == set()
    assert [site.cache._tables.keys(name) for name in ("translations", "shared", "asked")] == [[], [], []]


def test_what_another_flow_has_got_is_not_the_first_ones_any_more(site: Outside) -> None:
    talk(site)
    theirs = answer(site)
    theirs = replace(theirs, inside=replace(theirs.inside, source=IPv4Address("10.0.0.99")))
    site.cache.shared.answer(theirs, now())
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.TRANSLATION
    assert site.cache.shared.answered(now()) == {theirs.key}


def test_what_is_looked_after_and_not_found_is_forgotten(site: Outside) -> None:
    talk(site)
    one = answer(site)
    site.cache.shared.keep([one], {one.key})
    assert site.leaves(site.ann, asked("tcp")) == Reason.FAST
    site.cache.shared.keep([replace(one, port=1)], ())
    assert site.leaves(site.ann, asked("tcp")) == Reason.FAST, "it was not looked for"
    site.cache.shared.keep([replace(one, port=1)], {one.key})
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.TRANSLATION


def test_of_another_open_vswitch_nothing_counts(site: Outside) -> None:
    talk(site)
    site.cache.shared.clear()
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.TRANSLATION


# what is in doubt


INWARD: dict[str, tuple[Callable[[bytes], bytes], Reason]] = {
    "another port of ours": (lambda f: put(f, TRANSPORT4 + 2, b"\x13\x88"), Reason.TRANSLATION),
    "from another port": (lambda f: put(f, TRANSPORT4, b"\x0f\xa1"), Reason.TRANSLATION),
    "from another address": (lambda f: resummed(put(f, IP + 12, b"\x08\x08\x08\x08")), Reason.TRANSLATION),
    "by another protocol": (lambda f: back("udp"), Reason.TRANSLATION),
    "the last hop": (lambda f: with_hops(f, 1), Reason.HOPS),
    "another hop limit": (lambda f: with_hops(f, 63), Reason.NEW),
    "a fragment": (lambda f: resummed(put(f, IP + 6, b"\x20\x00")), Reason.FRAGMENT),
    "options": (lambda f: put(f, IP, b"\x46"), Reason.OPTIONS),
    "IPv4 checksum": (lambda f: put(f, IP + 10, b"\xde\xad"), Reason.CHECKSUM),
    "longer than its header says": (lambda f: f + b"\0", Reason.LENGTH),
    "ICMP": (lambda f: resummed(put(f, IP + 9, b"\x01")), Reason.PROTOCOL),
    "DNS": (lambda f: put(f, TRANSPORT4, b"\0\x35"), Reason.SERVICE),
}


@pytest.mark.parametrize("what", INWARD)
def test_what_comes_in_and_is_in_doubt_goes_to_the_switch(site: Outside, what: str) -> None:
    how, reason = INWARD[what]
    talk(site)
    assert site.enters(how(back("tcp"))) == reason
    if what != "another hop limit":
        assert site.enters(back("tcp")) == Reason.FAST


def test_what_emerges_otherwise_is_not_learned(site: Outside, hosts: Space) -> None:
    other = packets.index(hosts, OTHER)
    site.leaves(site.ann, asked("tcp"))
    know(site, answer(site))
    assert site.leaves(site.ann, asked("tcp")) == Reason.NEW
    right = out("tcp")
    for wrong in (
        out("tcp", port=5002),
        put(right, TRANSPORT4 + 2, b"\x0f\xa1"),  # to another port
        put(right, 6, frames._mac(BLUE_LEG.mac)),
        put(right, 0, b"\xff" * 6),
        resummed(put(right, IP + 12, b"\xcb\0\x71\x03")),  # by another address
        with_hops(right, 62),
        out("tcp", flags=RST),
    ):
        site.emerges(wrong)
    site.emerges(right, other)
    assert site.leaves(site.ann, asked("tcp")) == Reason.LEARNING
    assert site.enters(back("tcp")) == Reason.LEARNING
    site.emerges(right)
    assert site.enters(back("tcp")) == Reason.NEW


def test_of_no_other_link_or_address_than_the_rules_say(site: Outside, hosts: Space) -> None:
    talk(site)
    elsewhere = replace(sharing(site), address=IPv4Address("203.0.113.3"))
    site.lead(elsewhere)
    assert site.leaves(site.ann, asked("tcp")) == Reason.TRANSLATION
    assert site.ignores(back("tcp"))
    site.lead(replace(sharing(site), link=packets.index(hosts, OTHER)))
    assert site.leaves(site.ann, asked("tcp")) == Reason.TRANSLATION
    site.lead()
    assert site.leaves(site.ann, asked("tcp")) == Reason.ELSEWHERE
    assert site.ignores(back("tcp"))


def test_who_has_a_floating_ip_does_not_leave_by_the_routers(site: Outside) -> None:
    site.lead(sharing(site), site.floating)
    assert site.leaves(site.ann, asked("tcp")) == Reason.NEW
    site.emerges(outside.out("tcp"))
    site.enters(outside.back("tcp"))
    site.arrives(site.ann, brought("tcp"))
    assert site.sends(site.ann, asked("tcp")) == (Reason.FAST, outside.out("tcp"))


def test_once_rules_change_or_it_is_off(site: Outside) -> None:
    talk(site)
    site.cache.pause()
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.PAUSED
    site.emerges(out("tcp"))
    site.cache.resume()
    assert site.leaves(site.ann, asked("tcp")) == Reason.NEW
    assert site.enters(back("tcp")) == Reason.LEARNING
    site.cache.switch(False)
    assert site.leaves(site.ann, asked("tcp")) == site.enters(back("tcp")) == Reason.OFF


def test_what_arrives_by_an_answer_that_counts_no_more_is_not_learned(site: Outside) -> None:
    site.leaves(site.ann, asked("tcp"))
    know(site, answer(site))
    site.leaves(site.ann, asked("tcp"))
    site.emerges(out("tcp"))
    site.enters(back("tcp"))
    site.cache.shared.vouch(0)
    site.arrives(site.ann, brought("tcp"))
    site.cache.shared.vouch(now() + 60 * SECOND)
    assert site.leaves(site.ann, asked("tcp")) == Reason.LEARNING


def test_tenants_with_the_same_addresses_have_nothing_in_common(site: Outside, hosts: Space) -> None:
    """Rita has Ann's address and MAC behind another router, and the same peer; both have got one port."""
    link, door = (packets.index(hosts, name) for name in ("slhrita", "slsrita"))
    rita = replace(site.ann, network=RED, link=link, door=door, vni=0x77, number=3)
    theirs = replace(ROUTERS, v4="203.0.113.3", mac="fa:16:3e:00:00:03")
    hers = replace(sharing(site), router=OTHER_ROUTER, address=IPv4Address(theirs.v4), mac=theirs.mac)
    told = (
        *routes(),
        Route(ROUTER, ip_network("0.0.0.0/0"), None, OUTSIDE_VNI),
        Route(OTHER_ROUTER, ip_network("10.0.0.0/24"), replace(BLUE_LEG, vni=0x77)),
        Route(OTHER_ROUTER, ip_network("0.0.0.0/0"), None, OUTSIDE_VNI),
    )
    world = World(told, translated=(sharing(site), hers))
    site.within(lambda: site.cache.set_ports((site.ann, rita), site.underlay, world))
    site.cache.resume()
    talk(site)
    outward = said("tcp", theirs, WORLD, 63, ports=(GIVEN, 4000))
    inward = said("tcp", WORLD, theirs, ports=(4000, GIVEN))
    assert site.leaves(rita, asked("tcp")) == Reason.TRANSLATION
    assert site.enters(inward) == Reason.TRANSLATION
    know(site, replace(answer(site, router=OTHER_ROUTER), address=hers.address))
    assert site.leaves(rita, asked("tcp")) == Reason.NEW
    site.emerges(out("tcp"))
    assert site.enters(inward) == Reason.LEARNING
    site.emerges(outward)
    assert site.enters(inward) == Reason.NEW
    site.arrives(site.ann, brought("tcp"))
    assert site.enters(inward) == Reason.LEARNING
    site.arrives(rita, brought("tcp"))
    assert site.sends(rita, asked("tcp")) == (Reason.FAST, outward)
    assert site.sends(site.ann, asked("tcp")) == (Reason.FAST, out("tcp"))
    assert site.entered(inward) == (Reason.FAST, brought("tcp"))
