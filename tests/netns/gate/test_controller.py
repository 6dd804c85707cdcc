"""ovn-controller as it is, at the southbound database by way of the gate, and another that plays it."""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.daemons import PATIENCE, until
from tests.gate.place import Member, Place
from tests.netns.gate.controller import Controller


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="slg") as name, Place(Path(name)) as running:
        running.keep_open()
        running.central.nbctl("ls-add", "blue")
        yield running


@pytest.fixture(scope="module")
def member(place: Place) -> Iterator[Member]:
    yield place.join("host2", "192.0.2.2")


@pytest.fixture(scope="module")
def host(member: Member) -> Iterator[Controller]:
    with Controller(member, member.place.directory / "h2") as running:
        until(running.is_connected, "ovn-controller is connected through the gate")
        yield running


SNOOPING = (
    ("mcast_snoop", "true"),
    ("mcast_querier", "true"),
    ("mcast_eth_src", "12\\:00\\:00\\:00\\:00\\:01"),
    ("mcast_ip4_src", "0.0.0.0"),
)
JOIN, LEAVE = 0x16, 0x17
"""Of IGMPv2 (RFC 2236 2.1)."""


def add_port(
    place: Place, name: str, host: str, number: int, address: str = "", switch: str = "blue"
) -> None:
    nb = place.central.nbctl
    nb("--may-exist", "lsp-add", switch, name)
    nb("lsp-set-addresses", name, address or f"0a:00:00:00:00:{number:02x} 10.0.0.{number}")
    nb("lsp-set-options", name, f"requested-chassis={host}")


def chassis_of(place: Place, port: str) -> str:
    """Name of the chassis that has it; "" for none."""
    uuid = place.central.sbctl("--bare", "--columns=chassis", "find", "Port_Binding", f"logical_port={port}")
    return place.central.sbctl("--bare", "get", "Chassis", uuid, "name").strip('"') if uuid else ""


def is_up(place: Place, port: str) -> bool:
    return place.central.sbctl("get", "Port_Binding", port, "up") == "true"


def has_chassis(place: Place, name: str) -> bool:
    return bool(place.central.sbctl("--bare", "find", "Chassis", f"name={name}"))


def synced(place: Place, patience: int = 30) -> None:
    """Every chassis has applied all that the northbound database holds (ovn-nbctl(8), --wait=hv)."""
    place.central.nbctl(f"--timeout={patience}", "--wait=hv", "sync")


def test_all_that_it_does_passes(place: Place, host: Controller) -> None:
    add_port(place, "p1", "host2", 1)
    host.plug("p1")
    until(lambda: chassis_of(place, "p1") == "host2" and is_up(place, "p1"), "p1 is bound and up")
    encap = place.central.sbctl("--bare", "--columns=ip", "find", "Encap", "chassis_name=host2")
    assert encap == "192.0.2.2"
    synced(place)
    assert place.status()["refused_requests"] == {}


def test_ports_of_nobody_stay_alone(place: Place, host: Controller) -> None:
    add_port(place, "p2", "(unbound)", 2)
    host.plug("p2")
    synced(place)
    assert chassis_of(place, "p2") == ""
    add_port(place, "p2", "host2", 2)
    until(lambda: is_up(place, "p2"), "its host is known now")


def test_a_port_moves_away_and_comes_back(place: Place, host: Controller) -> None:
    add_port(place, "p3", "host2", 3)
    host.plug("p3")
    until(lambda: is_up(place, "p3"), "p3 is up")
    add_port(place, "p3", "host9", 3)
    until(lambda: chassis_of(place, "p3") == "", "let go")
    add_port(place, "p3", "host2", 3)
    until(lambda: is_up(place, "p3"), "and bound again")
    assert place.status()["refused_requests"] == {}


def test_the_tunnel_s_address_follows_the_store(place: Place, member: Member, host: Controller) -> None:
    def encap() -> str:
        return place.central.sbctl("--bare", "--columns=ip", "find", "Encap", "chassis_name=host2")

    member.change(address="192.0.2.22")
    host.vsctl("set", "Open_vSwitch", ".", "external_ids:ovn-encap-ip=192.0.2.22")
    until(lambda: encap() == "192.0.2.22", "the tunnel has its new end")
    member.change(address="192.0.2.2")
    host.vsctl("set", "Open_vSwitch", ".", "external_ids:ovn-encap-ip=192.0.2.2")
    until(lambda: encap() == "192.0.2.2", "and the old one again")


def test_the_gate_is_killed_and_flows_stay(place: Place, host: Controller) -> None:
    add_port(place, "p4", "host2", 4)
    host.plug("p4")
    until(lambda: is_up(place, "p4"), "p4 is up")
    synced(place)
    before = host.flows()
    assert place.gate is not None and len(before) > 20
    os.kill(place.gate.pid, signal.SIGKILL)
    place.gate.wait(PATIENCE)
    until(lambda: not host.is_connected(), "ovn-controller has noticed")
    assert host.flows() == before
    place.start_gate()
    until(host.is_connected, "connected again")
    synced(place)
    assert host.flows() == before
    add_port(place, "p5", "host2", 5)
    host.plug("p5")
    until(lambda: is_up(place, "p5"), "and it works")


def test_killed_and_started_it_keeps_its_ports(place: Place, host: Controller) -> None:
    host.kill()
    host.start()
    until(host.is_connected, "connected again")
    synced(place)
    assert chassis_of(place, "p4") == "host2" and is_up(place, "p4")
    host.leave("--restart")
    assert has_chassis(place, "host2")
    host.start()
    until(host.is_connected, "and again")


def test_what_a_router_hears_is_learnt(place: Place, host: Controller) -> None:
    """By the host of the machine that was heard."""
    nb = place.central.nbctl
    nb("lr-add", "r1", "--", "lrp-add", "r1", "rp1", "0a:00:00:00:01:01", "10.0.0.254/24")
    nb("lsp-add", "blue", "to-r1", "--", "lsp-set-type", "to-r1", "router")
    nb("lsp-set-addresses", "to-r1", "router", "--", "lsp-set-options", "to-r1", "router-port=rp1")
    add_port(place, "p6", "host2", 6, address="0a:00:00:00:00:06 unknown")
    host.plug("p6")
    until(lambda: is_up(place, "p6"), "p6 is up")
    synced(place)
    host.inject("p6", announcement("0a:00:00:00:00:06", "10.0.0.66"))
    until(lambda: "10.0.0.66" in place.central.sbctl("list", "MAC_Binding"), "it has been learnt")
    nb("lr-del", "r1", "--", "lsp-del", "to-r1")


def test_what_its_machines_listen_to_is_told(place: Place, host: Controller) -> None:
    """Also of a port that every host has, and that one has left."""
    nb, sb = place.central.nbctl, place.central.sbctl
    nb(
        "ls-add",
        "stage",
        "--",
        "set",
        "Logical_Switch",
        "stage",
        *(f"other_config:{k}={v}" for k, v in SNOOPING),
    )
    add_port(place, "p9", "host2", 9, switch="stage")
    nb("lsp-add", "stage", "own", "--", "lsp-set-type", "own", "localport")
    nb("lsp-set-addresses", "own", "0a:00:00:00:00:fe 10.0.0.254")
    for port in ("p9", "own"):
        host.plug(port)
    until(lambda: is_up(place, "p9"), "p9 is up")
    synced(place)

    def members(group: str) -> set[str]:
        ports = sb("--bare", "--columns=ports", "find", "IGMP_Group", f'address="{group}"').split()
        return {sb("get", "Port_Binding", port, "logical_port").strip('"') for port in ports}

    def routers_known() -> bool:
        return "mrouters" in sb("--bare", "--columns=address", "list", "IGMP_Group")

    for port, number in (("p9", 9), ("own", 254)):
        host.inject(port, report(number, "239.1.2.3"))
    until(lambda: members("239.1.2.3") == {"p9", "own"}, "both listen")
    host.inject("p9", report(9, "239.1.2.3", kind=LEAVE))
    until(lambda: members("239.1.2.3") == {"own"}, "one has left")
    until(routers_known, "its row of routers is there, though it has none")
    assert place.status()["refused_requests"] == {}
    nb("ls-del", "stage")
    until(lambda: not sb("--bare", "list", "IGMP_Group"), "nothing is left of it")


def test_refused_requests_hold_up_nothing_else(place: Place, host: Controller) -> None:
    """Nodes may not say who has an address that wanders: no port of ours is of that type."""
    nb = place.central.nbctl
    add_port(place, "p8", "host2", 8)
    nb("lsp-add", "blue", "vip", "--", "lsp-set-type", "vip", "virtual")
    nb("lsp-set-options", "vip", "virtual-ip=10.0.0.77", "virtual-parents=p8")
    host.plug("p8")
    until(lambda: is_up(place, "p8"), "p8 is up")
    synced(place)
    host.inject("p8", announcement("0a:00:00:00:00:08", "10.0.0.77"))
    until(lambda: "virtual_parent" in place.log(), "ovn-controller has tried to tell of it")
    add_port(place, "p7", "host2", 7)
    host.plug("p7")
    until(lambda: is_up(place, "p7"), "and goes on working")
    synced(place)
    nb("lsp-del", "vip")


def announcement(mac: str, source: str) -> bytes:
    """A gratuitous ARP request (RFC 826, RFC 5227)."""
    own = bytes.fromhex(mac.replace(":", ""))
    head = b"\xff" * 6 + own + b"\x08\x06" + bytes.fromhex("0001080006040001")
    return head + own + address(source) + b"\x00" * 6 + address(source)


def report(number: int, group: str, kind: int = JOIN) -> bytes:
    """By the machine 10.0.0.number that it listens, or does not any more (RFC 2236)."""
    body = checked(bytes([kind, 0, 0, 0]) + address(group), 2)
    head = bytes.fromhex("46c0002000000000010200000a0000") + bytes([number]) + address(group)
    packet = checked(head[:10] + b"\0\0" + head[12:] + bytes.fromhex("94040000"), 10) + body
    station = bytes.fromhex("01005e") + bytes([address(group)[1] & 0x7F]) + address(group)[2:]
    return station + bytes.fromhex(f"0a00000000{number:02x}0800") + packet


def checked(data: bytes, place: int) -> bytes:
    """With the checksum of RFC 1071 where there are zeros."""
    total = sum(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
    total = (total & 0xFFFF) + (total >> 16)
    return data[:place] + (0xFFFF - total).to_bytes(2, "big") + data[place + 2 :]


def address(text: str) -> bytes:
    return bytes(int(part) for part in text.split("."))


@pytest.fixture
def thief(place: Place) -> Iterator[Member]:
    joined = place.join("host3", "192.0.2.3")
    yield joined
    with suppress(KeyError):  # the test has removed it
        joined.remove()


def test_another_node_can_t_take_a_port(place: Place, host: Controller, thief: Member) -> None:
    """Its ovn-controller is told that it is host3, and finds a link with the id of host2's port."""
    with Controller(thief, place.directory / "h3") as other:
        until(other.is_connected, "the thief is a node like others")
        other.plug("p4")
        synced(place)
        assert chassis_of(place, "p4") == "host2" and is_up(place, "p4")


def test_another_node_can_t_pose_as_this_one(place: Place, host: Controller, thief: Member) -> None:
    """Its ovn-controller says that it is host2, from the thief's address, and from host2's own."""

    def refused() -> int:
        return int(place.status()["refused_requests"].get("host3", 0))

    for number, where in enumerate(("192.0.2.3", "192.0.2.2")):
        before = refused()
        with Controller(thief, place.directory / f"t{number}", name="host2", address=where) as other:
            other.plug("p4")
            until(lambda before=before: refused() > before, "it was refused")  # type: ignore[misc]
            assert other.is_running
            assert chassis_of(place, "p4") == "host2" and is_up(place, "p4")
            found = place.central.sbctl("--bare", "--columns=ip", "find", "Encap", "chassis_name=host2")
            assert found == "192.0.2.2"


def test_a_removed_node_is_out_and_its_chassis_goes(place: Place, thief: Member) -> None:
    with Controller(thief, place.directory / "h3b") as other:
        until(other.is_connected, "it is connected")
        until(lambda: has_chassis(place, "host3"), "it has registered")
        thief.remove()
        until(lambda: not other.is_connected(), "it is thrown out")
        until(
            lambda: not has_chassis(place, "host3"), "its chassis is gone, so others drop their tunnels to it"
        )
        assert other.is_running


def test_a_node_that_is_removed_while_the_gate_is_down_goes_too(place: Place, thief: Member) -> None:
    with Controller(thief, place.directory / "h3c") as other:
        until(lambda: has_chassis(place, "host3"), "it has registered")
        place.kill_gate()
        thief.remove()
        assert has_chassis(place, "host3") and other.is_running
        place.start_gate()
        until(lambda: not has_chassis(place, "host3"), "its chassis is gone")


def test_exit_takes_its_chassis_away(place: Place, host: Controller) -> None:
    host.leave()
    assert not has_chassis(place, "host2")
    assert chassis_of(place, "p4") == ""
