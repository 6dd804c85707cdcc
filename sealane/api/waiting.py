"""`Prefer: wait` (RFC 7240): the answer to a change comes when every host has applied it, or time is over.

    Prefer: wait=5   ->   Preference-Applied: wait              and, for those that had not within 5 s:
                          Sealane-Not-Applied: host2, host3     (a tenant is told how many)

The change is on disk whatever the headers say.
"""

import asyncio
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sealane.api import prefer
from sealane.api.caller import CALLER, Caller
from sealane.api.front import DEADLINE
from sealane.api.metered import MeterDesk
from sealane.api.seen import Seen
from sealane.api.tapped import Tapped
from sealane.model import State
from sealane.ovn.applied import Applied


class Waiting:
    """Holds the answer back."""

    def __init__(
        self,
        app: ASGIApp,
        applied: Applied,
        state: Callable[[], State],
        seen: Seen,
        tapped: Tapped,
        metered: MeterDesk,
    ) -> None:
        self._app = app
        self._applied = applied
        self._state = state
        self._seen = seen
        self._tapped = tapped
        self._metered = metered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wanted = prefer.wait(scope) if scope["type"] == "http" else 0
        if not wanted:
            await self._app(scope, receive, send)
            return
        held: list[Message] = []
        async with asyncio.timeout(DEADLINE):
            await self._app(scope, receive, _into(held))
        caller: Caller | None = scope.get(CALLER)
        if held and held[0]["status"] < 300:
            headers = MutableHeaders(scope=held[0])
            headers["Preference-Applied"] = "wait"
            missing = await self._missing(wanted)
            if missing:
                tenant = caller is not None and caller.is_tenant
                headers["Sealane-Not-Applied"] = str(len(missing)) if tenant else ", ".join(missing)
        for message in held:
            await send(message)

    async def _missing(self, seconds: float) -> list[str]:
        """OVN's part by what its databases say, that of the agents by what they say."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        found = await self._applied.missing(self._state().sequence, seconds, self._seen.gone)
        copying = await self._tapped.wait(self._state, end - loop.time(), self._seen.gone)
        counting = await self._metered.wait(self._state, end - loop.time(), self._seen.gone)
        return sorted({*found, *copying, *counting})


def _into(held: list[Message]) -> Send:
    async def hold(message: Message) -> None:
        held.append(message)

    return hold
