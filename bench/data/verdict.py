"""Whether the goals were met, and whether the run can say so. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.data.goals import FIGURES, GOALS, Cell, Goal
from bench.data.samples import Samples, Sorted
from bench.stats import Estimate, paired_ratio

TRUST = 0.05
"""By how much the control may differ from the underlay, which it is."""
HITS = 0.99
"""Share of the packets that were fast, below which the visits did not measure the fast path."""
LEAST = 6
"""Blocks below which a median and its interval say nothing."""
CONTROLLED = tuple(figure for figure in FIGURES if figure.value in ("rate", "cpu_per_gb"))
"""Quantiles are not: the p99 of two equal places differs by more."""


@dataclass(frozen=True)
class Outcome:
    goal: Goal
    ratio: Estimate
    blocks: int
    met: bool
    doubt: str = ""
    """Why it says nothing of the fast path."""


def ratio(samples: Samples, figure: str, arm: str, base: str) -> tuple[Estimate, int] | None:
    """Median of one ratio a block, of blocks that have both, and how many they are; None where none has."""
    values, others = (samples.get(one, {}).get(figure, {}) for one in (arm, base))
    blocks = sorted(values.keys() & others.keys())
    if not blocks:
        return None
    return paired_ratio([values[n] for n in blocks], [others[n] for n in blocks]), len(blocks)


def outcomes(found: Sorted, goals: Iterable[Goal] = GOALS) -> list[Outcome]:
    """Of the goals whose arms were both measured."""
    odd, cells = doubts(found.samples), {figure.name: figure.cell for figure in FIGURES}
    outcomes = []
    for goal in goals:
        if (measured := ratio(found.samples, goal.figure, goal.arm, goal.base)) is not None:
            value, blocks = measured
            reasons = (
                _few(blocks),
                "control" if goal.figure in odd else "",
                _slow(found.hits.get(goal.arm, {}), cells[goal.figure]),
            )
            doubt = ", ".join(filter(None, reasons))
            outcomes.append(Outcome(goal, value, blocks, goal.met(value.value) and not doubt, doubt))
    return outcomes


def _few(blocks: int) -> str:
    return "" if blocks >= LEAST else f"{blocks} blocks"


def _slow(hits: Mapping[Cell, float], cell: Cell) -> str:
    """New connections are not fast before their handshake."""
    share = 1.0 if cell[0] == "crr" else hits.get(cell, 1.0)
    return "" if share >= HITS else f"{share:.1%} fast"


def doubts(samples: Samples) -> dict[str, str]:
    """By figure, why nothing that was measured of it counts; nothing when the run can be trusted."""
    found = {}
    for figure in CONTROLLED:
        measured = ratio(samples, figure.name, "control", "underlay")
        if measured is not None and abs(measured[0].value - 1) > TRUST:
            found[figure.name] = f"the control is {measured[0].value:.3f} of the underlay, which it is"
        if measured is None and any(figure.name in rows for rows in samples.values()):
            found[figure.name] = "there is no control"
    return found
