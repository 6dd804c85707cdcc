"""Conversations that go on until they are told to end, with who is seen at the other end."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sealane.lab.lab import Lab
from tests.e2e.docker.engines import until

ENDS = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
"""
SERVER = """
import select, socket, sys
port = int(sys.argv[1])
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
udp.bind(("::", port))
tcp = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
print("serves", flush=True)
peers, begun = {}, {}
def told(peer, line):
    return peer[0].removeprefix("::ffff:").encode() + b" " + line + b"\\n"
while True:
    for ready in select.select([udp, tcp, *peers], [], [])[0]:
        if ready is udp:
            line, peer = udp.recvfrom(9000)
            udp.sendto(told(peer, line.rstrip()), peer)
            continue
        if ready is tcp:
            connection, peer = tcp.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peers[connection], begun[connection] = peer, b""
            continue
        try:
            data = ready.recv(65536)
        except OSError:
            data = b""
        if not data:
            del peers[ready], begun[ready]
            continue
        *lines, begun[ready] = (begun[ready] + data).split(b"\\n")
        for line in lines:
            ready.sendall(told(peers[ready], line))
"""
"""Says each line back, behind the address that it came from."""
TALKER = """
import socket, sys, time
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
talker = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
talker.settimeout(60 if kind == "tcp" else 0.5)
talker.bind(("", int(sys.argv[4])))
talker.connect((address, port))
if kind == "tcp":
    talker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
number = 0
while True:
    number += 1
    said = b"%08d" % number + b"x" * 500
    try:
        talker.send(said + b"\\n")
        heard = talker.recv(9000)
        while kind == "tcp" and not heard.endswith(b"\\n"):
            heard += talker.recv(9000)
    except (TimeoutError, ConnectionRefusedError):
        if kind == "tcp":
            raise
        continue
    seen, back = heard.split()
    assert kind == "udp" or back == said, (said, back)
    print(seen.decode(), flush=True)
    time.sleep(0.005)
"""
"""One line at a time; prints as whom it is seen with each answer."""


@contextmanager
def running(argv: Sequence[str], program: str, *words: str) -> Iterator[Callable[[], list[str]]]:
    """Lines that it has said so far.  It ends with its standard input."""
    with tempfile.NamedTemporaryFile("r") as heard:
        whole = [*argv, "python3", "-c", ENDS + program, *words]
        with subprocess.Popen(whole, stdin=subprocess.PIPE, stdout=heard.fileno()):
            yield lambda: Path(heard.name).read_text().splitlines()


@contextmanager
def serving(argv: Sequence[str], port: int) -> Iterator[None]:
    with running(argv, SERVER, str(port)) as said:
        until(lambda: said() == ["serves"], what="the server serves")
        yield


@contextmanager
def talk(
    argv: Sequence[str], kind: str, address: str, port: int, source: int = 0
) -> Iterator[Callable[[], list[str]]]:
    """From the port `source`, or any."""
    with running(argv, TALKER, kind, address, str(port), str(source)) as said:
        until(said, what=f"somebody answers by {kind} at {address} {port}")
        yield said


def goes_on(said: Callable[[], list[str]], more: int = 20) -> None:
    before = len(said())
    until(lambda: len(said()) > before + more, what="the conversation goes on")


def counted(argv: Sequence[str], protocol: str, name: str) -> int:
    """Of the network namespace in which the command's words are run (proc_net_snmp)."""
    words = [*argv, "cat", "/proc/net/snmp"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    names, values = (line for line in lines if line[0] == f"{protocol}:")
    return int(values[names.index(name)])


def told(lab: Lab, host: str, what: str = "") -> Any:
    """What the agent says of the fast path; nothing while there is none."""
    words = ("curl", "-s", "--unix-socket", "/run/sealane/agent.sock", f"http://agent/fastpath{what}")
    return json.loads(lab.exec(host, *words, check=False).stdout or "{}")


def hooked(lab: Lab, host: str) -> set[str]:
    """Which programs are at links, as "tcx leave"."""
    return set(lab.exec(host, sys.executable, "-c", _HOOKED).stdout.splitlines())


_HOOKED = """
import socket
from sealane.fastpath import bpf, hooks
for kind, at in hooks.NAMED.items():
    for number, name in socket.if_nameindex():
        for program in [*at.attached(number), *at.attached(number, True)]:
            print(kind, bpf.program_info(bpf.program_by_id(program)).name)
"""
