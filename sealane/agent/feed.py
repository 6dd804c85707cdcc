"""Wakes the agent when the API's state moves; what it is like now, whoever is woken reads himself."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from sealane import log
from sealane.client import ApiClient
from sealane.errors import SealaneError

Listener = Callable[[frozenset[str]], Awaitable[None]]
"""Is told which collections have moved ("networks", "ports", …: COLLECTIONS of api/extras.py)."""

PAUSE = 0.2
"""Seconds between two rounds at least: many changes in a row are one round."""

_RETRY = 1.0  # seconds, after the API did not answer
_log = log.get("feed")


async def follow(api: ApiClient, listeners: Sequence[Listener]) -> None:
    """For ever.  Each listener is called at the start and after changes, one after the other."""
    seen = -1
    reachable = True
    while True:
        try:
            news = await api.changes(seen) if seen >= 0 else await api.changes(0, timeout=0)
            if not reachable:
                _log.info("the API answers again")
            reachable = True
            if news.sequence != seen:
                for listener in listeners:
                    await listener(news.collections)
            seen = news.sequence
            await asyncio.sleep(PAUSE)
        except SealaneError as exc:
            if reachable:
                _log.warning("the API does not answer; what runs goes on", error=str(exc))
            reachable = False
            await asyncio.sleep(_RETRY)
