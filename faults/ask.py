"""One HTTP request on a unix socket of a lab host."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any


class Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, target: str, body: object = None, seconds: float = 20.0) -> tuple[int, Any]:
    """Status and decoded body. Raises OSError and http.client.HTTPException when nobody answers."""
    connection = Connection(path, seconds)
    try:
        raw = json.dumps(body).encode() if body is not None else None
        connection.request(method, target, raw, {"Content-Type": "application/json"} if raw else {})
        answer = connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else {}
    finally:
        connection.close()
