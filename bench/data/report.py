"""What the chapter found, as JSON and as tables."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.data.goals import FIGURES, Cell
from bench.data.journal import Journal
from bench.data.samples import Samples, sort
from bench.data.verdict import doubts, outcomes
from bench.stats import median


def of(journal: Journal) -> dict[str, Any]:
    """Of a run, whether it has ended or not. Raises RuntimeError when the file is none of ours."""
    found = sort(journal.visits())
    return {
        "settings": asdict(journal.settings()),
        "arms": _arms(found.samples),
        "goals": [
            {
                **asdict(one.goal),
                "ratio": asdict(one.ratio),
                "blocks": one.blocks,
                "met": one.met,
                "doubt": one.doubt,
            }
            for one in outcomes(found)
        ],
        "void": doubts(found.samples),
        "hits": _by_name(found.hits),
        "retransmits": _by_name(found.retransmits),
        "failed": _by_name(found.failed),
        "stolen_visits": found.stolen,
        "absent": journal.absent(),
    }


def _arms(samples: Samples) -> dict[str, Any]:
    return {
        arm: {
            figure: {"median": asdict(median(list(values.values()))), "samples": dict(values)}
            for figure, values in rows.items()
        }
        for arm, rows in samples.items()
    }


def _by_name(rows: Mapping[str, Mapping[Cell, Any]]) -> dict[str, dict[str, Any]]:
    return {
        arm: {f"{what}-{flows}": value for (what, flows), value in cells.items()}
        for arm, cells in rows.items()
    }


def show(report: dict[str, Any], console: Console) -> None:
    console.print(_medians(report["arms"]))
    console.print(_goals(report["goals"]))
    for arm, cells in report["hits"].items():
        console.print(
            f"{arm}: fast were " + ", ".join(f"{share:.2%} in {cell}" for cell, share in cells.items())
        )
    for arm, cells in report["retransmits"].items():
        if any(cells.values()):
            told = ", ".join(f"{count:.0f} in {cell}" for cell, count in cells.items())
            console.print(f"{arm}: segments sent again, on average {told}")
    for arm, reason in report["absent"].items():
        console.print(f"{arm} was not measured: {reason}")
    for arm, cells in report["failed"].items():
        for cell, reasons in cells.items():
            console.print(f"{arm} failed in {cell}, {len(reasons)} times, at last: {reasons[-1]}")
    if report["stolen_visits"]:
        console.print(f"{report['stolen_visits']} visits do not count: the machine's host took its time")
    for figure, reason in report["void"].items():
        console.print(f"VOID, {figure}: {reason}")


def _medians(arms: dict[str, Any]) -> Table:
    table = Table("", *(figure.short for figure in FIGURES), title="medians of all blocks")
    for arm, rows in arms.items():
        cells = (
            f"{rows[figure.name]['median']['value'] / figure.scale:.3g}" if figure.name in rows else ""
            for figure in FIGURES
        )
        table.add_row(arm, *cells)
    return table


def _goals(rows: list[dict[str, Any]]) -> Table:
    titles = {figure.name: figure.title for figure in FIGURES}
    table = Table("", "of", "ratio (95 %)", "n", "target", "moonshot", "met", title="ratios, one a block")
    for row in rows:
        ratio = row["ratio"]
        void = f"void: {row['doubt']}" if row["doubt"] else ""
        table.add_row(
            titles[row["figure"]],
            f"{row['arm']} to {row['base']}",
            f"{ratio['value']:.2f} ({ratio['low']:.2f}…{ratio['high']:.2f})",
            str(row["blocks"]),
            f"{row['target']:g}",
            f"{row['moonshot']:g}",
            void or ("yes" if row["met"] else "no"),
        )
    return table
