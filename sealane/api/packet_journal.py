"""The last packets that were logged, kept in this process only.

    POST /v2.0/sealane/logged                    a host tells what it has logged
    GET  /v2.0/log/entries?after=N&timeout=S     as the events (journal.py); a user sees his project's

Each project has room of its own, so that what is logged for one does not push out another's.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api.answers import answer, empty
from sealane.api.body import read_object
from sealane.api.caller import Caller, caller_of
from sealane.api.desk import Desk
from sealane.api.either import first_of
from sealane.api.journal import MAX_WAIT, PAGE, integer_of
from sealane.api.log_lines import Book, Seen
from sealane.errors import BadRequest, Forbidden

ROOM = 2000
"""Packets that are kept of a project: some 2 MB at most."""
LARGEST = 1 << 20
"""Bytes of what a host tells at once."""
Entry = Mapping[str, Any]


class PacketJournal:
    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._first = self._last = time.time_ns() // 1000
        self._kept: dict[str, deque[Entry]] = {}
        self._lost: dict[str, int] = {}
        """Project -> number of the newest that is forgotten."""
        self._wake = asyncio.Event()

    @property
    def last(self) -> int:
        return self._last

    def add(self, packets: Iterable[Mapping[str, Any]]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        before = self._last
        for packet in packets:
            self._last += 1
            kept = self._kept.setdefault(packet["project_id"], deque(maxlen=self._room))
            if len(kept) == self._room:
                self._lost[packet["project_id"]] = kept[0]["number"]
            kept.append({"number": self._last, "at": now, **packet})
        if self._last != before:
            self._wake.set()
            self._wake = asyncio.Event()

    def after(self, number: int, project: str | None) -> tuple[list[Entry], int, bool]:
        """Of one project or (None) of all: packets, what to ask for next, and whether some are forgotten."""
        shown = self._kept if project is None else {project: self._kept.get(project, ())}
        found = sorted((e for kept in shown.values() for e in kept if e["number"] > number), key=_number)
        lost = max((self._lost.get(name, 0) for name in shown), default=0)
        known = max(self._first, lost) <= number <= self._last
        if number > self._last:
            found = sorted((e for kept in shown.values() for e in kept), key=_number)
        page = found[:PAGE]
        return page, page[-1]["number"] if len(page) < len(found) else self._last, bool(number) and not known

    async def wait(self, number: int, timeout: float) -> None:
        """Until there is something to say to who knows all up to `number`, or for `timeout` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while number == self._last:
                    await self._wake.wait()


def _number(entry: Entry) -> int:
    return int(entry["number"])


def check_host(caller: Caller, host: str) -> None:
    """A node speaks for itself alone. Raises Forbidden."""
    if caller.node and caller.node != host:
        raise Forbidden(f"Node '{caller.node}' may not tell what host '{host}' has logged.")


class PacketDesk:
    """`closing` ends waits when the server is about to stop."""

    def __init__(self, desk: Desk, journal: PacketJournal, closing: asyncio.Event) -> None:
        self._desk = desk
        self._journal = journal
        self._closing = closing
        self._book: Book | None = None

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("/v2.0/log/entries", self.list, methods=["GET"]),
            Route("/v2.0/sealane/logged", self.take, methods=["POST"]),
        )

    async def take(self, request: Request) -> Response:
        """A host speaks of its own ports alone."""
        body = await read_object(request, LARGEST)
        try:
            told = msgspec.convert(body.get("packets"), Seen)
        except msgspec.ValidationError as exc:
            raise BadRequest(f"'packets' in the request body: {exc}", type="HTTPBadRequest") from exc
        check_host(caller_of(request), told.host)
        state = self._desk.look().state
        if self._book is None or self._book.state is not state:
            self._book = Book(state)
        self._journal.add(self._book.told(told.seen, told.host))
        return empty()

    async def list(self, request: Request) -> Response:
        """Packets after `after`; when there are none, waits for `timeout` seconds that one comes."""
        caller = caller_of(request)
        project = caller.project if caller.is_tenant else None
        number, end = (
            integer_of(request, "after"),
            time.monotonic() + min(integer_of(request, "timeout"), MAX_WAIT),
        )
        while True:
            found, last, gone = self._journal.after(number, project)
            left = end - time.monotonic()
            if found or gone or left <= 0 or self._closing.is_set():
                return answer({"entries": found, "last": last, "gone": gone})
            news = self._journal.wait(self._journal.last, left)
            await first_of(news, self._closing.wait(), timeout=left)
