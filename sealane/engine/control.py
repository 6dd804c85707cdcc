"""supervisor.sock: one JSON object a line in, one out.

{"command": "status"}                   -> {"children": [{"name", "state", "pid", …}, …]}
{"command": "restart", "name": "NAME"}  -> {"ok": true}, at once
{"command": "stop"}                     -> {"ok": true}, then the connection stays open until all has ended
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path

from sealane import listening
from sealane.engine.supervisor import Supervisor
from sealane.errors import BadRequest, SealaneError, Unavailable

Answer = Mapping[str, object]


@contextlib.asynccontextmanager
async def serve(supervisor: Supervisor, socket: Path) -> AsyncIterator[None]:
    """Answer on `socket` (0600) while the block runs; the caller holds the run directory's lock."""
    bound = listening.unix(socket)
    server = await asyncio.start_unix_server(lambda r, w: _converse(supervisor, r, w), sock=bound)
    try:
        yield
    finally:
        server.close()
        socket.unlink(missing_ok=True)


async def _converse(
    supervisor: Supervisor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    # ValueError: a line over the limit. CancelledError: the loop ends, and so does every conversation.
    with contextlib.suppress(ConnectionError, ValueError, asyncio.CancelledError):
        while line := await reader.readline():
            writer.write(json.dumps(_answer(supervisor, line)).encode() + b"\n")
            await writer.drain()
    writer.close()


def _answer(supervisor: Supervisor, line: bytes) -> Answer:
    try:
        return _obey(supervisor, _parse(line))
    except SealaneError as exc:
        return {"error": exc.message}


def _parse(line: bytes) -> Mapping[str, object]:
    try:
        request = json.loads(line)
    except ValueError as exc:
        raise BadRequest(f"not JSON: {exc}") from exc
    if not isinstance(request, dict):
        raise BadRequest("a request is a JSON object")
    return request


def _obey(supervisor: Supervisor, request: Mapping[str, object]) -> Answer:
    match request.get("command"):
        case "status":
            return {"children": [asdict(status) for status in supervisor.status]}
        case "restart":
            supervisor[str(request.get("name"))].ask_restart()
            return {"ok": True}
        case "stop":
            supervisor.stopping.set()
            return {"ok": True}
        case other:
            raise BadRequest(f"unknown command '{other}'; there are status, restart and stop")


async def ask(socket: Path, request: Answer, timeout: float = 5.0) -> Answer:
    """Raises Unavailable when nobody answers."""
    async with _connection(socket, request, timeout) as (reader, _):
        return await _read(reader, timeout)


async def stop(socket: Path, timeout: float = 90.0) -> bool:
    """Stop the tree and wait for its end; False when none runs."""
    try:
        async with _connection(socket, {"command": "stop"}, 5.0) as (reader, _):
            await _read(reader, 5.0)
            async with asyncio.timeout(timeout):
                with contextlib.suppress(ConnectionError):
                    await reader.read()
    except Unavailable:
        return False
    except TimeoutError as exc:
        raise Unavailable(f"the tree behind {socket} did not end in {timeout:g} s") from exc
    return True


@contextlib.asynccontextmanager
async def _connection(
    socket: Path, request: Answer, timeout: float
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_unix_connection(str(socket))
    except (OSError, TimeoutError) as exc:
        raise Unavailable(f"no supervisor answers at {socket}; 'sealane up' starts it") from exc
    try:
        writer.write(json.dumps(request).encode() + b"\n")
        yield reader, writer
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader, timeout: float) -> Answer:
    try:
        async with asyncio.timeout(timeout):
            answer: Answer = json.loads(await reader.readline())
            return answer
    except (OSError, TimeoutError, ValueError) as exc:
        raise Unavailable(f"the supervisor does not answer: {exc}") from exc
