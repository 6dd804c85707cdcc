"""Copies of what passes a link: eBPF programs behind clsact qdiscs (tc-bpf(8)), in three places.

    copies     a container's link, either side     each packet goes on as it is, and once more by other links
    entry      the link into the switch            a copy's destination loses its group bit: nobody is flooded
    exit       the link out of the switch          all that arrives leaves by the link of who is to see it

What is to be seen must not be taken for his own by who sees it: a copy that bears his MAC gets another one,
whose bit for local administration is flipped.  So his kernel drops copies (PACKET_OTHERHOST), after packet
sockets have had them.

A program is known by its name, which says what was built into it.  Structures: linux/bpf.h, linux/pkt_cls.h.
"""

import hashlib
from collections.abc import Iterable

from sealane.host import bpf, clsact
from sealane.host.bpf import FRAME, Lines
from sealane.host.link import mac_bytes
from sealane.host.netlink import Socket, text, u32

_PRIORITY = 3  # behind the guard and what leads answers
_FD, _NAME, _FLAGS, _DIRECT = 6, 7, 8, 1
_STORE_BYTES, _CLONE_REDIRECT, _REDIRECT, _LOAD_BYTES = 9, 13, 23, 26
_PASS_ON, _DROP = -1, 2  # TC_ACT_UNSPEC, TC_ACT_SHOT
_PACKET, _FIRST = 6, 7  # registers: the packet, the first two bytes of its destination
_MAC, _OWN = -8, -16  # places on the stack
_GROUP, _LOCAL = 0x01, 0x02  # bits of the first byte (IEEE 802, 8.2)
_UNEQUAL_REGISTERS = 0x5D


def copy(socket: Socket, index: int, targets: Iterable[int], *, outward: bool) -> None:
    """Of what arrives on the link, or `outward` leaves by it, a copy leaves by each target."""
    wanted = sorted(targets)
    _attach(socket, _place(index, outward), copying(wanted), _copies(wanted))


def copied_to(socket: Socket, index: int, *, outward: bool) -> tuple[int, ...] | None:
    """Indexes of links; None: nothing is copied."""
    name = _name_at(socket, _place(index, outward), "copies")
    if name is None:
        return None
    try:
        found = tuple(int(word) for word in name.rpartition(" ")[2].split(","))
    except ValueError:
        return ()
    return found if name == _copies(found) else ()


def uncopy(socket: Socket, index: int, *, outward: bool) -> None:
    clsact.detach(socket, _place(index, outward), f"ending copies of link {index}")


def enter(socket: Socket, index: int) -> None:
    """What leaves by the link is for one."""
    _attach(socket, _place(index, True), entering(), _ENTRY)


def enters(socket: Socket, index: int) -> bool:
    return _name_at(socket, _place(index, True), "entry") == _ENTRY


def leave(socket: Socket, index: int, target: int, mac: str) -> None:
    """What arrives on the link leaves by `target`, to be seen by who has the MAC."""
    _attach(socket, _place(index, False), leaving(target, mac), _exit(target, mac))


def leaves_to(socket: Socket, index: int) -> tuple[int, str] | None:
    """Index of the target, and the MAC."""
    name = _name_at(socket, _place(index, False), "exit")
    words = name.split() if name else []
    if len(words) != 5 or not words[3].isdecimal():
        return None
    found = int(words[3]), words[4]
    return found if name == _exit(*found) else None


def copying(targets: Iterable[int]) -> Lines:
    each = [
        line
        for target in targets
        for line in (bpf.copy(1, _PACKET), bpf.move(2, target), bpf.move(3, 0), bpf.call(_CLONE_REDIRECT))
    ]
    return [bpf.copy(_PACKET, 1), *each, bpf.move(0, _PASS_ON), bpf.leave()]


def entering() -> Lines:
    return [*_destination(), *_single(), bpf.move(0, _PASS_ON), bpf.leave(), *_DROPPING]


def leaving(target: int, mac: str) -> Lines:
    first, second = bpf.words(mac_bytes(mac))
    return [
        *_destination(),
        *_single(),
        *(bpf.load(4, 1, _MAC), bpf.store_number(_OWN, first), bpf.load(4, 2, _OWN)),
        bpf.Line(_UNEQUAL_REGISTERS, 1, 2, to="out"),
        *(bpf.load(2, 1, _MAC + 4), bpf.store_number(_OWN + 4, second), bpf.load(2, 2, _OWN + 4)),
        bpf.Line(_UNEQUAL_REGISTERS, 1, 2, to="out"),
        *_changed(_LOCAL),
        "out",
        *(bpf.move(1, target), bpf.move(2, 0), bpf.call(_REDIRECT), bpf.leave()),
        *_DROPPING,
    ]


_DROPPING: Lines = ["drop", bpf.move(0, _DROP), bpf.leave()]


def _destination() -> Lines:
    """To the stack; a packet that has none is dropped."""
    return [
        *(bpf.copy(_PACKET, 1), bpf.move(2, 0), bpf.copy(3, FRAME), bpf.add(3, _MAC), bpf.move(4, 6)),
        *(bpf.call(_LOAD_BYTES), bpf.jump_unless(0, 0, "drop")),
    ]


def _single() -> Lines:
    """No group's any more."""
    return [
        *(bpf.load(2, _FIRST, _MAC), bpf.keep(_FIRST, _GROUP), bpf.jump_if(_FIRST, 0, "single")),
        *_changed(_GROUP),
        "single",
    ]


def _changed(bit: int) -> Lines:
    """Both machines that are known here have the first byte in the low bits."""
    written = (bpf.copy(1, _PACKET), bpf.move(2, 0), bpf.copy(3, FRAME), bpf.add(3, _MAC), bpf.move(4, 2))
    return [
        *(bpf.load(2, _FIRST, _MAC), bpf.flip(_FIRST, bit), bpf.store(2, _MAC, _FIRST)),
        *(*written, bpf.move(5, 0), bpf.call(_STORE_BYTES), bpf.jump_unless(0, 0, "drop")),
    ]


_MADE = hashlib.sha256(
    b"".join(map(bpf.assembled, (copying([1]), entering(), leaving(1, "00:00:00:00:00:00"))))
).hexdigest()[:8]
"""Which programs these are: others of an earlier version are replaced."""
_ENTRY = f"sealane entry {_MADE}"


def _copies(targets: Iterable[int]) -> str:
    return f"sealane copies {_MADE} {','.join(map(str, targets))}"


def _exit(target: int, mac: str) -> str:
    return f"sealane exit {_MADE} {target} {mac}"


def _place(index: int, outward: bool) -> clsact.Place:
    return clsact.Place(index, clsact.side(outward), priority=_PRIORITY)


def _attach(socket: Socket, place: clsact.Place, code: Lines, name: str) -> None:
    program = bpf.classifier(code, 0)
    try:
        options = u32(_FD, program) + text(_NAME, name) + u32(_FLAGS, _DIRECT)
        clsact.attach(socket, place, options, f"copying at link {place.index}")
    finally:
        bpf.closing([program])


def _name_at(socket: Socket, place: clsact.Place, kind: str) -> str | None:
    for options in clsact.attached(socket, place):
        name = options.get(_NAME, b"").rstrip(b"\0").decode(errors="replace")
        if name.startswith(f"sealane {kind} "):
            return name
    return None
