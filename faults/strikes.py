"""One fault at one side effect of a life, and what came of it.

count     the effects of an undisturbed life of the agent (or the API, or the translator)
kill      that process dies before or after its effect number k
standing  the agent is stopped there while something else is done
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from faults import leftovers, life
from faults.ask import ask
from faults.leftovers import Thing
from faults.site import CENTRAL, Late, Site, until
from faults.table import Case
from sealane.failpoint import BEFORE, KILL, STOP, Plan
from tests.e2e.docker.engines import Engine

REACH = 90.0
"""Seconds until an effect is reached, or the life is over."""
LATE_WORK = 1.0
"""Seconds for what the agent does after the last answer of a life: it is counted as well."""


class Striker:
    """Strikes one after the other; what a case could not get rid of is not counted again in the next."""

    def __init__(self, site: Site, host: str = CENTRAL) -> None:
        """`host`: where the life is, and the agent that stands still."""
        self.site = site
        self.host = host
        self.known: set[Thing] = set()

    def count(self, process: str = "agent") -> list[str]:
        """The effects of an undisturbed life. Raises AssertionError when it does not succeed."""
        host = self._place(process)
        with self.site.order(host, process, Plan()):
            with life.Life(self.site, self.host) as lived:
                pass
            time.sleep(LATE_WORK)
        assert not (lived.told.refused or lived.told.wrong), lived.told
        self.settle(Case("", ""))
        return self.site.trace(host, process)

    def kill(self, point: int, effect: str, when: str = BEFORE, process: str = "agent") -> Case:
        case = Case(f"{process} killed at its own side effects", f"{when} {effect}")
        host = self._place(process)
        old = self.site.pid(host, process)
        plan = Plan(at=point, when=when, do=KILL)
        with self.site.order(host, process, plan), life.Life(self.site, self.host) as lived:
            until(lambda: self._is_away(host, old) or lived.over, "the effect", REACH)
            case.reached = self._is_away(host, old)
            if case.reached:
                case.back = self._wait_back(process, old)
        return self.judge(case, lived)

    def kill_other(self, part: str, point: int, effect: str, when: str = BEFORE) -> Case:
        """Kill `part` while the agent stands before or after its effect number `point`."""
        case = Case(f"{part} killed at each driver call", f"{when} {effect}")
        with self.standing(point, when, case) as lived:
            old = self.site.kill(self._place(part), part) if case.reached else None
        if case.reached:
            case.back = self._wait_back(part, old)
        lived.__exit__()
        return self.judge(case, lived)

    def during(self, case: Case, point: int, when: str, act: Callable[[], None]) -> life.Life:
        """A life during which `act` is done while the agent stands; it is over when this returns."""
        with self.standing(point, when, case) as lived:
            if case.reached:
                act()
        lived.__exit__()
        return lived

    @contextmanager
    def standing(self, point: int, when: str, case: Case) -> Iterator[life.Life]:
        """A life whose agent stands at a point; it goes on after the block. The caller ends the life."""
        agent = self.site.pid(self.host, "agent")
        assert agent is not None
        with self.site.order(self.host, "agent", Plan(at=point, when=when, do=STOP)):
            lived = life.Life(self.site, self.host)
            lived.__enter__()
            try:
                until(lambda: self._stands(agent) or lived.over, "the effect", REACH)
                case.reached = self._stands(agent)
                yield lived
            finally:
                self.site.signal(self.host, agent, "CONT")

    def judge(self, case: Case, lived: life.Life | None = None) -> Case:
        """What came of it: after the story, when all parts are ready again."""
        if lived is not None:
            told = lived.told
            case.refused = f"{told.refused}: {told.why}" if told.refused else ""
            case.hung, case.wrong, case.slowest = told.hung, told.wrong, round(told.slowest, 2)
        case.back = round(case.back, 2)
        self.site.wait_ready()
        spent, case.lost = life.wait_alive(self.site)
        case.regained = round(spent, 2)
        self.settle(case)
        return case

    def settle(self, case: Case, *, idle: bool = False) -> None:
        spent, left = leftovers.settle(self.site, idle=idle, known=self.known)
        case.collected, case.left = round(spent, 2), sorted(map(str, left))
        if not self._until_gone(leftovers.COLLECTED):
            case.left.append(f"network {life.NETWORK}, which was removed")
            life.undo(Engine(self.site.lab, self.host))
        if left:  # give it more time, so that the next case does not pay for it
            self.known |= leftovers.settle(self.site, 30, idle=idle, known=self.known)[1]

    def _until_gone(self, seconds: float) -> bool:
        """Is the network of the life gone from the API?  Else it comes again as a mirror."""
        target = f"/v2.0/networks?name={life.NETWORK}"
        try:
            until(lambda: not ask(self.site.lab.plan.api_socket, "GET", target)[1]["networks"], "", seconds)
        except Late:
            return False
        return True

    def _stands(self, pid: int) -> bool:
        return self.site.state(self.host, pid) == "T"

    def _place(self, part: str) -> str:
        """A part of the central host alone is there."""
        return self.host if part in self.site.parts(self.host) else CENTRAL

    def _is_away(self, host: str, pid: int | None) -> bool:
        return pid is not None and self.site.state(host, pid) in ("", "Z", "X")

    def _wait_back(self, part: str, old: int | None) -> float:
        try:
            return self.site.wait_back(self._place(part), part, old)
        except Late:
            return float("inf")


def points(effects: Sequence[str]) -> list[tuple[int, str, str]]:
    """In and after each driver call: (number, BEFORE or AFTER, which call).

    In it is at its first side effect, and when all is done but the answer; before a call is after the last.
    """
    found, fresh = [], True
    for number, effect in enumerate(effects, 1):
        call = effect.removeprefix("answer ")
        if effect.startswith("answer "):
            found += [(number, "before", f"the answer to {call}"), (number, "after", f"the answer to {call}")]
            fresh = True
        elif fresh:
            found.append((number, "before", f"{effect} in {call_of(effects, number)}"))
            fresh = False
    return found


def call_of(effects: Sequence[str], place: int) -> str:
    """The driver call in which the agent's effect number `place` (from 1) falls: the next one answered."""
    later = (e.removeprefix("answer ") for e in effects[place - 1 :] if e.startswith("answer "))
    return next(later, "nothing: after the last call")
