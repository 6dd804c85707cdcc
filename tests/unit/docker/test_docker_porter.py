"""The porter: a call outlives the agent; what is not whole does not arrive; nobody waits for ever."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sealane.agent.docker.porter import Porter

CALL = b"POST /NetworkDriver.Join HTTP/1.1\r\nHost: \r\nContent-Length: 4\r\n\r\nbody"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@asynccontextmanager
async def porter(directory: Path, patience: float = 30.0) -> AsyncIterator[Path]:
    """The socket that dockerd would call."""
    outer, stop = directory / "outer.sock", asyncio.Event()
    serving = asyncio.create_task(Porter(outer, directory / "inner.sock", patience).serve(stop))
    try:
        while not outer.exists():
            await asyncio.sleep(0.01)
        yield outer
    finally:
        stop.set()
        await serving


class Agent:
    """`dies`: how many calls it reads and leaves without an answer."""

    def __init__(self, directory: Path, dies: int = 0) -> None:
        self.path = directory / "inner.sock"
        self.calls: list[bytes] = []
        self._dies = dies

    async def __aenter__(self) -> "Agent":
        self._server = await asyncio.start_unix_server(self._serve, str(self.path))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while len(call := await reader.read(1 << 16)) > 0:
            self.calls.append(call)
            if len(self.calls) <= self._dies:
                break
            writer.write(ANSWER)
        writer.close()


async def ask(path: Path, request: bytes = CALL) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(request)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


def test_calls_of_one_connection_are_answered_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with porter(tmp_path) as path, Agent(tmp_path) as agent:
            assert await ask(path, CALL + CALL) == ANSWER + ANSWER
            assert agent.calls == [CALL, CALL]
            assert path.stat().st_mode & 0o777 == 0o600
        assert not path.exists()

    asyncio.run(story())


def test_a_call_is_given_again_and_whole_when_the_agent_dies_over_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with porter(tmp_path) as path, Agent(tmp_path, dies=2) as agent:
            assert await ask(path) == ANSWER
            assert agent.calls == [CALL] * 3

    asyncio.run(story())


def test_a_call_waits_for_the_agent(tmp_path: Path) -> None:
    async def story() -> None:
        async with porter(tmp_path) as path:
            asking = asyncio.create_task(ask(path))
            await asyncio.sleep(0.1)
            async with Agent(tmp_path):
                assert await asking == ANSWER

    asyncio.run(story())


def test_nobody_waits_longer_than_promised(tmp_path: Path) -> None:
    async def story() -> None:
        async with porter(tmp_path, patience=0.2) as path:
            answer = await ask(path)
            assert "did not answer" in json.loads(answer.partition(b"\r\n\r\n")[2])["Err"]
            hung = asyncio.Event()
            server = await asyncio.start_unix_server(lambda *_: hung.wait(), str(tmp_path / "inner.sock"))
            assert b"did not answer" in await ask(path)
            hung.set()
            server.close()

    asyncio.run(story())


def test_what_is_cut_off_does_not_reach_the_agent(tmp_path: Path) -> None:
    async def story() -> None:
        async with porter(tmp_path) as path, Agent(tmp_path) as agent:
            for broken in (CALL[:-1], CALL[:20]):
                assert await ask(path, broken) == b""
            chunks = CALL.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            for broken in (CALL.replace(b"4", b"-4"), CALL.replace(b"4", b"999999999"), chunks):
                answer = await ask(path, broken)
                assert "malformed" in json.loads(answer.partition(b"\r\n\r\n")[2])["Err"]
            assert agent.calls == []

    asyncio.run(story())
