"""The object is what clang makes of the source; programs at links, and who finds them again."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealane.errors import HostError
from sealane.fastpath import bpf, build, cache, elf, hooks
from sealane.fastpath.cache import Cache
from sealane.fastpath.layout import Reason
from sealane.host import netns, tc
from sealane.host.netlink import Socket
from tests.netns.fastpath import packets
from tests.netns.fastpath.packets import Bench
from tests.netns.hosts import Space


def test_the_object_is_what_the_source_is_compiled_to(tmp_path: Path) -> None:
    target = tmp_path / "programs.o"
    build.compiled(target)
    fresh, shipped = elf.read(target.read_bytes()), elf.read(build.OBJECT.read_bytes())
    assert fresh == shipped, "run `make bpf`"


@pytest.fixture(params=hooks.NAMED)
def at(request: pytest.FixtureRequest) -> hooks.Hooks:
    return hooks.NAMED[request.param]


@pytest.fixture
def bench(links: Space, at: hooks.Hooks) -> Iterator[Bench]:
    """At links that bear nothing of another test's."""
    every = [packets.index(links, name) for name in ("slhann", "slsann", "slhbob", "slsbob")]
    netns.inside(f"/proc/{links.pid}/ns/net", lambda: cache.detach(every))
    with packets.bench(links, at=at) as made:
        yield made


def hooked(bench: Bench, at: hooks.Hooks | None = None) -> list[list[int]]:
    ends = [link for port in (bench.ann, bench.bob) for link in (port.link, port.door)]
    return bench.within(lambda: [(at or bench.cache._hooks).attached(link) for link in ends])


def test_ports_twice_change_nothing(bench: Bench) -> None:
    there, _ = bench.establish()
    before = hooked(bench)
    bench.within(lambda: bench.cache.set_ports([bench.bob, bench.ann]))
    assert hooked(bench) == before and all(len(programs) == 1 for programs in before)
    bench.as_just_now()
    assert bench.leaves(bench.ann, there) == Reason.FAST


def test_the_next_process_goes_on_with_the_flows(bench: Bench, at: hooks.Hooks) -> None:
    there, back = bench.establish()
    before = hooked(bench)
    found = bench.within(lambda: Cache.find([bench.ann.link], at))
    try:
        assert found.on and found.learning
        assert [flow.key for flow in found.flows()] == [flow.key for flow in bench.cache.flows()]
        bench.within(lambda: found.set_ports([bench.ann, bench.bob]))
        assert hooked(bench) == before
        bench.as_just_now()
        assert bench.leaves(bench.ann, there) == bench.leaves(bench.bob, back) == Reason.FAST
        found.pause()
        assert bench.leaves(bench.ann, there) == Reason.PAUSED
    finally:
        found.close()


def test_programs_with_other_maps_are_replaced_each_in_one_step(bench: Bench, at: hooks.Hooks) -> None:
    with packets.bench(bench.space, at=at) as newer:
        programs = hooked(newer)
        assert all(len(ids) == 1 for ids in programs)
        found = newer.within(lambda: Cache.find([newer.ann.link], at))
        there, _ = newer.establish()
        assert len(list(found.flows())) == 1 and not list(bench.cache.flows())
        found.close()
        newer.as_just_now()
        assert newer.leaves(newer.ann, there) == Reason.FAST


def test_nothing_stays_at_links_that_were_left(bench: Bench) -> None:
    every = [bench.ann.link, bench.ann.door, bench.bob.link, bench.bob.door]
    assert all(hooked(bench))
    bench.within(lambda: cache.detach([*every, 9999]))
    bench.within(lambda: cache.detach(every))
    assert not any(hooked(bench))


def test_a_process_of_the_other_kind_takes_the_flows_along(bench: Bench, at: hooks.Hooks) -> None:
    """As after the setting was changed: each link has the program once, and it knows what is fast."""
    there, _ = bench.establish()
    (other,) = [one for one in hooks.EVERY if one is not at]
    if other is hooks.TCX and not bpf.has_tcx():
        return  # an older kernel knows one kind only
    ends = [link for port in (bench.ann, bench.bob) for link in (port.link, port.door)]
    found = bench.within(lambda: Cache.find(ends, other))
    try:
        bench.within(lambda: cache.detach(ends, but=other))
        bench.within(lambda: found.set_ports([bench.ann, bench.bob]))
        assert not any(hooked(bench)) and all(len(ids) == 1 for ids in hooked(bench, other))
        assert [flow.key for flow in found.flows()] == [flow.key for flow in bench.cache.flows()]
        bench.as_just_now()
        assert bench.leaves(bench.ann, there) == Reason.FAST
    finally:
        found.close()


def test_behind_the_filters_that_it_has_none_the_qdisc_goes(bench: Bench, at: hooks.Hooks) -> None:
    """Where the host redirects it stays; the redirection is found, and is the last."""
    one, other = bench.ann.link, bench.bob.link

    def qdiscs() -> str:
        return bench.space.run("tc", "qdisc", "show")

    def redirect() -> int | None:
        with Socket() as socket:
            tc.redirect(socket, one, other)
            return tc.redirected_to(socket, one)

    assert bench.within(redirect) == other
    assert all(hooked(bench))
    bench.within(lambda: cache.detach([bench.ann.link, bench.ann.door, bench.bob.link, bench.bob.door]))
    assert re.findall(r"clsact .* dev (\w+) ", qdiscs()) == ["slhann"]
    bench.space.run("tc", "qdisc", "delete", "dev", "slhann", "clsact")


def test_a_link_that_is_gone_keeps_the_others_from_nothing(bench: Bench) -> None:
    bench.within(lambda: cache.detach([bench.bob.link, bench.bob.door]))
    gone = cache.Port(9998, 9999, packets.RED, "02:00:00:00:00:0c", ("10.0.0.12",), 1442)
    with pytest.raises(HostError, match="9998"):
        bench.within(lambda: bench.cache.set_ports([gone, bench.ann, bench.bob]))
    assert all(hooked(bench))


def test_a_program_that_the_verifier_refuses_is_an_error_with_its_words(bench: Bench) -> None:
    with pytest.raises(HostError, match="R0"):
        bpf.load("broken", bytes.fromhex("9500000000000000"), b"GPL")


def test_the_programs_are_tried_before_they_are_used(bench: Bench) -> None:
    link = bench.ann.link
    before = bench.cache.reasons(link)[Reason.NOT_IP][0]
    bench.within(lambda: bench.cache.try_out(link))
    assert bench.cache.reasons(link)[Reason.NOT_IP][0] == before + 1
