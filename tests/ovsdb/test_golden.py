"""The golden cases on a real ovsdb-server: it ends where the one in memory ends."""

from sealane.model import State
from sealane.ovn.memory import MemorySource
from sealane.ovn.reconcile import Reconciler
from sealane.translate.desired import desired
from sealane.translate.rows import Plan
from sealane.translate.text import rows_text
from tests.daemons import PATIENCE, OvsdbServer
from tests.golden.test_northbound import CASES, load, there
from tests.ovsdb.test_northbound import nb, northbound

__all__ = ["nb"]


async def test_each_case_from_the_one_before_and_from_nothing(nb: OvsdbServer) -> None:
    async with northbound(nb) as db:
        await db.lock.wait(held=True, timeout=PATIENCE)
        reconciler = Reconciler(MemorySource(State()), db)
        for case in [*CASES, *CASES[::-1]]:
            for _ in range(2):
                await reconciler.once(load(case))
                assert (
                    rows_text(there(db.tables, desired(load(case)))) == (case / "northbound.txt").read_text()
                ), case.name
                assert await reconciler.once(load(case)) == Plan()
                if case in CASES[::2]:
                    await reconciler.once(State())
        await reconciler.once(State())
        assert not db.tables["Logical_Switch"]
        assert not db.tables["Logical_Switch_Port"]
