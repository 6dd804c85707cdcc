"""The chapter `api`, once and small. No time is asserted."""

import io
import json
from collections.abc import Iterator

import pytest
from rich.console import Console

from bench.api import report, run
from sealane.lab.lab import Lab, all_names
from tests import labs

NAME = labs.name("bench")


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab(NAME, hosts=1)
    made.down()  # of a run that was killed
    with made:
        yield made
    assert NAME not in all_names()


def test_all_figures_are_there(lab: Lab) -> None:
    found = run.measure(lab, (0, 1000), 1)
    assert set(found) == {"0", "1000"}
    for size, at in found.items():
        assert {"active", "load", "memory_mib"} <= set(at)
        for stage in report.STAGES:
            samples = at["active"][stage]["samples"]
            assert {len(samples["sealane"]), len(samples["ovn"])} == {2}
        assert "sealane api.server" in at["memory_mib"]
        assert set(at["load"]["rates"]) == set(at["load"]["deleted"]) == {1, 8}
        assert ("read" in at) == ("rebuild" in at) == ("bulk" in at["load"]) == (size != "0")
    json.dumps(found)
    report.show(found, Console(file=io.StringIO()))
    assert (
        lab.exec("host1", "ovs-vsctl", "--db=unix:/run/sealane/ovs/db.sock", "list-ports", "br-int").stdout
        == ""
    )
