"""Where answers go, in a kernel: frames between a container's link and the switch's, as the agent joins them.

box: c ══ h ──redirect── s ══ t :switch          learn on h, turn on s
"""

import ipaddress
import itertools
import os
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealane.host import answers, link, netns, tc
from sealane.host.netlink import Socket

HOST, ROUTER, GUEST = "0e:00:00:00:00:01", "0a:00:00:00:00:02", "02:00:00:00:00:03"
CLIENTS = {4: "203.0.113.7", 6: "2001:db8::7"}
OWN = {4: "10.0.0.2", 6: "fd00::2"}
TCP, UDP, ICMP = 6, 17, 1
DEADLINE = 60.0

_marks = itertools.count(1)


class Joint:
    """Both links, within a namespace of their own."""

    def __init__(self, directory: Path) -> None:
        self.here, box, switch = (directory / name for name in ("here", "box", "switch"))
        for path in (self.here, box, switch):
            netns.create(path)
        self.socket = netns.inside(self.here, Socket)
        for name, peer, far in (("h", "c", box), ("s", "t", switch)):
            descriptor = netns.open_namespace(far)
            ends = link.End(name, 1500), link.End(peer, 1500, namespace=descriptor)
            link.add_pair(self.socket, *ends, "sealane:test", up=True)
            os.close(descriptor)
            netns.inside(far, lambda peer=peer: _up(peer))  # type: ignore[misc]
        self.h, self.s = self._index("h"), self._index("s")
        tc.redirect(self.socket, self.h, self.s)
        tc.redirect(self.socket, self.s, self.h)
        self.guest = netns.inside(box, lambda: _packets("c"))
        self.switch = netns.inside(switch, lambda: _packets("t"))

    def ensure(self) -> None:
        answers.ensure(self.socket, self.h, self.s, HOST, outward=True)

    def found(self) -> str | None:
        return answers.find(self.socket, self.h, self.s, outward=True)

    def _index(self, name: str) -> int:
        found = link.index(self.socket, name)
        assert found is not None
        return found

    def asks(self, mac: str, packet: bytes) -> None:
        """Somebody's packet reaches the container."""
        _sent(self.switch, self.guest, GUEST, mac, packet)

    def answered(self, packet: bytes) -> str:
        """To whom the container's packet goes, that it sends to the router."""
        return _sent(self.guest, self.switch, ROUTER, GUEST, packet)


def _up(name: str) -> None:
    with Socket() as own:
        index = link.index(own, name)
        assert index is not None
        link.set_up(own, index, silent=True)


def _packets(name: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    made.bind((name, 0))
    made.settimeout(1)
    return made


def _sent(source: socket.socket, sink: socket.socket, target: str, sender: str, packet: bytes) -> str:
    """The destination with which it arrives."""
    mark = b"mark %08d" % next(_marks)
    kind = 0x0800 if packet[0] >> 4 == 4 else 0x86DD
    head = link.mac_bytes(target) + link.mac_bytes(sender) + struct.pack("!H", kind)
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        source.send(head + packet + mark)
        try:
            while not (heard := sink.recv(2000)).endswith(mark):
                pass
        except TimeoutError:
            continue
        return ":".join(f"{byte:02x}" for byte in heard[:6])
    raise AssertionError("no frame arrived")


def packet(version: int, protocol: int, *, inward: bool, port: int = 40000, fragment: int = 0) -> bytes:
    """Between the client's `port` and the container's 80; `fragment`: its place, in units of 8 bytes."""
    who, whom = CLIENTS[version], OWN[version]
    ports = struct.pack("!HH", port, 80) if inward else struct.pack("!HH", 80, port)
    behind = ports + bytes(16)
    pair = [ipaddress.ip_address(a).packed for a in ((who, whom) if inward else (whom, who))]
    if version == 4:
        sizes = 20 + len(behind) + 13, 7, fragment
        return struct.pack("!BBHHHBBH", 0x45, 0, *sizes, 64, protocol, 0) + b"".join(pair) + behind
    if fragment:
        behind = struct.pack("!BBHI", protocol, 0, fragment << 3, 7) + behind
    head = struct.pack("!IHBB", 6 << 28, len(behind) + 13, 44 if fragment else protocol, 64)
    return head + b"".join(pair) + behind


@pytest.fixture
def joint(tmp_path: Path) -> Iterator[Joint]:
    made = Joint(tmp_path)
    yield made
    for name in ("here", "box", "switch"):
        netns.remove(tmp_path / name)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_the_last_question_decides(joint: Joint, version: int, protocol: int) -> None:
    """Whoever asked by the host is answered by the host; all else goes where the container sends it."""
    joint.ensure()
    question = packet(version, protocol, inward=True)
    answer = packet(version, protocol, inward=False)
    assert joint.answered(answer) == ROUTER
    joint.asks(HOST, question)
    assert joint.answered(answer) == HOST
    for other in (packet(version, protocol, inward=False, port=40001), packet(version, ICMP, inward=False)):
        assert joint.answered(other) == ROUTER
    joint.asks(ROUTER, packet(version, protocol, inward=True, port=40001))
    assert joint.answered(answer) == HOST, "another flow's"
    joint.asks(ROUTER, question)
    assert joint.answered(answer) == ROUTER
    joint.asks(HOST, question)
    assert joint.answered(answer) == HOST


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_go_with_the_first(joint: Joint, version: int) -> None:
    joint.ensure()
    later = packet(version, UDP, inward=False, fragment=185)
    assert joint.answered(later) == ROUTER
    joint.asks(HOST, packet(version, UDP, inward=True))
    assert joint.answered(later) == HOST
    assert joint.answered(packet(version, TCP, inward=False, fragment=185)) == ROUTER


def test_what_is_short_or_of_another_kind_passes(joint: Joint) -> None:
    joint.ensure()
    whole = packet(4, TCP, inward=False)
    odd = [bytes([0x4F]) + whole[1:], bytes([0x45]), bytes([0x60]), packet(6, 44, inward=False)[:44]]
    assert [joint.answered(one) for one in odd] == [ROUTER] * len(odd)


def test_it_is_found_replaced_and_removed(joint: Joint) -> None:
    """Half of it is told from all of it, and from nothing."""
    assert joint.found() is None
    joint.ensure()
    assert joint.found() == HOST
    joint.ensure()
    joint.asks(HOST, packet(4, TCP, inward=True))
    assert joint.answered(packet(4, TCP, inward=False)) == HOST
    answers.remove(joint.socket, joint.h, joint.h, outward=True)
    assert joint.found() == ""
    answers.remove(joint.socket, joint.h, joint.s, outward=True)
    assert joint.found() is None
    assert joint.answered(packet(4, TCP, inward=False)) == ROUTER
