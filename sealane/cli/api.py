"""The API from the command's side: blocking, on the standard library only, so that it starts quickly.

Raises the types of errors.py that the API's answer stands for, Unavailable when nobody answers, and
DeadlineExceeded when the answer is late.
"""

import json
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sealane import errors
from sealane.cli import exchange
from sealane.cli.cures import cured
from sealane.cli.exchange import Reply
from sealane.config import TLS_PORT, Settings
from sealane.names import plural_in_body, singular_in_body

if TYPE_CHECKING:
    import ssl

Body = dict[str, Any]
DEADLINE = 15.0
"""Seconds for one call."""
NOUNS = {
    "qos/policies": "qos",
    "log/logs": "log",
    "subnetpools": "subnet-pool",
    "taas/tap_services": "tap",
    "taas/tap_flows": "tap flow",
    "taas/tap_mirrors": "tap-mirror",
    "metering/metering-labels": "metering label",
    "metering/metering-label-rules": "metering rule",
}
"""Collections that a command is not called like."""
MOST_IDS = 5
"""Ids in an error that says that a name is ambiguous."""


class Answer(Reply):
    @property
    def body(self) -> Body:
        return _decoded(self.raw) if self.raw else {}


class Api:
    """`url` is "unix:/path/of/api.sock", "http://host:port" or, with a TLS context, "https://host:port".

    wait: seconds that the API shall hold its answer to a change until all hosts have applied it (RFC 7240
    `Prefer: wait`); None: it answers when the change is on disk. Who had not then is in `unapplied`.
    """

    def __init__(
        self, url: str, token: str = "", deadline: float = DEADLINE, tls: "ssl.SSLContext | None" = None
    ) -> None:
        self._url = url
        self._token = token
        self._tls = tls
        self._deadline = deadline
        self.wait: int | None = None
        self.waited = True
        """False when the API did not know how to wait."""
        self.unapplied: set[str] = set()

    def list(self, collection: str, *pairs: tuple[str, str], **filters: str) -> list[Body]:
        """Rows that fit all filters; `pairs` may name one several times."""
        query = urllib.parse.urlencode([*pairs, *filters.items()])
        answer = self.request("GET", f"/v2.0/{collection}{'?' if query else ''}{query}")
        return list(answer[plural_in_body(collection)])

    def find(self, collection: str, wanted: str, **within: str) -> Body:
        """By id, then by name. Raises NotFound, or Conflict when several have that name."""
        noun = NOUNS.get(collection) or collection.rpartition("/")[2][:-1]
        if not wanted:
            raise errors.BadRequest(f"the name or id of the {noun} is empty; give one of them")
        rows = self.list(collection, id=wanted) or self.list(collection, name=wanted, **within)
        if not rows:
            raise errors.NotFound(f"no {noun} '{wanted}'; 'sealane {noun} list' shows all")
        if len(rows) > 1:
            raise errors.Conflict(
                f"{len(rows)} {collection} are named '{wanted}'; give one of the ids "
                + ", ".join(f"{row['id']}{_whereabouts(row)}" for row in rows[:MOST_IDS])
                + (" …" if len(rows) > MOST_IDS else "")
            )
        return rows[0]

    def create(self, collection: str, values: Mapping[str, Any]) -> Body:
        noun = singular_in_body(collection)
        return dict(self.change("POST", collection, {noun: dict(values)})[noun])

    def create_many(self, collection: str, rows: Sequence[Mapping[str, Any]]) -> Sequence[Body]:
        """All of them or none."""
        key = plural_in_body(collection)
        return tuple(self.change("POST", collection, {key: [dict(row) for row in rows]})[key])

    def update(
        self, collection: str, resource_id: str, values: Mapping[str, Any], revision: int | None = None
    ) -> Body:
        """revision: refused with RevisionMismatch when the resource has another by now."""
        noun = singular_in_body(collection)
        guard = {} if revision is None else {"If-Match": f"revision_number={revision}"}
        return dict(self.change("PUT", _path(collection, resource_id), {noun: dict(values)}, guard)[noun])

    def delete(self, collection: str, resource_id: str, **query: str) -> None:
        asked = f"?{urllib.parse.urlencode(query)}" if query else ""
        self.change("DELETE", f"{_path(collection, resource_id)}{asked}")

    def free_cidr(self, ip_version: int) -> str:
        return str(self.request("GET", f"/v2.0/sealane/free-cidr?ip_version={ip_version}")["cidr"])

    def request(self, method: str, path: str, body: object = None) -> Body:
        return self._good(method, path, body).body

    def change(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Body:
        """A request that changes something below /v2.0, with the wish to wait."""
        prefer = {} if self.wait is None else {"Prefer": f"wait={self.wait}"}
        answer = self._good(method, f"/v2.0/{path}", body, {**prefer, **(headers or {})}, self.wait or 0)
        if prefer:
            self.waited = "wait" in answer.headers.get("preference-applied", "")
            late = answer.headers.get("sealane-not-applied", "")
            self.unapplied |= {name.strip() for name in late.split(",") if name.strip()}
        return answer.body

    def poll(self, path: str, seconds: float) -> Body:
        """A request that the API may answer `seconds` later."""
        return self._good("GET", path, patience=seconds).body

    def health(self) -> Body:
        """/healthz; its answer also when it says that something is down (503)."""
        return self._exchange("GET", "/healthz", None, {}, 0).body

    def _good(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        patience: float = 0,
    ) -> Answer:
        answer = self._exchange(method, path, body, headers or {}, patience)
        if answer.status >= 400:
            raise _error(answer.status, answer.raw, by_token=self._tls is None)
        return answer

    def _exchange(
        self, method: str, path: str, body: object, headers: Mapping[str, str], patience: float
    ) -> Answer:
        """patience: seconds beyond the deadline for one call."""
        given = {"Accept": "application/json", **headers}
        if self._token:
            given["X-Auth-Token"] = self._token
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            given["Content-Type"] = "application/json"
        deadline = self._deadline + patience
        try:
            reply = self._ask(deadline, method, path, data, given)
            return Answer(reply.status, reply.headers, reply.raw)
        except TimeoutError as exc:
            raise errors.DeadlineExceeded(f"{self._url} did not answer in {deadline:g} s") from exc
        except PermissionError as exc:
            raise errors.Forbidden(f"may not open {self._url}; run this as root") from exc
        except OSError as exc:
            raise errors.Unavailable(f"{self._url} does not answer ({exc}); {self._cure(exc)}") from exc

    def _cure(self, exc: Exception) -> str:
        if self._tls is not None:
            return "if this node was removed, it joins again with a token of 'sealane token create'"
        if isinstance(exc, FileNotFoundError):
            return "'sealane up' starts it here, SEALANE_API_URL names another place"
        return "'sealane status' tells more"

    def _ask(
        self, deadline: float, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> Reply:
        if self._url.startswith("unix:"):
            return exchange.over_unix(self._url.removeprefix("unix:"), deadline, method, path, data, headers)
        from http.client import HTTPConnection, HTTPException

        parts = urllib.parse.urlsplit(self._url)
        if self._tls is not None:
            from sealane.cli.tls import TlsConnection

            port = parts.port or TLS_PORT
            connection: HTTPConnection = TlsConnection(parts.hostname or "", port, deadline, self._tls)
        elif parts.scheme == "http" and parts.hostname:
            connection = HTTPConnection(parts.hostname, parts.port or 9696, timeout=deadline)
        else:
            raise errors.BadRequest(f"'{self._url}' is no API; give unix:/PATH or http://HOST:PORT")
        try:
            return exchange.over(connection, method, path, data, headers)
        except HTTPException as exc:
            raise ConnectionError(str(exc) or type(exc).__name__) from exc


def _path(collection: str, *parts: str) -> str:
    return "/".join((collection, *(urllib.parse.quote(part, safe="") for part in parts)))


def _whereabouts(row: Mapping[str, Any]) -> str:
    """What tells two of one name apart."""
    for key in ("fixed_ips", "cidr", "project_id"):
        if value := row.get(key):
            told = value[0].get("ip_address", "") if key == "fixed_ips" else value
            return f" ({told})"
    return ""


def connect(settings: Settings, deadline: float = DEADLINE) -> Api:
    """The API that the settings name: root by its socket, an admin by his token, a node by its certificate.

    Raises NotFound, Forbidden, HostError.
    """
    url = settings.api_url or f"unix:{settings.api_socket}"
    if url.startswith("https:"):
        from sealane.pki.node import Credentials

        return Api(url, "", deadline, Credentials(settings.pki_dir).context())
    return Api(url, "" if url.startswith("unix:") else read_token(settings), deadline)


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


def _error(status: int, raw: bytes, *, by_token: bool) -> errors.SealaneError:
    """Our type of that status, with the API's type and message."""
    try:
        body = json.loads(raw)
        # below /v3, and below lbaas
        inner = body.get("NeutronError") or body.get("error") or body.get("faultstring", {})
    except (ValueError, AttributeError):
        inner = {}
    detail = inner if isinstance(inner, dict) else {"message": inner}
    message = str(detail.get("message") or f"the API answered with HTTP status {status}")
    if status == 401 and by_token:
        message += "; give the admin's token or use the unix socket"
    if status == 403 and not by_token:
        message = f"{message.rstrip('.')}; it is for the central machine to do"
    kind = next((t for t in _types(errors.SealaneError) if t.status == status), errors.SealaneError)
    name = str(detail.get("type") or kind.type)
    return kind(cured(message, name), type=name)


def _types(base: type[errors.SealaneError]) -> Iterator[type[errors.SealaneError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _types(kind)
