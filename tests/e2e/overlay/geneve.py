"""Geneve packets as OVN makes them, sent from the underlay by somebody who knows the keys.

RFC 8926; ovn-architecture(7), "Tunnel Encapsulations": the VNI is the datapath's key; option class 0x0102,
type 0x80, holds the keys of the logical ingress port (15 bits) and of the egress port (16 bits).
"""

import ipaddress
import re
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager

from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE
from tests.e2e.overlay.machines import Leg, Machine, listening

PORT = 6081
TARGET = 7788
"""UDP port on which the container listens."""

SEND = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
packet = bytes.fromhex(sys.argv[1])
for _ in range(int(sys.argv[2])):
    s.sendto(packet, (socket.inet_ntoa(packet[16:20]), 0))
"""
SAY = f"""
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    for _ in range(int(sys.argv[3])):
        s.sendto(bytes.fromhex(sys.argv[2]), (sys.argv[1], {PORT}))
"""
LISTEN = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", {TARGET}))
print("listens", flush=True)
while True:
    print(s.recv(1000).decode(), flush=True)
"""


def packet(lab: Lab, sender: Machine, target: Machine, source: str, to: str, text: str) -> bytes:
    """The outer packet, IPv4 header included, with a frame of `sender` for `target` in it."""
    network = key(lab, "Datapath_Binding", found(lab, target, "datapath"))
    ports = [key(lab, "Port_Binding", machine.port_id) for machine in (sender, target)]
    option = struct.pack("!HBBI", 0x0102, 0x80, 1, ports[0] << 16 | ports[1])
    head = struct.pack("!BBHI", 2, 0x40, 0x6558, network << 8) + option
    frame = mac(lab, target) + mac(lab, sender) + b"\x08\x00"
    frame += ipv4(sender.addresses[0], target.addresses[0], udp(4444, TARGET, text.encode()))
    return ipv4(source, to, udp(50000, PORT, head + frame))


def across(lab: Lab, packet: bytes, leg: Leg) -> bytes:
    """As it is when a router, on the sender's host, has put it on the target's network."""
    number = struct.pack("!H", key(lab, "Port_Binding", leg.port_id))
    return packet[:40] + number + packet[42:50] + bytes_of(leg.mac) + packet[56:]


def ipv4(source: str, target: str, payload: bytes) -> bytes:
    """RFC 791, protocol UDP."""
    ends = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(target).packed
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, 17, 0) + ends
    return head[:10] + checksum(head) + head[12:] + payload


def checksum(head: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(head) // 2}H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


def udp(source: int, target: int, payload: bytes) -> bytes:
    """Without a checksum, as IPv4 allows (RFC 768)."""
    return struct.pack("!HHHH", source, target, 8 + len(payload), 0) + payload


def inject(lab: Lab, packet: bytes, times: int = 1) -> None:
    """From the underlay, by somebody who may write any source address."""
    lab.exec(OUTSIDE, "python3", "-c", SEND, packet.hex(), str(times))


def say(machine: Machine, packet: bytes, times: int = 1) -> None:
    """By a container that knows all of it, and has its host forward it."""
    to = str(ipaddress.IPv4Address(packet[16:20]))
    machine.exec("python3", "-c", SAY, to, packet[28:].hex(), str(times))


def dropped(lab: Lab, host: str) -> int:
    """Packets that the table of peers has dropped since it was loaded."""
    said = lab.exec(host, "nft", "list", "table", "inet", "sealane_peers").stdout
    return sum(int(number) for number in re.findall(r"counter packets (\d+)", said))


def listener(machine: Machine) -> AbstractContextManager[Callable[[], str]]:
    """All that the machine has heard so far."""
    return listening(machine, LISTEN)


def southbound(lab: Lab, *words: str) -> str:
    command = ("ovn-sbctl", "--timeout=20", "--db=unix:/run/sealane/ovn/ovnsb_db.sock", *words)
    return lab.exec("host1", *command).stdout.strip()


def key(lab: Lab, table: str, record: str) -> int:
    return int(southbound(lab, "get", table, record, "tunnel_key"))


def found(lab: Lab, machine: Machine, column: str) -> str:
    words = ("--bare", f"--columns={column}", "find", "Port_Binding", f"logical_port={machine.port_id}")
    return southbound(lab, *words)


def mac(lab: Lab, machine: Machine) -> bytes:
    return bytes_of(found(lab, machine, "mac").split()[0])


def bytes_of(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))
