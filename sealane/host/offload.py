"""Offloads of a link, by the ioctl that `ethtool -K` used before netlink (linux/ethtool.h)."""

import ctypes
import fcntl
import struct

from sealane import failpoint
from sealane.errors import HostError
from sealane.host.netlink import Socket

_SIOCETHTOOL = 0x8946
_GET_TX, _SET_TX = 0x16, 0x17  # ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM


def transmit_checksums_off(socket: Socket, name: str) -> None:
    """Let the kernel finish checksums before the link; segmentation goes off with it.

    For the end of a pair whose other end is read by an AF_PACKET socket, as OVS's userspace datapath
    does: what arrives there must be complete.  Raises HostError.
    """
    with failpoint.effect("ethtool", name, HostError):
        _ethtool(socket, name, _SET_TX, 0)


def transmits_checksums(socket: Socket, name: str) -> bool:
    """Does the link leave checksums to its peer?"""
    return _ethtool(socket, name, _GET_TX, 0) != 0


def _ethtool(socket: Socket, name: str, command: int, value: int) -> int:
    buffer = ctypes.create_string_buffer(struct.pack("=II", command, value), 8)
    request = struct.pack("16sP", name.encode(), ctypes.addressof(buffer)).ljust(40, b"\0")
    try:
        fcntl.ioctl(socket.fileno(), _SIOCETHTOOL, request)
    except OSError as exc:
        raise HostError(f"the offloads of {name}: {exc.strerror}") from exc
    return int(struct.unpack("=II", buffer.raw)[1])
