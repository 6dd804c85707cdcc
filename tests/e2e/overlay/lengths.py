"""How long packets may be, never in fragments, and what is said of longer ones (RFC 1191, RFC 8201)."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.overlay.machines import Machine, until
from tests.e2e.overlay.test_fastpath import running

PORT = 7790
HEADERS = {4: 28, 6: 48}
"""Bytes of IP and UDP."""
ANSWERS = f"""
import socket
server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.bind(("::", {PORT}))
print("listens", flush=True)
while True:
    data, peer = server.recvfrom(65536)
    server.sendto(b"%d" % len(data), peer)
"""
SENDS = f"""
import errno, socket, struct, sys, time
address, headers, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[4])
six = ":" in address
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
level, discover, mtu = (41, 23, 24) if six else (0, 10, 14)
s.setsockopt(level, discover, 2)  # IP_PMTUDISC_DO: never in fragments
s.connect((address, {PORT}))
s.settimeout(0.3)
for size in map(int, sys.argv[3].split(",")):
    said = "lost"
    for _ in range(count):
        try:
            s.send(b"x" * (size - headers))
            said = "arrived" if int(s.recv(99)) == size - headers else said
        except TimeoutError:
            continue
        except OSError as exc:
            said = f"told {{s.getsockopt(level, mtu)}}" if exc.errno == errno.EMSGSIZE else str(exc)
        break
    print(size, said, flush=True)
"""
"""Each size again until it arrives or somebody says that it can't: `told` is the path's MTU then."""


@contextmanager
def answering(machine: Machine) -> Iterator[None]:
    with running(machine, ANSWERS) as said:
        until(lambda: "listens" in said(), "it listens")
        yield


def fares(source: Machine, address: str, *sizes: int, tries: int = 40) -> dict[int, str]:
    """By the whole packet's size: `arrived`, `told MTU` or `lost`; to a machine that is answering."""
    return heard(source.exec(*asking(address, *sizes, tries=tries)).stdout)


def asking(address: str, *sizes: int, tries: int = 40) -> tuple[str, ...]:
    """What is to be run where they are sent from."""
    headers = HEADERS[6 if ":" in address else 4]
    return ("python3", "-c", SENDS, address, str(headers), ",".join(map(str, sizes)), str(tries))


def heard(said: str) -> dict[int, str]:
    """Of what that says."""
    return {int(size): how for size, how in re.findall(r"^(\d+) (.+)$", said, re.MULTILINE)}


def mtu(machine: Machine) -> int:
    return int(machine.exec("cat", "/sys/class/net/eth0/mtu").stdout)


def forget(machine: Machine) -> None:
    """What it was told of paths."""
    machine.exec("ip", "route", "flush", "cache")
    machine.exec("ip", "-6", "route", "flush", "cache")
