"""Two hosts on an underlay, userspace datapath, real OVN: packets arrive, whole and unbroken."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.netns.hosts import DEADLINE, Host, Space, attach, underlay, until
from tests.netns.traces import processes, snapshot
from tests.netns.traffic import checksum_errors, ping, transfer

PARTS = tuple(word for name in ("store", "translator", "api", "agent") for word in ("--without", name))
"""What OVN itself needs is left; the rest has tests of its own."""

MACS = ("02:42:0a:00:00:01", "02:42:0a:00:00:02")


@dataclass
class Pair:
    hosts: tuple[Host, Host]
    containers: tuple[Space, Space]


@pytest.fixture(scope="module", params=(4, 6), ids=("ipv4", "ipv6"))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    base = tmp_path_factory.mktemp("pair")
    first = Host("first", base / "1", SEALANE_DATAPATH="userspace")
    remote = f"unix:{base}/1/run/ovn/ovnsb_db.sock"
    second = Host("second", base / "2", SEALANE_DATAPATH="userspace", SEALANE_OVN_REMOTE=remote)
    fabric = underlay(first, second, family=request.param)
    mtu = 1500 - {4: 58, 6: 78}[request.param]
    first.start("up", *PARTS)
    second.start("node", "--without", "agent")
    first.nbctl("ls-add", "net")
    for name, mac, number in (("p1", MACS[0], 1), ("p2", MACS[1], 2)):
        first.nbctl("lsp-add", "net", name, "--", "lsp-set-addresses", name, f"{mac} 10.0.0.{number}")
    containers = (
        attach(first, "p1", "10.0.0.1/24", MACS[0], mtu),
        attach(second, "p2", "10.0.0.2/24", MACS[1], mtu),
    )
    first.nbctl("--wait=hv", "sync")
    yield Pair((first, second), containers)
    for host in (second, first):
        host.stop()
    for space in (*containers, first, second, fabric):
        space.close()


def test_ping_both_ways_with_full_packets(pair: Pair) -> None:
    mtu = json.loads((pair.hosts[0].run_dir / "datapath.json").read_text())["mtu"]
    for container, address in zip(pair.containers, ("10.0.0.2", "10.0.0.1"), strict=True):
        until(lambda c=container, a=address: ping(c, a), f"ping {address}")  # type: ignore[misc]
        assert ping(container, "-s", str(mtu - 28), address)


@pytest.mark.parametrize("direction", (0, 1), ids=("there", "back"))
def test_bulk_transfer_with_all_offloads_on(pair: Pair, direction: int) -> None:
    source, target = pair.containers[direction], pair.containers[1 - direction]
    assert "tx-checksumming: on" in source.run("ethtool", "-k", "eth0")
    assert "tcp-segmentation-offload: on" in source.run("ethtool", "-k", "eth0")
    transfer(source, target, f"10.0.0.{2 - direction}")
    assert checksum_errors(source) == checksum_errors(target) == 0


def test_the_switch_is_silent_on_containers_ports(pair: Pair) -> None:
    """Its kernel would answer for its own addresses and look for IPv6 routers."""
    container = pair.containers[0]
    container.run("ip", "route", "replace", "169.254.77.0/30", "dev", "eth0")
    assert not ping(container, "169.254.77.2")
    sent = json.loads(pair.hosts[0].run("ip", "-j", "-s", "link", "show", "slsp1"))[0]["stats64"]["rx"][
        "packets"
    ]
    assert int(sent) < 1 << 20


@pytest.mark.parametrize(
    "name", ("ovs-vswitchd", "ovn-controller", "ovs-db", "ovn-northd", "ovn-sb", "ovn-nb")
)
def test_traffic_comes_back_after_sigkill(pair: Pair, name: str) -> None:
    host = pair.hosts[0]
    before = host.children()[name]
    os.kill(int(str(before["pid"])), signal.SIGKILL)
    until(lambda: host.children()[name]["pid"] not in (before["pid"], None), f"{name} is back")
    until(host.all_ready, f"{name} is ready")
    until(lambda: ping(pair.containers[0], "10.0.0.2"), "ping")
    assert host.children()[name]["last_exit"] == "killed by SIGKILL"


def test_restart_by_command_keeps_the_chassis(pair: Pair) -> None:
    host = pair.hosts[0]
    remote = f"--db=unix:{host.run_dir}/ovn/ovnsb_db.sock"
    find = ("ovn-sbctl", remote, "--bare", "--columns=_uuid", "find", "Chassis", "name=first")
    chassis, pid = host.run(*find), host.children()["ovn-controller"]["pid"]
    assert host.ask(command="restart", name="ovn-controller") == {"ok": True}
    until(lambda: host.children()["ovn-controller"]["pid"] not in (pid, None), "it is another process")
    until(host.all_ready, "ready")
    assert host.run(*find) == chassis
    until(lambda: ping(pair.containers[0], "10.0.0.2"), "ping")


@pytest.fixture
def host(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Host]:
    host = Host("alone", tmp_path, SEALANE_DATAPATH="userspace")
    fabric = underlay(host, family=getattr(request, "param", 4))
    yield host
    if host.tree:
        host.tree.kill()
        host.tree.wait()
    for space in (host, fabric):
        space.close()


@pytest.mark.parametrize("host", (4, 6), ids=("ipv4", "ipv6"), indirect=True)
@pytest.mark.parametrize("how", ("down", "sigkill"))
def test_down_leaves_no_trace(host: Host, how: str) -> None:
    before = snapshot(host)
    host.start("up", *PARTS)
    assert snapshot(host) != before
    if how == "sigkill":
        host.kill_supervisor()
    host.down()
    after = snapshot(host)
    for kind, there in before.items():
        assert after[kind] == there
    assert processes(host.directory) == []
    assert not host.run_dir.exists() and (host.directory / "state" / "ovs" / "conf.db").exists()
    host.down()


def test_a_second_start_is_refused_and_start_after_sigkill_works(host: Host) -> None:
    host.start("up", *PARTS)
    assert host.engine("up", *PARTS).wait(DEADLINE) == 1
    assert host.all_ready()
    host.kill_supervisor()
    host.start("up", *PARTS)
    assert all(child["restarts"] == 0 for child in host.children().values())
