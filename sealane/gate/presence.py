"""Since when each node's ovn-controller has a connection, or has none."""

import time
from collections.abc import Callable, Iterable, Mapping


class Presence:
    """clock: seconds of whatever epoch. Who has not come since the start is away since then."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._there: dict[str, int] = {}
        self._since: dict[str, float] = {}

    def came(self, node: str) -> None:
        """With one connection more."""
        if not self._there.get(node):
            self._since[node] = self._clock()
        self._there[node] = self._there.get(node, 0) + 1

    def went(self, node: str) -> None:
        self._there[node] -= 1
        if not self._there[node]:
            del self._there[node]
            self._since[node] = self._clock()

    def there(self) -> Mapping[str, float]:
        """Node -> seconds for which it has had a connection."""
        return {node: round(self._clock() - self._since[node], 1) for node in sorted(self._there)}

    def away(self, nodes: Iterable[str]) -> Mapping[str, float]:
        """Those of `nodes` that have none -> for how many seconds."""
        gone = (node for node in sorted(nodes) if node not in self._there)
        return {node: round(self._clock() - self._since.get(node, self._begun), 1) for node in gone}
