"""Messages of DHCP for IPv4 (RFC 2131, options of RFC 2132), as a client says and hears them; pure."""

import ipaddress
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE = 1, 2, 3, 4, 5, 6, 7
SERVER_PORT, CLIENT_PORT = 67, 68
FOREVER = 0xFFFFFFFF
"""Seconds of a lease without an end."""
_MAGIC = b"\x63\x82\x53\x63"
_FIXED = struct.Struct("!BBBBIHH4s4s4s4s16s64s128s")
_MASK, _ROUTER, _NAMESERVERS, _ASKED, _SECONDS, _KIND, _SERVER, _WANTED = 1, 3, 6, 50, 51, 53, 54, 55
_PAD, _END = 0, 255
_NOWHERE = "0.0.0.0"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a server says."""

    kind: int
    address: str = ""
    server: str = ""
    seconds: int = 0
    routers: tuple[str, ...] = ()
    nameservers: tuple[str, ...] = ()


def message(kind: int, xid: int, mac: str, *, asked: str = "", server: str = "", own: str = "") -> bytes:
    """`asked`: the address that is wanted; `own`: the one in use already, else all may hear the answer."""
    flags = 0 if own else 0x8000
    nowhere = _packed(_NOWHERE)
    head = _FIXED.pack(
        *(1, 1, 6, 0, xid, 0, flags, _packed(own or _NOWHERE), nowhere, nowhere, nowhere, _mac(mac), b"", b"")
    )
    options = [(_KIND, bytes([kind]))]
    options += [(code, _packed(value)) for code, value in ((_ASKED, asked), (_SERVER, server)) if value]
    options.append((_WANTED, bytes([_MASK, _ROUTER, _NAMESERVERS, _SECONDS, _SERVER])))
    body = b"".join(bytes([code, len(value)]) + value for code, value in options)
    return (head + _MAGIC + body + bytes([_END])).ljust(300, b"\0")


def heard(data: bytes, xid: int, mac: str) -> Said | None:
    """None: it is not for us, or makes no sense.

    Each message of a server says which one it is (RFC 2131, table 3), and but for NAK an address that a host
    can have.
    """
    if len(data) < _FIXED.size + len(_MAGIC) or data[_FIXED.size :][:4] != _MAGIC:
        return None
    fields = _FIXED.unpack_from(data)
    if fields[0] != 2 or fields[4] != xid or fields[11][:6] != _mac(mac)[:6]:
        return None
    options = dict(_options(data[_FIXED.size + 4 :]))
    if len(options.get(_KIND, b"")) != 1:
        return None
    kind, address = options[_KIND][0], ipaddress.IPv4Address(fields[8])
    server = next(_addresses(options, _SERVER), "")
    if not _is_a_hosts(ipaddress.IPv4Address(server or _NOWHERE)) or not (
        kind == NAK or _is_a_hosts(address)
    ):
        return None
    return Said(
        kind=kind,
        address=str(address),
        server=server,
        seconds=int.from_bytes(options.get(_SECONDS, b"")[:4]),
        routers=tuple(_addresses(options, _ROUTER)),
        nameservers=tuple(_addresses(options, _NAMESERVERS)),
    )


def frame(mac: str, payload: bytes) -> bytes:
    """To everybody on the link, from nobody; UDP without a checksum (RFC 768)."""
    length = 8 + len(payload)
    udp = struct.pack("!HHHH", CLIENT_PORT, SERVER_PORT, length, 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0x10, 20 + length, 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    head = head[:10] + struct.pack("!H", _checksum(head)) + head[12:]
    return b"\xff" * 6 + _mac(mac)[:6] + b"\x08\x00" + head + udp


def payload(frame: bytes) -> bytes:
    """Of a frame to a DHCP client; empty for all others."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[14] >> 4 != 4 or frame[23] != 17:
        return b""
    begin = 14 + 4 * (frame[14] & 15)
    fragment = int.from_bytes(frame[20:22]) & 0x3FFF
    if fragment or frame[begin : begin + 4] != struct.pack("!HH", SERVER_PORT, CLIENT_PORT):
        return b""
    return frame[begin + 8 : begin + int.from_bytes(frame[begin + 4 : begin + 6])]


def _options(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data) and data[at] != _END:
        if data[at] == _PAD:
            at += 1
            continue
        length = data[at + 1] if at + 1 < len(data) else 0
        yield data[at], data[at + 2 : at + 2 + length]
        at += 2 + length


def _is_a_hosts(address: ipaddress.IPv4Address) -> bool:
    """One host's, and not this one's own (RFC 1122, 3.2.1.3)."""
    first = int(address) >> 24
    return first not in (0, 127) and not address.is_multicast and not address.is_reserved


def _addresses(options: Mapping[int, bytes], code: int) -> Iterator[str]:
    value = options.get(code, b"")
    for at in range(0, len(value) - 3, 4):
        yield str(ipaddress.IPv4Address(value[at : at + 4]))


def _packed(address: str) -> bytes:
    return ipaddress.IPv4Address(address).packed


def _mac(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", "")).ljust(16, b"\0")


def _checksum(head: bytes) -> int:
    """Of the Internet (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(head) // 2}H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF
