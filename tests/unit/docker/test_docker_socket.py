"""The socket, with the bytes that dockerd 20.10 sends: an empty Host, no Content-Type."""

import asyncio
import stat
from pathlib import Path

import msgspec

from sealane.agent.docker.messages import Activated
from sealane.agent.docker.server import Listener, Plugin

ACTIVATE = (
    b"POST /Plugin.Activate HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 0\r\n"
    b"Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n"
)


async def ask(path: Path, request: bytes) -> tuple[bytes, bytes]:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")
    )
    body = await reader.readexactly(length)
    writer.close()
    return head, body


def test_dockerd_is_answered_on_a_private_socket(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "plugins" / "sealane.sock"
        listener = Listener(Plugin({}).app, path)
        await listener.start()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with asyncio.timeout(10):
            head, body = await ask(path, ACTIVATE)
            assert head.startswith(b"HTTP/1.1 200")
            assert msgspec.json.decode(body) == msgspec.json.decode(msgspec.json.encode(Activated()))
            head, _ = await ask(path, ACTIVATE.replace(b"Plugin.Activate", b"Volume.Create"))
            assert head.startswith(b"HTTP/1.1 404")
            await listener.stop()
        assert not path.exists()

    asyncio.run(story())


def test_a_socket_left_over_is_replaced(tmp_path: Path) -> None:
    async def story() -> None:
        path = tmp_path / "sealane.sock"
        path.touch()
        listener = Listener(Plugin({}).app, path)
        async with asyncio.timeout(10):
            await listener.start()
            head, _ = await ask(path, ACTIVATE)
            assert head.startswith(b"HTTP/1.1 200")
            await listener.stop()

    asyncio.run(story())
