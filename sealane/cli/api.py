"""The API from the command's side: blocking, on the standard library only, so that it starts quickly.

Raises the types of errors.py that the API's answer stands for, Unavailable when nobody answers, and
DeadlineExceeded when the answer is late.
"""

import http.client
import json
import socket
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Any

from sealane import errors
from sealane.config import Settings

Body = dict[str, Any]
DEADLINE = 15.0
"""Seconds for one call."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Api:
    """`url` is "unix:/path/of/api.sock" or "http://host:port"."""

    def __init__(self, url: str, token: str = "", deadline: float = DEADLINE) -> None:
        self._url = url
        self._token = token
        self._deadline = deadline

    def list(self, collection: str, **filters: str) -> list[Body]:
        query = f"?{urllib.parse.urlencode(filters)}" if filters else ""
        return list(self.request("GET", f"/v2.0/{collection}{query}")[collection])

    def find(self, collection: str, wanted: str) -> Body:
        """By id, then by name. Raises NotFound, or Conflict when several have that name."""
        rows = self.list(collection, id=wanted) or self.list(collection, name=wanted)
        if not rows:
            raise errors.NotFound(
                f"no {collection[:-1]} '{wanted}'; 'sealane {collection[:-1]} list' shows all"
            )
        if len(rows) > 1:
            ids = ", ".join(str(row["id"]) for row in rows)
            raise errors.Conflict(f"{len(rows)} {collection} are named '{wanted}'; give one of the ids {ids}")
        return rows[0]

    def create(self, collection: str, values: Mapping[str, Any]) -> Body:
        noun = collection[:-1]
        return dict(self.request("POST", f"/v2.0/{collection}", {noun: dict(values)})[noun])

    def delete(self, collection: str, resource_id: str) -> None:
        self.request("DELETE", f"/v2.0/{collection}/{urllib.parse.quote(resource_id, safe='')}")

    def free_cidr(self, ip_version: int) -> str:
        return str(self.request("GET", f"/v2.0/sealane/free-cidr?ip_version={ip_version}")["cidr"])

    def request(self, method: str, path: str, body: object = None) -> Body:
        status, raw = self._exchange(method, path, body)
        if status >= 400:
            raise _error(status, raw)
        return _decoded(raw) if raw else {}

    def health(self) -> Body:
        """/healthz; its answer also when it says that something is down (503)."""
        return _decoded(self._exchange("GET", "/healthz", None)[1])

    def _exchange(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        headers = {"Accept": "application/json"} | ({"X-Auth-Token": self._token} if self._token else {})
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        connection = self._connection()
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except TimeoutError as exc:
            raise errors.DeadlineExceeded(f"{self._url} did not answer in {self._deadline:g} s") from exc
        except PermissionError as exc:
            raise errors.Forbidden(f"may not open {self._url}; run this as root") from exc
        except (OSError, http.client.HTTPException) as exc:
            raise errors.Unavailable(
                f"{self._url} does not answer ({exc}); 'sealane status' tells more"
            ) from exc
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._url.startswith("unix:"):
            return _UnixConnection(self._url.removeprefix("unix:"), self._deadline)
        parts = urllib.parse.urlsplit(self._url)
        if parts.scheme != "http" or not parts.hostname:
            raise errors.BadRequest(f"'{self._url}' is no API; give unix:/PATH or http://HOST:PORT")
        return http.client.HTTPConnection(parts.hostname, parts.port or 9696, timeout=self._deadline)


def connect(settings: Settings) -> Api:
    """The API that the settings name; by TCP with the admin's token where we may read it."""
    url = settings.api_url or f"unix:{settings.api_socket}"
    return Api(url, "" if url.startswith("unix:") else read_token(settings))


def read_token(settings: Settings) -> str:
    """Raises NotFound or Forbidden."""
    path = settings.admin_token_file
    try:
        return path.read_text().strip()
    except FileNotFoundError as exc:
        raise errors.NotFound(f"{path} is not there; 'sealane up' or 'sealane central' makes it") from exc
    except PermissionError as exc:
        raise errors.Forbidden(f"may not read {path}; run this as root") from exc


def _decoded(raw: bytes) -> Body:
    try:
        body = json.loads(raw)
    except ValueError as exc:
        raise errors.Unavailable("the API answered something else than JSON") from exc
    if not isinstance(body, dict):
        raise errors.Unavailable("the API answered something else than a JSON object")
    return body


def _error(status: int, raw: bytes) -> errors.SealaneError:
    """Our type of that status, with the API's type and message."""
    try:
        inner = json.loads(raw).get("NeutronError", {})
    except (ValueError, AttributeError):
        inner = {}
    detail = inner if isinstance(inner, dict) else {"message": inner}
    message = str(detail.get("message") or f"the API answered with HTTP status {status}")
    if status == 401:
        message += "; give the admin's token or use the unix socket"
    kind = next((t for t in _types(errors.SealaneError) if t.status == status), errors.SealaneError)
    return kind(message, type=str(detail.get("type") or kind.type))


def _types(base: type[errors.SealaneError]) -> Iterator[type[errors.SealaneError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _types(kind)
