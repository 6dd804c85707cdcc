"""Answers leave a container by the neighbour from which the question came, whatever its routes say.

    br-int ──> container    learn: packets that the MAC sends: (who, port, whom, port, protocol) -> the MAC
    container ──> br-int    turn:  packets the other way round: their destination becomes that MAC

Two eBPF programs behind clsact qdiscs of the host's links, with one map: nothing of it is in the container.
The last packet from outside decides: one that came from elsewhere (a router) makes the map forget.  What is
forgotten too early, as the map is full or was made anew, is learnt again with the next packet.

A fragment has no ports, but for the first: the others go by the addresses alone, which UDP's are noted for.
Structures: linux/pkt_cls.h (TCA_BPF_*); linux/bpf.h; RFC 791, RFC 8200.
"""

import hashlib
import re
import socket as sockets

from sealane.host import bpf, clsact
from sealane.host.bpf import FRAME, Lines
from sealane.host.link import mac_bytes
from sealane.host.netlink import Socket, text, u32

_PRIORITY = 2  # behind the guard
_FD, _NAME, _FLAGS, _DIRECT = 6, 7, 8, 1

_LOOKUP, _UPDATE, _DELETE, _STORE_BYTES, _LOAD_BYTES = 1, 2, 3, 9, 26
_PASS_ON = -1  # TC_ACT_UNSPEC: to the next filter
_PACKET, _OFFSET, _PROTOCOL = 6, 8, 9
"""Registers: the packet, where its ports are, the number of its protocol."""
_TCP, _UDP, _SCTP, _FRAGMENT = 6, 17, 132, 44

_KEY, _REMOTE, _LOCAL, _REMOTE_PORT, _LOCAL_PORT, _KEY_PROTOCOL = -40, -40, -24, -8, -6, -4
_KEY_SIZE, _VALUE_SIZE, ENTRIES = 40, 8, 16384
_ETHERNET, _SENDER, _ETHERTYPE = -58, -52, -46
_IP, _VALUE = -100, -112
"""Places on the stack; the headers of IP and what is behind it are read to the same one."""


def ensure(socket: Socket, learn: int, turn: int, mac: str, *, outward: bool) -> None:
    """On link `learn`, by which packets reach the container, and on `turn`, which those pass that it
    sends, `outward` or as they arrive there.  Replaces what is there."""
    what = f"leading answers of link {turn}"
    descriptors = [bpf.lru_map(_KEY_SIZE, _VALUE_SIZE, ENTRIES)]
    try:
        for code in (learning(mac), turning()):
            descriptors.append(bpf.classifier(code, descriptors[0]))
        for place, program in zip(_places(learn, turn, outward), descriptors[1:], strict=True):
            options = u32(_FD, program) + text(_NAME, _name(mac)) + u32(_FLAGS, _DIRECT)
            clsact.attach(socket, place, options, what)
    finally:
        bpf.closing(descriptors)


def remove(socket: Socket, learn: int, turn: int, *, outward: bool) -> None:
    for place in _places(learn, turn, outward):
        clsact.detach(socket, place, f"leaving link {place.index}")


def find(socket: Socket, learn: int, turn: int, *, outward: bool) -> str | None:
    """The MAC; None: nothing of it is there; "": not all of it, or not as it is made today."""
    named = [_name_at(socket, place) for place in _places(learn, turn, outward)]
    if not any(named):
        return None
    match = _NAMED.match(named[0])
    return match[1] if match and named[0] == named[1] == _name(match[1]) else ""


def learning(mac: str) -> Lines:
    first, second = bpf.words(mac_bytes(mac))
    return [
        *_parsed(learn=True),
        *(bpf.load(4, 1, _SENDER), bpf.store_number(_VALUE, first), bpf.load(4, 2, _VALUE)),
        bpf.Line(_UNEQUAL_REGISTERS, 1, 2, to="elsewhere"),
        *(bpf.load(2, 1, _SENDER + 4), bpf.store_number(_VALUE + 4, second), bpf.load(2, 2, _VALUE + 4)),
        bpf.Line(_UNEQUAL_REGISTERS, 1, 2, to="elsewhere"),
        *_updated(),
        bpf.jump_unless(_PROTOCOL, _UDP, "out"),
        bpf.store_number(_REMOTE_PORT, 0),
        *_updated(),
        bpf.jump("out"),
        "elsewhere",
        *_with_key(_LOOKUP),
        bpf.jump_if(0, 0, "out"),
        *_with_key(_DELETE),
        *_OUT,
    ]


def turning() -> Lines:
    return [
        *_parsed(learn=False),
        *_with_key(_LOOKUP),
        bpf.jump_if(0, 0, "out"),
        bpf.copy(3, 0),
        *(bpf.copy(1, _PACKET), bpf.move(2, 0), bpf.move(4, 6), bpf.move(5, 0), bpf.call(_STORE_BYTES)),
        *_OUT,
    ]


_UNEQUAL_REGISTERS = 0x5D
_OUT: Lines = ["out", bpf.move(0, _PASS_ON), bpf.leave()]


def _parsed(*, learn: bool) -> Lines:
    """The key, from the container's point of view."""
    sender, receiver = (_REMOTE, _LOCAL) if learn else (_LOCAL, _REMOTE)
    ports = (_REMOTE_PORT, _LOCAL_PORT) if learn else (_LOCAL_PORT, _REMOTE_PORT)
    return [
        *(bpf.copy(_PACKET, 1), bpf.move(0, 0)),
        *(bpf.store(8, place, 0) for place in range(_KEY, 0, 8)),
        *_read(14, _ETHERNET, at=0),
        bpf.load(2, 7, _ETHERTYPE),
        bpf.jump_if(7, sockets.htons(0x86DD), "six"),
        bpf.jump_unless(7, sockets.htons(0x0800), "out"),
        *_read(20, _IP, at=14),
        *(bpf.load(1, _OFFSET, _IP), bpf.keep(_OFFSET, 15), bpf.shift_left(_OFFSET, 2), bpf.add(_OFFSET, 14)),
        bpf.load(1, _PROTOCOL, _IP + 9),
        *_moved(4, _IP + 12, sender),
        *_moved(4, _IP + 16, receiver),
        *(bpf.load(2, 7, _IP + 6), bpf.keep(7, sockets.htons(0x1FFF))),
        bpf.jump("behind"),
        "six",
        *_read(40, _IP, at=14),
        *(bpf.move(7, 0), bpf.move(_OFFSET, 54), bpf.load(1, _PROTOCOL, _IP + 6)),
        *_moved(16, _IP + 8, sender),
        *_moved(16, _IP + 24, receiver),
        bpf.jump_unless(_PROTOCOL, _FRAGMENT, "behind"),
        *_read(8, _IP, at=54),
        *(bpf.move(_OFFSET, 62), bpf.load(1, _PROTOCOL, _IP), bpf.load(2, 7, _IP + 2)),
        bpf.keep(7, sockets.htons(0xFFF8)),
        "behind",
        *(bpf.jump_if(_PROTOCOL, number, "known") for number in (_TCP, _UDP, _SCTP)),
        bpf.jump("out"),
        "known",
        bpf.store(4, _KEY_PROTOCOL, _PROTOCOL),
        bpf.jump_unless(7, 0, "whole"),
        *_read(4, _IP, at=None),
        *(bpf.load(2, 1, _IP), bpf.store(2, ports[0], 1)),
        *(bpf.load(2, 1, _IP + 2), bpf.store(2, ports[1], 1)),
        "whole",
    ]


def _read(size: int, place: int, at: int | None) -> Lines:
    """Bytes of the packet to the stack, from `at`, or from where its ports are."""
    return [
        *(bpf.copy(1, _PACKET), bpf.copy(2, _OFFSET) if at is None else bpf.move(2, at)),
        *(bpf.copy(3, FRAME), bpf.add(3, place), bpf.move(4, size), bpf.call(_LOAD_BYTES)),
        bpf.jump_unless(0, 0, "out"),
    ]


def _moved(size: int, source: int, target: int) -> Lines:
    places = range(0, size, 4)
    return [line for n in places for line in (bpf.load(4, 1, source + n), bpf.store(4, target + n, 1))]


def _with_key(function: int) -> Lines:
    return [*bpf.the_map(1), bpf.copy(2, FRAME), bpf.add(2, _KEY), bpf.call(function)]


def _updated() -> Lines:
    value: Lines = [bpf.copy(3, FRAME), bpf.add(3, _VALUE), bpf.move(4, 0)]
    return [*bpf.the_map(1), bpf.copy(2, FRAME), bpf.add(2, _KEY), *value, bpf.call(_UPDATE)]


_MADE = hashlib.sha256(
    bpf.assembled(learning("00:00:00:00:00:00")) + bpf.assembled(turning()) + b"%d" % ENTRIES
).hexdigest()[:12]
"""Which programs these are: others of an earlier version are replaced."""
_NAMED = re.compile(r"^sealane answers ([0-9a-f:]{17}) ")


def _name(mac: str) -> str:
    return f"sealane answers {mac} {_MADE}"


def _places(learn: int, turn: int, outward: bool) -> tuple[clsact.Place, clsact.Place]:
    sides = (learn, clsact.EGRESS), (turn, clsact.side(outward))
    first, second = (clsact.Place(index, side, priority=_PRIORITY) for index, side in sides)
    return first, second


def _name_at(socket: Socket, place: clsact.Place) -> str:
    """Of our program there; "" when there is none."""
    for options in clsact.attached(socket, place):
        name = options.get(_NAME, b"").rstrip(b"\0").decode(errors="replace")
        if name.startswith("sealane answers "):
            return name
    return ""
