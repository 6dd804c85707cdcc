"""An API with its door for other hosts, in this process, and nodes that come in by it."""

import asyncio
import socket
import ssl
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp

from sealane.api.app import create_app
from sealane.api.desk import Desk
from sealane.api.look import Unbound
from sealane.api.server import door, make_server
from sealane.api.tls_door import TlsDoor
from sealane.config import Settings
from sealane.model import Node, Token
from sealane.pki import central, read, request, tls
from sealane.pki.certificate import CENTRAL
from sealane.store.changes import Create, Delete, Update
from sealane.store.db import Store
from tests.api.live import TOKEN, Answer, Live, serving
from tests.daemons import PATIENCE, OvsdbServer


@dataclass
class Central:
    """The API as an operator has it (`root`), and what is behind it."""

    settings: Settings
    store: Store
    root: Live
    url: str

    @property
    def directory(self) -> central.Directory:
        return central.Directory(self.settings.pki_dir)

    async def add_token(self, seconds: float = 900) -> Token:
        id = str(uuid.uuid4())
        made = Token(id=id, project_id="", digest="0" * 64, expires_at=int(time.time() + seconds))
        await self.store.commit(Create(made))
        return made

    async def add_node(self, name: str, address: str = "192.0.2.2", lifetime: int = 3600) -> "Member":
        """As if it had joined."""
        central.ensure(self.directory, self.settings.server_lifetime)
        key, asked = request.make(name)
        file = self.settings.state_dir / f"{name}.pem"
        file.write_text(key + central.node_authority(self.directory).sign_node(asked, name, lifetime))
        serial = read.certificate(file.read_text()).serial
        node = Node(id=str(uuid.uuid4()), project_id="", name=name, address=address, serials=(serial,))
        await self.store.commit(Create(node))
        return Member(self, node, file)

    async def delete(self, row: Node | Token) -> None:
        await self.store.commit(Delete(row))

    async def change(self, node: Node, **values: Any) -> None:
        now = self.store.state.nodes[node.id]
        await self.store.commit(Update(now, replace(now, **values)))

    @asynccontextmanager
    async def as_seen_with(self, context: ssl.SSLContext) -> AsyncIterator[Live]:
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(self.url, connector=connector) as session:
            yield Live(session, self.url)

    def stranger(self) -> ssl.SSLContext:
        """Without a certificate."""
        return tls.client(self.directory.central_ca)

    async def opens(self) -> None:
        await self._until(lambda: self.directory.server.exists() and self._listens())

    async def closes(self) -> None:
        await self._until(lambda: not self._listens())

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(self.settings.tls_endpoint or ("", 0)) == 0

    async def _until(self, holds: Any) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.02)


@dataclass
class Member:
    """A node with its certificate."""

    central: Central
    node: Node
    file: Path

    def context(self) -> ssl.SSLContext:
        return tls.client(self.central.directory.central_ca, self.file)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Live]:
        async with self.central.as_seen_with(self.context()) as api:
            yield api


async def call(api: Live, line: str, body: object = None) -> Answer:
    return await api.call(line, body, server_hostname=CENTRAL)


@asynccontextmanager
async def central_part(database: OvsdbServer, directory: Path, **settings: Any) -> AsyncIterator[Central]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    given = {"tls_bind": f":{port}", **settings}
    chosen = Settings(state_dir=directory, run_dir=directory, encap_ip="127.0.0.1", **given)
    store, closing = Store(database.remote), asyncio.Event()
    await store.start(PATIENCE)
    app = create_app(Desk(chosen, store, Unbound()), TOKEN)
    opening = asyncio.create_task(TlsDoor(chosen, store, make_server).run(door(app, trusted=False), closing))
    try:
        async with serving(door(app, trusted=True)) as root:
            yield Central(chosen, store, root, f"https://127.0.0.1:{port}")
    finally:
        closing.set()
        await opening
        await store.stop()
