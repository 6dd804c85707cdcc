"""All that a cell measures, between two namespaces on a veth pair. No time is asserted."""

import subprocess
from collections.abc import Iterator

import pytest

from bench.data.arms import Arms
from bench.data.goals import CELLS, FIGURES
from bench.data.plan import Step
from bench.data.probe import LOWEST, Place, SourcePorts, compiled, measure, served
from bench.data.run import PATIENCE, Visitor
from sealane.lab.lab import Lab

Pair = tuple[list[str], list[str]]


@pytest.fixture
def pair() -> Iterator[Pair]:
    holders = [_holder(), _holder()]
    try:
        pids = [str(holder.pid) for holder in holders]
        first, second = (["nsenter", f"--net=/proc/{pid}/ns/net", "--"] for pid in pids)
        _run([*first, "ip", "link", "add", "b0", "type", "veth", "peer", "name", "b1", "netns", pids[1]])
        for place, link, address in ((first, "b0", "192.0.2.1/24"), (second, "b1", "192.0.2.2/24")):
            _run([*place, "ip", "address", "add", address, "dev", link])
            _run([*place, "ip", "link", "set", link, "up"])
        yield first, second
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()


def _holder() -> "subprocess.Popen[bytes]":
    script = "ip link set lo up; echo up; exec sleep 120"
    holder = subprocess.Popen(["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"up\n"
    return holder


def _run(argv: list[str]) -> None:
    subprocess.run(argv, check=True, timeout=20)


def test_every_figure_comes_through(pair: Pair) -> None:
    place = Place(pair[1], pair[0], "192.0.2.1")
    with compiled() as program, served(place, program):
        cells = {cell: measure(place, program, *cell, seconds=1) for cell in CELLS}
    for figure in FIGURES:
        assert cells[figure.cell].values[figure.value] > 0, figure.name
    assert cells["udp", 1].values["lost"] < 0.5


def test_nobody_there_is_an_error(pair: Pair) -> None:
    with compiled() as program, pytest.raises(RuntimeError, match=r"192\.0\.2\.9"):
        measure(Place(pair[1], pair[0], "192.0.2.9"), program, "rr", 1, seconds=1)


def test_each_connection_has_a_source_port_of_its_own(pair: Pair) -> None:
    place, sources = Place(pair[1], pair[0], "192.0.2.1"), SourcePorts()
    with compiled() as program, served(place, program):
        first = measure(place, program, "crr", 1, 1, sources).values["rate"]
        assert sources.first >= LOWEST + first
        before = sources.first
        second = measure(place, program, "crr", 1, 1, sources).values["rate"]
        assert sources.first >= before + second


def test_an_arm_that_fails_is_told_and_the_others_go_on(pair: Pair) -> None:
    good, bad = Place(pair[1], pair[0], "192.0.2.1"), Place(pair[1], pair[0], "192.0.2.9")
    arms = Arms(Lab("none"), {"underlay": good, "control": good, "overlay": bad}, is_on=False)
    with compiled() as program, Visitor(arms, program, seconds=1) as visitor:
        for block in range(PATIENCE):
            assert not visitor.has_given_up(Step(block, "overlay", ("rr", 1)))
            failed = visitor.visit(Step(block, "overlay", ("rr", 1)))
            assert "192.0.2.9" in failed.error and not failed.values
            for arm in ("underlay", "control"):  # at the same server
                assert visitor.visit(Step(block, arm, ("rr", 1))).values["rate"] > 0
        assert visitor.has_given_up(Step(9, "overlay", ("rr", 1)))
        assert not visitor.has_given_up(Step(9, "underlay", ("rr", 1)))
