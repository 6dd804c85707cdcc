"""The chapter as a whole: grow step by step, and at each size measure all."""

import asyncio
from collections.abc import Sequence

from bench import memory
from bench.api import active, load, read, rebuild, report
from bench.api.place import Place
from sealane.lab.lab import Lab

SIZES = (0, 1_000, 10_000)
MANY = 5_000
"""Ports from which on half the rounds are run: northd takes a second for each change."""


def measure(lab: Lab, sizes: Sequence[int], rounds: int) -> report.Report:
    """On a lab that is up and empty; what was made goes with it. Raises RuntimeError, SealaneError."""
    return asyncio.run(_measure(lab, sizes, rounds))


async def _measure(lab: Lab, sizes: Sequence[int], rounds: int) -> report.Report:
    found: report.Report = {}
    async with Place(lab) as place, load.RawStore(place) as raw:
        network = await load.network(place, 1)
        there = 0
        for size in sorted(sizes):
            grown = load.Samples()
            while there < size:
                there = await _grow(place, raw, there, grown)
            await place.settled()
            fewer = max(1, rounds // 2) if there >= MANY else rounds
            found[str(size)] = await _at_size(place, network, there, fewer, grown)
    return found


async def _grow(place: Place, raw: load.RawStore, there: int, grown: load.Samples) -> int:
    """By one bulk, in a network of its own."""
    grown.raw.append(await raw.bulk())
    await load.bulk(place, await load.network(place, 2 + there // load.BULK), grown)
    return there + load.BULK


async def _at_size(place: Place, network: str, size: int, rounds: int, grown: load.Samples) -> report.Report:
    found: report.Report = {"memory_mib": memory.of_host(place.pid)}
    await load.singles(place, network, 20 * rounds, grown)
    found["active"] = report.of_active(await active.measure(place, network, rounds))
    found["load"] = report.of_load(grown)
    if size:
        found["read"] = report.of_read(await read.measure(place, rounds))
        found["rebuild"] = await rebuild.measure(place)
    return found
