"""Host to host: the bare underlay, Sealane and Swarm's overlay, between a container on each of two hosts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench import path
from bench.engine import Engine
from bench.stats import abba
from sealane.lab.lab import Lab

KINDS = ("underlay", "sealane", "overlay")


@dataclass(frozen=True)
class Place:
    """Where the client is, where the server is, and the server's address."""

    client: Sequence[str]
    server: Sequence[str]
    address: str


@dataclass
class Samples:
    figures: dict[str, list[path.Figures]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


def measure(lab: Lab, engines: Sequence[Engine], rounds: int, absent: dict[str, str]) -> Samples:
    """Alternating ABBA. `absent`: kinds whose network could not be made."""
    result = Samples(absent={kind: why for kind, why in absent.items() if kind in KINDS})
    places: dict[str, Place] = {}
    for kind in KINDS:
        try:
            if kind not in result.absent:
                places[kind] = _place(lab, engines, kind)
                path.measure(places[kind].server, places[kind].client, places[kind].address)
        except RuntimeError as exc:
            result.absent[kind] = str(exc)
            places.pop(kind, None)
    for kind in abba(tuple(places), rounds):
        place = places[kind]
        figures = path.measure(place.server, place.client, place.address)
        result.figures.setdefault(kind, []).append(figures)
    return result


def _place(lab: Lab, engines: Sequence[Engine], kind: str) -> Place:
    near, far = engines
    if kind == "underlay":
        return Place(lab.command(near.host, []), lab.command(far.host, []), far.address)
    if kind != "overlay":  # Swarm asks its manager when a container is started
        far.wait_for(kind)
    (_, client), (address, server) = near.start(kind), far.start(kind)
    return Place(client, server, address)
