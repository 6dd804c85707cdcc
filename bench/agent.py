"""Where the time goes on Sealane: the histograms that the agent shows at /metrics, before and after."""

import http.client
import socket
from collections.abc import Mapping
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

TIMEOUT = 10.0
FAMILIES = {
    "sealane_agent_driver_call_seconds": "method",
    "sealane_agent_step_seconds": "step",
}
"""Histograms that are read, and the label that tells one line from the other."""

WAITING = ("API: GET sealane",)
"""Long polls for changes: no work is done in them, and nobody waits for them."""

Totals = Mapping[str, tuple[float, float]]
"""What was called or done -> how often, and seconds in all."""


def read(pid: int) -> Totals:
    """Of the host whose process 1 is `pid`."""
    return parse(_get(Path(f"/proc/{pid}/root/run/sealane/agent.sock"), "/metrics"))


def parse(text: str) -> Totals:
    found: dict[str, list[float]] = {}
    for family in text_string_to_metric_families(text):
        label = FAMILIES.get(family.name)
        for sample in family.samples if label else ():
            place = {"_count": 0, "_sum": 1}.get(sample.name.removeprefix(family.name))
            if place is not None:
                found.setdefault(sample.labels[label or ""], [0.0, 0.0])[place] = sample.value
    return {name: (count, seconds) for name, (count, seconds) in found.items() if name not in WAITING}


def spent(before: Totals, after: Totals) -> dict[str, float]:
    """Seconds of what was called in between."""
    found = {}
    for name, (count, seconds) in after.items():
        old_count, old_seconds = before.get(name, (0.0, 0.0))
        if count > old_count:
            found[name] = seconds - old_seconds
    return found


def _get(path: Path, request: str) -> str:
    connection = http.client.HTTPConnection("localhost", timeout=TIMEOUT)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(TIMEOUT)
    try:
        connection.sock.connect(str(path))
        connection.request("GET", request)
        return connection.getresponse().read().decode()
    finally:
        connection.close()
