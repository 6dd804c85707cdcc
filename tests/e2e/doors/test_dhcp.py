"""`sealane attach --dhcp`: the address from a LAN's own server, or from the network's.

outside                                        host1, host2
lan 172.31.100.1, busybox udhcpd ═══ lan0 ═══ br-int ═══ box1 (learned), box2 (given by Sealane)
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.docker.engines import until
from tests.e2e.docker.outside import CIDR, PHYSICAL, WORLD
from tests.e2e.doors.house import House, eventually

Serve = Callable[..., Any]
CONFIG = """
interface {link}
start {first}
end {last}
lease_file {directory}/leases
pidfile {directory}/pid
min_lease 1
opt lease {seconds}
opt subnet 255.255.255.0
opt router 172.31.100.1
opt dns 172.31.100.1
"""
BOTH = {"172.31.100.150/24", "172.31.100.151/24"}
LEARN = ("--physical", PHYSICAL, "--dhcp")


@pytest.fixture(autouse=True)
def lan(house: House, tidy: None) -> Iterator[None]:
    """Sealane itself may give out ten addresses there."""
    house.sealane("network", "create", PHYSICAL, "--physical-network", PHYSICAL, "--no-subnet")
    words = ("--cidr", CIDR, "--gateway", WORLD, "--pool", "172.31.100.10-172.31.100.19", "--no-dhcp")
    house.sealane("subnet", "create", PHYSICAL, "--network", PHYSICAL, *words)
    yield
    House(house.lab, "host2").tidy(keep="far")
    house.tidy()
    house.sealane("network", "delete", PHYSICAL)
    for group in ("callers", "asked"):
        house.exec("sealane", "security-group", "delete", group)


@pytest.fixture
def serving(house: House, tmp_path: Path) -> Serve:
    """busybox's server on the LAN."""

    @contextmanager
    def serve(first: str, last: str, seconds: int = 600) -> Iterator[None]:
        (tmp_path / "leases").touch()
        text = CONFIG.format(link=PHYSICAL, first=first, last=last, seconds=seconds, directory=tmp_path)
        (tmp_path / "conf").write_text(text)
        words = [
            "nsenter",
            f"--net={house.lab.plan.outside}",
            "busybox",
            "udhcpd",
            "-f",
            str(tmp_path / "conf"),
        ]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.kill()

    return serve


def box(house: House, name: str) -> str:
    house.run("ip", "netns", "add", name)
    return name


def test_a_learned_address_is_the_ports_own_for_policy_and_port_security(
    house: House, serving: Serve
) -> None:
    there = House(house.lab, "host2")
    for group in ("callers", "asked"):
        house.sealane("security-group", "create", group)
    house.sealane(
        *("security-group", "rule", "create", "asked", "--protocol", "icmp", "--remote-group", "callers")
    )
    box(house, "box1")
    with serving("172.31.100.150", "172.31.100.151"):
        made = house.json("attach", "box1", *LEARN, "--security-group", "callers")
        (learned,) = made["addresses"]  # the server takes either
        assert learned in BOTH and made["lease"]["server"] == WORLD
        port = house.json("port", "show", made["port_id"])
        assert [f"{ip['ip_address']}/24" for ip in port["fixed_ips"]] == [learned]
        assert port["port_security_enabled"] is True
        assert f"via {WORLD}" in house.sealane("exec", "box1", "--", "ip", "route", "show", "default")
        house.reaches("box1", WORLD)
        far = there.json("attach", box(there, "box1"), *LEARN)  # of a joined node
        assert {*far["addresses"], learned} == BOTH
        there.reaches("box1", WORLD)
    given = house.json("attach", box(house, "box2"), "--physical", PHYSICAL, "--security-group", "asked")
    address = str(given["addresses"][0]).partition("/")[0]
    until(lambda: house.pings("box1", address), what="its group is a caller's")
    assert not there.pings("box1", address), "the other one's is not"
    house.sealane("exec", "box1", "--", "ip", "address", "add", "172.31.100.77/24", "dev", "eth0")
    spoofed = ("sealane", "exec", "box1", "--", "busybox", "ping", "-c1", "-W2", "-I", "172.31.100.77", WORLD)
    assert house.exec(*spoofed).returncode != 0 and house.pings("box1", WORLD)


def test_it_is_prolonged_and_lost_with_its_lease_and_another_comes_with_persist(
    house: House, serving: Serve
) -> None:
    box(house, "box1")
    with serving("172.31.100.150", "172.31.100.150", seconds=8):
        made = house.json("attach", "box1", *LEARN, "--persist")
        assert made["addresses"] == ["172.31.100.150/24"] and made["lease"]["seconds"] == 8
        until(lambda: _lease(house) > made["lease"]["obtained"] + 8, what="it was prolonged twice or more")
        house.kill_agent()
        after = _lease(house)
        until(lambda: _lease(house) > after, what="the agent's successor goes on")
        assert house.pings("box1", WORLD)
    eventually(lambda: not house.attachments(), "the lease has ended, and the attachment with it")
    assert [row["name"] for row in house.json("ps")] == ["box1"], "it is wished for"
    with serving("172.31.100.160", "172.31.100.160"):
        until(
            lambda: [row["addresses"] for row in house.attachments()] == [["172.31.100.160/24"]],
            what="it is there again, with another address",
        )
        house.reaches("box1", WORLD)
        (port,) = house.ports().values()
        assert [ip["ip_address"] for ip in port["fixed_ips"]] == ["172.31.100.160"]


def _lease(house: House) -> float:
    """When the newest was obtained."""
    return max((row["lease"]["obtained"] for row in house.attachments() if row["lease"]), default=0.0)


def test_the_networks_own_server(house: House) -> None:
    made = house.json("attach", box(house, "box1"), "--network", "blue", "--dhcp")
    assert made["lease"] is None and made["addresses"][0].startswith("10.7.0.")
    house.reaches("box1")


def test_what_can_not_be_learned_is_told_and_leaves_nothing(house: House, serving: Serve) -> None:
    box(house, "box1")
    before = house.traces()
    assert "no server on the physical network 'lan'" in house.refused("attach", "box1", *LEARN)
    with serving("172.31.101.150", "172.31.101.150"):
        told = house.refused("attach", "box1", *LEARN)
    assert f"{WORLD} says 172.31.101.150" in told
    with serving("172.31.100.12", "172.31.100.12"):
        port = house.json("port", "create", "--network", PHYSICAL, "--ip", "172.31.100.12")
        assert f"{WORLD} says 172.31.100.12, which can't be had" in house.refused("attach", "box1", *LEARN)
        house.sealane("port", "delete", port["id"])
    for words, told in (
        ((*LEARN, "--ip", "172.31.100.9"), "either --ip or --dhcp"),
        (("--network", "dry", "--dhcp"), "no IPv4 subnet with DHCP"),
        (("--dhcp",), "say on which network"),
    ):
        if "dry" in words:
            house.sealane("network", "create", "dry", "--no-subnet")
        assert told in house.refused("attach", "box1", *words), words
    house.sealane("network", "delete", "dry")
    eventually(lambda: house.traces() == before, "all is as it was")
