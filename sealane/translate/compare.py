"""diff(), at the cost of what has moved since it was last asked.

Both sides consist of objects that are replaced, never changed: the same object is the same content, and
what was the same on both sides still is.  What the last plan had to do is looked at again, for nobody
knows whether it was done.  So nothing is remembered of what was done; a test holds that the plan is the
one that diff() gives.
"""

from collections.abc import Iterator, Sequence

from sealane.translate.diff import decide
from sealane.translate.rows import Plan, Ref, Row
from sealane.translate.world import Tables, World


class Comparison:
    """Asked again and again; the first time it is diff() itself."""

    def __init__(self) -> None:
        self._world = World()
        self._open: list[Ref] = []

    def plan(self, rows: Sequence[Row], tables: Tables) -> Plan:
        """What diff(rows, tables) says."""
        plan = decide(self._world, self._world.move(rows, tables, self._open))
        self._open = list(_unfinished(plan))
        return plan


def _unfinished(plan: Plan) -> Iterator[Ref]:
    yield from (row.ref for row in plan.create)
    yield from (update.ref for update in plan.update)
    yield from (delete.ref for delete in plan.delete)
    yield from (edge.child for edge in (*plan.attach, *plan.detach))
    yield from plan.blocked
