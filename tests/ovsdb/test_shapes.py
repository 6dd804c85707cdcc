"""Rows of every shape on a real northbound database: made, changed, meddled with, wiped and removed."""

import random

from sealane.ovn.northbound import Northbound
from sealane.translate.compare import Comparison
from sealane.translate.diff import diff
from sealane.translate.rows import Plan, Row
from sealane.translate.tables import TABLES
from sealane.translate.text import rows_text
from tests.daemons import OvsdbServer
from tests.golden.test_northbound import there
from tests.ovsdb.test_northbound import elsewhere, nb, northbound
from tests.unit.translate.test_shapes import MAKERS, acl, full_house, group, port, switch

__all__ = ["nb"]


async def shown(db: Northbound, comparison: Comparison, rows: tuple[Row, ...], number: int = 1) -> Plan:
    """One transaction, after which there is nothing to do and the database is what was wanted."""
    plan = comparison.plan(rows, db.tables)
    assert plan == diff(rows, db.tables)
    before = db.version
    await db.apply(plan, number)
    assert db.version == before + 1
    assert not comparison.plan(rows, db.tables)
    return plan


def variant(number: int) -> tuple[Row, ...]:
    """Another value, other parents and other pointers for each row, from a seed."""
    dice = random.Random(number)
    rows = {made.ref: made for make in MAKERS for a in range(4) if (made := make(a, dice.randrange(1, 8)))}
    return tuple(dice.sample(list(rows.values()), len(rows)))


async def test_every_shape_from_nothing_to_another_and_away(nb: OvsdbServer) -> None:
    async with northbound(nb) as db:
        await db.lock.wait(held=True)
        comparison = Comparison()
        first = tuple(full_house().values())
        for rows in (first, *map(variant, range(12)), first[::-1], first[::2], first):
            await shown(db, comparison, rows)
            wanted = {row.ref for row in rows}
            assert {row.ref for row in there(db.tables, rows)} <= wanted
        await shown(db, comparison, ())
        assert not any(db.tables[table] for table in TABLES)


async def test_it_is_what_the_database_in_memory_shows(nb: OvsdbServer) -> None:
    rows = tuple(row for row in full_house().values())
    async with northbound(nb) as db:
        await db.lock.wait(held=True)
        await shown(db, Comparison(), rows)
        assert rows_text(there(db.tables, rows)) == rows_text(rows)


async def test_a_wiped_database_and_one_that_was_meddled_with(nb: OvsdbServer) -> None:
    rows = tuple(full_house().values())
    async with northbound(nb) as db:
        await db.lock.wait(held=True)
        comparison = Comparison()
        await shown(db, comparison, rows)
        for edit in (
            ["--", "--all", "destroy", "Logical_Switch", "--", "--all", "destroy", "Logical_Router"],
            ["--", "--all", "destroy", "Port_Group", "--", "--all", "destroy", "DHCP_Options"],
            ["--", "clear", "Port_Group", "pg0", "ports", "--", "clear", "Port_Group", "pg1", "acls"],
            ["--", "clear", "Logical_Switch_Port", "p0", "external_ids"],
            ["--", "set", "Logical_Router_Port", "lrp0", "networks=192.0.2.1/24", "name=other"],
            ["--", "--all", "destroy", "Address_Set", "--", "--all", "destroy", "Load_Balancer"],
        ):
            version = db.version
            await elsewhere(nb, *edit)
            while db.version == version:
                await db.changed(version)
            assert await shown(db, comparison, rows), edit
            assert rows_text(there(db.tables, rows)) == rows_text(rows), edit


async def test_what_is_foreign_stays_also_within_ours(nb: OvsdbServer) -> None:
    rows = (switch(0, 0), switch(1, 0), group(0, 0), port(0, 1), acl(0, 3))
    async with northbound(nb) as db:
        await db.lock.wait(held=True)
        comparison = Comparison()
        await shown(db, comparison, rows)
        version = db.version
        theirs = [
            "lsp-add",
            "ls0",
            "guest",
            "--",
            "pg-add",
            "theirs",
            "p0",
            "guest",
            "--",
            "lr-add",
            "lr0-theirs",
        ]
        await elsewhere(
            nb, *theirs, "--", "--type=port-group", "acl-add", "pg0", "to-lport", "1", "ip4", "drop"
        )
        while db.version == version:
            await db.changed(version)
        assert not comparison.plan(rows, db.tables)
        await shown(db, comparison, rows[:2])
        assert [columns["name"] for columns in db.tables["Port_Group"].values()] == ["theirs"]
        assert [columns["name"] for columns in db.tables["Logical_Switch_Port"].values()] == ["guest"]
        assert [columns["name"] for columns in db.tables["Logical_Router"].values()] == ["lr0-theirs"]
