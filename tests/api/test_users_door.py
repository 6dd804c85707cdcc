"""The door for users off the machine: TLS with a certificate that a client can check, and a token."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import openstack

from sealane.api.app import create_app
from sealane.api.desk import Desk
from sealane.api.look import Unbound
from sealane.api.server import door, make_server
from sealane.api.users_door import UsersDoor
from sealane.config import Settings
from sealane.pki.authority import Authority
from sealane.store.db import Store
from tests.api.live import TOKEN, Live, serving
from tests.api.test_identity import Town
from tests.daemons import PATIENCE, OvsdbServer


@asynccontextmanager
async def users_door(database: OvsdbServer, directory: Path, **given: Any) -> AsyncIterator[tuple[Town, str]]:
    """What root does, and the URL for users."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = Settings(state_dir=directory, users_bind=f"127.0.0.1:{port}", host_name="h", **given)
    store, closing = Store(database.remote), asyncio.Event()
    await store.start(PATIENCE)
    app = create_app(Desk(settings, store, Unbound()), TOKEN)
    opening = asyncio.create_task(UsersDoor(settings, make_server).run(door(app, trusted=False), closing))
    try:
        async with serving(door(app, trusted=True)) as root:
            async with asyncio.timeout(PATIENCE):
                while not _listens(port):
                    await asyncio.sleep(0.05)
            yield Town(root), f"https://127.0.0.1:{port}"
    finally:
        closing.set()
        await opening
        await store.stop()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_a_user_logs_in_by_tls_and_root_is_nobody_there(database: OvsdbServer, directory: Path) -> None:
    async with users_door(database, directory) as (there, url):
        await there.ok("POST /v3/projects", {"project": {"name": "red"}})
        await there.user("ann", "sesame", red="member")
        authority = directory / "pki" / "central-ca.pem"

        def story() -> str:
            auth = {"auth_url": f"{url}/v3", "username": "ann", "password": "sesame", "project_name": "red"}
            domains = {"user_domain_id": "default", "project_domain_id": "default"}
            with openstack.connection.Connection(
                auth_type="password", auth=auth | domains, cacert=str(authority)
            ) as ann:
                return str(ann.network.create_network(name="net").project_id)

        assert await asyncio.to_thread(story) == "red"
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(authority)))
        async with aiohttp.ClientSession(url, connector=connector) as session:
            api = Live(session, url)
            assert (await api.call("GET /v2.0/networks")).status == 401
            assert (await api.call("GET /v2.0/sealane/ca")).status == 401
            admin = await api.call("GET /v2.0/networks", headers={"X-Auth-Token": TOKEN})
            assert admin.status == 200
        assert (directory / "pki" / "users.pem").stat().st_mode & 0o777 == 0o600


async def test_it_shows_the_operators_certificate(database: OvsdbServer, directory: Path) -> None:
    authority = Authority.make("the operator's")
    key, certificate = authority.issue_door(["127.0.0.1"], 3600)
    for name, text in (("ca", authority.certificate_pem), ("key", key), ("crt", certificate)):
        (directory / name).write_text(text)
    files = {"users_certificate": str(directory / "crt"), "users_key": str(directory / "key")}
    async with users_door(database, directory, **files) as (_, url):
        trusted = ssl.create_default_context(cafile=str(directory / "ca"))
        async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(ssl=trusted)) as session:
            assert (await Live(session, url).call("GET /v3")).status == 200
        assert not (directory / "pki").exists()
