"""Samples to a report, and the report to tables. Figures of different machines don't compare: ratios do."""

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import docker_run, doors, groups
from bench.api import report as api_report
from bench.data import report as data_report
from bench.stats import median, ratio

Report = dict[str, Any]
BASES = ("bridge", "overlay")
GROUP_BASES = ("ovn-nbctl",)
DOOR_BASES = ("CNI bridge", "by hand")


def machine() -> Report:
    return {"kernel": platform.release(), "cores": os.cpu_count(), "load_before": os.getloadavg()}


def of_docker_run(samples: docker_run.Samples) -> Report:
    return {
        "kinds": {kind: _row(seconds, samples.seconds, BASES) for kind, seconds in samples.seconds.items()},
        "absent": samples.absent,
        "agent": {kind: _typical(runs) for kind, runs in samples.spent.items()},
    }


def of_groups(samples: groups.Samples) -> Report:
    """Of each change the two kinds, and the ratio to OVN alone."""
    return {
        change: {
            kind: _row(found[change], {k: v[change] for k, v in samples.items()}, GROUP_BASES)
            for kind, found in samples.items()
        }
        for change in ("let", "forbid")
    }


def of_doors(samples: doors.Samples) -> Report:
    """Of each door the call, and the first packet, with ratios to those that know no other host."""
    return {
        what: {
            kind: _row(found[what], {k: v[what] for k, v in samples.items()}, DOOR_BASES)
            for kind, found in samples.items()
        }
        for what in ("call", "packet")
    }


def _row(values: Sequence[float], everyone: Mapping[str, Sequence[float]], bases: Iterable[str]) -> Report:
    return {
        "median": asdict(median(values)),
        "ratio_to": {base: asdict(ratio(values, everyone[base])) for base in bases if base in everyone},
        "samples": values,
    }


def _typical(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Median seconds of a run for each call and step; one that is not in each run counts as 0 there."""
    known = sorted({name for run in runs for name in run})
    return {name: statistics.median(run.get(name, 0.0) for run in runs) for name in known}


def show(report: Report, console: Console) -> None:
    if "docker_run" in report:
        _show_docker(report, console)
    for change, rows in report.get("groups", {}).items():
        title = f"{change} by a rule, ms to its effect on packets"
        console.print(_table(title, rows, GROUP_BASES, _milliseconds))
    for what, rows in report.get("doors", {}).items():
        title = f"attach, ms from the call to {'its end' if what == 'call' else 'the first answer'}"
        console.print(_table(title, rows, DOOR_BASES, _milliseconds))
    if "api" in report:
        api_report.show(report["api"], console)
    if "data" in report:
        data_report.show(report["data"], console)


def _show_docker(report: Report, console: Console) -> None:
    run = report["docker_run"]
    console.print(_table("docker run --rm IMAGE true, ms to its exit", run["kinds"], BASES, _milliseconds))
    console.print(_spent(run["agent"]))
    console.print(_memory(report.get("memory_mib", {})))
    for kind, reason in run["absent"].items():
        console.print(f"{kind} was not measured: {reason}")


def _table(title: str, rows: Report, bases: Sequence[str], unit: Callable[[float], str]) -> Table:
    table = Table("network", "n", "median (95 %)", *(f"to {base}" for base in bases), title=title)
    for kind, row in rows.items():
        relative = [_span(row["ratio_to"].get(base), "{:.2f}".format) for base in bases]
        table.add_row(kind, str(len(row["samples"])), _span(row["median"], unit), *relative)
    return table


def _spent(agent: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table("call or step", *agent, title="where the agent's time goes: median ms of a run")
    for name in sorted({name for found in agent.values() for name in found}):
        values = [found.get(name, 0.0) for found in agent.values()]
        table.add_row(name, *(f"{value * 1000:.1f}" for value in values))
    return table


def _memory(hosts: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table("daemon", *hosts, title="memory, MiB (proportional set size)")
    for name in sorted({name for found in hosts.values() for name in found}):
        table.add_row(name, *(f"{found[name]:.0f}" if name in found else "" for found in hosts.values()))
    return table


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"


def _span(figure: Mapping[str, float] | None, unit: Callable[[float], str]) -> str:
    if figure is None:
        return "-"
    return f"{unit(figure['value'])} ({unit(figure['low'])}…{unit(figure['high'])})"
