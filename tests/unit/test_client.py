"""The agent's client when the API is not there, restarts, or stays away."""

import asyncio
from pathlib import Path

import pytest

from sealane import client
from sealane.client import ApiClient
from sealane.errors import Unavailable

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"networks":[]}'


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(ANSWER)
    await writer.drain()
    writer.close()


def test_a_call_waits_while_the_api_restarts(tmp_path: Path) -> None:
    socket = tmp_path / "api.sock"

    async def story() -> None:
        async with ApiClient(f"unix:{socket}") as api:
            call = asyncio.create_task(api.list("networks"))
            done, _ = await asyncio.wait([call], timeout=0.3)
            assert not done
            async with await asyncio.start_unix_server(serve, str(socket)):
                assert await asyncio.wait_for(call, 30) == []

    asyncio.run(story())


def test_an_api_that_stays_away_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "RESTART", 0.2)

    async def story() -> None:
        async with ApiClient(f"unix:{tmp_path}/api.sock") as api:
            with pytest.raises(Unavailable, match=r"api.sock can't be reached: No such file"):
                await api.list("networks")

    asyncio.run(story())
