"""One request over HTTP/1.1.  On a unix socket, which is what nearly every command uses, without
http.client, whose imports (email, ssl) take 20 ms: a fifth of a command that asks one thing.
"""

import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.client import HTTPConnection

CHUNKED = "chunked"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    """By lower-case names."""
    raw: bytes


def over_unix(
    path: str, deadline: float, method: str, target: str, data: bytes | None, headers: Mapping[str, str]
) -> Reply:
    """`deadline`: seconds for each step.  Raises OSError; half an answer is a ConnectionError."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if data is not None:
        lines.append(f"Content-Length: {len(data)}")
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(deadline)
        one.connect(path)
        with suppress(BrokenPipeError):  # it has heard enough, and says why
            one.sendall(head + (data or b""))
        said = b"".join(iter(lambda: one.recv(1 << 16), b""))
    return _parsed(said)


def _parsed(said: bytes) -> Reply:
    head, blank, raw = said.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    words = status.split(" ", 2)
    if not blank or not words[0].startswith("HTTP/1.") or len(words) < 2 or not words[1].isdigit():
        raise ConnectionError("it closed the connection without an answer")
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding", "").lower() == CHUNKED:
        raw = _joined(raw)
    elif len(raw) < int(headers.get("content-length", 0)):
        raise ConnectionError("it closed the connection amid its answer")
    return Reply(int(words[1]), headers, raw)


def _joined(raw: bytes) -> bytes:
    """Chunks (RFC 9112, 7.1)."""
    parts: list[bytes] = []
    while True:
        size, line, raw = raw.partition(b"\r\n")
        length = int(size.split(b";")[0] or b"0", 16) if line else -1
        if length == 0:
            return b"".join(parts)
        if length < 0 or len(raw) < length + 2:
            raise ConnectionError("it closed the connection amid its answer")
        parts.append(raw[:length])
        raw = raw[length + 2 :]


def over(
    connection: "HTTPConnection", method: str, target: str, data: bytes | None, headers: Mapping[str, str]
) -> Reply:
    """Raises OSError, http.client.HTTPException."""
    try:
        connection.request(method, target, data, dict(headers))
        response = connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, received, response.read())
    finally:
        connection.close()
