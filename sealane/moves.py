"""What of a collection is another object than in the State before, at no cost where one follows the other."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar, cast
from weakref import ref

T = TypeVar("T")
Key = TypeVar("Key")


class Rows(dict[str, T]):
    """A collection of a State that knows what of it is another object than in the State before.

    It begins as a copy of that one; whoever fills it sets `moved`.
    """

    def __init__(self, before: Mapping[str, T]) -> None:
        super().__init__(before)
        self.moved: frozenset[str] = frozenset()
        self._before = ref(before) if isinstance(before, Rows) else None

    def follows(self, other: Mapping[Any, T]) -> bool:
        """Whether `moved` tells it from `other`."""
        return self._before is not None and self._before() is other


def moved(before: Mapping[Key, T], after: Mapping[Key, T]) -> Collection[Key]:
    """Keys of what came, went or is another object; of two States in a row at no cost."""
    if before is after:
        return ()
    if isinstance(after, Rows) and after.follows(before):
        return cast(Collection[Key], after.moved)
    others = [key for key, row in after.items() if before.get(key) is not row]
    if len(after) - sum(key not in before for key in others) == len(before):
        return others  # all that were there still are
    return [*others, *(before.keys() - after.keys())]
