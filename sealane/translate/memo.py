"""Rows by what they were made from: of the same objects the same row, not made again.

The model's objects are immutable and a State shares those that have not changed with the one before, so
"the same object" is "the same content".  A row is kept with all that its function was given; nothing
else can have gone into it, for a stage's functions are pure.  Without a memo the result is equal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, TypeVarTuple

from sealane.moves import moved
from sealane.translate.rows import Row

T = TypeVar("T")
R = TypeVar("R", Row, Row | None, tuple[Row, ...])
Given = TypeVarTuple("Given")
Made = Row | tuple[Row, ...] | None
Kept = dict[str, tuple[tuple[object, ...], Made]]


@dataclass(frozen=True)
class _Stage:
    """What `each` was given the last time, and what it made."""

    objects: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[object, ...] = ()
    made: Mapping[str, tuple[tuple[Any, ...], Made]] = field(default_factory=dict)


class Memo:
    """What was made in this round and the last; what a round does not ask for is forgotten after it."""

    def __init__(self) -> None:
        self._last: dict[object, Kept] = {}
        self._this: dict[object, Kept] = {}
        self._stages: dict[object, _Stage] = {}

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

    def each(
        self,
        make: Callable[[*Given], R],
        objects: Mapping[str, T],
        given: Callable[[T], tuple[*Given] | None],
        beside: tuple[object, ...],
    ) -> list[Row]:
        """make(*given(object)) of each object; None: no rows. `beside`: all else that `given` looks at.

        Where that is what it was in the last round, only the objects that have moved are looked at.
        """
        last = self._stages.get(make, _Stage())
        made = dict(last.made)
        if _same(last.beside, beside):
            keys = moved(last.objects, objects)
        else:
            keys = last.objects.keys() | objects.keys()
        for key in keys:
            inputs = given(objects[key]) if key in objects else None
            if inputs is None:
                made.pop(key, None)
                continue
            known = made.get(key)
            if known is None or known[0] != inputs:
                made[key] = inputs, _kept(known[1] if known else None, make(*inputs))
        self._stages[make] = _Stage(objects, beside, made)
        return [
            row for _, rows in made.values() for row in ((rows,) if isinstance(rows, Row) else rows or ())
        ]


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _kept(before: Made, now: Made) -> Made:
    """An equal row stays the same object, so that nobody compares it with what is there again."""
    if not isinstance(now, tuple):
        return before if before == now else now
    known = {row.ref: row for row in before} if isinstance(before, tuple) else {}
    return tuple(known[row.ref] if known.get(row.ref) == row else row for row in now)
