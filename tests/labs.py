"""Names of labs for tests: each checkout has its own, so that two runs at once don't meet."""

import os
import zlib
from collections.abc import Mapping

from sealane.lab.lab import Lab
from sealane.lab.plan import Setting

FAST_PATH = os.environ.get("FAST_PATH", "off")
"""Whether hosts of labs have the fast path on while no test says otherwise; see `make test-fast-path`."""


def name(what: str) -> str:
    """The same each time, so that a run finds what a killed one left."""
    return f"{what}-{zlib.crc32(__file__.encode()) & 0xFFFF:04x}"


def settings(further: Mapping[str, Setting] | None = None) -> dict[str, Setting]:
    """Of all hosts of a lab."""
    return {"fastpath": FAST_PATH, **(further or {})}


def rest(lab: Lab, *hosts: str) -> None:
    """Their fast paths are again as when no test says anything."""
    for host in hosts:
        lab.exec(host, "sealane", "fastpath", FAST_PATH)
