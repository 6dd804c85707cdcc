"""`make up` and `make down` in a host of a lab, which stands for a machine: what they show and leave."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealane.lab.lab import Lab

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"
NAME = "test-up"


@pytest.fixture(scope="module")
def machine() -> Iterator[Lab]:
    """A host on which nothing of Sealane runs, with a /usr/local/bin of its own."""
    lab = Lab(NAME, hosts=1)
    lab.down()  # of a run that was killed
    with lab:
        lab.exec("host1", "sealane", "down", "--purge")
        lab.exec("host1", "rm", "-r", "/etc/sealane")
        lab.exec("host1", "mount", "-t", "tmpfs", "tmpfs", "/usr/local/bin")
        yield lab


def out(lab: Lab, *argv: str, timeout: float = 200) -> str:
    return lab.exec("host1", *argv, timeout=timeout).stdout


def processes(lab: Lab) -> list[str]:
    """Commands of all processes of the host but those of this question."""
    lines = out(lab, "ps", "-e", "-o", "comm=").splitlines()
    return sorted(line for line in lines if line not in ("ps", "nsenter", "env"))


def trace(lab: Lab) -> dict[str, object]:
    """All that could be left behind."""
    links = json.loads(out(lab, "ip", "-j", "link"))
    mounts = [line.split()[4] for line in out(lab, "cat", "/proc/self/mountinfo").splitlines()]
    return {
        "links": sorted(f"{link['ifname']} {link.get('ifalias', '')}" for link in links),
        "addresses": out(lab, "ip", "-br", "address").splitlines(),
        "routes": out(lab, "ip", "route", "show", "table", "all").splitlines(),
        "rules": out(lab, "ip", "rule").splitlines(),
        "mounts": sorted(mounts),
        "nft": out(lab, "nft", "list", "tables"),
        "filter": out(lab, "iptables", "-S") + out(lab, "iptables", "-t", "nat", "-S"),
        "filter6": out(lab, "ip6tables", "-S") + out(lab, "ip6tables", "-t", "nat", "-S"),
        "forwarding": out(lab, "sysctl", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"),
        "processes": processes(lab),
        "run": sorted(
            out(lab, "find", "/run", "-path", f"/run/sealane/lab-{NAME}", "-prune", "-o", "-print").split()
        ),
        "commands": out(lab, "ls", "/usr/local/bin"),
    }


def test_up_shows_two_containers_and_down_leaves_nothing(machine: Lab):
    before = trace(machine)
    shown = out(machine, str(PYTHON), str(ROOT / "scripts" / "up"))
    assert "3 packets received" in shown
    assert out(machine, "/usr/local/bin/sealane", "status")
    assert trace(machine) != before

    again = out(machine, str(PYTHON), str(ROOT / "scripts" / "up"))
    assert "runs already" in again
    assert "3 packets received" in again

    out(machine, str(ROOT / "scripts" / "down"))
    after = trace(machine)
    for kind, there in before.items():
        assert after[kind] == there, kind


def test_down_twice_and_up_again_finds_what_it_had(machine: Lab):
    out(machine, str(ROOT / "scripts" / "down"))
    assert "3 packets received" in out(machine, str(PYTHON), str(ROOT / "scripts" / "up"))
    out(machine, str(ROOT / "scripts" / "down"))
