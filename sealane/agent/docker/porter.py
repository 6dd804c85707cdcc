"""The porter keeps dockerd's socket while the agent comes and goes: `python -m sealane.agent.docker.porter`.

    dockerd ── /run/docker/plugins/sealane.sock ──> porter ── RUN/plugin.sock ──> agent (server.py)

When a plugin dies over a call, dockerd repeats it with an empty body, and nobody can tell any more what
was asked: the container does not start.  The porter has the whole request, and gives it to the agent's
successor.  That is safe, as each of our calls may come any number of times.  What is cut off on its way
here never reaches the agent.

It decides nothing, keeps nothing, and imports next to nothing, so that it has no reason to end.
"""

import asyncio
import json
import signal
from contextlib import suppress
from pathlib import Path

from sealane import config, listening

PATIENCE = 12.5
"""Seconds for a call in all, the agent's absence included; a living agent answers within 10."""

PAUSE = 0.02
"""Seconds between two tries to reach the agent."""

HEAD_LIMIT = 1 << 16
BODY_LIMIT = 2 << 20
"""Bytes; what is longer than the agent's own limit is the agent's to refuse."""


class Porter:
    def __init__(self, outer: Path, inner: Path, patience: float = PATIENCE) -> None:
        self._outer = outer
        self._inner = inner
        self._patience = patience

    async def serve(self, stop: asyncio.Event) -> None:
        """Until `stop`; the socket is removed then. Raises OSError."""
        server = await asyncio.start_unix_server(
            self._converse, sock=listening.unix(self._outer), limit=HEAD_LIMIT
        )
        async with server:
            await stop.wait()
        self._outer.unlink(missing_ok=True)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The calls of one connection, one after the other; one that is not whole or not read ends it."""
        agent = _Agent(self._inner)
        try:
            with suppress(OSError, EOFError):
                while True:
                    try:
                        request = await _message(reader)
                    except (ValueError, asyncio.LimitOverrunError) as exc:
                        writer.write(_refusal(f"malformed request: {exc}"))
                        await _heard_out(reader, writer)
                        return
                    writer.write(await self._ask(agent, request))
                    await writer.drain()
        finally:
            agent.leave()
            writer.close()

    async def _ask(self, agent: "_Agent", request: bytes) -> bytes:
        try:
            async with asyncio.timeout(self._patience):
                while True:
                    try:
                        return await agent.ask(request)
                    except (OSError, EOFError, ValueError):
                        agent.leave()
                        await asyncio.sleep(PAUSE)
        except TimeoutError:
            agent.leave()
            return _refusal(f"the agent of Sealane did not answer within {self._patience:g} s; try again")


class _Agent:
    """One connection to the agent, made when needed and kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> bytes:
        """Raises OSError, EOFError: the agent is not there, or went away."""
        if self._streams is None:
            self._streams = await asyncio.open_unix_connection(str(self._path), limit=HEAD_LIMIT)
        reader, writer = self._streams
        writer.write(request)
        return await _message(reader)

    def leave(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A whole request or answer as it came. Raises EOFError, ValueError (of no length that we take)."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
        elif name.lower() == b"transfer-encoding":
            raise ValueError("chunks are not for us: neither dockerd nor the agent sends them")
    if not 0 <= length <= BODY_LIMIT:
        raise ValueError(f"{length} bytes")
    return head + await reader.readexactly(length)


async def _heard_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Who sends more than is taken hears why only if nobody hangs up while he speaks."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(PATIENCE):
            await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            while await reader.read(HEAD_LIMIT):
                pass


def _refusal(text: str) -> bytes:
    """As messages.Failure."""
    body = json.dumps({"Err": text, "Error": text}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _run(outer: Path, inner: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Porter(outer, inner).serve(stop)


def main() -> None:
    settings = config.load().settings
    asyncio.run(_run(settings.docker_plugin_dir / "sealane.sock", settings.plugin_socket))


if __name__ == "__main__":
    main()
