"""The OVSDB client against a real ovsdb-server."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sealane.errors import BadRequest, Conflict, DeadlineExceeded, Unavailable
from sealane.ovsdb import errors
from sealane.ovsdb import operations as ops
from sealane.ovsdb.client import Client
from sealane.ovsdb.replica import Replica
from tests.daemons import PATIENCE, OvsdbServer


@asynccontextmanager
async def client_of(remote: str, **options: object) -> AsyncIterator[Client]:
    client = Client(remote, "Zoo", **options)  # type: ignore[arg-type]
    await client.start(PATIENCE)
    try:
        yield client
    finally:
        await client.stop()


def animal(client: Client, name: str, **row: object) -> ops.Operation:
    return ops.insert(client.schema, "Animal", {"name": name, **row}, uuid=new_id())


def new_id() -> str:
    return str(uuid.uuid4())


async def names_become(replica: Replica, names: set[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while {row["name"] for row in replica.tables["Animal"].values()} != names:
            await replica.changed(replica.version)


async def test_a_transaction_shows_in_the_clients_own_replica_when_it_returns(server: OvsdbServer) -> None:
    async with client_of(server.remote) as client:
        replica = await client.monitor({"Animal": None})
        for number in range(100):
            await client.transact([animal(client, f"a{number}", legs=number)])
            assert len(replica.tables["Animal"]) == number + 1


async def test_every_kind_of_change_of_every_kind_of_column_is_followed(server: OvsdbServer) -> None:
    cage = new_id()
    steps: list[dict[str, object]] = [
        {"nick": "x", "foods": {"hay", "oats"}, "years": {1: "one", 2: "two"}, "weight": 1.5, "cage": cage},
        {"nick": "y", "foods": {"oats", "corn"}, "years": {1: "uno", 3: "three"}, "tame": True},
        {"nick": None, "foods": set(), "years": {}, "cage": None, "legs": -4},
        {"nick": "z", "foods": {"hay"}, "years": {7: "seven"}, "weight": 2},
    ]
    async with client_of(server.remote) as client:
        replica = await client.monitor({"Animal": None})
        await client.transact([ops.insert(client.schema, "Cage", {"number": 1}, uuid=cage)])
        insert = animal(client, "emu")
        await client.transact([insert])
        for step in steps:
            await client.transact([ops.update(client.schema, "Animal", str(insert["uuid"]), step)])
            fresh = await client.monitor({"Animal": None})
            assert replica.tables == fresh.tables
            row = replica.tables["Animal"][str(insert["uuid"])]
            assert {name: row[name] for name in step} == step


async def test_what_the_server_refuses_is_an_error_of_its_own_type(server: OvsdbServer) -> None:
    async with client_of(server.remote) as client:
        emu = animal(client, "emu")
        await client.transact([emu])
        with pytest.raises(errors.ConstraintViolation) as caught:
            await client.transact([animal(client, "emu")])
        assert isinstance(caught.value, Conflict)
        assert caught.value.status == 409
        assert caught.value.index == -1, "an index is checked at the commit: the element after the last"
        with pytest.raises(errors.DuplicateUuid):
            await client.transact([emu])
        with pytest.raises(errors.ReferentialIntegrity):
            await client.transact([animal(client, "gnu", cage=new_id())])
        with pytest.raises(errors.WaitFailed):
            await client.transact([ops.wait(client.schema, "Animal", str(emu["uuid"]), {"legs": 9})])
        with pytest.raises(errors.NotOwner):
            await client.transact([ops.assert_lock("zoo")])
        with pytest.raises(errors.OvsdbError) as other:
            await client.transact([{"op": "dance"}])
        assert other.value.index == 0


async def test_unknown_tables_and_columns_are_named(server: OvsdbServer) -> None:
    async with client_of(server.remote) as client:
        with pytest.raises(BadRequest, match="Plant"):
            await client.monitor({"Plant": None})
        with pytest.raises(BadRequest, match="wings"):
            await client.monitor({"Animal": ["wings"]})


async def test_a_stopped_server_is_a_deadline_and_then_no_connection(server: OvsdbServer) -> None:
    async with client_of(server.remote, probe=0.5) as client:
        loop = asyncio.get_running_loop()
        server.pause()
        try:
            begin = loop.time()
            with pytest.raises(DeadlineExceeded):
                await client.transact([animal(client, "emu")], timeout=0.3)
            assert loop.time() - begin < 2
            async with asyncio.timeout(PATIENCE):
                while client.connected:
                    await asyncio.sleep(0.02)
            with pytest.raises(errors.NotConnected):
                await client.transact([animal(client, "emu")], timeout=0.3)
        finally:
            server.resume()
        await client.transact([animal(client, "gnu")], timeout=PATIENCE)


async def test_a_replica_survives_the_death_of_the_server(server: OvsdbServer) -> None:
    async with client_of(server.remote) as client:
        replica = await client.monitor({"Animal": ["name"]})
        await client.transact([animal(client, "emu"), animal(client, "gnu")])
        rows = dict(replica.tables["Animal"])
        server.kill()
        with pytest.raises(Unavailable):
            await client.transact([animal(client, "owl")], timeout=0.2)
        assert not replica.connected
        assert dict(replica.tables["Animal"]) == rows
        server.start()
        async with client_of(server.remote) as other:
            await other.transact([animal(other, "owl")])
        await names_become(replica, {"emu", "gnu", "owl"})
        assert replica.connected
        assert all(replica.tables["Animal"][uuid] is row for uuid, row in rows.items())


async def test_a_replica_forgets_what_went_away_while_it_was_away(directory: Path) -> None:
    """A standalone server started anew knows no transaction ids: the whole view comes again."""
    schema = Path(__file__).with_name("zoo.ovsschema")
    with OvsdbServer(directory, schema, clustered=False) as server:
        async with client_of(server.remote) as client:
            replica = await client.monitor({"Animal": ["name"]})
            await client.transact([animal(client, "emu")], durable=True)
            await names_become(replica, {"emu"})
            server.kill()
            server.database.unlink()
            OvsdbServer(directory, schema, clustered=False)
            server.start()
            await names_become(replica, set())


async def test_the_lock_goes_to_the_next_when_its_holder_leaves(server: OvsdbServer) -> None:
    async with client_of(server.remote) as client:
        async with client_of(server.remote) as first:
            held = await first.lock("zoo")
            waiting = await client.lock("zoo")
            assert (held.held, waiting.held) == (True, False)
            await first.transact([ops.assert_lock("zoo"), animal(first, "emu")])
            with pytest.raises(errors.NotOwner):
                await client.transact([ops.assert_lock("zoo"), animal(client, "gnu")])
        assert await waiting.wait(True, PATIENCE)
        server.kill()
        assert await waiting.wait(False, PATIENCE)
        server.start()
        assert await waiting.wait(True, PATIENCE)


async def test_the_next_remote_is_used_and_only_a_leader_when_asked(server: OvsdbServer) -> None:
    remotes = f"unix:{server.directory}/nobody.sock,{server.remote}"
    async with client_of(remotes, leader_only=True) as client:
        await client.transact([animal(client, "emu")])
        assert client.remote == server.remote


async def test_an_idle_connection_lives_on_by_its_probe(server: OvsdbServer) -> None:
    async with client_of(server.remote, probe=0.1) as client:
        lock = await client.lock("zoo")
        assert not await lock.wait(False, timeout=1.5), "the lock would go with the connection"
        assert client.remote == server.remote


async def test_tcp(server: OvsdbServer) -> None:
    server.kill()
    server.remotes.append("ptcp:0:127.0.0.1")
    server.start()
    (number,) = re.findall(r"listening on port (\d+)", (server.directory / "log").read_text())
    async with client_of(f"tcp:127.0.0.1:{number}") as client:
        await client.transact([animal(client, "emu")])
        assert client.remote == f"tcp:127.0.0.1:{number}"


async def test_nobody_there_is_unavailable_and_says_where(directory: Path) -> None:
    client = Client(f"unix:{directory}/nobody.sock", "Zoo")
    try:
        with pytest.raises(errors.NotConnected, match=r"nobody\.sock"):
            await client.start(0.2)
    finally:
        await client.stop()


async def test_a_thousand_rows_from_tasks_that_do_not_wait_for_each_other(server: OvsdbServer) -> None:
    async with client_of(server.remote) as client:
        replica = await client.monitor({"Animal": ["name"]})
        await asyncio.gather(*(client.transact([animal(client, f"a{n}")], PATIENCE) for n in range(1000)))
        assert len(replica.tables["Animal"]) == 1000
