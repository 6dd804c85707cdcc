"""The last events, kept in this process only, and `GET /v2.0/sealane/events`.

Each event has a number. A journal begins with the microseconds of the clock, so that the numbers of one
process and of the next never meet: who asks for what came after N is told when what followed N can't be known
(`gone`), because it was too long ago or the API was restarted.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api.answers import answer
from sealane.api.caller import caller_of
from sealane.api.either import first_of
from sealane.api.events import Event
from sealane.errors import BadRequest, Forbidden

SIZE = 10_000
"""Events that are kept: some 5 MB at most."""
PAGE = 1_000
"""Events in one answer."""
MAX_WAIT = 60.0
"""Seconds that a long poll may last."""


@dataclass(frozen=True, slots=True)
class Entry:
    number: int
    at: str
    event: Event

    def show(self) -> dict[str, Any]:
        return {"number": self.number, "at": self.at, **asdict(self.event), "alarm": self.event.alarm}


@dataclass(frozen=True)
class Page:
    """last: what to ask for next. gone: events before the first of these are not to be had any more."""

    entries: tuple[Entry, ...]
    last: int
    gone: bool


class Journal:
    def __init__(self, size: int = SIZE, first: int | None = None) -> None:
        self._entries: deque[Entry] = deque(maxlen=size)
        self._last = time.time_ns() // 1000 if first is None else first - 1
        self._before = self._last
        """Number of the newest that is not to be had; at the start that of none."""
        self._wake = asyncio.Event()

    @property
    def last(self) -> int:
        return self._last

    def add(self, events: Iterable[Event]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        before = self._last
        for event in events:
            self._last += 1
            if len(self._entries) == self._entries.maxlen:
                self._before = self._entries[0].number
            self._entries.append(Entry(self._last, now, event))
        if self._last != before:
            self._wake.set()
            self._wake = asyncio.Event()

    def after(self, number: int, limit: int = PAGE) -> Page:
        """0: all that there are."""
        known = self._before <= number <= self._last
        skipped = number - self._before if known else 0
        found = tuple(entry for i, entry in enumerate(self._entries) if skipped <= i < skipped + limit)
        last = found[-1].number if found else self._last
        return Page(found, last, gone=bool(number) and not known)

    async def wait(self, number: int, timeout: float) -> None:
        """Until there is something to say to who knows all up to `number`, or for `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while number == self._last:
                    await self._wake.wait()


class EventDesk:
    """`closing` ends waits when the server is about to stop."""

    def __init__(
        self, journal: Journal, closing: asyncio.Event, mismatches: Callable[[], Sequence[Event]]
    ) -> None:
        self._journal = journal
        self._closing = closing
        self._mismatches = mismatches

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("/v2.0/sealane/events", self.list, methods=["GET"]),
            Route("/v2.0/sealane/mismatches", self.mismatches, methods=["GET"]),
        )

    async def mismatches(self, request: Request) -> Response:
        """Ports that another host has than the one they are meant for."""
        _operator(request)
        shown = ("id", "name", "project_id", "network_id", "host", "wanted_host")
        found = [asdict(event) for event in self._mismatches()]
        return answer({"mismatches": [{key: one[key] for key in shown} for one in found]})

    async def list(self, request: Request) -> Response:
        """Events after `after`; when there are none, waits for `timeout` seconds that one comes."""
        _operator(request)
        number = integer_of(request, "after")
        timeout = min(float(integer_of(request, "timeout")), MAX_WAIT)
        if timeout and number == self._journal.last:
            await first_of(self._journal.wait(number, timeout), self._closing.wait(), timeout=timeout)
        page = self._journal.after(number)
        return answer({"events": [e.show() for e in page.entries], "last": page.last, "gone": page.gone})


def _operator(request: Request) -> None:
    if caller_of(request).role != "admin":
        raise Forbidden("This is the operator's.")


def integer_of(request: Request, key: str) -> int:
    value = request.query_params.get(key, "0")
    if not value.isascii() or not value.isdigit() or len(value) > 18:
        raise BadRequest(f"'{key}' should be an integer of 0 or greater, got '{value[:40]}'")
    return int(value)
