"""From a call of a door to its end and first packet, beside the reference CNI plugin and bare commands."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.door_call import FAR, WAYS
from bench.stats import abba
from sealane.lab.lab import Lab

CALL = Path(__file__).with_name("door_call.py")
HERE, THERE = "host1", "host2"
DEADLINE = 120.0  # seconds for one command in the lab

Samples = dict[str, dict[str, list[float]]]
"""Kind -> "call" or "packet" -> seconds of each run."""


def measure(lab: Lab, rounds: int) -> Samples:
    """Alternating ABBA after one run of each that does not count.  Raises RuntimeError."""
    _prepare(lab)
    kinds: Sequence[str] = list(WAYS)
    for kind in kinds:
        _sample(lab, kind)
    found: Samples = {kind: {"call": [], "packet": []} for kind in kinds}
    for kind in abba(kinds, rounds):
        for what, seconds in _sample(lab, kind).items():
            found[kind][what].append(seconds)
    return found


def _prepare(lab: Lab) -> None:
    """The network with a peer on the other host that may be asked, the plugins, the bridge made by hand."""
    _run(lab, HERE, "sealane", "network", "create", "blue", "--subnet", "10.7.0.0/24")
    _run(lab, THERE, "ip", "netns", "add", "far")
    far = json.loads(
        _run(lab, THERE, "sealane", "attach", "far", "--network", "blue", "--ip", FAR, "-o", "json")
    )
    _run(lab, HERE, "sealane", "security-group", "create", "open")
    _run(lab, HERE, "sealane", "security-group", "rule", "create", "open", "--protocol", "icmp")
    _run(lab, HERE, "sealane", "port", "add", far["port_id"], "--security-group", "open")
    _run(lab, HERE, "sealane", "cni", "install", "blue", "--bin-dir", "/run/cni/bin")
    _run(lab, HERE, "sealane", "podman", "install", "--plugin-dir", "/run/netavark")
    _run(lab, HERE, "ip", "link", "add", "hand0", "up", "type", "bridge")
    _run(lab, HERE, "ip", "address", "add", "10.99.0.1/24", "dev", "hand0")


def _sample(lab: Lab, kind: str) -> dict[str, float]:
    sample: dict[str, float] = json.loads(_run(lab, HERE, sys.executable, str(CALL), kind))
    return sample


def _run(lab: Lab, host: str, *words: str) -> str:
    done = lab.exec(host, *words, check=False, timeout=DEADLINE)
    if done.returncode:
        raise RuntimeError(f"{words}: {done.stderr}{done.stdout}")
    return done.stdout
