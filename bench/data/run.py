"""The chapter `data`: every visit of the plan that the journal does not have yet, while there is time."""

import contextlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.data import plan
from bench.data.arms import FAILURES, WITH_FAST_PATH, Arms, prepared
from bench.data.goals import Cell
from bench.data.journal import Journal, Visit
from bench.data.plan import Step
from bench.data.probe import SourcePorts, compiled, measure, served
from sealane.lab.lab import Lab

PATIENCE = 3
"""Times in a row that a cell of an arm may fail before it is not tried any more."""


def run(lab: Lab, journal: Journal, end: float, say: Callable[[str], None] = print) -> None:
    """Go on with what the journal's settings want; no visit begins after `end`, of the monotonic clock.

    What an arm fails by stands in the journal, and the others go on. Raises RuntimeError, SealaneError when
    there is nothing to measure with.
    """
    settings = journal.settings()
    done = {visit.step for visit in journal.visits() if not visit.error}
    with compiled() as program, prepared(lab, settings.arms) as arms, contextlib.ExitStack() as stack:
        for arm, reason in arms.absent.items():
            say(f"{arm} can't be had: {reason}")
            journal.write_absent(arm, reason)
        visitor = stack.enter_context(Visitor(arms, program, settings.seconds))
        for step in plan.steps(settings, WITH_FAST_PATH):
            if time.monotonic() > end:
                say("the time is over")
                return
            if step in done or step.arm in arms.absent or visitor.has_given_up(step):
                continue
            visit = visitor.visit(step)
            say(f"block {step.block + 1} of {settings.blocks}: {_told(visit)}")
            journal.write(visit)


def _told(visit: Visit) -> str:
    name = f"{visit.arm} {visit.cell[0]}-{visit.cell[1]}"
    return f"{name} failed: {visit.error}" if visit.error else f"{name} {visit.values['rate']:.4g}/s"


class Visitor(contextlib.ExitStack):
    """Keeps the servers of a place from its first visit to the end, or to its next failure.

    Arms may have the same one: underlay and control, and whoever is outside of the hosts.
    """

    def __init__(self, arms: Arms, program: Path, seconds: float) -> None:
        super().__init__()
        self._arms, self._program, self._seconds = arms, program, seconds
        self._servers: dict[tuple[str, ...], contextlib.ExitStack] = {}
        self._sources: dict[tuple[str, ...], SourcePorts] = defaultdict(SourcePorts)
        self._failed: Counter[tuple[str, Cell]] = Counter()

    def has_given_up(self, step: Step) -> bool:
        return self._failed[step.arm, step.cell] >= PATIENCE

    def visit(self, step: Step) -> Visit:
        try:
            found = self._measured(step)
        except FAILURES as exc:
            self._failed[step.arm, step.cell] += 1
            self._servers.pop(tuple(self._arms.places[step.arm].server), contextlib.ExitStack()).close()
            return Visit(step.block, step.arm, step.cell, error=str(exc) or type(exc).__name__)
        self._failed[step.arm, step.cell] = 0
        return found

    def _measured(self, step: Step) -> Visit:
        place = self._arms.places[step.arm]
        sources, servers = self._sources[(*place.client, *place.server)], tuple(place.server)
        if servers not in self._servers:
            running = contextlib.ExitStack()
            running.enter_context(served(place, self._program))
            self._servers[servers] = self.enter_context(running)
        self._arms.switch(step.arm)
        is_counted = step.arm in WITH_FAST_PATH
        before = self._arms.counted() if is_counted else (0, 0)
        figures = measure(place, self._program, *step.cell, self._seconds, sources)
        after = self._arms.counted() if is_counted else (0, 0)
        visit = Visit(step.block, step.arm, step.cell, figures.values, figures.stolen)
        return replace(visit, sent=after[0] - before[0], fast=after[1] - before[1])
