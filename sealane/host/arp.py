"""ARP announcements (RFC 826, RFC 5227 section 3): who has an address says so, unasked."""

import ipaddress
import struct

_BROADCAST = b"\xff" * 6
_ARP, _VLAN, _IPV4 = 0x0806, 0x8100, 0x0800
_ETHERNET, _REQUEST = 1, 1
_LEAST = 60
"""Bytes of an Ethernet frame without its checksum (IEEE 802.3)."""


def announcement(address: str, mac: str, vlan: int | None = None) -> bytes:
    """A frame: a request for the address by its owner. Raises ValueError.

    Neighbours that know the address take the MAC; switches learn where it is now.
    """
    owner, number = bytes.fromhex(mac.replace(":", "")), ipaddress.IPv4Address(address).packed
    if len(owner) != 6 or owner[0] & 1 or not 0 <= (vlan or 0) < 4095:
        raise ValueError(f"'{mac}' in VLAN {vlan} is no station's address")
    tag = struct.pack("!HH", _VLAN, vlan) if vlan else b""
    head = struct.pack("!HHBBH", _ETHERNET, _IPV4, 6, 4, _REQUEST)
    asks = owner + number + bytes(6) + number
    return (_BROADCAST + owner + tag + struct.pack("!H", _ARP) + head + asks).ljust(_LEAST, b"\0")
