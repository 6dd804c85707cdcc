"""The door for other hosts: TLS, a certificate is asked for, and whose it is goes into the ASGI scope.

It is open only while somebody may come in: a token to join with is good, or a node has a certificate.
The certificate that it shows is renewed here; connections that are open go on.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sealane import log
from sealane.api import sockets
from sealane.api.auth import PEER
from sealane.api.desk import Store
from sealane.api.either import first_of
from sealane.config import Settings
from sealane.errors import SealaneError
from sealane.pki import admission, tls
from sealane.pki.certificate import Certificate, of_peer

LOOK = 5.0
"""Seconds between two looks at certificates and tokens, whose time runs out without any change."""
RETRY = 2.0
"""Seconds until what failed is tried again."""

SILENCE = 10.0
"""Seconds that a new connection may take until its first request is there."""

_log = log.get("api")


class Impatient(HttpToolsProtocol):
    """Hangs up on who asks nothing."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(SILENCE, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._heard()
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        self._heard()
        super().on_headers_complete()

    def _heard(self) -> None:
        if self._late is not None:
            self._late.cancel()


class TlsProtocol(Impatient):
    """Says with each request who is at the other end."""

    _peer: Certificate | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._peer = of_peer(transport.get_extra_info("ssl_object").getpeercert())

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[PEER] = self._peer  # type: ignore[literal-required]


class TlsDoor:
    """`serve` makes a server of an application and a context."""

    def __init__(
        self, settings: Settings, store: Store, serve: Callable[[ASGIApp, ssl.SSLContext], uvicorn.Server]
    ) -> None:
        self._settings = settings
        self._store = store
        self._serve = serve
        self._look = min(LOOK, settings.server_lifetime / 12)

    async def run(self, app: ASGIApp, closing: asyncio.Event) -> None:
        """Until `closing`. What fails is logged and tried again."""
        endpoint = self._settings.tls_endpoint
        while endpoint is not None and not closing.is_set():
            if not self._is_wanted():
                await self._news(closing)
                continue
            try:
                await self._open(app, endpoint, closing)
            except (OSError, SealaneError) as exc:
                _log.error(
                    "the door for other hosts can't be opened; tries again", at=endpoint, error=str(exc)
                )
                await _pause(closing, RETRY)

    async def _open(self, app: ASGIApp, endpoint: tuple[str, int], closing: asyncio.Event) -> None:
        from sealane.pki import central  # not before a second host is wanted: it takes 13 MiB

        directory = central.Directory(self._settings.pki_dir)
        lifetime = self._settings.server_lifetime
        await asyncio.to_thread(central.ensure, directory, lifetime)
        files = tls.Files(directory.server)
        files.moved()
        context = tls.server(directory.server, directory.node_ca, required=False)
        server = self._serve(app, context)
        serving = asyncio.create_task(server.serve([sockets.listen(*endpoint)]))
        _log.info("the door for other hosts is open", at=endpoint)
        checked = time.monotonic()
        try:
            while self._is_wanted() and not closing.is_set() and not serving.done():
                await self._news(closing)
                if time.monotonic() < checked + self._look:
                    continue
                checked = time.monotonic()
                await asyncio.to_thread(central.ensure, directory, lifetime)
                if files.moved():
                    tls.reload(context, directory.server)
                    _log.info("shows a new certificate to other hosts")
        finally:
            server.should_exit = True
            await serving
            _log.info("the door for other hosts is closed", at=endpoint)

    def _is_wanted(self) -> bool:
        return admission.wanted(self._store.state, time.time())

    async def _news(self, closing: asyncio.Event) -> None:
        """Return when nodes or tokens may be others than now, or their time may have run out."""
        state = self._store.state
        if state.sequence == 0:
            await _pause(closing, 0.2)
            return
        await first_of(self._store.changed(state.sequence, self._look), closing.wait())


async def _pause(closing: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await closing.wait()
