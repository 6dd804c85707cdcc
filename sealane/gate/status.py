"""RUN/gate.sock: what the gate knows of itself, by HTTP, for the supervisor, `status` and /healthz."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from sealane import listening

ASKING = 5.0
"""Seconds that a question may take."""


async def serve(path: Path, read: Callable[[], Mapping[str, object]]) -> asyncio.Server:
    """Answers every request with what `read` returns. The socket is root's alone. Raises OSError."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(ASKING):
                await reader.readuntil(b"\r\n\r\n")
                body = json.dumps(read()).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
                writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + body)
                await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(answer, sock=listening.unix(path))
