"""The socket that dockerd calls: one POST a call, an answer within 10 seconds whatever is down.

dockerd 20.10 sends an empty Host header and no Content-Type, keeps no deadline of its own (a call that
is accepted and never answered hangs it for ever), and repeats a request with an empty body when the
plugin died over it, taking any answer without `Err` as success.  So: our own deadline, and everything
that is not a whole request is an error.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sealane import failpoint, listening, log
from sealane.agent import metrics
from sealane.agent.docker.messages import Activated, Empty, Failure, decode
from sealane.errors import DeadlineExceeded, SealaneError

DEADLINE = 9.0
"""Seconds for one call, one less than what we promise."""

BODY_LIMIT = 1 << 20
"""Bytes; the largest message, CreateNetwork with all its options, has some thousand."""

MEDIA_TYPE = "application/vnd.docker.plugins.v1.2+json"

Handler = Callable[[Any], Awaitable[msgspec.Struct]]
Calls = Mapping[str, tuple[type[msgspec.Struct] | None, Handler]]
"""Method -> the request's type (None: it has no body) and what answers it."""

_log = log.get("docker")


class Plugin:
    """The application; `calls` are the drivers' tables put together."""

    def __init__(self, calls: Calls, deadline: float = DEADLINE) -> None:
        self._calls: Calls = {"Plugin.Activate": (None, _activate), **calls}
        self._deadline = deadline
        self.app = Starlette(routes=[Route("/{method}", self._post, methods=["POST"])])

    async def _post(self, request: Request) -> Response:
        method = request.path_params["method"]
        body = await request.body()
        began = time.monotonic()
        status, answer = await self.answer(method, body)
        _log.debug("call answered", method=method, milliseconds=round(1000 * (time.monotonic() - began), 1))
        return _Answer(method, answer, status)

    async def answer(self, method: str, body: bytes) -> tuple[int, bytes]:
        """HTTP status and body of the answer. 404 means to dockerd that a call does not exist."""
        call = self._calls.get(method)
        if call is None:
            return 404, _failure(method, f"'{method}' is not implemented")
        try:
            with metrics.call(method):
                return 200, msgspec.json.encode(await self._carry_out(call, body))
        except msgspec.MsgspecError as exc:
            return 200, _failure(method, f"malformed request: {exc}")
        except SealaneError as exc:
            return 200, _failure(method, exc.message)
        except OSError as exc:
            return 200, _failure(method, f"the host refused: {exc}")

    async def _carry_out(self, call: tuple[type[msgspec.Struct] | None, Handler], body: bytes) -> Any:
        kind, handler = call
        if len(body) > BODY_LIMIT:
            raise msgspec.ValidationError(f"more than {BODY_LIMIT} bytes")
        request = decode(kind, body) if kind else None
        try:
            async with asyncio.timeout(self._deadline):
                return await handler(request)
        except TimeoutError as exc:
            raise DeadlineExceeded(f"not done within {self._deadline:.0f} s; try again") from exc


class _Answer(Response):
    media_type = MEDIA_TYPE

    def __init__(self, method: str, content: bytes, status: int) -> None:
        super().__init__(content, status)
        self._method = method

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with failpoint.effect("answer", self._method):
            await super().__call__(scope, receive, send)


async def _activate(_: None) -> Activated:
    return Activated()


async def done(_: object) -> Empty:
    """The answer to calls that ask nothing of us."""
    return Empty()


def _failure(method: str, text: str) -> bytes:
    _log.warning("call refused", method=method, reason=text)
    return msgspec.json.encode(Failure(err=text, error=text))


class Listener:
    """The plugin's application on its unix socket, 0600."""

    def __init__(self, app: Starlette, path: Path) -> None:
        self._path = path
        config = uvicorn.Config(
            app,
            http="httptools",  # h11 refuses dockerd's empty Host header
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
        self._server = _QuietServer(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when dockerd can connect. Raises OSError."""
        self._serving = asyncio.create_task(
            self._server.serve([listening.unix(self._path)]), name="docker plugin"
        )

    async def stop(self) -> None:
        """Answer what is under way, then close; the socket is removed."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        with suppress(FileNotFoundError):
            self._path.unlink()


class _QuietServer(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the agent."""
        yield
