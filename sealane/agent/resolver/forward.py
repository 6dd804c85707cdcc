"""Where questions go that are not ours. One socket for each question: a fresh source port guards against
forged answers from outside, and no conntrack entry outlives a restart of Docker's resolver."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from sealane.agent.resolver.message import Forward
from sealane.agent.resolver.sandbox import DOCKER_RESOLVER, Namespace, marked

DEADLINE = 10.0
"""Seconds for one question in all; Docker's resolver itself asks up to three upstreams, 4 s each."""

UPSTREAM_DEADLINE = 3.0
MAX_MESSAGE = 65535
MakeSocket = Callable[[], Awaitable[socket.socket]]


class Forwarder(Protocol):
    async def ask(self, question: Forward, stream: bool) -> bytes:
        """The answer's bytes. Raises OSError (also TimeoutError) when there is none."""


class DockerForwarder:
    """Docker's resolver of the same sandbox: its names, links, --dns, upstreams on the host's loopback.

    Where the network has servers of its own, they are asked for names of several labels, from inside the
    sandbox: they are reached where the container itself may reach them.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    async def ask(self, question: Forward, stream: bool) -> bytes:
        kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
        if question.servers and not question.single:
            return await ask_from(self._namespace, question, kind)
        async with asyncio.timeout(DEADLINE):
            sock = await self._namespace.run(lambda: marked(kind))
            return await _exchange(sock, DOCKER_RESOLVER, question.wire, stream)


class GatewayForwarder:
    """The network's servers, asked from its gateway's namespace; where it has none, the host's.

    own: addresses at which the gateway itself answers, and would ask itself for ever.
    """

    def __init__(self, namespace: Namespace, own: Sequence[str], upstream: Forwarder) -> None:
        self._namespace = namespace
        self._own = frozenset(own)
        self._upstream = upstream

    async def ask(self, question: Forward, stream: bool) -> bytes:
        servers = tuple(server for server in question.servers if server not in self._own)
        if not servers:
            return await self._upstream.ask(question, stream)
        kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
        return await ask_from(self._namespace, replace(question, servers=servers), kind)


async def ask_from(namespace: Namespace, question: Forward, kind: socket.SocketKind) -> bytes:
    """The first of the servers that answers. Raises OSError."""
    last: OSError = OSError("no server of the network can be asked")
    for server in question.servers[:3]:
        try:
            async with asyncio.timeout(UPSTREAM_DEADLINE):
                sock = await namespace.run(lambda server=server: _unmarked(server, kind))  # type: ignore[misc]
                return await _exchange(sock, (server, 53), question.wire, kind == socket.SOCK_STREAM)
        except OSError as exc:
            last = exc
    raise last


def _unmarked(address: str, kind: socket.SocketKind) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind | socket.SOCK_NONBLOCK)


class UpstreamForwarder:
    """The host's own upstreams, asked from the host's namespace, in the order of resolv.conf(5)."""

    def __init__(self, resolv_conf: Path = Path("/etc/resolv.conf"), port: int = 53) -> None:
        self._resolv_conf = resolv_conf
        self._port = port

    async def ask(self, question: Forward, stream: bool) -> bytes:
        kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
        last: OSError = OSError("no nameserver in resolv.conf")
        for address in nameservers(self._resolv_conf.read_text())[:3]:
            try:
                async with asyncio.timeout(UPSTREAM_DEADLINE):
                    sock = _unmarked(address, kind)
                    return await _exchange(sock, (address, self._port), question.wire, stream)
            except OSError as exc:
                last = exc
        raise last


def nameservers(text: str) -> list[str]:
    lines = (line.split() for line in text.splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]


async def _exchange(sock: socket.socket, to: tuple[str, int], wire: bytes, stream: bool) -> bytes:
    loop = asyncio.get_running_loop()
    with sock:
        await loop.sock_connect(sock, to)
        if stream:
            await loop.sock_sendall(sock, len(wire).to_bytes(2, "big") + wire)
            size = int.from_bytes(await _exactly(sock, 2), "big")
            return await _exactly(sock, size)
        await loop.sock_sendall(sock, wire)
        while True:
            answer = await loop.sock_recv(sock, MAX_MESSAGE)
            if _answers(answer, wire):
                return answer


def _answers(answer: bytes, wire: bytes) -> bool:
    """Same id, and an answer at all; the connected socket has checked the sender's address and port."""
    return len(answer) >= 12 and answer[:2] == wire[:2] and bool(answer[2] & 0x80)


async def _exactly(sock: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        chunk = await loop.sock_recv(sock, size - len(data))
        if not chunk:
            raise ConnectionError("the resolver closed the connection")
        data += chunk
    return data
