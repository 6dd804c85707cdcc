"""Which rows of a collection have changed since a client last read it, so that it need not read all again.

    GET …/ports?sealane:since=                 all, and a cursor
    GET …/ports?sealane:since=CURSOR           what has changed, what is gone, and the next cursor

A cursor counts the states that this process has looked at; it says nothing to another process, nor to
this one when the changes since are too many to be remembered, nor to a caller who may see other rows by
now.  The answer is then all rows, and says so: a client that replaces what it has is never wrong.  So it is
always for a node that does not see all.
"""

import secrets
from collections.abc import Mapping, Set

from sealane.moves import moved

LIMIT = 20_000
"""Changed rows that are remembered; who is further behind reads all."""


class Touched:
    """Of one collection. Whoever asks brings the newest rows along; they are compared by identity."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._epoch = secrets.token_hex(8)
        self._serial = 0
        self._complete_after = 0
        self._rows: Mapping[str, object] = {}
        self._at: dict[str, int] = {}

    def follow(self, rows: Mapping[str, object]) -> None:
        """A row that is another object has changed. All before the first call counts as one state."""
        if rows is self._rows:
            return
        self._serial += 1
        if self._serial == 1:
            self._complete_after = 1
        else:
            for id in moved(self._rows, rows):
                self._at.pop(id, None)
                self._at[id] = self._serial
        while len(self._at) > self._limit:
            oldest = next(iter(self._at))
            self._complete_after = self._at.pop(oldest)
        self._rows = rows

    def cursor(self, sight: str) -> str:
        """Of the rows that were followed last. `sight`: stands for what the caller may see."""
        return f"{self._epoch}.{self._serial}.{sight}"

    def since(self, cursor: str, sight: str) -> Set[str] | None:
        """Ids of the rows that have changed, came or went; None: not known, so all rows are to be read."""
        epoch, _, rest = cursor.partition(".")
        serial, _, seen = rest.partition(".")
        if (epoch, seen) != (self._epoch, sight) or not serial.isdecimal() or len(serial) > 18:
            return None
        if not self._complete_after <= int(serial) <= self._serial:
            return None
        found = set()
        for id, at in reversed(self._at.items()):
            if at <= int(serial):
                break
            found.add(id)
        return found
