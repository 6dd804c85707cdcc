"""The chapter `data`: all arms in turn, A B C C B A, in an order that a seed draws anew for each block."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from bench.data.arms import ARMS, FAST, Arms, prepared
from bench.data.goals import CELLS, FIGURES
from bench.data.probe import Figures, compiled, measure, served
from sealane.lab.lab import Lab

STOLEN = 0.05
"""Share of the machine's time, stolen by its host during a cell, from which its block does not count."""
Visit = dict[tuple[str, int], Figures]
"""What was measured at an arm, by cell."""


@dataclass
class Found:
    """What was measured: by arm and figure one value a block, which is the mean of its two visits."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    hits: dict[str, float] = field(default_factory=dict)
    """By arm with the fast path on: the share of fast packets in all cells but new connections."""
    absent: dict[str, str] = field(default_factory=dict)
    discarded: int = 0
    """Blocks that do not count because the machine was not ours."""


def run(
    lab: Lab, rounds: int, seconds: float, wanted: Sequence[str] = ARMS, say: Callable[[str], None] = print
) -> Found:
    """`rounds` blocks that count, of cells of that many seconds. Raises RuntimeError, SealaneError."""
    found, packets = Found(), {arm: [0, 0] for arm in wanted if FAST.get(arm)}
    with compiled() as program, prepared(lab, wanted) as arms:
        found.absent = arms.absent
        present = list(arms.places)
        for number in range(2 * rounds):
            order = random.Random(number).sample(present, len(present))
            visits: dict[str, list[Visit]] = {arm: [] for arm in present}
            for arm in (*order, *reversed(order)):
                say(f"block {number + 1}: {arm}")
                visits[arm].append(_visit(arms, arm, program, seconds, packets))
            if _is_ours(visits):
                _keep(found, visits)
            else:
                found.discarded += 1
            if number + 1 - found.discarded == rounds:
                break
    found.hits = {arm: fast / sent for arm, (sent, fast) in packets.items() if sent}
    return found


def _visit(arms: Arms, arm: str, program: Path, seconds: float, packets: dict[str, list[int]]) -> Visit:
    place, visit = arms.places[arm], Visit()
    arms.switch(arm)
    with served(place, program):
        measure(place, program, "rr", 1, seconds / 4)  # neighbours are known, and the flows of OVS made
        for what, flows in CELLS:
            before = arms.counted() if arm in packets else (0, 0)
            visit[what, flows] = measure(place, program, what, flows, seconds)
            if arm in packets and what != "crr":
                for place_of, (old, new) in enumerate(zip(before, arms.counted(), strict=True)):
                    packets[arm][place_of] += new - old
    return visit


def _is_ours(visits: dict[str, list[Visit]]) -> bool:
    cells = (cell for of_arm in visits.values() for visit in of_arm for cell in visit.values())
    return all(cell.stolen <= STOLEN for cell in cells)


def _keep(found: Found, visits: dict[str, list[Visit]]) -> None:
    for arm, of_arm in visits.items():
        rows = found.samples.setdefault(arm, {})
        for figure in FIGURES:
            values = [visit[figure.cell].values[figure.value] for visit in of_arm]
            rows.setdefault(figure.name, []).append(fmean(values))
