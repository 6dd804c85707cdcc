"""Which ports of routers' addresses flows of this host have got, told to the fast path's programs (shared.h).

Only connection tracking in Open vSwitch knows.  It is asked for the zones of routers one of whose flows has
been long enough to be worth it, and again now and then for what was answered: whoever flushes connections
does not tell.  All answers are void as soon as that Open vSwitch has ended which gave them, and while nobody
looks whether it has.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from sealane import log
from sealane.agent import conntrack
from sealane.agent.floating import Translated
from sealane.agent.rules_watch import RulesWatch
from sealane.errors import SealaneError
from sealane.fastpath import shared
from sealane.fastpath.floating import Floating
from sealane.fastpath.shared import Answer, Shared

TURN = 0.5  # seconds between two
VOUCHED = 1_500_000_000
"""Nanoseconds for which answers count after a turn."""
_AGAIN = 2.0  # seconds after which answers are looked after
_SHARE = 20
"""So many times as long as a look took is the time to the next one."""
_log = log.get("fastpath")


@dataclass(frozen=True)
class Target:
    """Flows of a router that leave by one address; their ports are in that zone of connection tracking."""

    router: int  # OVN's number of its datapath
    address: IPv4Address
    link: int
    zone: int


@dataclass(frozen=True)
class Question:
    targets: frozenset[Target]
    asked: frozenset[bytes]  # keys of flows without an answer
    answered: frozenset[bytes]
    time: int  # of the monotonic clock, nanoseconds


def targets(found: Iterable[Translated], there: Iterable[Floating]) -> Iterator[Target]:
    """`found` by rules, of which those are `there` that can be fast."""
    zones = {(one.router, one.address): one.zone for one in found if one.zone}
    for one in there:
        if one.shared:
            yield Target(one.router, one.address, one.link, zones[one.router, one.address])


class Snat:
    """Of one Cache.  Errors are HostError and DeadlineExceeded."""

    def __init__(self, ovs_run_dir: Path, told: Shared) -> None:
        self._ovs_run_dir = ovs_run_dir
        self._shared = told
        self._targets: frozenset[Target] = frozenset()
        self._of = 0  # of which Open vSwitch all this is; 0: of none yet
        self._next, self._looked = 0.0, 0.0

    def lead(self, targets: Iterable[Target]) -> None:
        """Flows leave by these, from now on."""
        self._targets = frozenset(targets)

    def disown(self) -> None:
        """Open vSwitch has ended, or can't be watched."""
        self._shared.vouch(0)

    async def begin(self, number: int) -> None:
        """With that Open vSwitch, of those that were watched; of another one nothing is known yet."""
        if number != self._of:
            await asyncio.to_thread(self._shared.clear)
            self._of = number

    def vouch(self) -> None:
        """The same Open vSwitch is there still. In the thread that calls `disown`."""
        self._shared.vouch(_now() + VOUCHED)

    async def question(self) -> Question | None:
        """What is to be asked now."""
        if time.monotonic() < self._next or not (self._targets or self._looked):
            return None
        found = await asyncio.to_thread(self._question)
        due = found.answered and time.monotonic() - self._looked >= _AGAIN
        return found if found.asked or due else None

    def _question(self) -> Question:
        begun, now = time.monotonic(), _now()
        asked, answered = self._shared.asked(now), self._shared.answered(now)
        waiting = set(shared.routers(asked | answered))
        targets = frozenset(one for one in self._targets if one.router in waiting)
        self._rest(begun)
        return Question(targets, frozenset(asked), frozenset(answered), now)

    async def answers(self, question: Question) -> list[Answer]:
        """Takes as long as Open vSwitch takes."""
        begun = time.monotonic()
        found = await asyncio.to_thread(lambda: list(self._read(question)))
        self._rest(begun)
        self._looked = time.monotonic()
        return found

    async def tell(self, question: Question, answers: list[Answer]) -> None:
        await asyncio.to_thread(self._tell, question, answers)

    def _tell(self, question: Question, answers: list[Answer]) -> None:
        self._shared.keep(answers, question.answered)
        for one in answers:
            if one.key in question.asked:
                self._shared.answer(one, question.time)

    def _read(self, question: Question) -> Iterator[Answer]:
        wanted = question.asked | question.answered
        for zone in {one.zone for one in question.targets}:
            told = {(one.router, one.address): one for one in question.targets if one.zone == zone}
            for entry in conntrack.read(self._ovs_run_dir, zone):
                for one in (target for (_, address), target in told.items() if address == entry.address):
                    answer = Answer(one.router, entry.inside, one.link, entry.address, entry.port)
                    if answer.key in wanted:
                        yield answer

    def _rest(self, begun: float) -> None:
        now = time.monotonic()
        self._next = max(self._next, now + _SHARE * (now - begun))


async def follow(turn: asyncio.Lock, watch: RulesWatch, there: Callable[[], Snat | None]) -> None:
    """For ever; `turn` is held while the maps are used."""
    while True:
        await asyncio.sleep(TURN)
        try:
            await _once(turn, watch, there)
        except SealaneError as exc:
            _log.warning("which ports SNAT chose is not known", error=exc.message)


async def _once(turn: asyncio.Lock, watch: RulesWatch, there: Callable[[], Snat | None]) -> None:
    number = watch.began

    def same() -> bool:
        return watch.watching and watch.began == number

    async with turn:
        one = there()
        if one is None:
            return
        await one.begin(number)
        if not same():
            return
        one.vouch()
        question = await one.question()
    if question is None:
        return
    answers = await one.answers(question)
    async with turn:
        if there() is one and same():
            await one.tell(question, answers)


def _now() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
