"""What every request passes: an id, a deadline, the check of who asks, one log line, one shape of errors."""

import asyncio
import re
import time
import uuid
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sealane import failpoint, log
from sealane.api import answers, auth, policy, prefer
from sealane.api.caller import CALLER
from sealane.api.metrics import Metrics
from sealane.api.seen import Seen
from sealane.errors import DeadlineExceeded, SealaneError

DEADLINE = 4.8
"""Seconds for one request: whoever waits for us hears of a dead store within 5."""
PATIENT = frozenset({"/v2.0/sealane/changes", "/v2.0/sealane/events", "/v2.0/log/entries"})
"""Paths that wait on purpose and have a deadline of their own."""
SLOW_ON_PURPOSE = 25.0
"""Seconds for one request of the identity API: passwords wait for their turn at a busy processor."""
GLOBAL_ID = re.compile(r"^req-[0-9a-f-]{36}$")

DEFECT = SealaneError("Request failed: internal server error.", type="HTTPInternalServerError")

_log = log.get("api")


class Front:
    """Outermost of the application. Nothing passes it as an exception."""

    def __init__(self, app: ASGIApp, guard: auth.Guard, metrics: Metrics, seen: Seen) -> None:
        self._app = app
        self._seen = seen
        self._guard = guard
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-openstack-request-id"] = request_id
            if status and scope["method"] != "GET" and message["type"] == "http.response.body":
                async with failpoint.effect("answer", f"{scope['method']} {scope['path'][:60]}"):
                    await send(message)
            else:
                await send(message)

        request_id = f"req-{uuid.uuid4()}"
        with structlog.contextvars.bound_contextvars(request_id=request_id, **_global_id(scope)):
            failure = await self._guarded(scope, receive, send_marked)
            if failure is not None and not status:
                await failure(scope, receive, send_marked)
            elapsed = time.perf_counter() - begun
            self._metrics.request(scope, status, elapsed)
            _note(scope, status, elapsed)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> ASGIApp | None:
        """The answer to give when the application raised."""
        try:
            await self._guard.check(scope)
            policy.check_call(scope[CALLER], scope["method"], scope["path"])
            self._seen.note(scope)
            async with asyncio.timeout(_deadline(scope)):
                await self._app(scope, receive, send)
        except SealaneError as exc:
            if exc.status >= 500:
                _log.warning("failed", error=exc.message, type=exc.type)
            return answers.of_error(exc, scope["path"])
        except TimeoutError:
            late = DeadlineExceeded(
                f"not done within {_deadline(scope)} s; it may have been carried out or not"
            )
            return answers.of_error(late, scope["path"])
        except Exception:  # the outermost: a defect of ours is logged and answered, and ends nothing else
            _log.exception("unexpected", path=scope["path"])
            return answers.of_error(DEFECT, scope["path"])
        return None


def _deadline(scope: Scope) -> float | None:
    if scope["path"] in PATIENT:
        return None
    usual = SLOW_ON_PURPOSE if scope["path"].startswith("/v3/") else DEADLINE
    return usual + prefer.wait(scope)


def _global_id(scope: MutableMapping[str, Any]) -> dict[str, str]:
    """The caller's own request id, which it may pass along a chain of services."""
    shown = Headers(scope=scope).get("x-openstack-request-id", "")
    return {"global_request_id": shown} if GLOBAL_ID.fullmatch(shown) else {}


def _note(scope: Scope, status: int, elapsed: float) -> None:
    quiet = scope["method"] == "GET" and status < 500
    tell = _log.debug if quiet else _log.info
    tell("request", method=scope["method"], path=scope["path"], status=status, ms=round(elapsed * 1000, 1))
