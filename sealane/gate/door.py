"""The listener: greets who comes, lets in who is a node, and throws out who is none any more.

Before the certificate is known somebody may hold up nobody but himself: handshakes have a deadline, and an
address has few of them at once.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from sealane import log
from sealane.errors import Unauthorized
from sealane.gate.presence import Presence
from sealane.gate.session import CHUNK, Inside, Session, is_told
from sealane.model import Node
from sealane.pki.certificate import Certificate, of_peer

HANDSHAKE = 10.0
"""Seconds that a TLS handshake may take."""
GREETED = 8
"""Handshakes of one address at once."""
GREETED_IN_ALL = 256
"""Handshakes at once; below the number of files that a process may have open."""
SESSIONS = 4
"""Connections of one node; one more ends the oldest, whose host may have lost its power."""
BACKLOG = 128
ALIVE = {"TCP_KEEPIDLE": 3, "TCP_KEEPINTVL": 3, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 12_000}
"""tcp(7): a connection ends 12 s after its host's kernel was heard last, whatever was on its way.  The kernel
answers, so an ovn-controller that is busy for longer keeps it."""
_BREATH = 0.1
"""Seconds without a new connection when the kernel refuses one (EMFILE)."""
_log = log.get("gate")

Admit = Callable[[Certificate | None], Node]
"""Raises Unauthorized."""


class Door:
    def __init__(self, admit: Admit, inside: Inside) -> None:
        self.sessions: list[Session] = []
        self.presence = Presence()
        self.refused = 0
        """Connections that were not let in, since the start."""
        self._admit = admit
        self._inside = inside
        self._greeted: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, host: str, port: int, context: ssl.SSLContext) -> None:
        """Until cancelled; then nobody is inside any more. Raises OSError when it can't listen."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family, backlog=BACKLOG) as listener:
            listener.setblocking(False)
            _log.info("open", at=f"{host}:{port}")
            try:
                while True:
                    await self._accept(listener, context)
            finally:
                _log.info("closed", at=f"{host}:{port}")
                await self._clear()

    def review(self) -> None:
        """Close the sessions of whoever is not a node any more."""
        for session in list(self.sessions):
            try:
                session.node = self._admit(session.certificate)
            except Unauthorized as exc:
                _log.warning("a node is thrown out", node=session.node.name, reason=exc.message)
                session.close()

    async def _accept(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection, address = await loop.sock_accept(listener)
        except OSError as exc:
            _log.error("can't take a connection", error=str(exc))
            await asyncio.sleep(_BREATH)
            return
        host = str(address[0])
        if self._greeted[host] >= GREETED or self._greeted.total() >= GREETED_IN_ALL:
            connection.close()
            return
        self._greeted[host] += 1
        task = asyncio.create_task(self._greet(connection, host, context), name=f"gate {host}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _greet(self, connection: socket.socket, host: str, context: ssl.SSLContext) -> None:
        try:
            outer = await _handshake(connection, context)
        except (OSError, TimeoutError) as exc:  # ssl.SSLError is an OSError
            self._tell("no handshake", host, str(exc))
            return
        finally:
            self._greeted[host] -= 1
            if not self._greeted[host]:
                del self._greeted[host]
        await self._let_in(host, outer)

    async def _let_in(self, host: str, outer: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        peer = of_peer(outer[1].get_extra_info("ssl_object").getpeercert())
        try:
            node = self._admit(peer)
            assert peer is not None
        except Unauthorized as exc:
            self._tell("not let in", host, exc.message)
            outer[1].transport.abort()
            return
        session = Session(node, peer, outer, self._inside)
        self._make_room(node.name)
        self.sessions.append(session)
        self.presence.came(node.name)
        _log.info("a node is connected", node=node.name, address=host)
        try:
            await session.run()
        finally:
            session.close()
            self.sessions.remove(session)
            self.presence.went(node.name)
            _log.info("a node is gone", node=node.name, address=host)

    def _tell(self, what: str, host: str, reason: str) -> None:
        self.refused += 1
        if is_told(self.refused):
            _log.warning(what, address=host, reason=reason, refused=self.refused)

    def _make_room(self, node: str) -> None:
        its = [session for session in self.sessions if session.node.name == node]
        for session in its[: max(0, len(its) - SESSIONS + 1)]:
            session.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (defect := task.exception()):
            _log.error("a session ended by a defect", exc_info=defect)

    async def _clear(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)


async def _handshake(
    connection: socket.socket, context: ssl.SSLContext
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises OSError, TimeoutError; the connection is closed then."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=CHUNK, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in ALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE,
            ssl_shutdown_timeout=1.0,
        )
    except BaseException:
        connection.close()
        raise
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
