"""Keeps a link from announcing routers: classic BPF (bpf(4)) behind a clsact qdisc, as OVN lets them pass.

ovn-northd 23.03 lets router advertisements pass wherever connections are tracked, at a priority above that
of any ACL.  The program walks the extension headers behind which they can be hidden (RFC 7113); a packet
with more of those than it follows is dropped.  Of fragments it looks at the first: Linux takes no
advertisement that came in pieces (RFC 6980).

Structures: linux/filter.h (sock_filter), linux/pkt_cls.h (TCA_BPF_*); verdicts: TC_ACT_SHOT, TC_ACT_UNSPEC.
"""

import struct

from sealane.host import clsact
from sealane.host.netlink import Socket, attribute, u32

_OPS_LEN, _OPS, _FLAGS, _DIRECT = 4, 5, 8, 1

_LDB, _LDH, _LDB_X, _LDH_X = 0x30, 0x28, 0x50, 0x48  # absolute; behind what X says
_LDX, _TAX, _TXA, _ST, _LD_MEM = 0x01, 0x07, 0x87, 0x02, 0x60
_ADD, _ADD_X, _LSH, _JEQ, _JSET, _RET = 0x04, 0x0C, 0x64, 0x15, 0x45, 0x06
_PASS, _DROP = 0xFFFFFFFF, 2
_ICMP6, _FRAGMENT, _ADVERTISEMENT = 58, 44, 134
_EXTENSIONS = (0, 43, 60, 135)
"""Hop-by-hop, routing, destination, mobility: their length is in units of eight bytes (RFC 8200)."""
_FOLLOWED = 8

Code = tuple[int, int, int, int]


def guard(socket: Socket, index: int, *, outward: bool) -> None:
    """Of what arrives on the link, or, `outward`, of what leaves by it; replaces one that is there."""
    options = (
        attribute(_OPS_LEN, struct.pack("=H", len(PROGRAM) // 8)),
        attribute(_OPS, PROGRAM),
        u32(_FLAGS, _DIRECT),
    )
    clsact.attach(socket, _place(index, outward), b"".join(options), f"guarding link {index}")


def unguard(socket: Socket, index: int, *, outward: bool) -> None:
    clsact.detach(socket, _place(index, outward), f"freeing link {index}")


def is_guarded(socket: Socket, index: int, *, outward: bool) -> bool:
    """By this very program."""
    there = clsact.attached(socket, _place(index, outward))
    return any(options.get(_OPS) == PROGRAM for options in there)


def _place(index: int, outward: bool) -> clsact.Place:
    return clsact.Place(index, clsact.side(outward))


def program() -> list[Code]:
    """(code, jump if true, jump if false, operand); X is where the next header begins, M[0] what it is."""
    code: list[Code] = [
        *((_LDH, 0, 0, 12), (_JEQ, 1, 0, 0x86DD), (_RET, 0, 0, _PASS)),
        *((_LDB, 0, 0, 20), (_ST, 0, 0, 0), (_LDX, 0, 0, 54)),
    ]
    for _ in range(_FOLLOWED):
        code += _one_header()
    return [*code, (_RET, 0, 0, _DROP)]


def _one_header() -> list[Code]:
    advertisement = [
        (_JEQ, 0, 4, _ICMP6),
        (_LDB_X, 0, 0, 0),
        (_JEQ, 0, 1, _ADVERTISEMENT),
        (_RET, 0, 0, _DROP),
        (_RET, 0, 0, _PASS),
    ]
    fragment = [
        (_JEQ, 0, 8, _FRAGMENT),
        (_LDH_X, 0, 0, 2),
        (_JSET, 0, 1, 0xFFF8),  # not the first: no header is in it
        (_RET, 0, 0, _PASS),
        *((_LDB_X, 0, 0, 0), (_ST, 0, 0, 0), (_TXA, 0, 0, 0), (_ADD, 0, 0, 8)),
        (_JEQ, len(_EXTENSIONS) + 7, len(_EXTENSIONS) + 7, 0),  # to the last line of the extensions
    ]
    last = len(_EXTENSIONS)  # lines until the loads
    extensions = [
        *((_JEQ, last - number, 0, kind) for number, kind in enumerate(_EXTENSIONS)),
        (_RET, 0, 0, _PASS),
        *((_LDB_X, 0, 0, 0), (_ST, 0, 0, 0)),
        *((_LDB_X, 0, 0, 1), (_ADD, 0, 0, 1), (_LSH, 0, 0, 3), (_ADD_X, 0, 0, 0)),
        (_TAX, 0, 0, 0),
    ]
    return [(_LD_MEM, 0, 0, 0), *advertisement, *fragment, *extensions]


PROGRAM = b"".join(struct.pack("=HBBI", *line) for line in program())
