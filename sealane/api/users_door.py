"""The door for users off the machine: TLS, no certificate is asked for, a token is.

It shows the operator's certificate (`users_certificate`), or one of the central authority, whose own is in
STATE/pki/central-ca.pem for clients to trust.  Either is loaded anew when it has been replaced.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from sealane import log
from sealane.api import sockets
from sealane.api.tls_door import RETRY, Impatient
from sealane.config import Settings
from sealane.errors import SealaneError
from sealane.pki import tls

LOOK = 30.0
"""Seconds between two looks at the certificate."""
_log = log.get("api")
Serve = Callable[[ASGIApp, ssl.SSLContext, type[Impatient]], uvicorn.Server]


class UsersDoor:
    """`serve` makes a server of an application and a context."""

    def __init__(self, settings: Settings, serve: Serve) -> None:
        self._settings = settings
        self._serve = serve
        self._look = min(LOOK, settings.server_lifetime / 12)

    async def run(self, app: ASGIApp, closing: asyncio.Event) -> None:
        """Until `closing`. What fails is logged and tried again."""
        endpoint = self._settings.users_endpoint
        while endpoint is not None and not closing.is_set():
            try:
                await self._open(app, endpoint, closing)
            except (OSError, SealaneError) as exc:
                _log.error("the door for users can't be opened; tries again", at=endpoint, error=str(exc))
                await _pause(closing, RETRY)

    async def _open(self, app: ASGIApp, endpoint: tuple[str, int], closing: asyncio.Event) -> None:
        await self._ensure()
        certificate, key = self._files()
        seen = tls.Files(certificate, *([key] if key else []))
        seen.moved()
        server = self._serve(app, tls.open_server(certificate, key), Impatient)
        serving = asyncio.create_task(server.serve([sockets.listen(*endpoint)]))
        _log.info("the door for users is open", at=endpoint)
        try:
            while not closing.is_set() and not serving.done():
                await _pause(closing, self._look)
                await self._ensure()
                if seen.moved():
                    return  # opened again at once, with the new one
        finally:
            server.should_exit = True
            await serving

    def _files(self) -> tuple[Path, Path | None]:
        settings = self._settings
        if settings.users_certificate:
            return Path(settings.users_certificate), Path(settings.users_key) if settings.users_key else None
        return settings.pki_dir / "users.pem", None

    async def _ensure(self) -> None:
        if self._settings.users_certificate:
            return
        from sealane.pki import central  # not before it is needed: it takes 13 MiB

        settings, bound = self._settings, self._settings.users_bind.rpartition(":")[0].strip("[]")
        names = {"localhost", "127.0.0.1", "::1", settings.host_name, settings.encap_ip, bound}
        wanted = sorted(names - {"", "0.0.0.0", "::"})
        directory = central.Directory(settings.pki_dir)
        await asyncio.to_thread(central.ensure_door, directory, wanted, settings.server_lifetime)


async def _pause(closing: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await closing.wait()
