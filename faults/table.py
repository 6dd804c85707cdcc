"""What a campaign found, a line a fault; and the same as JSON with every single case."""

import json
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "bench" / "results" / "faults.json"


@dataclass
class Case:
    """What one fault did."""

    fault: str
    point: str
    """The side effect, the call or the moment."""
    calls: int = 1
    """Calls or commands that it struck."""
    reached: bool = True
    refused: str = ""
    """The command or call that was refused, and why; the rest was undone then."""
    hung: str = ""
    wrong: str = ""
    """A success that was none."""
    back: float = 0.0
    """Seconds from the death of the part until it was ready again."""
    slowest: float = 0.0
    """Seconds of the slowest command or call."""
    regained: float = 0.0
    """Seconds from the end of it until all who stay reached each other by name."""
    lost: list[str] = field(default_factory=list)
    """Containers that did not regain their network within 30 s."""
    collected: float = 0.0
    """Seconds from the end of it until nothing was left over."""
    left: list[str] = field(default_factory=list)
    """What was left over after 30 s."""


@dataclass
class Row:
    """All cases of one fault."""

    fault: str
    calls: int
    refused: int
    wrong: int
    hung: int
    lost: int
    left: int
    back: float
    slowest: float
    regained: float
    collected: float

    @property
    def bad(self) -> bool:
        return bool(self.wrong or self.hung or self.lost or self.left)


def rows(cases: Iterable[Case]) -> list[Row]:
    """In the order in which the faults first came."""
    grouped: dict[str, list[Case]] = {}
    for case in cases:
        if case.reached:
            grouped.setdefault(case.fault, []).append(case)
    return [_row(fault, those) for fault, those in grouped.items()]


def _row(fault: str, cases: Sequence[Case]) -> Row:
    return Row(
        fault=fault,
        calls=sum(case.calls for case in cases),
        refused=sum(bool(case.refused) for case in cases),
        wrong=sum(bool(case.wrong) for case in cases),
        hung=sum(bool(case.hung) for case in cases),
        lost=sum(len(case.lost) for case in cases),
        left=sum(len(case.left) for case in cases),
        back=max(case.back for case in cases),
        slowest=max(case.slowest for case in cases),
        regained=max(case.regained for case in cases),
        collected=max(case.collected for case in cases),
    )


HEAD = (
    "fault",
    "calls",
    "lost",
    "left over",
    "wrong",
    "hung",
    "refused",
    "back",
    "slowest",
    "regained",
    "collected",
)


def text(found: Sequence[Row]) -> str:
    """As Markdown; times are the worst of all cases, in seconds."""
    lines = [HEAD, *(_cells(row) for row in found)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(HEAD))]
    shown = [_line(line, widths) for line in lines]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([shown[0], rule, *shown[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    numbers = (row.calls, row.lost, row.left, row.wrong, row.hung, row.refused)
    times = (row.back, row.slowest, row.regained, row.collected)
    return (row.fault, *map(str, numbers), *(f"{seconds:.1f}" for seconds in times))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"


def keep(cases: Sequence[Case], path: Path = RESULTS) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    found = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "kernel": platform.release(),
        "rows": [asdict(row) for row in rows(cases)],
        "cases": [asdict(case) for case in cases],
    }
    path.write_text(json.dumps(found, indent=1) + "\n")
