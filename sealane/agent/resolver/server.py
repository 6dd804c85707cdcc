"""DNS over UDP and TCP on sockets that are handed in, with limits on all that a client can cause."""

import asyncio
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import cast

import dns.rcode

from sealane import log
from sealane.agent.resolver.forward import Forwarder
from sealane.agent.resolver.message import Door, Forward, Reply, decide, refuse
from sealane.agent.resolver.zone import View, Zones

MAX_FORWARDS = 256
"""Questions under way elsewhere at once, per sandbox; more are answered SERVFAIL at once."""

MAX_STREAMS = 64
STREAM_IDLE = 10.0
_log = log.get("resolver")


class Server:
    """Serves one sandbox or gateway; `view` is asked for each question, so that it may change."""

    def __init__(self, zones: Zones, view: Callable[[], View], forwarder: Forwarder) -> None:
        self._zones = zones
        self._view = view
        self._forwarder = forwarder
        self._datagrams: list[_Datagrams] = []
        self._listeners: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._forwards = 0
        self._streams = 0

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Take the sockets over; they are closed by stop()."""
        loop = asyncio.get_running_loop()
        for sock in sockets:
            if sock.type == socket.SOCK_DGRAM:
                _, protocol = await loop.create_datagram_endpoint(lambda: _Datagrams(self), sock=sock)
                self._datagrams.append(protocol)
            else:
                self._listeners.append(await asyncio.start_server(self._stream, sock=sock))

    async def stop(self) -> None:
        """All sockets are closed then."""
        for listener in self._listeners:
            listener.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, *(d.close() for d in self._datagrams), return_exceptions=True)

    def datagram(self, wire: bytes, reply: Callable[[bytes], None]) -> None:
        """Ours are answered at once; others get a task of their own."""
        decision = decide(wire, self._zones, Door(self._view()))
        if isinstance(decision, Reply):
            reply(decision.wire)
        elif isinstance(decision, Forward):
            self._spawn(self._forward_datagram(decision, reply))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _forward_datagram(self, question: Forward, reply: Callable[[bytes], None]) -> None:
        reply(await self._forward(question, stream=False))

    async def _forward(self, question: Forward, stream: bool) -> bytes:
        if self._forwards >= MAX_FORWARDS:
            return refuse(question.wire, dns.rcode.SERVFAIL)
        self._forwards += 1
        try:
            return await self._forwarder.ask(question, stream)
        except OSError as exc:
            _log.debug("a question found no answer elsewhere", error=repr(exc))
            return refuse(question.wire, dns.rcode.SERVFAIL)
        finally:
            self._forwards -= 1

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._streams >= MAX_STREAMS:
            writer.close()
            return
        self._tasks.add(task)
        self._streams += 1
        try:
            while wire := await self._next(reader):
                answer = await self._answer(wire)
                if answer is None:
                    break
                writer.write(len(answer).to_bytes(2, "big") + answer)
                async with asyncio.timeout(STREAM_IDLE):
                    await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client went away, or was silent for too long: its own affair
        finally:
            self._streams -= 1
            self._tasks.discard(task)
            writer.close()

    async def _next(self, reader: asyncio.StreamReader) -> bytes:
        async with asyncio.timeout(STREAM_IDLE):
            size = int.from_bytes(await reader.readexactly(2), "big")
            return await reader.readexactly(size)

    async def _answer(self, wire: bytes) -> bytes | None:
        decision = decide(wire, self._zones, Door(self._view(), stream=True))
        if isinstance(decision, Forward):
            return await self._forward(decision, stream=True)
        return decision.wire if decision else None


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: Server) -> None:
        self._server = server
        self._lost = asyncio.Event()

    async def close(self) -> None:
        self._transport.close()
        await self._lost.wait()

    def connection_lost(self, exc: Exception | None) -> None:
        asyncio.get_running_loop().call_soon(self._lost.set)  # the transport closes the socket after this

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own is no subclass of it

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        self._server.datagram(data, lambda answer: self._send(answer, addr))

    def _send(self, answer: bytes, addr: tuple[object, ...]) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(answer, addr)
