"""The Docker Engine API, as far as we need it: https://docs.docker.com/reference/api/engine/.

Never called while one of our driver's calls is under way on its behalf: dockerd holds locks then, and the
two would wait for each other.  Every call has a deadline and raises

    NotFound, Conflict, BadRequest   what the engine answered, with its message
    Unavailable                      no engine answers there
"""

import asyncio
import json
import signal
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from sealane import errors, failpoint

DEADLINE = 20.0
"""Seconds for one call; making a mirror takes several calls of our own driver."""

NEWEST = (1, 41)
"""The version of the Engine API that this is written for (20.10); an older engine gets its own."""

EVENTS = {
    "type": ["container", "network"],
    "event": ["create", "start", "destroy", "rename", "connect", "health_status", "kill"],
}
ENDING = frozenset({2, 9, 15})
"""SIGINT, SIGKILL, SIGTERM: who gets one is to end. SIGQUIT has a Java machine tell its threads."""
_ILL = ("(unhealthy)", "(health: starting)")
"""At the end of a container's status."""
CONTAINERS, NETWORKS = frozenset({"containers"}), frozenset({"networks"})
Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class EngineNetwork:
    """A network of the driver sealane in this engine."""

    id: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    subnets: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class EngineContainer:
    """endpoints: network's Docker id -> endpoint id, of the networks that it is attached to."""

    id: str
    name: str
    labels: Mapping[str, str]
    endpoints: Mapping[str, str]
    well: bool = True
    """By its own health check, where it has one."""


@dataclass(frozen=True, kw_only=True)
class Aliases:
    """By endpoint id, as `docker inspect` lists them; the container's short id is one of them."""

    hostname: str
    of_endpoint: Mapping[str, tuple[str, ...]]


class Engine:
    def __init__(self, socket: Path, driver: str = "sealane") -> None:
        self._socket = socket
        self._driver = driver
        self._session: aiohttp.ClientSession | None = None
        self._version = ""

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def networks(self) -> list[EngineNetwork]:
        """Those of our driver."""
        listed = await self._request("GET", "/networks", query=_filters(driver=[self._driver]))
        return [_network(body) for body in listed]

    async def endpoints(self, network_id: str) -> set[str]:
        """Endpoint ids that the engine has on a network, those without a container included."""
        body = await self._request("GET", f"/networks/{network_id}")
        return {str(c["EndpointID"]) for c in (body.get("Containers") or {}).values()}

    async def containers(self) -> list[EngineContainer]:
        """The running ones."""
        return [_container(body) for body in await self._request("GET", "/containers/json")]

    async def networks_in_use(self) -> set[str]:
        """Docker's ids of networks that any container is on, also one that does not run."""
        listed = await self._request("GET", "/containers/json", query={"all": "true"})
        attached = (((body.get("NetworkSettings") or {}).get("Networks") or {}).values() for body in listed)
        return {str(network["NetworkID"]) for networks in attached for network in networks}

    async def aliases(self, container_id: str) -> Aliases:
        body = await self._request("GET", f"/containers/{container_id}/json")
        attached = (body.get("NetworkSettings") or {}).get("Networks") or {}
        return Aliases(
            hostname=str((body.get("Config") or {}).get("Hostname") or ""),
            of_endpoint={
                str(settings.get("EndpointID") or ""): tuple(settings.get("Aliases") or ())
                for settings in attached.values()
            },
        )

    async def inspect(self, container: str) -> Body:
        """By id or name, running or not.  Raises NotFound."""
        return dict(await self._request("GET", f"/containers/{urllib.parse.quote(container, safe='')}/json"))

    async def create_network(self, name: str, spec: Mapping[str, Any]) -> str:
        """Docker's id. Raises Conflict when the name is taken: CheckDuplicate is set."""
        body = {"Name": name, "CheckDuplicate": True, "Driver": self._driver, **spec}
        return str((await self._request("POST", "/networks/create", body))["Id"])

    async def remove_network(self, network_id: str) -> None:
        """One that is gone is success. Raises Forbidden when a container is attached."""
        try:
            await self._request("DELETE", f"/networks/{network_id}")
        except errors.NotFound:
            return

    async def events(self) -> AsyncIterator[Body]:
        """What happens from now on; the first item, {}, says that the stream is open.

        Raises Unavailable when the engine goes away.
        """
        url = await self._url("/events")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=DEADLINE)
        try:
            async with self._open().get(url, params=_filters(**EVENTS), timeout=timeout) as response:
                yield {}
                async for line in response.content:
                    yield _object(line)
        except aiohttp.ClientError as exc:
            raise errors.Unavailable(f"the stream of events ended: {exc}") from exc

    async def is_to_end(self, event: Body) -> str:
        """Id of the container that the event's signal tells to end, as `docker stop` does; "" for none."""
        actor = event.get("Actor") or {}
        if event.get("Type") != "container" or event.get("Action") != "kill":
            return ""
        id, text = str(actor.get("ID") or ""), str((actor.get("Attributes") or {}).get("signal") or "")
        told = int(text) if text.isascii() and text.isdigit() else 0
        if told in ENDING:
            return id
        try:
            asked = ((await self.inspect(id)).get("Config") or {}).get("StopSignal") or ""
        except errors.SealaneError:
            return ""
        return id if told and told == signal_number(str(asked)) else ""

    def concerned(self, event: Body) -> frozenset[str]:
        """Whether the event is about running CONTAINERS on networks of ours, or about NETWORKS of ours.

        What ends brings nothing to do: its driver calls did.  {} is about both.
        """
        if not event:
            return CONTAINERS | NETWORKS
        action = event.get("Action")
        if event.get("Type") == "container":
            # a health check's is "health_status: healthy"
            news = str(action).partition(":")[0] in ("start", "rename", "health_status")
            return CONTAINERS if news else frozenset()
        attributes = (event.get("Actor") or {}).get("Attributes") or {}
        if attributes.get("type") != self._driver:
            return frozenset()
        return CONTAINERS if action == "connect" else NETWORKS

    async def _request(
        self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> Any:
        url = await self._url(path)
        return await self._send(method, url, body, query)

    async def _url(self, path: str) -> str:
        if not self._version:
            body = await self._send("GET", "http://docker/version")
            self._version = _negotiated(str(body.get("ApiVersion", "")))
        return f"http://docker/v{self._version}{path}"

    async def _send(
        self, method: str, url: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> Any:
        try:
            async with (
                asyncio.timeout(DEADLINE),
                failpoint.NOTHING if method == "GET" else _effect(method, url),
                self._open().request(method, url, json=body, params=query) as response,
            ):
                return _decoded(response.status, await response.read())
        except TimeoutError as exc:
            raise errors.DeadlineExceeded(f"Docker did not answer within {DEADLINE:.0f} s") from exc
        except (aiohttp.ClientError, OSError) as exc:
            self._version = ""  # what comes back may be another release
            raise errors.Unavailable(f"no Docker engine answers at {self._socket}: {exc}") from exc

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self._socket)))
        return self._session


def signal_number(text: str) -> int:
    """Of "SIGQUIT", "quit", "3" or "SIGRTMIN+3", as an image's STOPSIGNAL may be; 0: there is no such one."""
    if text.isascii() and text.isdigit():
        return int(text)
    name, _, more = text.upper().removeprefix("SIG").partition("+")
    found = signal.Signals.__members__.get(f"SIG{name}", 0)
    return int(found) + (int(more) if more.isascii() and more.isdigit() else 0) if found else 0


def _effect(method: str, url: str) -> failpoint.Effect:
    return failpoint.effect("docker", f"{method} {url.split('/')[4]}", errors.Unavailable)


def _negotiated(offered: str) -> str:
    """The engine's version, or ours if that is older."""
    try:
        major, minor = (int(part) for part in offered.split("."))
    except ValueError as exc:
        raise errors.Unavailable(f"Docker's API version '{offered}' can't be read") from exc
    return "{}.{}".format(*min((major, minor), NEWEST))


def _filters(**wanted: list[str]) -> dict[str, str]:
    return {"filters": json.dumps(wanted)}


def _network(body: Body) -> EngineNetwork:
    pools = (body.get("IPAM") or {}).get("Config") or []
    return EngineNetwork(
        id=body["Id"],
        name=body["Name"],
        labels=body.get("Labels") or {},
        options=body.get("Options") or {},
        subnets=frozenset(str(pool["Subnet"]) for pool in pools if pool.get("Subnet")),
    )


def _container(body: Body) -> EngineContainer:
    attached = ((body.get("NetworkSettings") or {}).get("Networks") or {}).values()
    return EngineContainer(
        id=str(body["Id"]),
        name=_own_name(body.get("Names") or ()),
        labels=body.get("Labels") or {},
        endpoints={str(n["NetworkID"]): str(n["EndpointID"]) for n in attached if n.get("EndpointID")},
        well=not str(body.get("Status") or "").endswith(_ILL),
    )


def _own_name(names: list[str] | tuple[str, ...]) -> str:
    """`--link` adds names of the form /other/alias."""
    return next((name[1:] for name in names if name.startswith("/") and "/" not in name[1:]), "")


def _object(line: bytes) -> Body:
    try:
        return msgspec.json.decode(line, type=Body)
    except msgspec.MsgspecError as exc:
        raise errors.Unavailable(f"Docker's event can't be read: {exc}") from exc


def _decoded(status: int, raw: bytes) -> Any:
    try:
        body = msgspec.json.decode(raw) if raw else {}
    except msgspec.MsgspecError as exc:
        body = {"message": f"not JSON: {exc}"}
        status = max(status, 502)
    if status >= 400:
        message = str(body.get("message", "")) if isinstance(body, dict) else ""
        raise _ERRORS.get(status, errors.Unavailable)(f"Docker: {message or status}")
    return body


_ERRORS: Mapping[int, type[errors.SealaneError]] = {
    400: errors.BadRequest,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
}
