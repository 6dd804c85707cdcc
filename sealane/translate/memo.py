"""Rows by what they were made from: of the same objects the same row, not made again.

The model's objects are immutable and a State shares those that have not changed with the one before, so
"the same object" is "the same content".  A row is kept with all that its function was given; nothing
else can have gone into it, for a stage's functions are pure.  Without a memo the result is equal.
"""

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from sealane.translate.rows import Row

R = TypeVar("R", Row, Row | None)
Given = TypeVarTuple("Given")
Kept = dict[str, tuple[tuple[object, ...], Row | None]]


class Memo:
    """What was made in this round and the last; what a round does not ask for is forgotten after it."""

    def __init__(self) -> None:
        self._last: dict[object, Kept] = {}
        self._this: dict[object, Kept] = {}

    def begin(self) -> None:
        """A new round: one computation of all rows."""
        self._last, self._this = self._this, {}

    def of(self, make: Callable[[*Given], R]) -> Callable[[str, *Given], R]:
        """`make` with a key before its arguments: what it made last time of the same objects under the key.

        Tuples are compared by identity first, so this costs little where nothing has changed.
        """
        last, this = self._last.get(make, {}), self._this.setdefault(make, {})

        def row(key: str, *given: *Given) -> R:
            known = last.get(key)
            if known is None or known[0] != given:
                known = given, _kept(known[1] if known else None, make(*given))
            this[key] = known
            return known[1]  # type: ignore[return-value]  # what `make` gave for this key

        return row


def _kept(before: Row | None, now: Row | None) -> Row | None:
    """An equal row stays the same object, so that nobody compares it with what is there again."""
    return before if before == now else now
