"""A reply that is lost: the transaction is sent again, and has happened once."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sealane.model import FixedIP, Network, Port, Subnet
from sealane.store.changes import Change, Create, Delete, Update
from sealane.store.create import SCHEMA
from sealane.store.db import Store
from tests.daemons import PATIENCE, OvsdbServer


class Relay:
    """Between a client and a server; when armed, it cuts the line instead of passing the next answer on."""

    def __init__(self, server: OvsdbServer) -> None:
        self.path = str(server.directory / "relay.sock")
        self.armed = False
        self.cuts = 0
        self._server = str(server.directory / "db.sock")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_unix_connection(self._server)
        directions = {
            asyncio.create_task(self._pass(reader, requests, may_cut=False)),
            asyncio.create_task(self._pass(answers, writer, may_cut=True)),
        }
        _, pending = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        writer.close()
        requests.close()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, may_cut: bool) -> None:
        with suppress(ConnectionError):
            while data := await source.read(1 << 16):
                if may_cut and self.armed:
                    self.armed = False
                    self.cuts += 1
                    return
                sink.write(data)
                await sink.drain()


@pytest.fixture
def server(directory: Path) -> Iterator[OvsdbServer]:
    with OvsdbServer(directory, SCHEMA) as running:
        yield running


@asynccontextmanager
async def relayed(server: OvsdbServer) -> AsyncIterator[tuple[Store, Relay]]:
    relay = Relay(server)
    listener = await asyncio.start_unix_server(relay.serve, relay.path)
    store = Store(f"unix:{relay.path}")
    await store.start(PATIENCE)
    try:
        yield store, relay
    finally:
        await store.stop()
        listener.close()


async def test_each_kind_of_change_happens_once_when_its_reply_is_lost(server: OvsdbServer) -> None:
    net = Network(id=str(uuid.uuid4()), project_id="p")
    sub = Subnet(id=str(uuid.uuid4()), project_id="p", network_id=net.id, cidr="10.0.0.0/24")
    address = FixedIP(subnet_id=sub.id, ip_address="10.0.0.9")
    port = Port(id=str(uuid.uuid4()), project_id="p", network_id=net.id, mac_address="02:00:00:00:00:01")
    async with relayed(server) as (store, relay):

        async def lose(*changes: Change) -> None:
            before, cuts = store.state.sequence, relay.cuts
            relay.armed = True
            state = await store.commit(*changes, timeout=PATIENCE)
            assert relay.cuts == cuts + 1
            assert state.sequence == before + 1, "a transaction adds one to the sequence"

        await lose(Create(net))
        await lose(Create(sub), Create(port))
        held = store.state.ports[port.id]
        await lose(Update(held, replace(held, fixed_ips=(address,))))
        moved = store.state.ports[port.id]
        assert (moved.revision_number, moved.fixed_ips) == (held.revision_number + 1, (address,))
        await lose(Delete(moved, guarded=True))
        await lose(Delete(sub), Delete(net))
        assert (store.state.networks, store.state.ports) == ({}, {})
