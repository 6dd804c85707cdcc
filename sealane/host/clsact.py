"""Filters behind the clsact qdisc of a link (tc(8), tc-bpf(8)): made, taken off, read back.

Structures: linux/rtnetlink.h (tcmsg).
"""

import errno
import socket as sockets
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sealane.host.netlink import (
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REPLACE,
    Message,
    Socket,
    attributes,
    nested,
    text,
)

INGRESS, EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
"""What arrives on the link, what leaves by it."""

_RTM_NEWQDISC, _RTM_DELQDISC, _RTM_NEWTFILTER, _RTM_DELTFILTER, _RTM_GETTFILTER = 36, 37, 44, 45, 46
_BODY = struct.Struct("=BxxxiIII")  # family, index, handle, parent, info
_CLSACT, _CLSACT_HANDLE = 0xFFFFFFF1, 0xFFFF0000
_FIRST_KEY = 0x80000800  # u32's root table 800:, key 0x800
_ETH_P_ALL = 3
_KIND, _OPTIONS = 1, 2


@dataclass(frozen=True)
class Place:
    """Where a filter is: a link's index, INGRESS or EGRESS, and its rank among the filters there."""

    index: int
    side: int
    kind: str = "bpf"
    priority: int = 1  # the lowest is first

    @property
    def body(self) -> bytes:
        handle = _FIRST_KEY if self.kind == "u32" else 1
        info = self.priority << 16 | sockets.htons(_ETH_P_ALL)
        return _BODY.pack(0, self.index, handle, self.side, info) + text(_KIND, self.kind)


def side(outward: bool) -> int:
    return EGRESS if outward else INGRESS


def attach(socket: Socket, place: Place, options: bytes, what: str) -> None:
    """A filter, instead of one that is there; the qdisc is made where it is missing.

    `what` is for the error's text.  Raises HostError.
    """
    qdisc = _BODY.pack(0, place.index, _CLSACT_HANDLE, _CLSACT, 0) + text(_KIND, "clsact")
    body = place.body + nested(_OPTIONS, options)
    socket.request(
        Message(_RTM_NEWQDISC, qdisc, NLM_F_CREATE | NLM_F_EXCL, what, tolerate=(errno.EEXIST,)),
        Message(_RTM_NEWTFILTER, body, NLM_F_CREATE | NLM_F_REPLACE, what),
    )


def detach(socket: Socket, place: Place, what: str) -> None:
    """One that is gone already, with its link or without, is no error."""
    gone = (errno.ENOENT, errno.ENODEV, errno.EINVAL)
    socket.request(Message(_RTM_DELTFILTER, place.body, what=what, tolerate=gone))


def remove(socket: Socket, index: int) -> None:
    """The qdisc, with all filters behind it."""
    body = _BODY.pack(0, index, _CLSACT_HANDLE, _CLSACT, 0)
    gone = (errno.ENOENT, errno.ENODEV, errno.EINVAL)
    socket.request(Message(_RTM_DELQDISC, body, what=f"taking the qdisc off link {index}", tolerate=gone))


def attached(socket: Socket, place: Place, priority: int = 0) -> Iterator[dict[int, bytes]]:
    """Options of each filter on that side of the link, by their type; of that priority, if one is given."""
    for kind, data in socket.dump(_RTM_GETTFILTER, _BODY.pack(0, place.index, 0, place.side, 0)):
        if kind == _RTM_NEWTFILTER and priority in (0, _BODY.unpack_from(data)[4] >> 16):
            yield attributes(attributes(data[_BODY.size :]).get(_OPTIONS, b""))
