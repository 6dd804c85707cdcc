"""The part of the API that knows the store: reads the newest state, writes one transaction a request.

A write is decided on a snapshot and refused by the store when that was outdated.  Then it is decided
again on a newer one: what the caller gave is refused for good, what we chose is chosen anew.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from sealane.api import policy
from sealane.api.caller import Caller
from sealane.api.draft import Draft
from sealane.api.look import Bindings, Glass, Look
from sealane.api.meters import Meters
from sealane.api.underlay import room
from sealane.config import Settings
from sealane.errors import Conflict, RevisionMismatch, Unavailable
from sealane.model import State
from sealane.store.changes import Change

T = TypeVar("T")
ATTEMPTS = 20
COMMIT = 4.0
"""Seconds for a small transaction."""
CHANGES_PER_SECOND = 100
"""What a slow, loaded machine is sure to store; a large request gets more time accordingly."""
CATCH_UP = 1.0
"""Seconds to wait for the state that made a transaction fail."""


class Store(Protocol):
    @property
    def state(self) -> State: ...

    async def commit(self, *changes: Change, timeout: float = 5.0) -> State: ...

    async def changed(self, after: int, timeout: float | None = None) -> State: ...


class Desk:
    def __init__(self, settings: Settings, store: Store, bindings: Bindings) -> None:
        self.settings = settings
        self.store = store
        self.meters = Meters()
        self._glass = Glass(bindings, self.meters)
        self._writing = asyncio.Lock()

    def look(self) -> Look:
        """Raises Unavailable before the store's first view."""
        state = self.store.state
        if state.sequence == 0:
            raise Unavailable("the store has not been reached yet; try again")
        return self._glass.on(state)

    def draft(self) -> Draft:
        """What a request sees that writes nothing. Raises Unavailable."""
        return self._draft(self.look(), 0)

    async def write(
        self, caller: Caller, decide: Callable[[Draft], tuple[Sequence[Change], T]]
    ) -> tuple[T, Look]:
        """Commit what `decide` says, if `caller` may, again while only its snapshot was at fault.

        One writer at a time: writers of one process would else choose the same lowest address and be
        refused in turn.  What the API does of its own accord it does as caller.ADMIN.
        """
        async with self._writing:
            for attempt in range(ATTEMPTS):
                look = self.look()
                draft = self._draft(look, attempt)
                asked, result = decide(draft)
                policy.check_changes(caller, asked, look)
                changes = [*draft.also, *asked, *draft.last]
                if not changes:
                    return result, look
                try:
                    seconds = COMMIT + len(changes) / CHANGES_PER_SECOND
                    return result, self._glass.on(await self.store.commit(*changes, timeout=seconds))
                except (Conflict, RevisionMismatch):
                    newer = await self.store.changed(look.state.sequence, CATCH_UP)
                    if attempt == ATTEMPTS - 1 or newer.sequence == look.state.sequence:
                        raise
        raise Unavailable("too many write to the same resources; try again")

    def _draft(self, look: Look, lost: int) -> Draft:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Draft(look, now, room(self.settings), lost=lost)
