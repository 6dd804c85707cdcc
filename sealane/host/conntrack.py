"""Forgetting tracked connections, so that a withdrawn publication ends at once.

ctnetlink (linux/netfilter/nfnetlink_conntrack.h) of the calling thread's network namespace.
"""

import errno
import socket as sockets
import struct
from collections.abc import Collection

from sealane.host.netlink import Message, Socket, attribute, attributes

_GET, _DELETE = 0x101, 0x102  # NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, _DELETE
_BODY = struct.Struct("=BBH")  # nfgenmsg: family, version, resource
_TUPLE_ORIGINAL, _TUPLE_PROTOCOL, _PROTOCOL_NUMBER, _DESTINATION_PORT = 1, 2, 1, 3
_NESTED = 0x8000
_NETLINK_NETFILTER = 12  # linux/netlink.h
_NUMBERS = {"tcp": 6, "udp": 17, "sctp": 132}


def forget(ports: Collection[tuple[str, int]]) -> int:
    """Delete the connections that were first sent to one of the (protocol, port); how many."""
    if not ports:
        return 0
    wanted = {(_NUMBERS[protocol], port) for protocol, port in ports}
    with Socket(_NETLINK_NETFILTER) as socket:
        doomed = [(f, original) for f, original in _originals(socket) if _destination(original) in wanted]
        for family, original in doomed:
            body = _BODY.pack(family, 0, 0) + attribute(_TUPLE_ORIGINAL | _NESTED, original)
            socket.request(Message(_DELETE, body, 0, "forgetting a connection", tolerate=(errno.ENOENT,)))
    return len(doomed)


def _originals(socket: Socket) -> list[tuple[int, bytes]]:
    """(family, tuple) of every connection: of all families at once, as each walk over the kernel's table,
    which all namespaces share, takes it some 10 ms.
    """
    found = socket.dump(_GET, _BODY.pack(sockets.AF_UNSPEC, 0, 0))
    return [(data[0], attributes(data[_BODY.size :]).get(_TUPLE_ORIGINAL, b"")) for _, data in found]


def _destination(original: bytes) -> tuple[int, int]:
    """Protocol number and destination port of the tuple; ports are in network order."""
    protocol = attributes(attributes(original).get(_TUPLE_PROTOCOL, b""))
    number = protocol.get(_PROTOCOL_NUMBER, b"\0")[0]
    return number, int.from_bytes(protocol.get(_DESTINATION_PORT, b"\0\0")[:2], "big")
