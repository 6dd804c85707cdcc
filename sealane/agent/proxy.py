"""Carries TCP and UDP from a reserved socket of the host to a container, where the kernel can't.

Such traffic comes from the host itself (127.0.0.1, ::1: its packets can't leave the loopback) or in a
family that the container has no address of.  The container sees the host as the client.
"""

import asyncio
import socket as sockets
from collections.abc import Callable
from contextlib import suppress

from sealane import log

Target = tuple[str, int]
_CONNECT = 5.0  # seconds
_IDLE = 60.0  # seconds after which a UDP client's flow is forgotten
_CHUNK = 1 << 16
_MOST_FLOWS = 4096
_log = log.get("proxy")


class TcpProxy:
    def __init__(self, socket: sockets.socket, target: Callable[[], Target | None]) -> None:
        self._socket = socket
        self._target = target
        self._flows: set[asyncio.Task[None]] = set()
        self._server = asyncio.ensure_future(self._accept())

    def close(self) -> None:
        """Stop listening and cut what is being carried; the caller closes the socket then."""
        asyncio.get_running_loop().remove_reader(self._socket)
        for task in (self._server, *self._flows):
            task.cancel()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._socket)
            except OSError as exc:  # the client has gone, or we have too many open files
                _log.warning("a connection to a published port was not accepted", error=str(exc))
                await asyncio.sleep(0.1)
                continue
            task = loop.create_task(self._carry(client))
            self._flows.add(task)
            task.add_done_callback(self._flows.discard)

    async def _carry(self, client: sockets.socket) -> None:
        with client, suppress(OSError, TimeoutError):
            target = self._target()
            if target is None:
                return
            family = sockets.AF_INET6 if ":" in target[0] else sockets.AF_INET
            with sockets.socket(family, sockets.SOCK_STREAM | sockets.SOCK_NONBLOCK) as server:
                async with asyncio.timeout(_CONNECT):
                    await asyncio.get_running_loop().sock_connect(server, target)
                await asyncio.gather(_pump(client, server), _pump(server, client))


async def _pump(source: sockets.socket, sink: sockets.socket) -> None:
    """Until the source has said all; then say so to the sink, which may still go on talking."""
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(source, _CHUNK):
        await loop.sock_sendall(sink, data)
    with suppress(OSError):
        sink.shutdown(sockets.SHUT_WR)


class UdpProxy:
    """A socket of its own towards the container for each client, so that answers find back."""

    def __init__(self, socket: sockets.socket, target: Callable[[], Target | None]) -> None:
        self._socket = socket
        self._target = target
        self._flows: dict[Target, tuple[sockets.socket, asyncio.Task[None]]] = {}
        self._task = asyncio.ensure_future(self._receive())

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        for task in (self._task, *(task for _, task in self._flows.values())):
            task.cancel()

    async def _receive(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with suppress(OSError):  # an ICMP error about an earlier answer
                data, client = await loop.sock_recvfrom(self._socket, _CHUNK)
                server = self._server_for(client)
                if server is not None:
                    await loop.sock_sendall(server, data)

    def _server_for(self, client: Target) -> sockets.socket | None:
        known = self._flows.get(client)
        if known is not None:
            return known[0]
        target = self._target()
        if target is None or len(self._flows) >= _MOST_FLOWS:
            return None
        family = sockets.AF_INET6 if ":" in target[0] else sockets.AF_INET
        server = sockets.socket(family, sockets.SOCK_DGRAM | sockets.SOCK_NONBLOCK)
        server.connect(target)
        task = asyncio.ensure_future(self._answer(server, client))
        self._flows[client] = (server, task)
        return server

    async def _answer(self, server: sockets.socket, client: Target) -> None:
        loop = asyncio.get_running_loop()
        try:
            with server, suppress(OSError, TimeoutError):
                while True:
                    async with asyncio.timeout(_IDLE):
                        data = await loop.sock_recv(server, _CHUNK)
                    await loop.sock_sendto(self._socket, data, client)
        finally:
            del self._flows[client]
