"""The translator's loop on a real northbound database, without northd."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sealane import names
from sealane.model import FixedIP, Network, Port, State, Subnet
from sealane.ovn.memory import MemorySource
from sealane.ovn.northbound import DATABASE, Northbound
from sealane.ovn.reconcile import Reconciler
from sealane.ovsdb.client import Client
from sealane.translate.desired import desired
from sealane.translate.diff import diff
from sealane.translate.rows import Plan
from tests.daemons import PATIENCE, OvsdbServer

SCHEMA = Path("/usr/share/ovn/ovn-nb.ovsschema")
NET = Network(id="6a7d2c1e-0000-4000-8000-000000000001", project_id="default", name="blue", tunnel_key=5)
SUBNET = Subnet(
    id="6a7d2c1e-0000-4000-8000-0000000000a1",
    project_id="default",
    network_id=NET.id,
    cidr="10.96.0.0/16",
    gateway_ip="10.96.0.1",
)


def port(number: int) -> Port:
    return Port(
        id=f"11111111-0000-4000-8000-{number:012x}",
        project_id="default",
        network_id=NET.id,
        mac_address=f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}",
        fixed_ips=(FixedIP(subnet_id=SUBNET.id, ip_address=f"10.96.{number >> 8}.{number & 255}"),),
        tunnel_key=number,
    )


def state(ports: int, sequence: int = 1) -> State:
    found = {p.id: p for p in map(port, range(2, 2 + ports))}
    return State({NET.id: NET}, {SUBNET.id: SUBNET}, found, sequence)


@pytest.fixture
def nb(directory: Path) -> Iterator[OvsdbServer]:
    with OvsdbServer(directory, SCHEMA, clustered=False) as running:
        yield running


@asynccontextmanager
async def northbound(server: OvsdbServer) -> AsyncIterator[Northbound]:
    client = Client(server.remote, DATABASE)
    await client.start(PATIENCE)
    try:
        yield await Northbound.open(client, PATIENCE)
    finally:
        await client.stop()


@asynccontextmanager
async def translating(server: OvsdbServer, source: MemorySource) -> AsyncIterator[Northbound]:
    """A translator that runs while the body does; afterwards there is nothing left to do."""
    async with northbound(server) as db:
        task = asyncio.create_task(Reconciler(source, db).run())
        try:
            yield db
            await shows(db, source)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def shows(db: Northbound, source: MemorySource) -> None:
    """Wait until the database is what the source says."""

    def equal() -> bool:
        return db.sequence == source.state.sequence and not diff(desired(source.state), db.tables)

    await until(db, equal)


async def until(db: Northbound, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await db.changed(db.version)


def nbctl(server: OvsdbServer, *args: str) -> str:
    command = ["ovn-nbctl", "--timeout=60", "--no-leader-only", f"--db={server.remote}", *args]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=PATIENCE
    ).stdout.strip()


async def elsewhere(server: OvsdbServer, *args: str) -> str:
    """ovn-nbctl beside a running translator."""
    return await asyncio.to_thread(nbctl, server, *args)


async def test_apply_and_once_more_is_nothing(nb: OvsdbServer) -> None:
    async with northbound(nb) as db:
        await db.lock.wait(held=True, timeout=PATIENCE)
        reconciler = Reconciler(MemorySource(State()), db)
        plan = await reconciler.once(state(2))
        switch, dhcp, groups = 1 + 1 + 2, 1, 1 + 8  # with gateway and ports; the drop group with its ACLs
        assert (len(plan.create), len(plan.attach)) == (switch + dhcp + groups, 3 + 2 + 8)
        assert await reconciler.once(state(2)) == Plan()
        assert db.sequence == 1
        await reconciler.once(replace(state(0), networks={}))
        assert nbctl(nb, "--bare", "--columns=name", "list", "Logical_Switch_Port") == ""
        assert nbctl(nb, "ls-list") == ""


async def test_a_thousand_ports_are_one_transaction(nb: OvsdbServer) -> None:
    async with northbound(nb) as db:
        await db.lock.wait(held=True, timeout=PATIENCE)
        before = db.version
        await Reconciler(MemorySource(State()), db).once(state(1000))
        assert len(db.tables["Logical_Switch_Port"]) == 1001
        assert db.version == before + 1


async def test_follows_each_change(nb: OvsdbServer) -> None:
    source = MemorySource(state(1))
    async with translating(nb, source) as db:
        await shows(db, source)
        source.set(state(3, sequence=2))
        await shows(db, source)
        moved = replace(port(2), host="host2")
        source.set(replace(source.state, ports={moved.id: moved}, sequence=3))
        await shows(db, source)
        assert nbctl(nb, "get", "Logical_Switch_Port", moved.id, "options:requested-chassis") == "host2"
        assert nbctl(nb, "lsp-get-addresses", moved.id) == "fa:16:3e:00:00:02 10.96.0.2"


async def test_a_wiped_database_is_rebuilt_unasked(nb: OvsdbServer) -> None:
    source = MemorySource(state(3))
    async with translating(nb, source) as db:
        await shows(db, source)
        await elsewhere(nb, "--all", "destroy", "Logical_Switch", "--", "--all", "destroy", "NB_Global")
        await until(db, lambda: len(db.tables["Logical_Switch_Port"]) == 4 and db.sequence == 1)


async def test_a_new_empty_database_is_filled(nb: OvsdbServer) -> None:
    source = MemorySource(state(3))
    async with translating(nb, source) as db:
        await shows(db, source)
        nb.kill()
        nb.database.unlink()
        with OvsdbServer(nb.directory, SCHEMA, clustered=False) as fresh:
            await until(db, lambda: not db.tables["Logical_Switch"])
            await shows(db, source)
            assert await elsewhere(fresh, "ls-list")
            nb.start = fresh.start  # type: ignore[method-assign]


async def test_a_killed_server_is_no_reason_to_stop(nb: OvsdbServer) -> None:
    source = MemorySource(state(1))
    async with translating(nb, source) as db:
        await shows(db, source)
        nb.kill()
        source.set(state(5, sequence=2))
        await asyncio.to_thread(nb.start)
        await shows(db, source)


async def test_edited_rows_are_repaired_and_foreign_ones_stay(nb: OvsdbServer) -> None:
    source = MemorySource(state(1))
    switch, first = names.logical_switch(NET.id), port(2).id
    async with translating(nb, source) as db:
        await shows(db, source)
        edits: list[list[str]] = [
            ["ls-add", "foreign", "--", "lsp-add", "foreign", "theirs", "--", "lsp-add", switch, "guest"],
            ["lsp-set-addresses", first, "unknown"],
            ["set", "Logical_Switch_Port", first, "options:qos_max_rate=7", "options:requested-tnl-key=99"],
            ["lsp-del", first],
            ["set", "Logical_Switch", switch, "name=renamed"],
            ["clear", "Logical_Switch_Port", first, "external_ids"],
        ]
        for edit in edits:
            await elsewhere(nb, *edit)
            await settled(db, source)
            assert nbctl(nb, "lsp-get-addresses", first) == "fa:16:3e:00:00:02 10.96.0.2", edit
        source.set(State(sequence=2))
        await shows(db, source)
        assert nbctl(nb, "--bare", "--columns=name", "list", "Logical_Switch") == "foreign"
        assert nbctl(nb, "--bare", "--columns=name", "list", "Logical_Switch_Port") == "theirs"


async def test_a_port_that_was_moved_to_a_foreign_switch_comes_back(nb: OvsdbServer) -> None:
    source = MemorySource(state(1))
    switch, first = names.logical_switch(NET.id), port(2).id
    async with translating(nb, source) as db:
        await shows(db, source)
        uuid = nbctl(nb, "get", "Logical_Switch_Port", first, "_uuid")
        move = ["remove", "Logical_Switch", switch, "ports", uuid, "--", "add", "Logical_Switch", "foreign"]
        await elsewhere(nb, "ls-add", "foreign", "--", *move, "ports", uuid)
        await settled(db, source)
        assert nbctl(nb, "lsp-list", "foreign") == ""
        assert first in nbctl(nb, "lsp-list", switch)


async def test_a_taken_name_holds_back_one_port_until_it_is_free(nb: OvsdbServer) -> None:
    source = MemorySource(state(2))
    first, second = port(2).id, port(3).id
    nbctl(nb, "ls-add", "foreign", "--", "lsp-add", "foreign", first)
    async with translating(nb, source) as db:
        await until(db, lambda: db.sequence == 1)
        assert second in nbctl(nb, "lsp-list", names.logical_switch(NET.id))
        await elsewhere(nb, "lsp-del", first)
        await settled(db, source)
        assert first in nbctl(nb, "lsp-list", names.logical_switch(NET.id))


async def settled(db: Northbound, source: MemorySource) -> None:
    """Wait for the repair of an edit that our replica may not have seen yet."""
    barrier = db.version
    source.set(replace(source.state, sequence=source.state.sequence + 1))
    await until(db, lambda: db.version > barrier)
    await shows(db, source)


async def test_of_two_translators_one_writes_and_the_other_takes_over(nb: OvsdbServer) -> None:
    source = MemorySource(state(1))
    async with northbound(nb) as first:
        await first.lock.wait(held=True, timeout=PATIENCE)
        async with translating(nb, source) as second:
            assert not second.lock.held
            assert not second.tables["Logical_Switch"]
            await first.resign()
            await second.lock.wait(held=True, timeout=PATIENCE)
            await shows(second, source)
