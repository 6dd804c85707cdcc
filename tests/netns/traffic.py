"""Packets between spaces, and whether they came whole."""

import subprocess
import sys

from tests.netns.hosts import DEADLINE, Space

VOLUME = 24 << 20


def ping(container: Space, *words: str) -> bool:
    return container.succeeds("busybox", "ping", "-c", "1", "-W", "1", *words)


RECEIVE = """
import hashlib, socket
server = socket.create_server(("", 5001)); print("listens", flush=True)
connection, _ = server.accept(); digest = hashlib.sha256()
while data := connection.recv(1 << 18): digest.update(data)
print(digest.hexdigest(), flush=True)
"""
SEND = f"""
import hashlib, os, socket, sys
data = os.urandom({VOLUME}); connection = socket.create_connection((sys.argv[1], 5001), timeout=60)
connection.sendall(data); connection.close(); print(hashlib.sha256(data).hexdigest())
"""


def transfer(source: Space, target: Space, address: str) -> None:
    sink = target.popen(sys.executable, "-c", RECEIVE, stdout=subprocess.PIPE)
    try:
        assert sink.stdout and sink.stdout.readline() == "listens\n"
        sent = source.run(sys.executable, "-c", SEND, address)
        out, _ = sink.communicate(timeout=DEADLINE)
    finally:
        sink.kill()
    assert out == sent


def checksum_errors(space: Space) -> int:
    """Tcp and Udp InCsumErrors (proc_net_snmp)."""
    lines = [line.split() for line in space.run("cat", "/proc/net/snmp").splitlines()]
    named = [
        dict(zip(names, values, strict=True)) for names, values in zip(lines[::2], lines[1::2], strict=True)
    ]
    return sum(int(row.get("InCsumErrors", 0)) for row in named)
