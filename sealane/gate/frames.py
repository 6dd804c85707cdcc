"""JSON objects on a byte stream that comes from somebody who may be malicious.

ovsdb/wire.py tries to parse wherever a message could end, which a peer can make quadratic.  Here each byte
is looked at once, and what is too long or too deep ends before any of it is parsed.
"""

import re
from collections.abc import Iterator

from sealane.errors import BadRequest

MAX_BYTES = 4 << 20
"""Of one message. A host that claims 10,000 ports at once sends 2.4 MB."""
MAX_DEPTH = 32
"""Brackets within brackets. A transaction needs 9."""

_BRACKET = re.compile(rb'[{}\[\]"]')
_STRING_END = re.compile(rb'[\\"]')
_BLANK = b" \t\r\n"


class Frames:
    """Bytes in, whole objects out, still as bytes."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._seen = 0
        self._depth = 0
        self._in_string = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Every message that `data` completes. Raises BadRequest: the stream is of no further use."""
        self._buffer += data
        while self._skip_blanks() and (end := self._end()):
            message = bytes(self._buffer[:end])
            del self._buffer[:end]
            self._seen = 0
            yield message
        if len(self._buffer) > MAX_BYTES:
            raise BadRequest(f"a message of more than {MAX_BYTES} bytes")

    def _skip_blanks(self) -> bool:
        """False when nothing is left; a message begins with a brace."""
        if self._depth == 0 and self._buffer[:1] != b"{":
            self._buffer = self._buffer.lstrip(_BLANK)
            if self._buffer and self._buffer[:1] != b"{":
                raise BadRequest("what was sent is no JSON object")
        return bool(self._buffer)

    def _end(self) -> int:
        """Where the first message ends; 0: not yet here."""
        while True:
            found = (_STRING_END if self._in_string else _BRACKET).search(self._buffer, self._seen)
            if found is None:
                self._seen = len(self._buffer)
                return 0
            character = found.group()
            if character == b"\\":
                if found.end() == len(self._buffer):
                    self._seen = found.start()  # what it escapes has not come yet
                    return 0
                self._seen = found.end() + 1
                continue
            self._seen = found.end()
            if character == b'"':
                self._in_string = not self._in_string
            elif self._nest(1 if character in b"{[" else -1) == 0:
                return self._seen

    def _nest(self, step: int) -> int:
        self._depth += step
        if self._depth > MAX_DEPTH:
            raise BadRequest(f"more than {MAX_DEPTH} brackets within each other")
        return self._depth
