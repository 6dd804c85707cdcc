"""Policies of routers that count, and that nobody wants any more: they stay as long as their count matters.

A rule of br-int that goes takes its count with it, and a host may not have read the last of it.  So a policy
by which some label counts still (it has others' packets, too, that a wider one would count now) stays where
it is; one by which nobody counts stays for HOLD seconds, in which each host looks.  One that would take from
others what is theirs goes at once, and so does one whose router or ports have gone.

It is kept in memory alone: a translator that starts anew removes what is not wanted.
"""

import time
from collections.abc import Iterable

from sealane.model import State
from sealane.translate import metering, routers
from sealane.translate.rows import Ref, Row

HOLD = 5.0
"""Seconds."""
MOST = 512
"""Of policies that stay because somebody counts by them."""


class Lingering:
    def __init__(self) -> None:
        self._since: dict[Ref, float] = {}

    @property
    def next(self) -> float | None:
        """Seconds until one is to go; None: none is."""
        ends = [since + HOLD for since in self._since.values()]
        return max(min(ends) - time.monotonic(), 0.0) if ends else None

    def rows(self, before: Iterable[Row], wanted: Iterable[Row], state: State) -> tuple[Row, ...]:
        """Those of `before` that stay beside what is wanted."""
        old = {row.ref: row for row in before if _counts(row)}
        gone = (
            {ref: old[ref] for ref in old.keys() - {row.ref for row in wanted if _counts(row)}} if old else {}
        )
        if not gone:
            self._since = {}
            return ()
        now, ways = time.monotonic(), routers.ways(state)
        counting: list[Row] = []
        held: dict[Ref, Row] = {}
        there = {str(row.columns["match"]) for row in wanted if _counts(row)}
        for row in sorted(gone.values(), key=_narrowest_first):
            match = str(row.columns["match"])
            labels = metering.who(match, ways, there)
            if labels and len(counting) < MOST:
                counting.append(row)
            elif labels is not None and now - self._since.get(row.ref, now) < HOLD:
                held[row.ref] = row
            else:
                continue
            there.add(match)
        self._since = {ref: self._since.get(ref, now) for ref in held}
        return (*counting, *held.values())


def _narrowest_first(row: Row) -> tuple[int, str]:
    priority = row.columns["priority"]
    assert isinstance(priority, int)
    return -priority, row.key


def _counts(row: Row) -> bool:
    return row.table == "Logical_Router_Policy" and row.key.startswith(metering.KEY)
