"""Frames of the tests' own making, said by a machine, and what a machine hears: raw sockets (packet(7))."""

import ipaddress
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.e2e.overlay.machines import Machine, listening

SEND = """
import socket, sys
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
    s.bind(("eth0", 0))
    for _ in range(3):
        for text in sys.argv[1:]:
            s.send(bytes.fromhex(text))
"""
LISTEN = """
import socket
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3)) as s:
    s.bind(("eth0", 0))
    print("listens", flush=True)
    while True:
        frame, sender = s.recvfrom(9000)
        if sender[2] != socket.PACKET_OUTGOING:
            print(frame.hex(), flush=True)
"""
TCP, UDP, ICMP6 = 6, 17, 58
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806


@dataclass(frozen=True)
class Station:
    """Who says something, or to whom: as it is, or as it pretends to be."""

    mac: str
    v4: str
    v6: str


def station(machine: Machine) -> Station:
    mac = machine.exec("cat", "/sys/class/net/eth0/address").stdout.strip()
    return Station(mac, *machine.addresses)


def say(machine: Machine, *frames: bytes) -> None:
    """Each of them three times."""
    machine.exec("python3", "-c", SEND, *(frame.hex() for frame in frames))


def ears(machine: Machine) -> AbstractContextManager[Callable[[], str]]:
    """All that came in on its link so far, in hexadecimal, a frame a line."""
    return listening(machine, LISTEN)


def ethernet(source: Station, target: Station, kind: int, payload: bytes, mac: str = "") -> bytes:
    """`mac`: instead of the source's."""
    return _mac(target.mac) + _mac(mac or source.mac) + struct.pack("!H", kind) + payload


def udp4(source: Station, target: Station, text: str, ports: tuple[int, int] = (4000, 4001)) -> bytes:
    """The body of an IPv4 packet, with the checksums that connection tracking wants."""
    head = _udp(source.v4, target.v4, ports, text.encode())
    return _ipv4(source.v4, target.v4, UDP, head)


def udp6(source: Station, target: Station, text: str, ports: tuple[int, int] = (4000, 4001)) -> bytes:
    return _ipv6(source.v6, target.v6, UDP, _udp(source.v6, target.v6, ports, text.encode()))


def arp_reply(sender: Station, target: Station) -> bytes:
    """`sender` has that address at that MAC."""
    head = struct.pack("!HHBBH", 1, IPV4, 6, 4, 2)
    return head + _mac(sender.mac) + _ip(sender.v4) + _mac(target.mac) + _ip(target.v4)


def neighbour(source: Station, target: Station, said: Station) -> bytes:
    """An advertisement: `said` has that address at that MAC (RFC 4861 4.4)."""
    body = struct.pack("!BBHI", 136, 0, 0, 0x60000000) + _ip(said.v6) + b"\x02\x01" + _mac(said.mac)
    return _ipv6(source.v6, target.v6, ICMP6, _checked(source.v6, target.v6, body), hops=255)


def router(source: Station, target: Station, link_local: str, extension: bool = False) -> bytes:
    """An advertisement of a router (RFC 4861 4.2); `extension`: behind destination options (RFC 7113)."""
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + b"\x01\x01" + _mac(source.mac)
    packet = _checked(link_local, target.v6, body)
    if not extension:
        return _ipv6(link_local, target.v6, ICMP6, packet, hops=255)
    options = bytes([ICMP6, 0, 1, 4, 0, 0, 0, 0])
    return _ipv6(link_local, target.v6, 60, options + packet, hops=255)


def _udp(source: str, target: str, ports: tuple[int, int], payload: bytes) -> bytes:
    length = 8 + len(payload)
    head = struct.pack("!HHHH", *ports, length, 0)
    sum_ = _sum(_ip(source) + _ip(target) + struct.pack("!HH", UDP, length) + head + payload)
    return struct.pack("!HHHH", *ports, length, sum_ or 0xFFFF) + payload


def _checked(source: str, target: str, body: bytes) -> bytes:
    """An ICMPv6 message whose checksum is still zero."""
    sum_ = _sum(_ip(source) + _ip(target) + struct.pack("!II", len(body), ICMP6) + body)
    return body[:2] + struct.pack("!H", sum_) + body[4:]


def _ipv4(source: str, target: str, protocol: int, payload: bytes) -> bytes:
    head = (
        struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0, 64, protocol, 0)
        + _ip(source)
        + _ip(target)
    )
    return head[:10] + struct.pack("!H", _sum(head)) + head[12:] + payload


def _ipv6(source: str, target: str, protocol: int, payload: bytes, hops: int = 64) -> bytes:
    head = struct.pack("!IHBB", 0x60000000, len(payload), protocol, hops)
    return head + _ip(source) + _ip(target) + payload


def _sum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _ip(text: str) -> bytes:
    return ipaddress.ip_address(text).packed
