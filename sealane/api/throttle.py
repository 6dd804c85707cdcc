"""Failed log-ins are slowed down: so many at once, then one in so many seconds; a success costs nothing.

An attempt counts as failed from its beginning, so that many at the same moment are no way around.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import ceil
from time import monotonic

from sealane.errors import TooMany

MOST = 10_000
"""Keys that are remembered."""


@dataclass(frozen=True)
class Limit:
    burst: int
    seconds: float
    """Until one more is granted."""


FROM_THERE = Limit(5, 10.0)
"""For one user name from one address."""
ADDRESS = Limit(60, 1.0)
"""For one address, whatever the names."""
NAME = Limit(100, 5.0)
"""For one name, wherever from: high, since it also keeps the user himself out."""


Keys = tuple[tuple[Hashable, Limit], ...]


class Throttle:
    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._full: dict[Hashable, float] = {}
        """Key -> when nothing of its past counts any more."""

    def begin(self, name: str, address: str) -> "Attempt":
        """Raises TooMany that says when to come again."""
        now = self._clock()
        keys: Keys = (((name, address), FROM_THERE), (("address", address), ADDRESS), (("name", name), NAME))
        for key, limit in keys:
            wait = self._full.get(key, now) + limit.seconds - now - limit.burst * limit.seconds
            if wait > 0:
                raise TooMany("Too many failed log-ins; wait, and try again.", after=ceil(wait))
        for key, limit in keys:
            self._move(key, limit.seconds, now)
        return Attempt(lambda: self._forgive(keys))

    def _forgive(self, keys: Keys) -> None:
        for key, limit in keys:
            self._move(key, -limit.seconds, self._clock())

    def _move(self, key: Hashable, seconds: float, now: float) -> None:
        self._full[key] = max(self._full.pop(key, now), now) + seconds
        while len(self._full) > MOST:
            del self._full[next(iter(self._full))]  # the one that was touched longest ago


@dataclass(frozen=True)
class Attempt:
    succeeded: Callable[[], object]
