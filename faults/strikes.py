"""One fault at one effect of a life, and what came of it.

count    the effects of an undisturbed life of the agent (or the API, or the translator)
kill     that process dies before or after its effect number k
other    the process is stopped there, another part is killed, the process goes on
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from faults import leftovers, life
from faults.leftovers import Thing
from faults.site import CENTRAL, Late, Site, until
from sealane.failpoint import AFTER, BEFORE, KILL, STOP, Plan

REACH = 90.0
"""Seconds until an effect is reached, or the life is over."""


@dataclass
class Case:
    """What one fault did."""

    fault: str
    point: str
    """The effect, and when: before or after it."""
    step: str = ""
    """Of the life, where it was refused."""
    why: str = ""
    hung: str = ""
    wrong: str = ""
    reached: bool = True
    back: float = 0.0
    """Seconds from the death of the part until it was ready again."""
    slowest: float = 0.0
    regained: float = 0.0
    """Seconds from the end of the life until all who stay reached each other by name."""
    lost: list[str] = field(default_factory=list)
    collected: float = 0.0
    """Seconds from the end of the life until nothing was left over."""
    left: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return asdict(self)


class Striker:
    """Strikes one after the other; what a case could not get rid of is not counted again in the next."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.known: set[Thing] = set()

    def count(self, process: str = "agent", host: str = CENTRAL) -> list[str]:
        """The effects of an undisturbed life. Raises AssertionError when it does not succeed."""
        with self.site.order(host, process, Plan()):
            with life.Life(self.site) as lived:
                pass
            time.sleep(1.0)  # what is done after the last answer
        assert not lived.told.refused, lived.told
        self._settle(Case("", ""))
        return self.site.trace(host, process)

    def kill(self, point: int, effect: str, when: str = BEFORE, process: str = "agent") -> Case:
        case = Case(f"{process} killed", f"{when} {effect}")
        old = self.site.pid(CENTRAL, process)
        plan = Plan(at=point, when=when, do=KILL)
        with self.site.order(CENTRAL, process, plan), life.Life(self.site) as lived:
            until(lambda: self._is_away(process, old) or lived.over, "the effect", REACH)
            case.reached = self._is_away(process, old)
            if case.reached:
                case.back = self._wait_back(process, old)
        return self._judge(case, lived)

    def strike(self, part: str, point: int, effect: str, when: str = BEFORE) -> Case:
        """Kill `part` while the agent stands before or after its effect number `point`."""
        case = Case(f"{part} killed", f"{when} {effect}")
        with self.standing(point, when, case) as lived:
            if case.reached:
                old = self.site.kill(CENTRAL, part)
        if case.reached:
            case.back = self._wait_back(part, old)
        lived.__exit__()
        return self._judge(case, lived)

    @contextmanager
    def standing(self, point: int, when: str, case: Case) -> Iterator[life.Life]:
        """A life whose agent stands at a point; it goes on after the block. The caller ends the life."""
        agent = self.site.pid(CENTRAL, "agent")
        assert agent is not None
        with self.site.order(CENTRAL, "agent", Plan(at=point, when=when, do=STOP)):
            lived = life.Life(self.site)
            lived.__enter__()
            try:
                until(lambda: self._stands(agent) or lived.over, "the effect", REACH)
                case.reached = self._stands(agent)
                yield lived
            finally:
                self.site.signal(CENTRAL, agent, "CONT")

    def _stands(self, pid: int) -> bool:
        return self.site.state(CENTRAL, pid) == "T"

    def _is_away(self, process: str, old: int | None) -> bool:
        return old is not None and self.site.state(CENTRAL, old) in ("", "Z", "X")

    def _wait_back(self, part: str, old: int | None) -> float:
        try:
            return self.site.wait_back(CENTRAL, part, old)
        except Late:
            return float("inf")

    def _judge(self, case: Case, lived: life.Life) -> Case:
        told = lived.told
        case.step, case.why, case.hung, case.wrong = told.refused, told.why, told.hung, told.wrong
        case.slowest = round(told.slowest, 2)
        case.back = round(case.back, 2)
        self.site.wait_ready()
        case.regained, case.lost = life.wait_alive(self.site)
        case.regained = round(case.regained, 2)
        self._settle(case)
        return case

    def _settle(self, case: Case) -> None:
        case.collected, left = leftovers.settle(self.site, known=self.known)
        case.collected = round(case.collected, 2)
        case.left = sorted(map(str, left))
        if left:  # give it more time, so that the next case does not pay for it
            _, stuck = leftovers.settle(self.site, 30, known=self.known)
            self.known |= stuck


def call_of(effects: Sequence[str], place: int) -> str:
    """The driver call in which the agent's effect number `place` (from 1) falls: the next one answered."""
    later = (e.removeprefix("answer ") for e in effects[place - 1 :] if e.startswith("answer "))
    return next(later, "after the last call")


__all__ = ["AFTER", "BEFORE", "Case", "Striker", "call_of"]
