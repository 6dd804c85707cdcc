"""What this host counts for metering labels: read from the rules of br-int, summed, remembered and told.

    every PAUSE ─> GET sealane/metering ─> ovs-ofctl dump-flows ─> metering.json ─> POST sealane/metered

A rule begins at 0 whenever ovn-controller or ovs-vswitchd makes it anew.  One that is younger than the last
look counts as a whole, any other by what it has grown since.  What passed between the last look and the end
of a rule is not counted: PAUSE seconds at most.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealane import log
from sealane.client import ApiClient
from sealane.errors import SealaneError
from sealane.host import command

PAUSE = 5.0
"""Seconds."""
_RULE = re.compile(
    r"cookie=(0x[0-9a-f]+), duration=([0-9.]+)s, table=\d+, n_packets=(\d+), n_bytes=(\d+),"
    r"(?: \w+_age=\d+,)* (\S+) actions="
)
_log = log.get("metering")
Counts = tuple[int, int]
"""Packets, bytes."""


@dataclass(frozen=True)
class Rule:
    """duration: seconds for which it has been there."""

    cookie: str
    match: str
    duration: float
    counts: Counts

    @property
    def key(self) -> str:
        return f"{self.cookie} {self.match}"


@dataclass(frozen=True)
class Sums:
    """totals: by label. seen: what rules said at the last look, `at` seconds after the host's start."""

    totals: Mapping[str, Counts] = field(default_factory=dict)
    seen: Mapping[str, Counts] = field(default_factory=dict)
    at: float = 0.0


def parse(flows: str) -> Iterator[Rule]:
    """Of what `ovs-ofctl dump-flows` says."""
    for found in _RULE.finditer(flows):
        cookie, duration, packets, octets, match = found.groups()
        yield Rule(f"{int(cookie, 16):08x}", match, float(duration), (int(packets), int(octets)))


def after(sums: Sums, rules: Iterable[Rule], labels: Mapping[str, Iterable[str]], at: float) -> Sums:
    """`labels`: by cookie; a cookie that has none counts for nobody, but is looked at as well."""
    totals, seen = dict(sums.totals), dict[str, Counts]()
    for rule in rules:
        seen[rule.key] = rule.counts
        before = sums.seen.get(rule.key, (0, 0))
        is_young = at < sums.at or rule.duration < at - sums.at
        if is_young or any(now < then for now, then in zip(rule.counts, before, strict=True)):
            before = (0, 0)
        grown = rule.counts[0] - before[0], rule.counts[1] - before[1]
        for label in labels.get(rule.cookie, ()):
            packets, octets = totals.get(label, (0, 0))
            totals[label] = packets + grown[0], octets + grown[1]
    return Sums(totals, seen, at)


class Metering:
    def __init__(self, api: ApiClient, path: Path, ovs_run_dir: Path, host: str) -> None:
        self._api = api
        self._path = path
        self._bridge = f"unix:{ovs_run_dir}/br-int.mgmt"
        self._host = host
        self._sums: Sums | None = None

    async def follow(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except (OSError, SealaneError) as exc:
                _log.warning("what is counted is not told", error=str(exc))
            except Exception:
                _log.exception("what is counted is not told, by a defect")
            await asyncio.sleep(PAUSE)

    async def look(self) -> None:
        """Raises SealaneError, OSError."""
        asked = await self._api.request("GET", "sealane/metering", query=[("node", self._host)])
        before = self._sums or read(self._path)
        labels = {str(rule["cookie"]): rule["labels"] for rule in asked["rules"]}
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        rules: list[Rule] = []
        for table in sorted({int(rule["table"]) for rule in asked["rules"]}):
            argv = ("ovs-ofctl", "dump-flows", self._bridge, f"table={table}")
            rules += parse(await asyncio.to_thread(command.run, argv))
        sums = after(before, rules, labels, now)
        there = frozenset(asked["labels"])
        sums = Sums({id: counts for id, counts in sums.totals.items() if id in there}, sums.seen, now)
        if sums.seen or sums.totals or before.totals:
            write(self._path, sums)
        self._sums = sums
        told: Mapping[str, Any] | None = asked["told"]
        if told is None or {id: tuple(counts) for id, counts in told.items()} != sums.totals:
            body = {"metered": {"host": self._host, "counts": sums.totals}}
            await self._api.request("POST", "sealane/metered", body)


def read(path: Path) -> Sums:
    """What was remembered; nothing where that can't be read."""
    try:
        found = json.loads(path.read_text())
        totals, seen = (
            {str(key): (int(packets), int(octets)) for key, (packets, octets) in found[name].items()}
            for name in ("totals", "seen")
        )
        return Sums(totals, seen, float(found["at"]))
    except FileNotFoundError:
        return Sums()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
        _log.error("what was counted can't be read, counts begin anew", path=str(path), error=str(exc))
        return Sums()


def write(path: Path, sums: Sums) -> None:
    """Whole or not at all. Raises OSError."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"totals": sums.totals, "seen": sums.seen, "at": sums.at}))
    fresh.replace(path)
