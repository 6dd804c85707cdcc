"""Copies for taps on this host: what the API says is copied here is asked for, made so, and told.

    feed, newcomers, every 20 s ─> GET sealane/taps ─> no fast path for the sources ─> memory, reconciler ─>
    POST tapped

In this order: a packet that goes round Open vSwitch goes round the copies, too.  Who waits for a change to be
applied waits for what is told at the end.  What was known is remembered, so that copies go on while the API
is away.
"""

import asyncio
from collections.abc import Awaitable, Callable

from sealane import log
from sealane.agent.memory import Memory
from sealane.agent.tapping import TapHere, parse, sources
from sealane.client import ApiClient

NEWS = frozenset({"tap_services", "tap_flows", "tap_mirrors"})
PORTS = "ports"
_log = log.get("taps")


class Taps:
    """`slow`: is given the ports that are to have no fast path; `resync`: makes the host as it is wanted."""

    def __init__(
        self,
        api: ApiClient,
        host: str,
        memory: Memory,
        slow: Callable[[frozenset[str]], Awaitable[None]],
        resync: Callable[[], Awaitable[None]],
    ) -> None:
        self._api = api
        self._host = host
        self._memory = memory
        self._slow = slow
        self._resync = resync
        self._any = True  # whether there is any tap at all, anywhere
        self._made = False  # what is remembered is there
        self._turn = asyncio.Lock()

    def concerned(self, collections: frozenset[str] = frozenset({PORTS})) -> bool:
        """Whether a move in these may be one of what is copied here."""
        return bool(collections & NEWS or (self._any and PORTS in collections))

    async def look(self) -> None:
        """Raises SealaneError."""
        async with self._turn:
            answer = await self._api.request("GET", "sealane/taps", query=[("node", self._host)])
            self._any = bool(answer["any"])
            wanted = parse(answer["taps"])
            if wanted != self._memory.taps or not self._made:
                await self._make(wanted)
            if answer["told"] != answer["digest"]:
                told = {"host": self._host, "digest": answer["digest"]}
                await self._api.request("POST", "sealane/tapped", {"tapped": told})

    async def _make(self, wanted: dict[str, TapHere]) -> None:
        self._made = False
        await self._slow(sources(wanted))
        before = dict(self._memory.taps)
        self._memory.put_taps(wanted)
        if before or wanted:
            await self._resync()
        if before != wanted:
            _log.info("taps", services=sorted(wanted))
        self._made = True
