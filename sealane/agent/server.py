"""agent.sock: what this node has, and the netns door, as JSON over HTTP on a unix socket (0600: root).

GET  /status        what the agent sees of its surroundings
GET  /metrics       where its time goes, for Prometheus
GET  /fastpath, /fastpath/flows, /fastpath/reasons    POST /fastpath {"on": true, "network": ID}
GET  /attachments   all of this host, with what they publish (`sealane ps`)
POST /attach        asked.AttachRequest
POST /detach        {"id": …} or {"target": "web" or "/path", "ifname": "eth0"}
POST /find          {"target": …}: whose namespace that is, and its path (`sealane exec`)
POST /inspect       {"target": …}: all that this node knows of it
POST /cni           what a runtime tells a CNI plugin: cni/door.py
POST /plug, /unplug what os-vif is to do: plug.py
POST /netavark      what netavark tells a plugin: netavark.py
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane import listening, log
from sealane.agent import metrics, once
from sealane.agent.asked import AttachRequest
from sealane.agent.cni.door import CniDoor, CniRequest
from sealane.agent.door import NetnsDoor
from sealane.agent.fastpath import FastPath
from sealane.agent.memory import Memory
from sealane.agent.netavark import NetavarkDoor, NetavarkRequest
from sealane.agent.plug import PlugDoor, PlugRequest, UnplugRequest
from sealane.agent.view import View
from sealane.errors import BadRequest, SealaneError

LARGEST = 8 << 20
"""Bytes of a body: more than what the shims take (1 MiB), escaped."""
_log = log.get("agent")
T = TypeVar("T")
Handler = Callable[[Request], Awaitable[Response]]


class DetachRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    id: str = ""
    netns: str = ""
    target: str = ""
    ifname: str = ""


class FindRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    target: str


class SwitchRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    on: bool
    network: str = ""  # id; "": the node


class FastPathPaths:
    def __init__(self, fastpath: FastPath) -> None:
        self._fastpath = fastpath

    def routes(self) -> list[Route]:
        return [
            Route("/fastpath", _answering(self.status), methods=["GET"]),
            Route("/fastpath", _answering(self.switch), methods=["POST"]),
            Route("/fastpath/flows", _answering(self.flows), methods=["GET"]),
            Route("/fastpath/reasons", _answering(self.reasons), methods=["GET"]),
        ]

    async def status(self, _: Request) -> Response:
        return _json(await self._fastpath.status())

    async def switch(self, request: Request) -> Response:
        wanted = await _asked(request, SwitchRequest)
        if wanted.network:
            await self._fastpath.switch_network(wanted.network, wanted.on)
        else:
            await self._fastpath.switch(wanted.on)
        return _json(await self._fastpath.status())

    async def flows(self, _: Request) -> Response:
        return _json({"flows": await self._fastpath.flows()})

    async def reasons(self, _: Request) -> Response:
        return _json({"reasons": await self._fastpath.reasons()})


class App:
    def __init__(
        self,
        door: NetnsDoor,
        memory: Memory,
        view: View,
        cni: CniDoor,
        plugs: PlugDoor,
        status: Callable[[], dict[str, object]],
    ) -> None:
        self._door = door
        self._cni = cni
        self._plugs = plugs
        self._netavark = NetavarkDoor(door)
        self._memory = memory
        self._view = view
        self._status = status
        self.quarantined: Callable[[], Mapping[str, str]] = dict
        """Attachment -> why it is in quarantine."""

    def routes(self, more: Sequence[Route] = ()) -> Starlette:
        return Starlette(
            routes=[
                Route("/status", _answering(self.status), methods=["GET"]),
                Route("/metrics", _answering(self.metrics), methods=["GET"]),
                Route("/attachments", _answering(self.attachments), methods=["GET"]),
                Route("/attach", _answering(self.attach), methods=["POST"]),
                Route("/detach", _answering(self.detach), methods=["POST"]),
                Route("/find", _answering(self.find), methods=["POST"]),
                Route("/inspect", _answering(self.inspect), methods=["POST"]),
                Route("/cni", _answering(self.cni), methods=["POST"]),
                Route("/plug", _answering(self.plug), methods=["POST"]),
                Route("/unplug", _answering(self.unplug), methods=["POST"]),
                Route("/netavark", _answering(self.netavark), methods=["POST"]),
                *more,
            ]
        )

    async def status(self, _: Request) -> Response:
        return _json(self._status())

    async def metrics(self, _: Request) -> Response:
        return metrics.show()

    async def attachments(self, _: Request) -> Response:
        wishes = [wish for wish in self._memory.wishes.values() if wish.id not in self._memory.attachments]
        told = {"attachments": list(self._memory.attachments.values()), "awaited": wishes}
        return _json({**told, "quarantine": self.quarantined()})

    async def attach(self, request: Request) -> Response:
        wanted = await _asked(request, AttachRequest)
        return _json({"attachment": await self._door.attach(wanted)}, 201)

    async def detach(self, request: Request) -> Response:
        wanted = await _asked(request, DetachRequest)
        found = wanted.id or await self._door.find(wanted.target or wanted.netns, wanted.ifname)
        await self._door.detach(found)
        return Response(status_code=204)

    async def find(self, request: Request) -> Response:
        return _json(await self._view.place((await _asked(request, FindRequest)).target))

    async def inspect(self, request: Request) -> Response:
        return _json(await self._view.everything((await _asked(request, FindRequest)).target))

    async def cni(self, request: Request) -> Response:
        return _output(request, await self._cni.answer(await _asked(request, CniRequest)))

    async def plug(self, request: Request) -> Response:
        return _json({"attachment": await self._plugs.plug(await _asked(request, PlugRequest))}, 201)

    async def unplug(self, request: Request) -> Response:
        await self._plugs.unplug(await _asked(request, UnplugRequest))
        return Response(status_code=204)

    async def netavark(self, request: Request) -> Response:
        return _output(request, await self._netavark.answer(await _asked(request, NetavarkRequest)))


class Listener:
    """Serves an application on a unix socket that only root may use."""

    def __init__(self, app: Starlette, path: Path) -> None:
        self._path = path
        self._server = _Server(
            uvicorn.Config(
                app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=2
            )
        )

    async def serve(self) -> None:
        """Until `stop`; the socket is removed then.  Raises OSError."""
        try:
            await self._server.serve([listening.unix(self._path)])
        finally:
            self._path.unlink(missing_ok=True)

    def stop(self) -> None:
        self._server.should_exit = True


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to main.py."""
        yield


def _answering(handler: Handler) -> Handler:
    """Our errors as HTTP answers, in the shape that the API has too."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except SealaneError as exc:
            _log.warning("refused", path=request.url.path, error=exc.message)
            inner = {"type": exc.type, "message": exc.message, "detail": ""}
            return _json({"NeutronError": inner}, exc.status)

    return answer


async def _asked(request: Request, kind: type[T]) -> T:
    """What is too long is heard to its end all the same, so that who sends it hears the answer."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size <= LARGEST:
            parts.append(part)
    if size > LARGEST:
        raise BadRequest(f"the body has {size} bytes; {LARGEST} at most")
    return _decoded(b"".join(parts), kind)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        found = msgspec.json.decode(body, type=kind)
        once.decoded(body.decode())
    except (msgspec.MsgspecError, ValueError) as exc:
        raise BadRequest(f"the body: {exc}") from exc
    return found


def _output(request: Request, told: Mapping[str, Any]) -> Response:
    """Of a plugin: as JSON, or as it is for a program that knows none."""
    if request.headers.get("accept") != "text/plain":
        return _json(told)
    return Response(told["output"], headers={"Sealane-Status": str(told["status"])}, media_type="text/plain")


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
