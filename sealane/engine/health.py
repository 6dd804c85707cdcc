"""Probes that tell whether a child does its work; each is a value that can be called."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from sealane.engine.command import run, succeeds
from sealane.errors import HostError

PROBE_TIMEOUT = 5.0
"""Seconds; a child that accepts and says nothing is not ready."""


@dataclass(frozen=True)
class Serves:
    """An OVSDB server that lists `database` (RFC 7047, 4.1.1)."""

    socket: Path
    database: str

    async def __call__(self) -> bool:
        request = json.dumps({"id": 0, "method": "list_dbs", "params": []})
        answer = await _ask(self.socket, request.encode(), b"}")
        return f'"{self.database}"'.encode() in answer


@dataclass(frozen=True)
class Succeeds:
    """A command that exits with 0."""

    argv: tuple[str, ...]

    async def __call__(self) -> bool:
        return await succeeds(*self.argv, timeout=PROBE_TIMEOUT)


@dataclass(frozen=True)
class Prints:
    """A command whose output has `text` in it."""

    argv: tuple[str, ...]
    text: str

    async def __call__(self) -> bool:
        try:
            return self.text in await run(*self.argv, timeout=PROBE_TIMEOUT)
        except HostError:
            return False


@dataclass(frozen=True)
class Responds:
    """An HTTP server that answers GET `target`, whatever the status below 500."""

    socket: Path
    target: str

    async def __call__(self) -> bool:
        request = f"GET {self.target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        words = (await _ask(self.socket, request.encode(), b"\r\n")).split()
        return len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1] < b"500"


@dataclass(frozen=True)
class Listens:
    """Whoever accepts connections."""

    socket: Path

    async def __call__(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                _, writer = await asyncio.open_unix_connection(str(self.socket))
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True


async def _ask(socket: Path, request: bytes, until: bytes) -> bytes:
    """What comes back up to `until`; empty when nobody answers in time."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(request)
                return await reader.readuntil(until)
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return b""
