"""What is measured where, and in what order. Pure, and the same for the same settings."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.data.goals import CELLS, FIGURES, GOALS, Cell

CONTROL = ("underlay", "control")
"""Arms that every cell is measured at: they tell whether the run can be trusted."""
SWEPT = (*CONTROL, "overlay", "fast")
"""Arms that a quick run measures at other numbers of flows, too, in each SELDOM-th pair of blocks."""
SELDOM = 3


@dataclass(frozen=True)
class Settings:
    """Of a run, from which its order follows."""

    arms: Sequence[str]
    cells: Sequence[Cell]
    blocks: int
    seconds: float
    """Of one visit, without its warm-up."""
    quick: bool
    """No more than the goals need."""


@dataclass(frozen=True)
class Step:
    """A visit that is to be made."""

    block: int
    arm: str
    cell: Cell


def steps(settings: Settings, with_fast_path: Sequence[str]) -> Iterator[Step]:
    """A block visits each arm once for each cell; each second block in the reverse order of the one before.

    So a machine that warms or cools favours none of two arms. Arms with the fast path stand together, as do
    all others: between them it is switched, for all hosts.
    """
    for block in range(settings.blocks):
        chance = random.Random(block // 2)
        visits = []
        for number, cell in enumerate(chance.sample(settings.cells, len(settings.cells))):
            arms = [arm for arm in settings.arms if _is_wanted(settings, block // 2, arm, cell)]
            drawn = chance.sample(arms, len(arms))
            # on, off; off, on; …: the next cell begins where this one ended
            drawn.sort(key=lambda arm: (arm in with_fast_path) == bool(number % 2))
            visits += [Step(block, arm, cell) for arm in drawn]
        yield from reversed(visits) if block % 2 else visits


def _is_wanted(settings: Settings, pair: int, arm: str, cell: Cell) -> bool:
    if not settings.quick or cell in asked(arm):
        return True
    return arm in SWEPT and (pair % SELDOM == 0 or (arm in CONTROL and cell in asked()))


def asked(arm: str | None = None) -> set[Cell]:
    """Cells that a goal of the arm needs; of any arm without one."""
    cells = {figure.name: figure.cell for figure in FIGURES}
    return {cells[goal.figure] for goal in GOALS if arm in (None, goal.arm, goal.base)} & set(CELLS)
