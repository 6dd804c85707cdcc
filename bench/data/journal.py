"""Visits, each written as soon as it was made: a run that is ended has lost nothing, and can go on."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.data.goals import Cell
from bench.data.plan import Settings, Step


@dataclass(frozen=True)
class Visit:
    """Of an arm, for one cell. `values` by name: bits/s or operations/s, quantiles in s, CPU s per GB."""

    block: int
    arm: str
    cell: Cell
    values: dict[str, float] = field(default_factory=dict)
    stolen: float = 0.0
    """Share of the machine's time that its own host kept for itself."""
    sent: int = 0
    """Packets that containers sent meanwhile, where the fast path is counted."""
    fast: int = 0
    """How many of them were fast."""
    error: str = ""
    """Why there are no values."""

    @property
    def step(self) -> Step:
        return Step(self.block, self.arm, self.cell)


class Journal:
    """A file of lines: first the settings, then what is absent, and the visits."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, settings: Settings) -> None:
        """Raises FileExistsError when a run has begun there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("x") as file:
            file.write(json.dumps({"settings": asdict(settings)}) + "\n")

    def resume(self) -> Settings:
        """Its settings; a line that was cut off when the run was killed is ended. Raises RuntimeError."""
        settings = self.settings()
        if not self.path.read_bytes().endswith(b"\n"):
            with self.path.open("a") as file:
                file.write("\n")
        return settings

    def settings(self) -> Settings:
        """Of the run that has begun there. Raises RuntimeError when there is none."""
        for line in self._lines():
            if found := line.get("settings"):
                return Settings(
                    **{
                        **found,
                        "arms": tuple(found["arms"]),
                        "cells": tuple((what, flows) for what, flows in found["cells"]),
                    }
                )
        raise RuntimeError(f"{self.path} is no journal of this benchmark: it has no settings")

    def write(self, visit: Visit) -> None:
        self._append({"visit": asdict(visit)})

    def write_absent(self, arm: str, reason: str) -> None:
        self._append({"absent": arm, "reason": reason})

    def visits(self) -> list[Visit]:
        found = (line["visit"] for line in self._lines() if "visit" in line)
        return [Visit(**{**visit, "cell": (visit["cell"][0], visit["cell"][1])}) for visit in found]

    def absent(self) -> dict[str, str]:
        """Why an arm could not be had, by arm; not of those that could when the run went on."""
        measured = {visit.arm for visit in self.visits()}
        rows = (line for line in self._lines() if "absent" in line)
        return {line["absent"]: line["reason"] for line in rows if line["absent"] not in measured}

    def _append(self, line: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def _lines(self) -> Iterator[dict[str, Any]]:
        """All that are whole. Raises RuntimeError."""
        try:
            text = self.path.read_text()
        except OSError as exc:
            raise RuntimeError(f"{self.path} can't be read: {exc.strerror}") from exc
        for line in text.splitlines():
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found
