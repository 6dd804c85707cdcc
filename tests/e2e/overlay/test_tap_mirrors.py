"""Mirrors to an address outside, by GRE and by ERSPAN: counted and taken apart where they arrive."""

import re
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import until
from tests.e2e.overlay.test_fastpath import fast_packets, talk
from tests.e2e.overlay.test_faults import kill
from tests.e2e.overlay.test_taps import ANSWER, ANSWER6, ECHO, ECHO6, PINGS, _icmp, fast, ping

__all__ = ["fast"]
OVS = ("ovs-vsctl", "--db=unix:/run/sealane/ovs/db.sock")
MIRRORS = "taas/tap_mirrors"
COLLECT = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_RAW, 47) as s:
    print("listens", flush=True)
    while True:
        print(s.recv(65535).hex(), flush=True)
"""
Frames = Callable[[], list[tuple[int, bytes]]]


def unpacked(packet: bytes) -> tuple[int, bytes]:
    """The tunnel's number, and the frame (RFC 2784, RFC 2890; ERSPAN type II)."""
    body = packet[(packet[0] & 15) * 4 :]
    flags, kind = struct.unpack("!HH", body[:4])
    if kind == 0x6558:
        assert flags == 0x2000, "a key and nothing else"
        return int.from_bytes(body[4:8], "big"), body[8:]
    assert (flags, kind) == (0x1000, 0x88BE), "a sequence number, and ERSPAN"
    assert body[8] >> 4 == 1, "type II"
    return int.from_bytes(body[10:12], "big") & 0x3FF, body[16:]


@contextmanager
def collecting(lab: Lab) -> Iterator[Frames]:
    """What arrives outside so far: numbers of tunnels, and frames."""
    words = ["nsenter", f"--net={lab.plan.outside}", "python3", "-c", COLLECT]
    with (
        tempfile.NamedTemporaryFile("r") as heard,
        subprocess.Popen(words, stdout=heard.fileno()) as running,
    ):

        def frames() -> list[tuple[int, bytes]]:
            lines = Path(heard.name).read_text().split("\n")[1:-1]
            return [unpacked(bytes.fromhex(line)) for line in lines]

        try:
            until(lambda: "listens" in Path(heard.name).read_text(), "the collector listens")
            yield frames
        finally:
            running.kill()


def counted(frames: Frames) -> dict[tuple[int, int], int]:
    """Echoes and their answers, by the tunnel's number and the type of ICMP."""
    found: dict[tuple[int, int], int] = {}
    for number, frame in frames():
        kind = _icmp(frame)
        if kind in (ECHO, ANSWER, ECHO6, ANSWER6):
            found[number, kind] = found.get((number, kind), 0) + 1
    return found


@pytest.fixture
def mirror(lab: Lab, api: Api, put: Any) -> Iterator[Callable[..., str]]:
    """Makes one that the hosts have applied; to the world outside."""
    made: list[str] = []
    api.wait = 60

    def make(port: str, kind: str, **directions: int) -> str:
        there = {"remote_ip": str(lab.plan.router.ip), "mirror_type": kind, "directions": directions}
        made.append(str(api.create(MIRRORS, {"port_id": port, **there})["id"]))
        assert not api.unapplied, api.unapplied
        return made[-1]

    yield make
    for row in api.list(MIRRORS):
        if row["id"] in made:
            api.delete(MIRRORS, row["id"])


@pytest.mark.parametrize("kind", ["gre", "erspanv1"])
def test_each_packet_arrives_once_by_the_tunnel_of_its_direction(
    lab: Lab, api: Api, put: Any, mirror: Callable[..., str], kind: str
) -> None:
    source, peer, other = put("host1", "ma"), put("host2", "mb"), put("host1", "mc")
    for address in peer.addresses:
        source.soon_reaches(address)
        other.soon_reaches(address)
    made = mirror(source.port_id, kind, IN=201, OUT=202)
    assert api.find(MIRRORS, made)["status"] == "ACTIVE"
    with collecting(lab) as frames:
        for address in peer.addresses:
            ping(other, address)  # is not seen
            ping(source, address)
        wanted = {(202, ECHO): PINGS, (201, ANSWER): PINGS, (202, ECHO6): PINGS, (201, ANSWER6): PINGS}
        until(lambda: sum(counted(frames).values()) >= sum(wanted.values()), "all is seen")
        assert counted(frames) == wanted
        api.delete(MIRRORS, made)
        assert not api.unapplied
        before = len(frames())
        ping(source, peer.addresses[0])
        assert len(frames()) == before, "nothing any more"
    for host in ("host1", "host2"):
        assert "ovn-" + made[-10:] not in lab.exec(host, *OVS, "list-ports", "br-int").stdout


def test_one_direction_of_what_would_be_fast(
    lab: Lab, api: Api, put: Any, fast: None, mirror: Callable[..., str]
) -> None:
    """It is fast until it is mirrored, and then seen whole; also after ovn-controller has died."""
    source, near = put("host1", "ma"), put("host1", "mb")
    source.soon_reaches(near.addresses[0])
    with talk(source, near, "udp", near.addresses[0]) as said, collecting(lab) as frames:
        until(lambda: min(fast_packets(lab, m) for m in (source, near)) >= 5, "it is fast")
        mirror(source.port_id, "gre", OUT=301)

        def numbers() -> set[int]:
            found = (re.search(rb"([0-9]{8})xxxx", frame) for number, frame in frames() if number == 301)
            return {int(one[1]) for one in found if one}

        def last() -> int:
            words = said().rpartition("\n")[0].split()
            return int(words[-1])

        first = last() + 2
        until(lambda: last() > first + 50, "it goes on")
        end = last()
        until(lambda: max(numbers(), default=0) >= end, "the last one is seen")
        told = {int(word) for word in said().split() if first <= int(word) < end}
        assert told <= numbers(), "each of them"
        kill(lab, "host1", "ovn-controller")
        after = last()
        until(lambda: max(numbers()) > after + 20, "copies go on")
