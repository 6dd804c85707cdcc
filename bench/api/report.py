"""Samples to a report, and the report to tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.api import active, load, read
from bench.stats import median, ratio

Report = dict[str, Any]
STAGES = {
    "answered": "made",
    "created": "made to ACTIVE",
    "bound": "interface to ACTIVE",
}


def of_active(samples: active.Samples) -> Report:
    """By stage: the medians of both, and the ratio of Sealane to OVN alone."""
    return {stage: _beside(getattr(samples, stage)) for stage in STAGES}


def _beside(by_kind: Mapping[str, Sequence[float]]) -> Report:
    return {
        "sealane": asdict(median(by_kind["sealane"])),
        "peer": asdict(median(by_kind["ovn"])),
        "ratio": asdict(ratio(by_kind["sealane"], by_kind["ovn"])),
        "samples": by_kind,
    }


def of_load(samples: load.Samples) -> Report:
    found: Report = {"rates": samples.rates, "deleted": samples.deleted, "late": samples.late}
    if samples.bulk:
        found["bulk"] = {
            "sealane": asdict(median(samples.bulk)),
            "peer": asdict(median(samples.raw)),
            "ratio": asdict(ratio(samples.bulk, samples.raw)),
            "samples": {"sealane": samples.bulk, "raw": samples.raw},
        }
        found["translated"] = {"sealane": asdict(median(samples.translated)), "samples": samples.translated}
    return found


def of_read(samples: read.Samples) -> Report:
    return {
        name: {
            "sealane": asdict(median(seconds)),
            "peer": asdict(median(samples.encoding[name])),
            "ratio": asdict(ratio(seconds, samples.encoding[name])),
            "bytes": samples.size[name],
            "samples": seconds,
        }
        for name, seconds in samples.seconds.items()
    }


def show(found: Report, console: Console) -> None:
    """One table for each kind of figure, a column for each size."""
    console.print(_times(found))
    console.print(_rates(found))
    console.print(_memory(found))


def _times(found: Report) -> Table:
    title = "median ms, and the ratio to the peer; intervals are in the file"
    table = Table("", "peer", *(f"{int(size):,} ports" for size in found), title=title)
    for stage, text in STAGES.items():
        _row(table, found, f"port {text}", "OVN alone", lambda at, stage=stage: at["active"][stage])
    _row(
        table, found, f"bulk of {load.BULK:,}: answer", "bare transaction", lambda at: at["load"].get("bulk")
    )
    _row(table, found, f"bulk of {load.BULK:,}: in OVN", "", lambda at: at["load"].get("translated"))
    for name in next((at["read"] for at in found.values() if "read" in at), ()):
        _row(
            table,
            found,
            f"ports, {name}",
            "encoding alone",
            lambda at, name=name: at.get("read", {}).get(name),
        )
    cells = (f"{at['rebuild'] * 1000:,.0f}" if "rebuild" in at else "" for at in found.values())
    table.add_row("northbound lost: all made anew", "", *cells)
    return table


def _row(table: Table, found: Report, name: str, peer: str, pick: Callable[[Report], Any]) -> None:
    table.add_row(name, peer, *(_cell(pick(at)) for at in found.values()))


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return ""
    text = f"{figure['sealane']['value'] * 1000:,.1f}"
    return f"{text}  ×{figure['ratio']['value']:,.1f}" if "ratio" in figure else text


def _rates(found: Report) -> Table:
    table = Table("", *(f"{int(size):,} ports" for size in found), title="ports a second, one by one")
    for verb, key in (("made", "rates"), ("deleted", "deleted")):
        for clients in load.CLIENTS:
            cells = (f"{at['load'][key][clients]:.0f}" for at in found.values())
            table.add_row(f"{verb}, {clients} client{'s' * (clients > 1)}", *cells)
    return table


def _memory(found: Report) -> Table:
    title = "memory of the host, MiB (proportional set size)"
    table = Table("daemon", *(f"{int(size):,} ports" for size in found), title=title)
    for name in sorted({name for at in found.values() for name in at["memory_mib"]}):
        table.add_row(name, *(f"{at['memory_mib'].get(name, 0):.0f}" for at in found.values()))
    return table
