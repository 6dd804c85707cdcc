"""Framing and connecting: JSON objects on a byte stream, and what a remote's name means.

RFC 7047 §4 sends JSON-RPC 1.0 objects one after the other with nothing between them.  Their ends are
found with the JSON parser itself: `}` followed by `{` never occurs in JSON outside of a string, so a
prefix that ends there and parses is a message.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from sealane.errors import BadRequest, SealaneError

_BOUNDARY = re.compile(rb"\}\s*(?=\{)")
_BLANKS = (b" ", b"\t", b"\r", b"\n")
_TAIL = 16
"""Bytes at the end among which the last brace is looked for; more blanks than that only delay a message."""
MAX_MESSAGE = 512 << 20
"""Bytes; a larger message is a broken peer (a database of 100,000 ports is some 60 MB)."""


class WireError(SealaneError):
    """The peer does not speak JSON-RPC; the connection is of no further use."""

    type = "WireError"


class Framer:
    """Bytes in, messages out.

    Truncated input is told from malformed input by msgspec's message: its only stable sign (a test
    holds it).  Parsing is tried only where a message can end, so a long one is parsed about once.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> Iterator[dict[str, object]]:
        """Every message that `data` completes. Raises WireError."""
        self._buffer += data
        while (message := self._next()) is not None:
            yield message
        if len(self._buffer) > MAX_MESSAGE:
            raise WireError(f"message larger than {MAX_MESSAGE} bytes")

    def _next(self) -> dict[str, object] | None:
        if self._searched == 0 and self._buffer[:1] in _BLANKS:
            self._buffer = self._buffer.lstrip()
        while boundary := _BOUNDARY.search(self._buffer, self._searched):
            if (message := self._take(boundary.end())) is not None:
                return message
            self._searched = boundary.end()
        if not self._buffer[-_TAIL:].rstrip().endswith(b"}"):
            return None
        self._searched = max(self._searched, len(self._buffer) - _TAIL)
        return self._take(len(self._buffer))

    def _take(self, end: int) -> dict[str, object] | None:
        try:
            with memoryview(self._buffer)[:end] as view:
                message = msgspec.json.decode(view)
        except msgspec.DecodeError as exc:
            if "truncated" in str(exc):
                return None
            raise WireError(f"not JSON: {exc}") from exc
        if not isinstance(message, dict):
            raise WireError(f"not a JSON-RPC object but {type(message).__name__}")
        del self._buffer[:end]
        self._searched = 0
        return message


@dataclass(frozen=True)
class Remote:
    """`unix:PATH` or `tcp:HOST:PORT` (an IPv6 HOST in brackets), as in ovsdb(7) "Connection Methods"."""

    name: str
    path: str = ""
    host: str = ""
    port: int = 0

    async def connect(self, protocol: asyncio.Protocol) -> None:
        """Raises OSError."""
        loop = asyncio.get_running_loop()
        if self.path:
            await loop.create_unix_connection(lambda: protocol, self.path)
        else:
            await loop.create_connection(lambda: protocol, self.host, self.port)


_TCP = re.compile(r"tcp:(\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[A-Za-z0-9.-]+):(\d{1,5})")


def parse_remotes(text: str) -> tuple[Remote, ...]:
    """A comma-separated list of remotes. Raises BadRequest that names the bad one."""
    remotes = tuple(_parse_remote(name.strip()) for name in text.split(",") if name.strip())
    if not remotes:
        raise BadRequest("no OVSDB remote is given; use unix:PATH or tcp:HOST:PORT")
    return remotes


def _parse_remote(name: str) -> Remote:
    if name.startswith("unix:") and len(name) > len("unix:"):
        return Remote(name, path=name.removeprefix("unix:"))
    if (match := _TCP.fullmatch(name)) and 0 < int(match[2]) < 65536:
        return Remote(name, host=match[1].strip("[]"), port=int(match[2]))
    raise BadRequest(f"'{name}' is no OVSDB remote; use unix:PATH or tcp:HOST:PORT")
