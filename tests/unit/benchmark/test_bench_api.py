"""Figures of the chapter `api`, without a lab."""

import io

from rich.console import Console

from bench import report
from bench.api import active, load, read
from bench.api import report as api_report


def test_each_figure_stands_beside_its_peer() -> None:
    kinds = {"sealane": [0.02, 0.02], "ovn": [0.01, 0.01]}
    at = {
        "active": api_report.of_active(active.Samples(kinds, kinds, kinds)),
        "load": api_report.of_load(
            load.Samples([0.5], [1.0], [0.1], {1: 100.0, 8: 200.0}, {1: 90.0, 8: 80.0})
        ),
        "read": api_report.of_read(read.Samples({"show": [0.002]}, {"show": [0.001]}, {"show": 900})),
        "memory_mib": {"sealane api.server": 30.0},
        "rebuild": 1.5,
    }
    text = _shown({"api": {"1000": at}})
    assert at["active"]["bound"]["ratio"]["value"] == 2.0
    for expected in ("20.0", "×2.0", "500.0", "×5.0", "1,500", "200", "api.server", "1,000 ports"):
        assert expected in text


def test_an_empty_system_has_no_lists() -> None:
    kinds = {"sealane": [0.02], "ovn": [0.01]}
    at = {
        "active": api_report.of_active(active.Samples(kinds, kinds, kinds)),
        "load": api_report.of_load(load.Samples(rates={1: 1.0, 8: 1.0}, deleted={1: 1.0, 8: 1.0})),
        "memory_mib": {},
    }
    assert "0 ports" in _shown({"api": {"0": at}})


def _shown(found: report.Report) -> str:
    out = io.StringIO()
    report.show(found, Console(file=out, width=160))
    return out.getvalue()
