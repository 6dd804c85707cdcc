"""What the chapter found, as JSON, as tables and as one picture."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.data.goals import FIGURES, doubts, outcomes
from bench.data.run import Found
from bench.stats import median


def of(found: Found) -> dict[str, Any]:
    return {
        "arms": {
            arm: {
                name: {"median": asdict(median(values)), "samples": values} for name, values in rows.items()
            }
            for arm, rows in found.samples.items()
        },
        "goals": [
            {**asdict(one.goal), "ratio": asdict(one.ratio), "met": one.met, "doubt": one.doubt}
            for one in outcomes(found.samples, found.hits)
        ],
        "void": doubts(found.samples),
        "hits": found.hits,
        "discarded_blocks": found.discarded,
        "absent": found.absent,
    }


def show(report: dict[str, Any], console: Console) -> None:
    table = Table("", *(figure.short for figure in FIGURES), title="medians of all blocks")
    for arm, rows in report["arms"].items():
        medians = ((figure, rows[figure.name]["median"]["value"]) for figure in FIGURES)
        table.add_row(arm, *(f"{value / figure.scale:.3g}" for figure, value in medians))
    console.print(table)
    console.print(_goals(report["goals"]))
    for arm, share in report["hits"].items():
        console.print(f"{arm}: {share:.2%} of the packets were fast")
    for arm, reason in report["absent"].items():
        console.print(f"{arm} was not measured: {reason}")
    if report["discarded_blocks"]:
        console.print(f"{report['discarded_blocks']} blocks do not count: the machine's host took its time")
    for reason in report["void"]:
        console.print(f"VOID: {reason}")


def _goals(rows: list[dict[str, Any]]) -> Table:
    titles = {figure.name: figure.title for figure in FIGURES}
    table = Table("", "of", "ratio (95 %)", "target", "moonshot", "met", title="ratios, one a block")
    for row in rows:
        ratio = row["ratio"]
        span = f"{ratio['value']:.2f} ({ratio['low']:.2f}…{ratio['high']:.2f})"
        pair = f"{row['arm']} to {row['base']}"
        target, moonshot = f"{row['target']:g}", f"{row['moonshot']:g}"
        table.add_row(
            titles[row["figure"]],
            pair,
            span,
            target,
            moonshot,
            row["doubt"] or ("yes" if row["met"] else "no"),
        )
    return table
