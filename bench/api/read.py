"""Lists and one resource as they are read, byte by byte, beside the bare encoding of the same bytes."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from bench.api.place import Place

FIXED = "extensions/agent"
"""A document that takes no look at anything: what one request costs at least."""


@dataclass
class Samples:
    """Seconds, by what was asked; `encoding`: of the same body by msgspec; `size`: bytes of the body."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    encoding: dict[str, list[float]] = field(default_factory=dict)
    size: dict[str, int] = field(default_factory=dict)


async def measure(place: Place, rounds: int) -> Samples:
    found = Samples()
    (one,) = msgspec.json.decode((await place.get("ports?limit=1"))[1])["ports"]
    asked: Mapping[str, str] = {
        "a fixed document": FIXED,
        "show": f"ports/{one['id']}",
        "list of 1,000": "ports?limit=1000",
        "list of all": "ports",
        "list of all, ids only": "ports?fields=id",
        "list by network": f"ports?network_id={one['network_id']}",
    }
    for _ in range(rounds):
        for name, path in asked.items():
            seconds, body = await place.get(path)
            found.seconds.setdefault(name, []).append(seconds)
            found.size[name] = len(body)
            found.encoding.setdefault(name, []).append(_encode(msgspec.json.decode(body)))
    return found


def _encode(value: object) -> float:
    begin = time.perf_counter()
    msgspec.json.encode(value)
    return time.perf_counter() - begin
