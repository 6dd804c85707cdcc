"""All that a cell measures, between two namespaces on a veth pair. No time is asserted."""

import subprocess
from collections.abc import Iterator

import pytest

from bench.data.goals import CELLS, FIGURES
from bench.data.probe import Place, compiled, measure, served

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
