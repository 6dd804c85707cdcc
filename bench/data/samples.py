"""From visits to values that can be compared: by arm and figure, one for each block. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.data.goals import FIGURES, Cell
from bench.data.journal import Visit

STOLEN = 0.05
"""Share of the machine's time, stolen by its host, from which a visit does not count."""
Samples = Mapping[str, Mapping[str, Mapping[int, float]]]
"""By arm, figure and block."""


@dataclass(frozen=True)
class Sorted:
    """What became of all visits."""

    samples: Samples
    hits: Mapping[str, Mapping[Cell, float]]
    """Of arms with the fast path: by cell, the share of packets that were fast."""
    retransmits: Mapping[str, Mapping[Cell, float]]
    """Segments sent again, in a visit on average."""
    failed: Mapping[str, Mapping[Cell, list[str]]]
    """Why a visit has no values; each that failed."""
    stolen: int
    """Visits that do not count because the machine was not ours."""


def sort(visits: Iterable[Visit]) -> Sorted:
    """A visit that was made again counts as it was the last time."""
    last = {visit.step: visit for visit in visits}.values()
    failed: dict[str, dict[Cell, list[str]]] = defaultdict(lambda: defaultdict(list))
    ours, stolen = [], 0
    for visit in last:
        if visit.error:
            failed[visit.arm][visit.cell].append(visit.error)
        elif visit.stolen > STOLEN:
            stolen += 1
        else:
            ours.append(visit)
    return Sorted(_samples(ours), _hits(ours), _retransmits(ours), failed, stolen)


def _samples(visits: Iterable[Visit]) -> Samples:
    found: dict[str, dict[str, dict[int, float]]] = {}
    for visit in visits:
        rows = found.setdefault(visit.arm, {})
        for figure in FIGURES:
            if figure.cell == visit.cell:
                rows.setdefault(figure.name, {})[visit.block] = visit.values[figure.value]
    return found


def _hits(visits: Iterable[Visit]) -> dict[str, dict[Cell, float]]:
    packets: dict[str, dict[Cell, tuple[int, int]]] = {}
    for visit in visits:
        if visit.sent:
            rows = packets.setdefault(visit.arm, {})
            sent, fast = rows.get(visit.cell, (0, 0))
            rows[visit.cell] = (sent + visit.sent, fast + visit.fast)
    return {arm: {cell: fast / sent for cell, (sent, fast) in rows.items()} for arm, rows in packets.items()}


def _retransmits(visits: Iterable[Visit]) -> dict[str, dict[Cell, float]]:
    found: dict[str, dict[Cell, list[float]]] = {}
    for visit in visits:
        if "retransmits" in visit.values:
            found.setdefault(visit.arm, {}).setdefault(visit.cell, []).append(visit.values["retransmits"])
    return {
        arm: {cell: sum(values) / len(values) for cell, values in rows.items()} for arm, rows in found.items()
    }
