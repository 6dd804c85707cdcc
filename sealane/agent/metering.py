"""What this host counts for metering labels: read from rules of br-int and counters of gateways, summed,
remembered and told.

    every ASK, or when something moves ─> GET sealane/metering    which rules count for whom
    every LOOK ─> ovs-ofctl dump-flows, nftables' counters ─> metering.json
    every ASK ─> POST sealane/metered                             totals, and the digest of what was asked

A rule begins at 0 whenever ovn-controller or ovs-vswitchd makes it anew.  What is no longer wanted stays for
some looks (ovn/lingering.py), so what it counted last is read.  Of what dies with Open vSwitch's process
what passed since the last look is lost: LOOK seconds at most.
"""

import asyncio
import json
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sealane import log
from sealane.agent.counting import Rule, Sums, after, parse
from sealane.agent.gateway_meters import GatewayMeters
from sealane.client import ApiClient
from sealane.errors import SealaneError
from sealane.host import command

ASK, LOOK, SOON = 5.0, 1.0, 0.2
"""Seconds between two questions, two looks, and two questions while something moves."""
MOVING = 3.0
"""Seconds for which OVN may be at it, once something has moved."""
MOVES = frozenset({"metering_labels", "metering_label_rules"})
ALSO = frozenset({"routers", "ports", "networks", "subnets", "subnetpools", "floatingips", "nodes"})
"""Collections that change what is counted; the latter where there are labels."""
NOTHING: Mapping[str, Any] = {
    "rules": [],
    "gateways": {},
    "labels": [],
    "told": {},
    "digest": "",
    "acked": "",
}
_log = log.get("metering")


class Metering:
    def __init__(
        self, api: ApiClient, path: Path, ovs_run_dir: Path, host: str, gateways: GatewayMeters
    ) -> None:
        self._api = api
        self._path = path
        self._bridge = f"unix:{ovs_run_dir}/br-int.mgmt"
        self._host = host
        self._gateways = gateways
        self._sums: Sums | None = None
        self._asked = NOTHING
        self._asked_at = self._moved_at = self._counted_at = -ASK
        self._counted = ""
        self._moved = asyncio.Event()

    def move(self, collections: Collection[str] = MOVES) -> None:
        """What is to be counted may have changed."""
        if not MOVES.isdisjoint(collections) or (self._asked["labels"] and not ALSO.isdisjoint(collections)):
            self._moved_at = time.monotonic()
            self._moved.set()

    def gateway_came(self) -> None:
        """It is to be counted at once."""
        self._counted_at = -ASK
        self._moved.set()

    async def follow(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except (OSError, SealaneError) as exc:
                _log.warning("what is counted is not told", error=str(exc))
            except Exception:
                _log.exception("what is counted is not told, by a defect")
            if time.monotonic() - self._moved_at < MOVING:
                await asyncio.sleep(SOON)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._moved.wait()
            self._moved.clear()

    async def look(self) -> None:
        """Raises SealaneError, OSError."""
        now = time.monotonic()
        due = now - self._asked_at >= ASK or now - self._moved_at < MOVING
        trouble: SealaneError | None = None
        if due:
            self._asked_at = now
            trouble = await self._ask()
        news = self._asked["digest"] != self._counted
        if self._sums is None or news or now - self._counted_at >= LOOK:
            self._counted_at = now
            self._sums = await self._count()
            self._counted = self._asked["digest"]
        if trouble is not None:
            raise trouble
        sums = self._sums
        told: Mapping[str, Any] | None = self._asked["told"]
        acked = self._asked["acked"] == self._asked["digest"]
        if due and not (acked and told is not None and _pairs(told) == sums.totals):
            counts = {"host": self._host, "counts": sums.totals, "digest": self._asked["digest"]}
            await self._api.request("POST", "sealane/metered", {"metered": counts})

    async def _ask(self) -> SealaneError | None:
        """Without an answer what was asked last goes on."""
        try:
            query = [("node", self._host)]
            self._asked = await self._api.request("GET", "sealane/metering", query=query)
        except SealaneError as exc:
            return exc
        return None

    async def _count(self) -> Sums:
        """What is there by now."""
        asked, before = self._asked, self._sums or read(self._path)
        labels = {str(rule["cookie"]): rule["labels"] for rule in asked["rules"]}
        if not (labels or asked["gateways"] or before.seen or before.totals):
            return before
        await asyncio.to_thread(self._gateways.follow, asked["gateways"])
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        rules: list[Rule] = []
        for table in sorted({int(rule["table"]) for rule in asked["rules"]}):
            argv = ("ovs-ofctl", "dump-flows", self._bridge, f"table={table}")
            rules += parse(await asyncio.to_thread(command.run, argv))
        counters = await asyncio.to_thread(self._gateways.read)
        sums, there = after(before, rules, labels, now, counters), frozenset(asked["labels"])
        totals = {id: counts for id, counts in sums.totals.items() if id in there}
        sums = Sums(totals, sums.seen, now, sums.owners)
        if (sums.totals, sums.seen, sums.owners) != (before.totals, before.seen, before.owners):
            write(self._path, sums)
        return sums


def _pairs(told: Mapping[str, Any]) -> Mapping[str, tuple[int, int]]:
    return {id: (counts[0], counts[1]) for id, counts in told.items()}


def read(path: Path) -> Sums:
    """What was remembered; nothing where that can't be read."""
    try:
        found = json.loads(path.read_text())
        totals, seen = (_pairs(found[name]) for name in ("totals", "seen"))
        owners = {str(cookie): tuple(labels) for cookie, labels in found.get("owners", {}).items()}
        return Sums(totals, seen, float(found["at"]), owners)
    except FileNotFoundError:
        return Sums()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as exc:
        _log.error("what was counted can't be read, counts begin anew", path=str(path), error=str(exc))
        return Sums()


def write(path: Path, sums: Sums) -> None:
    """Whole or not at all. Raises OSError."""
    fresh = path.with_suffix(".new")
    content = {"totals": sums.totals, "seen": sums.seen, "at": sums.at, "owners": sums.owners}
    fresh.write_text(json.dumps(content))
    fresh.replace(path)
