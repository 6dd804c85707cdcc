"""One node's connection: what it sends is judged and passed on, what the server sends passes as it comes.

    ovn-controller ══ TLS ══ judged, written anew ══ TLS ══> ovsdb-server
                   <═════════════ bytes ════════════════════

Whoever is slow holds up only itself: what can't be written is not read either, and the server merges the
updates that a client does not take (ovsdb-server keeps one set of changes for each monitor).
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

from sealane import log
from sealane.errors import BadRequest, SealaneError
from sealane.gate import messages
from sealane.gate.asked import Refused
from sealane.gate.frames import Frames
from sealane.gate.messages import Conversation, Message
from sealane.gate.rules import check_transaction
from sealane.gate.view import View
from sealane.model import Node
from sealane.pki.certificate import CENTRAL, Certificate

CHUNK = 1 << 18
"""Bytes that are taken at once."""
STALL = 60.0
"""Seconds after which a peer that takes nothing is given up."""
PATIENCE = 10.0
"""Seconds for the inner connection to come about."""
RETRY = 0.2
"""Seconds between two tries of it."""
TOLD = 20
"""Refusals that are logged; of further ones one in ten times as many."""

_log = log.get("gate")
_ENDS = (OSError, TimeoutError, asyncio.IncompleteReadError)


@dataclass(frozen=True)
class Inside:
    """What the gate offers its sessions."""

    view: View
    barrier: Callable[[], Awaitable[None]]
    """Returns when the view shows all that the server had done before. Raises Unavailable."""
    context: Callable[[str], ssl.SSLContext]
    port: Callable[[], Awaitable[int]]
    host: str
    refusals: Counter[str] = field(default_factory=Counter)
    """Of each node, in all of its connections."""


class Session:
    """`node` may be replaced while it runs: each message is judged by the newest."""

    def __init__(
        self,
        node: Node,
        certificate: Certificate,
        outer: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        inside: Inside,
    ) -> None:
        self.node = node
        self.certificate = certificate
        self._reader, self._writer = outer
        self._inside = inside
        self._conversation = Conversation()
        self._log = _log.bind(node=node.name)
        self._inner: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Until either end has had enough, or `close`."""
        try:
            reader, self._inner = await self._connect()
        except (SealaneError, *_ENDS) as exc:
            self._log.warning("the southbound database can't be reached for a node", error=str(exc))
            self.close()
            return
        ways = [
            asyncio.create_task(self._up(self._inner), name=f"gate up {self.node.name}"),
            asyncio.create_task(self._down(reader), name=f"gate down {self.node.name}"),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.close()
            for way in ways:
                way.cancel()
            for defect in await asyncio.gather(*ways, return_exceptions=True):
                if isinstance(defect, Exception):
                    self._log.error("ended by a defect", exc_info=defect)

    def close(self) -> None:
        """At once, whatever is still to be sent."""
        self._writer.transport.abort()
        if self._inner is not None:
            self._inner.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A server that has just been started again listens on another port. Raises OSError, Unavailable."""
        context = self._inside.context(self.node.name)
        async with asyncio.timeout(PATIENCE):
            while True:
                port = await self._inside.port()
                try:
                    return await asyncio.open_connection(
                        self._inside.host, port, ssl=context, server_hostname=CENTRAL, limit=CHUNK
                    )
                except OSError:
                    await asyncio.sleep(RETRY)  # nothing tells when it listens

    async def _down(self, reader: asyncio.StreamReader) -> None:
        with suppress(*_ENDS):
            while data := await reader.read(CHUNK):
                await _send(self._writer, data)

    async def _up(self, inner: asyncio.StreamWriter) -> None:
        frames = Frames()
        try:
            while data := await self._reader.read(CHUNK):
                for raw in frames.feed(data):
                    await _send(inner, await self._judged(messages.parse(raw)))
                    await asyncio.sleep(0)  # other nodes come between the requests of a busy one
        except BadRequest as exc:
            self._log.error("a node sent what no ovn-controller sends; closed", reason=exc.message)
        except SealaneError as exc:
            self._log.warning("a node's connection ends", reason=exc.message)
        except _ENDS:
            return

    async def _judged(self, message: Message) -> bytes:
        """What goes on to the server. Raises BadRequest, Unavailable."""
        try:
            if self._conversation.check(message):
                await self._judge(message)
        except Refused as exc:
            self._tell(str(exc))
            return messages.instead(message)
        return messages.text(message)

    async def _judge(self, message: Message) -> None:
        """The node may know of a row sooner than our view does: a refusal is final only after a barrier."""
        params = message["params"]
        assert isinstance(params, list)
        try:
            check_transaction(params, self.node, self._inside.view)
        except Refused:
            await self._inside.barrier()
            check_transaction(params, self.node, self._inside.view)

    def _tell(self, reason: str) -> None:
        refusals = self._inside.refusals
        refusals[self.node.name] += 1
        if is_told(refusals[self.node.name]):
            self._log.error("refused to a node", reason=reason, refusals=refusals[self.node.name])


def is_told(number: int) -> bool:
    """Whoever is refused again and again is not to fill the log."""
    return number <= TOLD or number % (TOLD * 10) == 0


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    async with asyncio.timeout(STALL):
        await writer.drain()
