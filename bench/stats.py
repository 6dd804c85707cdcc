"""Medians and ratios of medians with a bootstrap interval. Pure, and the same for the same seed."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


def median(samples: Sequence[float], seed: int = 1) -> Estimate:
    chance = random.Random(seed)
    drawn = [statistics.median(chance.choices(samples, k=len(samples))) for _ in range(RESAMPLES)]
    return _estimate(statistics.median(samples), drawn)


def ratio(samples: Sequence[float], base: Sequence[float], seed: int = 1) -> Estimate:
    """Median of `samples` over median of `base`; both are drawn anew, each from its own samples."""
    chance = random.Random(seed)
    drawn = [
        statistics.median(chance.choices(samples, k=len(samples)))
        / statistics.median(chance.choices(base, k=len(base)))
        for _ in range(RESAMPLES)
    ]
    return _estimate(statistics.median(samples) / statistics.median(base), drawn)


def paired_ratio(samples: Sequence[float], base: Sequence[float], seed: int = 1) -> Estimate:
    """Median of the ratios of samples that belong together; as many of the one as of the other."""
    return median([one / other for one, other in zip(samples, base, strict=True)], seed)


def _estimate(value: float, drawn: list[float]) -> Estimate:
    drawn.sort()
    return Estimate(value, drawn[int(0.025 * len(drawn))], drawn[int(0.975 * len(drawn))])


def abba(kinds: Sequence[str], rounds: int) -> list[str]:
    """A B C C B A, `rounds` times: a machine that warms or cools favours none of them."""
    return [kind for _ in range(rounds) for kind in (*kinds, *reversed(kinds))]
