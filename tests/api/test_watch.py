"""Nodes that fall silent and speak again, as the journal tells of them."""

import asyncio

from sealane.api.journal import Journal
from sealane.api.watch import Watch
from sealane.model import Node
from sealane.ovn.southbound import Bindings
from sealane.ovsdb.client import Client
from sealane.store.changes import Create, Delete
from sealane.store.db import Store
from tests.daemons import PATIENCE, OvsdbServer

NODE = Node(id="10000000-0000-4000-8000-000000000001", project_id="", name="host2", address="192.0.2.2")


async def test_a_node_is_lost_and_seen_again_and_a_removed_one_is_not_lost(database: OvsdbServer) -> None:
    store, journal, silent = Store(database.remote), Journal(), set[str]()
    await store.start(PATIENCE)
    bindings = Bindings(Client("unix:/nonexistent", "OVN_Southbound"))
    watching = asyncio.create_task(Watch(store, bindings, journal, silent.__contains__).run())

    async def told(what: str) -> None:
        async with asyncio.timeout(PATIENCE):
            while not (entries := journal.after(0).entries) or entries[-1].event.what != what:
                await journal.wait(journal.last, 1.0)
        assert (entries[-1].event.kind, entries[-1].event.name) == ("node", "host2")

    try:
        await store.commit(Create(NODE))
        await told("seen")
        silent.add("host2")
        await told("lost")
        assert journal.after(0).entries[-1].event.alarm
        silent.clear()
        await told("seen")
        await store.commit(Delete(NODE))
        await told("deleted")
        found = [entry.event.what for entry in journal.after(0).entries]
        assert found == ["created", "seen", "lost", "seen", "deleted"]
    finally:
        watching.cancel()
        await store.stop()
