"""A tiny API on a real socket: what the command sends is kept, what it gets is in Neutron's shape."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Row = dict[str, Any]
UNKNOWN = frozenset({"fields", "sort_key", "sort_dir"})
"""What a query may hold that this API does not heed."""


class TinyApi(ThreadingHTTPServer):
    """Collections in memory; `refuse` makes the next POST to a collection fail."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.tables: dict[str, dict[str, Row]] = {"networks": {}, "subnets": {}, "ports": {}}
        self.refuse: dict[str, tuple[int, str, str]] = {}
        self.tokens: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def add(self, collection: str, **values: Any) -> Row:
        row = {"id": str(uuid.uuid4()), "project_id": "default", **values}
        self.tables[collection][row["id"]] = row
        return row


class _Handler(BaseHTTPRequestHandler):
    server: TinyApi

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {k: v for k, v in parse_qsl(parts.query) if k not in UNKNOWN}
        if parts.path.endswith("/free-cidr"):
            return self._answer(200, {"cidr": {"4": "10.96.0.0/24", "6": "fd5e::/64"}[query["ip_version"]]})
        collection = parts.path.rsplit("/", 1)[-1]
        rows = self.server.tables[collection].values()
        self._answer(200, {collection: [r for r in rows if all(r.get(k) == v for k, v in query.items())]})

    def do_POST(self) -> None:
        collection = self.path.rsplit("/", 1)[-1]
        if collection in self.server.refuse:
            status, kind, message = self.server.refuse[collection]
            error = {"type": kind, "message": message, "detail": ""}
            return self._answer(status, {"NeutronError": error})
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if collection in body:
            return self._answer(
                201, {collection: [self.server.add(collection, **b) for b in body[collection]]}
            )
        self._answer(201, {collection[:-1]: self.server.add(collection, **body[collection[:-1]])})

    def do_DELETE(self) -> None:
        _, collection, row_id = self.path.rsplit("/", 2)
        del self.server.tables[collection][row_id]
        self._answer(204, None)

    def _answer(self, status: int, body: Any) -> None:
        self.server.tokens.append(self.headers["X-Auth-Token"])
        raw = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def running() -> Iterator[TinyApi]:
    with TinyApi() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(timeout=10)
