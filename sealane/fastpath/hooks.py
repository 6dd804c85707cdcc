"""Where a program is at a link, before anything else that meets what comes in by it or, `outward`, leaves by
it: of two kinds.

    tcx      since Linux 6.6, ahead of all filters (bpf.py)
    clsact   a filter (tc-bpf(8), direct action), ahead of the one that redirects (host/tc.py)

Either holds the program, and puts another one into its place in one step.  Errors are HostError.
"""

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

from sealane.errors import HostError
from sealane.fastpath import bpf
from sealane.host import clsact, tc
from sealane.host.netlink import Socket, text, u32

_FD, _NAME, _FLAGS, _ID, _DIRECT = 6, 7, 8, 11, 1
"""TCA_BPF_… and TCA_BPF_FLAG_ACT_DIRECT of linux/pkt_cls.h."""


class Hooks(Protocol):
    def attach(self, program: int, link: int, replaced: int, outward: bool = False) -> None:
        """`replaced`: descriptor of the program in whose place it is put, or -1."""

    def detach(self, program: int, link: int, outward: bool = False) -> None:
        """What is gone already is no error."""

    def attached(self, link: int, outward: bool = False) -> list[int]:
        """Ids of programs, also of others than ours; none when there is no such link."""


class Tcx:
    def attach(self, program: int, link: int, replaced: int, outward: bool = False) -> None:
        bpf.attach(program, link, replaced, outward=outward)

    def detach(self, program: int, link: int, outward: bool = False) -> None:
        bpf.detach(program, link, outward=outward)

    def attached(self, link: int, outward: bool = False) -> list[int]:
        return bpf.attached(link, outward=outward)


class Clsact:
    """In the network namespace of the thread that calls."""

    def attach(self, program: int, link: int, replaced: int, outward: bool = False) -> None:
        """What is at our place there is replaced, whether it is named or not."""
        options = u32(_FD, program) + text(_NAME, "sealane fastpath") + u32(_FLAGS, _DIRECT)
        with Socket() as socket:
            clsact.attach(socket, _place(link, outward), options, f"attaching to link {link} by clsact")

    def detach(self, program: int, link: int, outward: bool = False) -> None:
        """And the qdisc, where nothing is left behind it: the host's own links had none before."""
        with Socket() as socket:
            clsact.detach(socket, _place(link, outward), f"detaching from link {link}")
            if not any(list(clsact.attached(socket, place)) for place in _sides(link)):
                clsact.remove(socket, link)

    def attached(self, link: int, outward: bool = False) -> list[int]:
        with Socket() as socket, suppress(HostError):
            place = _place(link, outward)
            found = (options.get(_ID, b"") for options in clsact.attached(socket, place, place.priority))
            return [int.from_bytes(one[:4], sys.byteorder) for one in found if one]
        return []


TCX, CLSACT = Tcx(), Clsact()
EVERY: tuple[Hooks, ...] = (TCX, CLSACT)
NAMED: dict[str, Hooks] = {"tcx": TCX, "clsact": CLSACT}


def chosen(wanted: str) -> Hooks:
    """By the setting's word; "auto" is what this kernel has, the newer one first."""
    if wanted == "auto":
        return TCX if bpf.has_tcx() else CLSACT
    return NAMED[wanted]


def _place(link: int, outward: bool = False) -> clsact.Place:
    return clsact.Place(link, clsact.side(outward), priority=tc.PRIORITY - 1)


def _sides(link: int) -> Iterator[clsact.Place]:
    for side in (clsact.INGRESS, clsact.EGRESS):
        yield clsact.Place(link, side)
