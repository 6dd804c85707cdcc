"""Figures of the benchmark, without running one."""

import io

from rich.console import Console

from bench.docker_run import Samples
from bench.run import show, summary
from bench.stats import abba, median, ratio


def test_abba() -> None:
    assert abba(("a", "b", "c"), 2) == list("abccbaabccba")


def test_interval_holds_the_figure() -> None:
    figure = median([1.0, 2.0, 3.0, 4.0, 5.0])
    assert figure.low <= figure.value == 3.0 <= figure.high
    assert ratio([2.0] * 5, [1.0] * 5).value == 2.0


def test_a_kind_that_is_absent_is_said_so() -> None:
    report = summary(Samples({"none": [0.2], "bridge": [0.4, 0.4]}, {"overlay": "no Swarm"}))
    out = io.StringIO()
    show(report, Console(file=out, width=100))
    assert "overlay was not measured: no Swarm" in out.getvalue()
    assert "0.50" in out.getvalue()
