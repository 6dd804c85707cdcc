"""`make up`, again, and `make down` on a host that runs nothing: two containers ping, no trace is left."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealane.lab.lab import Lab
from tests import labs

ROOT = Path(__file__).resolve().parents[2]
UP, DOWN = (str(ROOT / "scripts" / name) for name in ("up", "down"))
PYTHON = sys.executable
LINKS = "/usr/local/bin"


@pytest.fixture
def bare() -> Iterator[Lab]:
    """A host of a lab after `sealane down`; a private copy of /usr/local/bin takes the command's link."""
    lab = Lab(labs.name("make"), hosts=1)
    lab.down()
    with lab:
        lab.exec("host1", "sealane", "down")
        lab.exec("host1", "mount", "-t", "tmpfs", "tmpfs", LINKS)
        yield lab


def traces(lab: Lab) -> dict[str, list[str]]:
    """All of the host that could be other than it was."""

    def lines(*argv: str) -> list[str]:
        return lab.exec("host1", *argv).stdout.splitlines()

    links = json.loads(lab.exec("host1", "ip", "-j", "link").stdout)
    mounts = [line.split() for line in lines("cat", "/proc/1/mounts")]
    return {
        "links": sorted(f"{link['ifname']} {link.get('ifalias', '')}" for link in links),
        "namespaces": sorted(m[1] for m in mounts if m[2] == "nsfs"),
        "mounts": sorted(f"{m[0]} {m[1]}" for m in mounts),
        "addresses": lines("ip", "-br", "address"),
        "routes": lines("ip", "route", "show", "table", "all"),
        "iptables": [row for t in ("filter", "nat") for row in lines("iptables", "-t", t, "-S")],
        "ip6tables": [row for t in ("filter", "nat") for row in lines("ip6tables", "-t", t, "-S")],
        "tables": sorted(lines("nft", "list", "tables")),
        "processes": sorted(p for p in lines("ps", "-eo", "comm") if p not in ("ps", "COMMAND")),
        "run": sorted(lines("find", "/run", "-mindepth", "1", "-maxdepth", "2")),
        "command": lines("ls", LINKS),
        "forwarding": lines("cat", "/proc/sys/net/ipv4/ip_forward"),
    }


def test_up_twice_then_down_leaves_no_trace(bare: Lab) -> None:
    before = traces(bare)
    first = bare.exec("host1", PYTHON, UP, timeout=240).stdout
    assert "3 packets transmitted, 3 packets received" in first
    assert bare.exec("host1", f"{LINKS}/sealane", "status").returncode == 0
    second = bare.exec("host1", PYTHON, UP, timeout=240).stdout
    assert "Sealane runs already" in second
    assert "3 packets transmitted, 3 packets received" in second
    bare.exec("host1", DOWN, timeout=240)
    assert traces(bare) == before
    bare.exec("host1", DOWN, timeout=240)
    assert traces(bare) == before
    assert "3 packets transmitted, 3 packets received" in bare.exec("host1", PYTHON, UP, timeout=240).stdout
