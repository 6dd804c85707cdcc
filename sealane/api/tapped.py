"""What each host has to copy for taps, and what it says that it copies: kept in this process only.

    GET  /v2.0/sealane/taps?node=NAME   the services with a source or their port on that host, their digest
    POST /v2.0/sealane/tapped           a host tells the digest of what it copies by now

A host that has nothing to copy and has told nothing is where it should be.  Whoever waits for a change to be
applied waits until the hosts concerned have told the digest of what they are to copy now.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api.answers import answer, empty
from sealane.api.body import read_object
from sealane.api.caller import Caller, caller_of
from sealane.api.desk import Desk
from sealane.errors import BadRequest, Forbidden
from sealane.model import Port, State, TapMirror
from sealane.translate.tap_mirrors import mirrors
from sealane.translate.taps import Tap, taps

_TURN = 0.05  # seconds between two looks while somebody waits
Row = dict[str, Any]


@dataclass(frozen=True)
class View:
    """What a host has to do."""

    rows: list[Row]

    @property
    def digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self.rows)).hexdigest()[:16] if self.rows else ""


NOTHING = View([])


class Tapped:
    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._state: State | None = None
        self._views: Mapping[str, View] = {}

    def view(self, state: State, host: str) -> View:
        return self._all(state).get(host, NOTHING)

    def tell(self, host: str, digest: str) -> None:
        self._told[host] = digest
        if not digest:
            del self._told[host]

    def told(self, host: str) -> str:
        return self._told.get(host, "")

    def missing(self, state: State) -> list[str]:
        """Hosts that do not copy yet, or still copy, what they should not."""
        views = self._all(state)
        hosts = views.keys() | self._told.keys()
        return sorted(host for host in hosts if views.get(host, NOTHING).digest != self.told(host))

    async def wait(
        self, state: Callable[[], State], seconds: float, gone: Callable[[str], bool]
    ) -> list[str]:
        """Names of those that are missing still when the time is over; those that are `gone` are not waited
        for."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            missing = [host for host in self.missing(state()) if not gone(host)]
            if not missing or asyncio.get_running_loop().time() >= end:
                return missing
            await asyncio.sleep(_TURN)

    def _all(self, state: State) -> Mapping[str, View]:
        if self._state is not state:
            self._state, self._views = state, _views(state)
        return self._views


def _views(state: State) -> Mapping[str, View]:
    found: dict[str, list[Row]] = {}
    for tap in taps(state):
        for host in {tap.port.host, *tap.hosts} - {""}:
            found.setdefault(host, []).append(_row(tap, host))
    for mirror, port in mirrors(state):
        if port.host:
            found.setdefault(port.host, []).append(_passing(mirror, port))
    return {host: View(rows) for host, rows in found.items()}


def _passing(mirror: TapMirror, port: Port) -> Row:
    """Open vSwitch copies; all that the host has to do is to let all of the port's packets pass there."""
    source = {"port_id": port.id, "out": False, "in": False}
    return {"id": mirror.id, "port_id": "", "mac_address": "", "mtu": 0, "sources": [source]}


def _row(tap: Tap, host: str) -> Row:
    here = tap.port.host == host
    return {
        "id": tap.id,
        "port_id": tap.port.id if here else "",
        "mac_address": tap.port.mac_address if here else "",
        "mtu": tap.mtu,
        "sources": [
            {"port_id": source.port_id, "out": source.outward, "in": source.inward}
            for source in tap.sources
            if source.host == host
        ],
    }


def _any(state: State) -> bool:
    return bool(state.tap_services or state.tap_mirrors)


class TapDesk:
    def __init__(self, desk: Desk, tapped: Tapped) -> None:
        self._desk = desk
        self._tapped = tapped

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("/v2.0/sealane/taps", self.show, methods=["GET"]),
            Route("/v2.0/sealane/tapped", self.take, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        host = request.query_params.get("node", "")
        _check_host(caller_of(request), host)
        state = self._desk.look().state
        view = self._tapped.view(state, host)
        told = self._tapped.told(host)
        body = {"taps": view.rows, "digest": view.digest, "told": told, "any": _any(state)}
        return answer(body)

    async def take(self, request: Request) -> Response:
        body = await read_object(request)
        told = body.get("tapped")
        given = told if isinstance(told, dict) else {}
        host, digest = given.get("host"), given.get("digest")
        if not isinstance(host, str) or not isinstance(digest, str) or len(host) > 63 or len(digest) > 16:
            raise BadRequest(
                "'tapped' in the request body is to have a host and a digest", type="HTTPBadRequest"
            )
        _check_host(caller_of(request), host)
        if any(node.name == host for node in self._desk.look().state.nodes.values()):
            self._tapped.tell(host, digest)
        return empty()


def _check_host(caller: Caller, host: str) -> None:
    """A node speaks for itself alone. Raises Forbidden."""
    if caller.node and caller.node != host:
        raise Forbidden(f"Node '{caller.node}' may not speak of the taps of host '{host[:63]}'.")
