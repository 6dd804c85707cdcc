"""The API as a process: `python -m sealane.api.server`.

    RUN/api.sock, api_socket_extra   0600: root is admin        ─┐
    api_bind, api_listen_fd          who has the admin's token  ─┼─ one application
    tls_bind                         nodes, by certificate      ─┤
    users_bind                       users, by TLS and a token  ─┘

Nothing it needs has to be there at the start: it goes on trying, and answers 503 until then.
"""

import asyncio
import signal
import socket
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import uvicorn
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sealane import config, failpoint, listening, log
from sealane.api import auth, health, sockets
from sealane.api.absence import Absence
from sealane.api.agents import Agents
from sealane.api.app import create_app
from sealane.api.desk import Desk
from sealane.api.journal import EventDesk, Journal
from sealane.api.packet_journal import PacketDesk, PacketJournal
from sealane.api.seen import Seen
from sealane.api.tls_door import TlsDoor, TlsProtocol
from sealane.api.users_door import UsersDoor
from sealane.api.watch import Watch
from sealane.config import Settings
from sealane.errors import SealaneError, Unavailable
from sealane.ovn.applied import Applied
from sealane.ovn.southbound import Bindings
from sealane.ovsdb.client import Client
from sealane.store.db import Store

GRACE = 3
"""Seconds for requests under way when told to stop."""
KEEP_ALIVE = 75
"""Seconds: longer than clients keep an idle connection (aiohttp 15), so it is not closed under a request."""
HEAD_START = 2.0
"""Seconds that the first callers wait for the store: the doors are open, so they queue."""
_log = log.get("api")


class Server(uvicorn.Server):
    """Several run in one process, so signals are not theirs to catch."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def door(app: ASGIApp, *, trusted: bool) -> ASGIApp:
    """What comes in here is root's, or is not: said by the socket, not by the request."""

    async def enter(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, auth.TRUSTED: trusted}, receive, send)

    return enter


class Doors:
    """All listening sockets: opened together or not at all, served until `closing`."""

    def __init__(self, settings: Settings) -> None:
        self._names: list[Path] = []
        self._trusted: list[socket.socket] = []
        self._guarded: list[socket.socket] = []
        extra = [Path(settings.api_socket_extra)] if settings.api_socket_extra else []
        for path in (settings.api_socket, *extra):
            listener = listening.unix(path)
            self._names.append(path)
            self._trusted.append(listener)
        if settings.api_bind:
            self._guarded.append(sockets.tcp(settings.api_bind))
        if settings.api_listen_fd >= 0:
            given = sockets.inherited(settings.api_listen_fd)
            (self._trusted if given.family == socket.AF_UNIX else self._guarded).append(given)

    async def serve(self, app: ASGIApp, closing: asyncio.Event) -> None:
        servers = [(make_server(door(app, trusted=True)), self._trusted)]
        if self._guarded:
            servers.append((make_server(door(app, trusted=False)), self._guarded))
        async with asyncio.TaskGroup() as group:
            for server, listeners in servers:
                group.create_task(server.serve(listeners))
            await closing.wait()
            for server, _ in servers:
                server.should_exit = True
        for path in self._names:
            listening.forget(path)


def make_server(
    app: ASGIApp, tls: ssl.SSLContext | None = None, protocol: type[HttpToolsProtocol] | None = None
) -> Server:
    """protocol: that of nodes' connections where there is TLS. All take a Host header that is none."""
    made = uvicorn.Config(
        app,
        http=protocol or (TlsProtocol if tls else HttpToolsProtocol),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # front.py writes one line a request, with its id
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=KEEP_ALIVE,
    )
    made.load()
    made.ssl = tls
    return Server(made)


async def serve(settings: Settings, closing: asyncio.Event) -> None:
    """Run until `closing`. Raises OSError when a socket can't be had."""
    keys = auth.Keys.of(settings)
    doors = Doors(settings)
    store = Store(settings.store_remote)
    clients = {
        "store": Client(settings.store_remote, "Sealane"),
        "nb": Client(settings.nb_remote, "OVN_Northbound"),
        "sb": Client(settings.sb_remote, "OVN_Southbound"),
    }
    async with AsyncExitStack() as stack:
        for client in clients.values():
            stack.push_async_callback(client.stop)
            with suppress(Unavailable):
                await client.start(timeout=0.05)
        stack.push_async_callback(store.stop)
        connecting = asyncio.create_task(_connect(store))
        stack.callback(connecting.cancel)
        bindings = Bindings(clients["sb"])
        stack.push_async_callback(bindings.stop)
        await asyncio.wait([connecting], timeout=HEAD_START)
        await bindings.start(timeout=0)
        desk, seen, journal = Desk(settings, store, bindings), Seen(), Journal()
        desk.meters.policies = bindings.policies
        watch = Watch(store, bindings, journal, seen.gone)
        watching = asyncio.create_task(watch.run(), name="events")
        stack.callback(watching.cancel)
        absence = Absence(store, bindings, settings.gate_socket)
        missing = asyncio.create_task(absence.follow(), name="absence")
        stack.callback(missing.cancel)
        routes = (
            Route("/healthz", _health(settings, store, clients, watch).show, methods=["GET"]),
            *Agents(desk, bindings.all_chassis, seen).routes(),
            *EventDesk(journal, closing, lambda: watch.mismatches).routes(),
            *PacketDesk(desk, PacketJournal(), closing).routes(),
        )
        applied = Applied(clients["nb"], clients["sb"])
        app = create_app(desk, keys, more=routes, closing=closing, applied=applied, seen=seen)
        app.state.metrics.gauge(
            "sealane_binding_mismatches",
            "Ports that another host has than the one they are meant for",
            lambda: len(watch.mismatches),
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(TlsDoor(settings, store, make_server).run(app, closing))
            group.create_task(UsersDoor(settings, make_server).run(door(app, trusted=False), closing))
            await doors.serve(app, closing)


def _health(settings: Settings, store: Store, clients: dict[str, Client], watch: Watch) -> health.Health:
    probes = {name: health.transacts(client) for name, client in clients.items()}
    probes["northd"] = health.northd_is_active(settings)
    probes["gate"] = health.gate_answers(settings)
    probes["translator"] = health.translator_keeps_up(store, clients["nb"])
    return health.Health(settings, probes, lambda: len(watch.mismatches))


async def _connect(store: Store) -> None:
    while True:
        try:
            await store.start()
        except Unavailable as exc:
            _log.warning("the store can't be reached yet", reason=exc.message)
            await asyncio.sleep(0.2)  # start() may fail at once where the server refuses
        else:
            return


async def _run(settings: Settings) -> None:
    closing = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, closing.set)
    await serve(settings, closing)


def main(arguments: Sequence[str] = ()) -> int:
    try:
        settings = config.load().settings
        log.setup(settings.log_level, json=settings.log_json)
        failpoint.arm(settings.run_dir, "api")
        asyncio.run(_run(settings))
    except (SealaneError, OSError) as exc:
        print(f"sealane api: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
