"""`docker run --rm IMAGE true`, from the command to its exit, on one network after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench import agent
from bench.engine import Engine
from bench.stats import abba

KINDS = ("none", "bridge", "sealane", "sealane+ipam", "overlay")


@dataclass
class Samples:
    """Seconds of each run, by kind; `absent` says why a kind could not be measured."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    spent: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    """By kind, for each run: seconds of the agent's calls and steps."""


def measure(engine: Engine, kinds: Sequence[str], rounds: int, look: Callable[[], agent.Totals]) -> Samples:
    """Alternating ABBA after one run of each that does not count (caches, Swarm's first task)."""
    result = Samples()
    present = []
    for kind in kinds:
        try:
            engine.timed_run(kind)
            present.append(kind)
        except RuntimeError as exc:
            result.absent[kind] = str(exc)
    for kind in abba(present, rounds):
        before = look()
        result.seconds.setdefault(kind, []).append(engine.timed_run(kind))
        if kind.startswith("sealane"):
            result.spent.setdefault(kind, []).append(agent.spent(before, look()))
    return result
