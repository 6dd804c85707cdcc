"""Figures of the benchmark, without running one."""

import io

from rich.console import Console

from bench import docker_run, report
from bench.agent import parse, spent
from bench.memory import daemon
from bench.stats import abba, median, paired_ratio, ratio
from sealane.agent import metrics


def test_abba() -> None:
    assert abba(("a", "b", "c"), 2) == list("abccbaabccba")


def test_interval_holds_the_figure() -> None:
    figure = median([1.0, 2.0, 3.0, 4.0, 5.0])
    assert figure.low <= figure.value == 3.0 <= figure.high
    assert ratio([2.0] * 5, [1.0] * 5).value == 2.0
    assert paired_ratio([2.0, 40.0, 3.0], [1.0, 20.0, 1.0]).value == 2.0


def test_a_kind_that_is_absent_is_said_so() -> None:
    samples = docker_run.Samples({"none": [0.2], "bridge": [0.4, 0.4]}, {"overlay": "no Swarm"})
    text = _shown({"docker_run": report.of_docker_run(samples)})
    assert "overlay was not measured: no Swarm" in text
    assert "0.50" in text


def test_doors_are_compared_with_those_of_one_host() -> None:
    samples = {
        "CNI bridge": {"call": [2.0], "packet": [4.0]},
        "by hand": {"call": [1.0], "packet": [2.0]},
        "sealane CNI": {"call": [3.0], "packet": [2.0]},
    }
    found = report.of_doors(samples)
    ours = found["call"]["sealane CNI"]["ratio_to"]
    assert (ours["CNI bridge"]["value"], ours["by hand"]["value"]) == (1.5, 3.0)
    assert found["packet"]["sealane CNI"]["ratio_to"]["CNI bridge"]["value"] == 0.5
    text = _shown({"doors": found})
    assert "to its end" in text and "to the first answer" in text


def test_time_is_read_from_the_agents_own_metrics() -> None:
    before = parse(bytes(metrics.show().body).decode())
    with metrics.call("NetworkDriver.Test"), metrics.step("test"):
        pass
    found = spent(before, parse(bytes(metrics.show().body).decode()))
    assert set(found) == {"NetworkDriver.Test", "test"} and min(found.values()) > 0


def test_a_run_without_a_call_counts_as_nothing_spent_on_it() -> None:
    samples = docker_run.Samples({"sealane": [1.0]}, spent={"sealane": [{"Join": 0.2}, {}, {}]})
    assert report.of_docker_run(samples)["agent"] == {"sealane": {"Join": 0.0}}


def test_daemons_are_named() -> None:
    assert daemon(["/x/python3", "-m", "sealane.agent.main", ""]) == "sealane agent.main"
    assert daemon(["ovsdb-server", "--remote=punix:x", "/var/lib/ovnnb.db"]) == "ovsdb-server ovnnb"
    assert daemon(["/usr/sbin/dockerd", "-H", "unix://x"]) == "dockerd"


def _shown(found: report.Report) -> str:
    out = io.StringIO()
    report.show(found, Console(file=out, width=100))
    return out.getvalue()
