"""The table of tunnel peers in a kernel: who gets through to UDP 6081, in both modes and families."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from sealane.agent.peers import GENEVE_PORT, table
from tests.netns.hosts import Space

OWN, FRIEND, STRANGER = "10.78.0.1", "10.78.0.2", "10.78.0.3"
OWN6, FRIEND6, STRANGER6 = "fd78::1", "fd78::2", "fd78::3"

LISTEN = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", int(sys.argv[1])))
print("listens", flush=True)
while True:
    print(s.recv(1000).decode(), flush=True)
"""
SEND = """
import socket, sys
source, target, port, text = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((source, 0))
s.sendto(text.encode(), (target, int(port)))
"""


@pytest.fixture(scope="module")
def spaces() -> Iterator[tuple[Space, Space]]:
    """A host with OWN, and somebody on its wire who has the other addresses."""
    host, other = Space(), Space()
    peer = ("peer", "name", "eth0", "netns", str(other.pid))
    host.run("ip", "link", "add", "eth0", "type", "veth", *peer)
    for space, addresses in (
        (host, (f"{OWN}/24", f"{OWN6}/64")),
        (other, (f"{FRIEND}/24", f"{STRANGER}/24", f"{FRIEND6}/64", f"{STRANGER6}/64")),
    ):
        for address in addresses:
            nodad = ("nodad",) if ":" in address else ()
            space.run("ip", "address", "add", address, "dev", "eth0", *nodad)
        space.run("ip", "link", "set", "eth0", "up")
    yield host, other
    other.close()
    host.close()


class Heard:
    """What a UDP socket on the tunnel's port has been sent."""

    def __init__(self, host: Space, port: int = GENEVE_PORT) -> None:
        self.process = host.popen(sys.executable, "-c", LISTEN, str(port), stdout=subprocess.PIPE)
        assert self.process.stdout is not None and self.process.stdout.readline() == "listens\n"

    def next(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def load(host: Space, addresses: list[str], own: str, kind: str) -> None:
    """As nft.replace does it, with the program: it runs in the space."""
    wanted = table(addresses, own, kind)
    head = f"table {wanted.family} {wanted.name}"
    script = f"{head}\ndelete {head}\n{head} {{\n{wanted.chains}\n}}\n"
    subprocess.run(host.inside("nft", "-f", "-"), input=script, text=True, check=True, timeout=60)


def send(other: Space, source: str, target: str, text: str, port: int = GENEVE_PORT) -> None:
    other.run(sys.executable, "-c", SEND, source, target, str(port), text)


@pytest.mark.parametrize("kind", ["userspace", "kernel"])
@pytest.mark.parametrize(
    ("own", "friend", "stranger"), [(OWN, FRIEND, STRANGER), (OWN6, FRIEND6, STRANGER6)], ids=["IPv4", "IPv6"]
)
def test_friends_get_through_and_strangers_do_not(
    spaces: tuple[Space, Space], kind: str, own: str, friend: str, stranger: str
) -> None:
    host, other = spaces
    load(host, [own, friend], own, kind)
    heard = Heard(host)
    try:
        for text in ("1", "2", "3"):
            send(other, stranger, own, f"stranger {text}")
            send(other, friend, own, f"friend {text}")
            assert heard.next() == f"friend {text}"
        load(host, [own, friend, stranger], own, kind)
        send(other, stranger, own, "a node now")
        assert heard.next() == "a node now"
        load(host, [], own, kind)
        send(other, friend, own, "not any more")
        load(host, [friend], own, kind)
        send(other, friend, own, "again")
        assert heard.next() == "again"
    finally:
        heard.close()


def test_other_ports_are_not_its_business(spaces: tuple[Space, Space]) -> None:
    host, other = spaces
    load(host, [OWN], OWN, "kernel")
    heard = Heard(host, port=6082)
    try:
        send(other, STRANGER, OWN, "hello", port=6082)
        assert heard.next() == "hello"
    finally:
        heard.close()
