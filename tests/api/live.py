"""The real application behind real sockets, and a client that keeps what it was answered."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
from starlette.types import ASGIApp

from sealane.api.app import create_app
from sealane.api.desk import Desk
from sealane.api.look import Bindings, Unbound
from sealane.api.server import make_server
from sealane.config import Settings
from sealane.store.db import Store
from tests.daemons import PATIENCE, OvsdbServer

TOKEN = "a-token"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any

    @property
    def error(self) -> str:
        """The error's type; also checks the one shape that errors have."""
        assert set(self.body) == {"NeutronError"}, self.body
        assert set(self.body["NeutronError"]) == {"type", "message", "detail"}
        assert self.body["NeutronError"]["message"]
        return str(self.body["NeutronError"]["type"])


class Live:
    """`call("POST /v2.0/networks", {...})`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def call(self, line: str, body: object = None, **options: Any) -> Answer:
        method, path = line.split(" ", 1)
        if body is not None:
            options["data"] = body if isinstance(body, bytes) else msgspec.json.encode(body)
        async with self.session.request(method, path, **options) as response:
            raw = await response.read()
            assert response.headers["x-openstack-request-id"].startswith("req-")
            json = response.content_type == "application/json" and raw
            return Answer(response.status, msgspec.json.decode(raw) if json else raw, response.headers)

    async def make(self, kind: str, **values: Any) -> Any:
        """The resource that was created."""
        answer = await self.call(f"POST /v2.0/{plural(kind)}", {kind: values})
        assert answer.status == 201, answer
        return answer.body[kind]


def plural(kind: str) -> str:
    """What a kind is called in paths."""
    if kind == "policy":
        return "qos/policies"
    if kind == "log":
        return "log/logs"
    if kind.startswith("metering_"):
        return f"metering/{kind.replace('_', '-')}s"
    if kind.startswith("tap_"):
        return f"taas/{kind}s"
    return (f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s").replace("_", "-")


@asynccontextmanager
async def live(
    database: OvsdbServer, bindings: Bindings | None = None, **settings: Any
) -> AsyncIterator[Live]:
    """An API of its own on that database; several may run at once."""
    store = Store(database.remote)
    await store.start(PATIENCE)
    try:
        async with serving(
            create_app(Desk(Settings(**settings), store, bindings or Unbound()), TOKEN)
        ) as api:
            yield api
    finally:
        await store.stop()


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[Live]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = make_server(app)
    running = asyncio.create_task(server.serve([listener]))
    try:
        async with aiohttp.ClientSession(url, headers={"X-Auth-Token": TOKEN}) as session:
            yield Live(session, url)
    finally:
        server.should_exit = True
        await running
