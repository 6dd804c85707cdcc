"""TAP devices that stay when nobody has them open (tun.rst in the kernel's documentation)."""

import fcntl
import os
import struct

from sealane import failpoint
from sealane.errors import HostError

_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000


def create(name: str) -> None:
    """In the calling thread's namespace, down; with room for offloads, as QEMU asks for it.

    One that exists already is kept.  Raises HostError.
    """
    flags = _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR
    try:
        with failpoint.effect("tap", name, HostError):
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
                fcntl.ioctl(device, _TUNSETPERSIST, 1)
            finally:
                os.close(device)
    except OSError as exc:
        raise HostError(f"making the TAP device {name}: {exc.strerror}") from exc
