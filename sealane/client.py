"""The API from the agent's side: JSON over HTTP or a unix socket, errors as our types.

Every call has a deadline and raises
    NotFound, Conflict (AddressInUse, …), BadRequest, …   what the API answered, with its message
    Unavailable       nobody answers there
    DeadlineExceeded  not within the deadline; the request may have been carried out or not
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from sealane import errors, failpoint
from sealane.names import plural_in_body, singular_in_body
from sealane.pki.certificate import CENTRAL
from sealane.pki.node import Credentials

DEADLINE = 8.0
"""Seconds for one call: dockerd must have its answer within 10."""

APPLIED = 5
"""Seconds that a change may take until a host has applied it."""
RESTART = 4.0
"""Seconds that nobody may be listening: what was never sent is tried again while the API restarts."""

REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
"""What may be sent again when the API died over it: a DELETE may then find nothing (NotFound)."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
Body = dict[str, Any]

Query = Mapping[str, str] | Sequence[tuple[str, str]]

Watch = Callable[[str], AbstractContextManager[None]]
"""Is about every call, told what it is ("API: POST ports"): to measure it."""


@dataclass(frozen=True)
class Changes:
    """The state's sequence number, and the collections ("ports") that have moved."""

    sequence: int
    collections: frozenset[str]


@dataclass(frozen=True)
class News:
    """What has changed in a collection. complete: `rows` are all there are; else `gone` went meanwhile."""

    rows: list[Body]
    gone: tuple[str, ...]
    cursor: str
    complete: bool


class ApiClient:
    """`url` is "unix:/path/of/api.sock", "http://host:port" or, with a node's `credentials`, "https://…".

    `token` is the admin's, for http. `node` is the name of the host whose agent asks: the API shows it as
    alive.

    A collection is a path below /v2.0: "networks", "subnets", "ports", "lbaas/loadbalancers".
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        deadline: float = DEADLINE,
        watch: Watch | None = None,
        node: str = "",
        credentials: Credentials | None = None,
    ) -> None:
        self._url = url
        self._watch = watch or _unwatched
        headers = {"X-Auth-Token": token, "X-Sealane-Node": node}
        self._headers = {key: value for key, value in headers.items() if value}
        self._deadline = deadline
        self._credentials = credentials
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Make the session; nothing is sent, so the API need not be there yet."""
        unix = self._url.startswith("unix:")
        connector = aiohttp.UnixConnector(self._url[5:]) if unix else aiohttp.TCPConnector()
        self._session = aiohttp.ClientSession(
            base_url="http://localhost/v2.0/" if unix else f"{self._url.rstrip('/')}/v2.0/",
            connector=connector,
            headers=self._headers,
        )

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def list(self, collection: str, fields: Iterable[str] = (), **filters: str) -> list[Body]:
        query = [*filters.items(), *(("fields", field) for field in fields)]
        body = await self.request("GET", collection, query=query)
        return list(body[plural_in_body(collection)])

    async def since(self, collection: str, cursor: str, fields: Iterable[str] = ()) -> News:
        """Rows whose own attributes have changed since the answer that gave `cursor`; "": all."""
        query = [("sealane:since", cursor), *(("fields", field) for field in fields)]
        body = await self.request("GET", collection, query=query)
        gone = tuple(map(str, body.get("sealane:gone", ())))
        cursor, complete = str(body["sealane:cursor"]), bool(body["sealane:complete"])
        return News(list(body[plural_in_body(collection)]), gone, cursor, complete)

    async def get(self, collection: str, resource_id: str) -> Body:
        return _inside(collection, await self.request("GET", _path(collection, resource_id)))

    async def create(self, collection: str, resource: Mapping[str, Any]) -> Body:
        body = {singular_in_body(collection): dict(resource)}
        return _inside(collection, await self.request("POST", collection, body))

    async def update(
        self, collection: str, resource_id: str, changes: Mapping[str, Any], *, applied_on: str = ""
    ) -> Body:
        """applied_on: a host that is waited for until it has applied the change; raises Unavailable."""
        body = {singular_in_body(collection): dict(changes)}
        path = _path(collection, resource_id)
        return _inside(collection, await self.request("PUT", path, body, applied_on=applied_on))

    async def delete(self, collection: str, resource_id: str) -> None:
        """Raises NotFound when it is gone already."""
        await self.request("DELETE", _path(collection, resource_id))

    async def changes(self, after: int, timeout: float = 25) -> Changes:
        """Wait (at most `timeout` seconds) until the state is newer than `after`."""
        query = {"after": str(after), "timeout": str(int(timeout))}
        body = await self.request("GET", "sealane/changes", query=query, deadline=timeout + self._deadline)
        return Changes(int(body["sequence"]), frozenset(body["changed"]))

    async def free_cidr(self, ip_version: int = 4, subnet_pool: str = "") -> str:
        """A subnet that no known one overlaps, or a free one of a pool; not reserved, so creating it may
        still conflict.
        """
        query = {"subnetpool_id": subnet_pool} if subnet_pool else {"ip_version": str(ip_version)}
        body = await self.request("GET", "sealane/free-cidr", query=query)
        return str(body["cidr"])

    async def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Query | None = None,
        deadline: float | None = None,
        applied_on: str = "",
    ) -> Body:
        """One call; {} where the answer has no body."""
        if self._session is None:
            raise errors.Unavailable("the API's client is not started")
        try:
            with self._watch(f"API: {method} {path.split('/')[0]}"):
                async with asyncio.timeout(deadline or self._deadline), _effect(method, path):
                    return await self._send(self._session, method, path, body, query, applied_on)
        except TimeoutError as exc:
            raise errors.DeadlineExceeded(f"the API at {self._url} did not answer in time") from exc
        except aiohttp.ClientError as exc:
            raise errors.Unavailable(f"the API at {self._url} can't be reached: {_reason(exc)}") from exc

    async def _send(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        body: object,
        query: Query | None,
        applied_on: str,
    ) -> Body:
        headers = {"Prefer": f"wait={APPLIED}"} if applied_on else {}
        patience = time.monotonic() + RESTART
        while True:
            try:
                options = self._tls()
                async with session.request(
                    method, path, json=body, params=query, headers=headers, **options
                ) as response:
                    found = _decoded(response.status, await response.read())
                    if applied_on:
                        _check_applied(applied_on, response.headers.get("Sealane-Not-Applied", ""))
                    return found
            except aiohttp.ClientSSLError:
                raise  # another try would not help
            except aiohttp.ClientConnectionError as exc:
                unsent = isinstance(exc, aiohttp.ClientConnectorError)
                if time.monotonic() > patience or not (unsent or method in REPEATABLE):
                    raise
                await asyncio.sleep(0.1)

    def _tls(self) -> dict[str, Any]:
        """A renewed certificate is another context, and aiohttp keeps connections of each apart."""
        if self._credentials is None:
            return {}
        return {"ssl": self._credentials.context(), "server_hostname": CENTRAL}


def _reason(exc: aiohttp.ClientError) -> str:
    if isinstance(exc, aiohttp.ClientSSLError):
        return f"{exc.os_error if exc.os_error.args else exc}; if the clock is right, join again"
    if isinstance(exc, aiohttp.ClientConnectorError):
        return str(exc.os_error.strerror or exc.os_error)
    return str(exc) or type(exc).__name__


def _effect(method: str, path: str) -> failpoint.Effect:
    if method == "GET":
        return failpoint.NOTHING
    return failpoint.effect("API", f"{method} {path.split('/')[0]}", errors.Unavailable)


def _check_applied(host: str, missing: str) -> None:
    if {host, "*"} & {name.strip() for name in missing.split(",")}:
        raise errors.Unavailable(f"{host} has not applied the change within {APPLIED} s; try again")


def _unwatched(_: str) -> AbstractContextManager[None]:
    return nullcontext()


def _path(collection: str, resource_id: str) -> str:
    """Of one resource.  Raises NotFound for what is no id: `../ports` would be another path."""
    if not _ID.fullmatch(resource_id):
        noun = singular_in_body(collection).replace("_", " ")
        raise errors.NotFound(f"there is no {noun} {resource_id[:80]!r}")
    return f"{collection}/{resource_id}"


def _inside(collection: str, body: Body) -> Body:
    resource = body.get(singular_in_body(collection))
    if not isinstance(resource, dict):
        raise errors.Unavailable(f"the API's answer holds no {singular_in_body(collection)}")
    return resource


def _decoded(status: int, raw: bytes) -> Body:
    try:
        body = msgspec.json.decode(raw, type=Body) if raw else {}
    except msgspec.MsgspecError as exc:
        if status < 400:
            raise errors.Unavailable(f"the API answered something else than JSON: {exc}") from exc
        body = {}
    if status >= 400:
        raise _error(status, body)
    return body


def _error(status: int, body: Body) -> errors.SealaneError:
    """The most special of our types that fits, with the message that the API gave."""
    inner = body.get("NeutronError")
    detail = inner if isinstance(inner, dict) else {"message": inner or f"HTTP status {status}"}
    kind, message = str(detail.get("type", "")), str(detail.get("message", ""))
    known = list(_types(errors.SealaneError))
    chosen = next((t for t in known if t.type == kind), None)
    chosen = chosen or next((t for t in known if t.status == status), errors.SealaneError)
    return chosen(message, type=kind or None)


def _types(base: type[errors.SealaneError]) -> Iterator[type[errors.SealaneError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _types(kind)
