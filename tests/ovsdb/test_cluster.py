"""The client and the store on a cluster of three members."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealane.errors import Unavailable
from sealane.model import Network
from sealane.ovsdb import operations as ops
from sealane.ovsdb.client import Client
from sealane.store.changes import Create
from sealane.store.create import SCHEMA
from sealane.store.db import Store
from tests.daemons import PATIENCE, OvsdbServer


@pytest.fixture
def members(directory: Path) -> Iterator[list[OvsdbServer]]:
    """Three members, each of which serves."""
    made: list[OvsdbServer] = []
    try:
        for number in range(3):
            join = made[0] if made else None
            made.append(OvsdbServer(directory / str(number), SCHEMA, join=join).start())
            asyncio.run(serves(made[-1]))
        yield made
    finally:
        for member in made:
            member.kill()


async def serves(member: OvsdbServer) -> None:
    client = Client(member.remote, "Sealane")
    await client.start(PATIENCE)
    await client.stop()


def network(name: str) -> Network:
    return Network(id=str(uuid.uuid4()), project_id="p", name=name)


def all_of(members: list[OvsdbServer]) -> str:
    return ",".join(member.remote for member in members)


async def leader_of(members: list[OvsdbServer]) -> OvsdbServer:
    client = Client(all_of(members), "Sealane", leader_only=True)
    await client.start(PATIENCE)
    try:
        return next(member for member in members if member.remote == client.remote)
    finally:
        await client.stop()


async def test_a_store_reads_what_it_wrote_on_every_member(members: list[OvsdbServer]) -> None:
    for member in members:
        store = Store(member.remote)
        await store.start(PATIENCE)
        for number in range(30):
            added = network(str(number))
            state = await store.commit(Create(added), timeout=PATIENCE)
            assert added.id in state.networks
        await store.stop()


async def test_a_leader_that_dies_loses_nothing_and_its_clients_go_to_the_next(
    members: list[OvsdbServer],
) -> None:
    leader = await leader_of(members)
    store = Store(all_of(members), probe=1.0)
    only = Client(all_of(members), "Sealane", leader_only=True, probe=1.0)
    await store.start(PATIENCE)
    await only.start(PATIENCE)
    try:
        lock = await only.lock("translator")
        assert lock.held
        networks = [network(str(number)) for number in range(60)]
        commits = [asyncio.create_task(store.commit(Create(n), timeout=PATIENCE)) for n in networks]
        await commits[0]
        leader.kill()
        assert await lock.wait(False, PATIENCE)
        await asyncio.gather(*commits)
        assert await lock.wait(True, PATIENCE)
        await only.transact([ops.assert_lock("translator")], PATIENCE)
        assert only.remote not in ("", leader.remote)
        state = await store.commit(Create(network("last")), timeout=PATIENCE)
        assert {n.id for n in networks} <= set(state.networks)
        assert len({n.tunnel_key for n in state.networks.values()}) == 61
    finally:
        await store.stop()
        await only.stop()


async def test_without_a_majority_a_commit_is_unavailable_in_time(members: list[OvsdbServer]) -> None:
    leader = await leader_of(members)
    others = [member for member in members if member is not leader]
    store = Store(leader.remote)
    await store.start(PATIENCE)
    added = network("n")
    try:
        for member in others:
            member.pause()
        with pytest.raises(Unavailable):
            await store.commit(Create(added), timeout=1)
        for member in others:
            member.resume()
        state = await store.commit(Create(added), timeout=PATIENCE)
        assert list(state.networks) == [added.id]
    finally:
        await store.stop()
