"""One connection: requests and their replies, notifications, and the probe that tells a dead peer."""

import asyncio
import itertools
from collections.abc import Callable

import msgspec

from sealane.errors import DeadlineExceeded, SealaneError
from sealane.ovsdb import errors
from sealane.ovsdb.wire import Framer, Remote, WireError

Notify = Callable[[str, list[object]], None]
"""Takes the method and the parameters; what it raises ends the connection."""

Handle = Callable[[object], None]
"""Takes a reply's result ahead of any message that follows it; what it raises ends the connection."""

Lost = Callable[["Session"], None]
"""Called once when the connection is gone, before anyone who waits for a reply is told."""

_NOBODY = (None, None)
_encode = msgspec.json.Encoder().encode


class Session(asyncio.Protocol):
    """JSON-RPC 1.0 over one stream. Replies and notifications are handled in the order of arrival.

    When nothing has come for `probe` seconds an echo is sent; when nothing comes for as long again
    the connection is given up (RFC 7047 §4.1.11).
    """

    def __init__(self, remote: Remote, notify: Notify, lost: Lost, probe: float) -> None:
        self.remote = remote
        self._lost = lost
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Done with the reason once the connection is gone."""
        self._notify = notify
        self._probe = probe
        self._framer = Framer()
        self._ids = itertools.count(1)
        self._pending: dict[int, tuple[asyncio.Future[object], Handle | None]] = {}
        self._transport: asyncio.Transport | None = None
        self._heard = False
        self._timer: asyncio.TimerHandle | None = None
        self._reason = "closed by the server"

    @classmethod
    async def open(cls, remote: Remote, notify: Notify, lost: Lost, probe: float = 5.0) -> "Session":
        """Raises NotConnected; `probe` is also the time limit of connecting."""
        session = cls(remote, notify, lost, probe)
        try:
            async with asyncio.timeout(probe):
                await remote.connect(session)
        except (OSError, TimeoutError) as exc:
            raise errors.NotConnected(f"{remote.name}: {exc or 'no answer'}") from exc
        return session

    async def request(
        self, method: str, params: list[object], timeout: float, handle: Handle | None = None
    ) -> object:
        """The reply's result. Raises DeadlineExceeded, ConnectionLost, NotConnected, OvsdbError.

        `handle` is for a result that notifications build upon: a waiting task runs only after all
        messages that arrived together.
        """
        if self._transport is None or self.closed.done():
            raise errors.NotConnected(f"{self.remote.name}: not connected")
        number = next(self._ids)
        reply: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._pending[number] = reply, handle
        self._send({"method": method, "params": params, "id": number})
        try:
            async with asyncio.timeout(timeout):
                return await reply
        except TimeoutError as exc:
            raise DeadlineExceeded(
                f"{self.remote.name}: no reply to '{method}' within {timeout:.1f} s"
            ) from exc
        finally:
            self._pending.pop(number, None)

    def close(self, reason: str) -> None:
        """Give the connection up now; what is under way raises ConnectionLost."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._arm()

    def data_received(self, data: bytes) -> None:
        self._heard = True
        try:
            for message in self._framer.feed(data):
                self._dispatch(message)
        except SealaneError as exc:
            self.close(str(exc))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        reason = f"{self.remote.name}: {exc or self._reason}"
        self._lost(self)
        for reply, _ in self._pending.values():
            if not reply.done():
                reply.set_exception(errors.ConnectionLost(f"{reason}, before the reply"))
        if not self.closed.done():
            self.closed.set_result(reason)

    def _dispatch(self, message: dict[str, object]) -> None:
        method, number = message.get("method"), message.get("id")
        if method is None:
            self._settle(number, message)
            return
        params = message.get("params")
        if not isinstance(method, str) or not isinstance(params, list):
            raise WireError(f"neither request nor reply: {str(message)[:200]}")
        if number is None:
            self._notify(method, params)
        elif method == "echo":
            self._send({"id": number, "result": params, "error": None})
        else:
            self._send({"id": number, "result": None, "error": "unknown method"})

    def _settle(self, number: object, message: dict[str, object]) -> None:
        reply, handle = self._pending.pop(number, _NOBODY) if isinstance(number, int) else _NOBODY
        if reply is None or reply.done():
            return  # too late: its caller has given up
        if message.get("error") is not None:
            reply.set_exception(errors.from_wire(message["error"]))
            return
        if handle is not None:
            handle(message.get("result"))
        reply.set_result(message.get("result"))

    def _send(self, message: dict[str, object]) -> None:
        if self._transport is not None:
            self._transport.write(_encode(message))

    # the probe

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._probe, self._check, False)

    def _check(self, probed: bool) -> None:
        if not self._heard and probed:
            self.close(f"silent for {2 * self._probe:.0f} s")
            return
        ask = not self._heard
        if ask:
            self._send({"method": "echo", "params": [], "id": "probe"})
        self._heard = False
        self._timer = asyncio.get_running_loop().call_later(self._probe, self._check, ask)
