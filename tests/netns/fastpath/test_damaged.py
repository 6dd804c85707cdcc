"""Where the kernel has no memory to change a packet's headers, it is dropped and counted: it must not arrive
changed by half.

The programs are the shipped ones but for one call of bpf_skb_store_bytes that fails, as it does then: each of
those calls in turn.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from sealane.fastpath import bpf, elf, layout
from sealane.fastpath.build import OBJECT
from sealane.fastpath.cache import Counts
from sealane.fastpath.layout import Reason
from sealane.fastpath.rows import Port, World
from tests.netns.fastpath import outside as floating
from tests.netns.fastpath import packets, routed, tunnels
from tests.netns.fastpath import test_outside as outside
from tests.netns.fastpath.outside import Outside
from tests.netns.fastpath.packets import ANN, BLUE, between
from tests.netns.fastpath.routed import Site
from tests.netns.hosts import Space

STORE = bytes.fromhex("8500000009000000")  # call bpf_skb_store_bytes
FAILS = bytes.fromhex("b7000000f4ffffff")  # r0 = -ENOMEM
DROPPED = 2  # TC_ACT_SHOT
WORLD = replace(outside.WORLD, mac="0a:00:00:00:00:09")
"""By a gateway beside the router."""


@pytest.fixture(scope="module")
def underlay() -> Iterator[Space]:
    with tunnels.links() as space:
        for link in ("slgblue", "slwblue", floating.LINK):
            space.run("ip", "link", "add", link, "type", "veth", "peer", "name", f"p{link}")
        yield space


def shipped() -> elf.Object:
    return elf.read(OBJECT.read_bytes())


def places(name: str) -> list[int]:
    code = shipped().programs[name].code
    return [at for at in range(0, len(code), 8) if code[at : at + 8] == STORE]


@contextmanager
def failing(site: Site, name: str, at: int) -> Iterator[int]:
    """The program, with the site's maps, whose call there fails; closed afterwards."""
    whole = shipped()
    program = whole.programs[name]
    broken = replace(program, code=program.code[:at] + FAILS + program.code[at + 8 :])
    descriptor = bpf.load(name, broken.linked(site.cache._maps), whole.license)
    before, site.cache._programs[name] = site.cache._programs[name], descriptor
    try:
        yield descriptor
    finally:
        site.cache._programs[name] = before
        os.close(descriptor)


@contextmanager
def a_site(space: Space) -> Iterator[Site]:
    with routed.site(space) as site:
        everyone = replace(site.ann, answers=True), site.eve, gateway(site)
        site.within(lambda: site.cache.set_ports(everyone, site.underlay, World(routed.routes())))
        site.cache.resume()
        yield site


def gateway(site: Site) -> Port:
    return replace(outside.way(site.space, "blue", BLUE), mac=WORLD.mac)


Place = Callable[[Space], AbstractContextManager[Any]]
"""A site of a kind that its cases know."""
Case = Callable[[Any], tuple[str, int, bytes]]
"""Makes something fast, and tells which program at which link changes which frame then."""


def answer_beside_a_router(kind: str) -> Case:
    def case(site: Site) -> tuple[str, int, bytes]:
        """To the gateway, whichever MAC the container thinks it has."""
        out = gateway(site)
        asked = between(kind, WORLD, ANN)
        answer = between(kind, ANN, replace(WORLD, mac=routed.BLUE_LEG.mac))
        site.leaves(out, asked)
        site.arrives(site.ann, asked)
        site.leaves(site.ann, answer)
        site.arrives(out, between(kind, ANN, WORLD))
        return "leave", site.ann.link, answer

    return case


def across_a_router(kind: str) -> Case:
    return lambda site: ("leave", site.ann.link, site.meet(kind)[0])


def across_it_to_another_host(kind: str) -> Case:
    return lambda site: ("leave", site.ann.link, site.call(kind)[0])


def to_another_host(kind: str) -> Case:
    return lambda site: ("leave", site.ann.link, tunnels.Wire.establish(site, kind)[0])


def from_another_host(kind: str) -> Case:
    return lambda site: (
        "land",
        site.underlay.link,
        tunnels.IN.around(tunnels.Wire.establish(site, kind)[1]),
    )


def out_by_a_floating_ip(site: Outside) -> tuple[str, int, bytes]:
    site.talk()
    return "leave", site.ann.link, floating.asked("tcp")


def in_by_a_floating_ip(site: Outside) -> tuple[str, int, bytes]:
    site.talk()
    return "enter", site.outer, floating.back("tcp")


CASES: tuple[tuple[Place, Case], ...] = tuple(
    (a_site, make(kind))
    for make in (
        answer_beside_a_router,
        across_a_router,
        across_it_to_another_host,
        to_another_host,
        from_another_host,
    )
    for kind in ("tcp4", "tcp6")
)
CASES += ((floating.outside, out_by_a_floating_ip), (floating.outside, in_by_a_floating_ip))


EVERY = [(name, number) for name in layout.PROGRAMS for number, _ in enumerate(places(name))]


@pytest.mark.parametrize(("name", "number"), EVERY)
def test_what_could_not_be_changed_is_dropped(underlay: Space, name: str, number: int) -> None:
    at = places(name)[number]
    found = [case for place, case in CASES if damages(underlay, place, case, name, at)]
    assert found, "no case comes by this call"


def damages(underlay: Space, place: Place, case: Case, name: str, at: int) -> bool:
    with place(underlay) as site:
        program, link, frame = case(site)
        counts: Callable[[], Counts] = site.cache.reasons if program == "leave" else site.cache.landed
        if program != name:
            return False
        with failing(site, name, at) as broken:
            before = counts()
            site.as_just_now()
            ran = site.within(lambda: bpf.run(broken, frame, link, 0))
        after = counts()
        (reason,) = [r for r in Reason if after[r][0] != before[r][0]]
        assert (ran.verdict == DROPPED) == (reason is Reason.DAMAGED)
        assert ran.verdict != packets.PASSES, reason
        return reason is Reason.DAMAGED
