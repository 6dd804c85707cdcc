"""The outside of a lab: a namespace on a LAN of its own, to which each host has a spare interface.

world br0 172.31.254.1 ─┬─ ext0 of host1     bridge_mappings = "outside:ext0"
                        └─ ext0 of host2     host3 has no cable
"""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Self

from sealane.lab.host import Host
from sealane.lab.lab import Lab
from tests.e2e.overlay import machines
from tests.e2e.overlay.machines import until

CIDR, GATEWAY = "172.31.254.0/24", "172.31.254.1"
MAC = "0a:00:00:fe:00:01"
"""Without one of its own a bridge takes that of a cable, and another one when that cable is gone."""
PHYSICAL, INTERFACE = "outside", "ext0"
CABLED = ("host1", "host2")
SETTINGS = {"bridge_mappings": f"{PHYSICAL}:{INTERFACE}"}

SERVER = """
import select, socket, sys
name, port = sys.argv[1].encode(), int(sys.argv[2])
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("", port))
tcp = socket.create_server(("", port))
print("serves", flush=True)
while True:
    for ready in select.select([udp, tcp], [], [])[0]:
        if ready is udp:
            _, peer = udp.recvfrom(99)
            udp.sendto(name + b" " + peer[0].encode(), peer)
        else:
            connection, peer = tcp.accept()
            connection.sendall(name + b" " + peer[0].encode())
            connection.close()
"""
"""Tells whoever asks its name, and the address that the question came from."""
ASK = """
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
try:
    if kind == "tcp":
        with socket.create_connection((address, port), timeout=2) as connection:
            print(connection.recv(99).decode())
    else:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(1)
            asking.sendto(b"who", (address, port))
            print(asking.recv(99).decode())
except OSError:
    print("-")
"""
WATCH = """
import socket, sys, time
while True:
    begun = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.1)
        try:
            asking.sendto(b"who", (sys.argv[1], int(sys.argv[2])))
            said = asking.recv(99).decode().split()[0]
        except OSError:
            said = "-"
    try:
        print(begun, said, flush=True)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit()
    time.sleep(0.02)
"""
"""Asks again and again, each time from another port, and tells when it asked and who answered."""


class World:
    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.name = f"world-{lab.name}"

    def __enter__(self) -> Self:
        self.close()
        self._ip("netns", "add", self.name)
        self.exec("ip", "link", "add", "br0", "address", MAC, "type", "bridge", "forward_delay", "0")
        self.exec("ip", "address", "add", f"{GATEWAY}/24", "dev", "br0")
        for link in ("lo", "br0"):
            self.exec("ip", "link", "set", link, "up")
        for host in CABLED:
            self.plug(host)
        until(self._is_found, "the hosts have told that they reach it")
        return self

    def plug(self, host: str) -> None:
        """A cable to the host; the one that it had before its power was cut is gone by itself."""
        until(lambda: host not in self.exec("ip", "-o", "link"), "the old cable is gone")
        peer = ("peer", "name", INTERFACE, "netns", str(Host(self.lab.plan, host).need_pid()))
        self.exec("ip", "link", "add", host, "type", "veth", *peer)
        self.exec("ip", "link", "set", host, "master", "br0", "up")
        self.lab.exec(host, "ip", "link", "set", INTERFACE, "up")

    def _is_found(self) -> bool:
        nodes = machines.api(self.lab).list("sealane/nodes")
        return {n["name"] for n in nodes if PHYSICAL in n["physical_networks"]} == set(CABLED)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)

    def _ip(self, *words: str) -> None:
        subprocess.run(["ip", *words], check=True)

    def command(self, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *argv]

    def exec(self, *argv: str) -> str:
        return subprocess.run(self.command(*argv), check=True, capture_output=True, text=True).stdout

    def ask(self, kind: str, address: str, port: int) -> list[str]:
        """Name of who answers, and whom it took the question from; ["-"] when nobody does."""
        return self.exec("python3", "-c", ASK, kind, address, str(port)).split()

    @contextmanager
    def watch(self, address: str, port: int) -> Iterator["Watch"]:
        with Watch(self.command("python3", "-c", WATCH, address, str(port))) as watch:
            yield watch


class Watch:
    """Who answers at an address, from moment to moment."""

    def __init__(self, argv: list[str]) -> None:
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self._seen: list[tuple[float, str]] = []
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What runs in a host outlives the kill of what entered it, until it has nobody to tell."""
        self._ended = True
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        with suppress(ValueError):
            for line in self._process.stdout:
                when, _, who = line.strip().partition(" ")
                self._seen.append((float(when), who))
                if self._ended:
                    return

    def settles(self, who: str, since: float) -> None:
        """Wait until this one has answered some questions asked since then, one after the other."""

        def settled() -> bool:
            later = [name for when, name in self._seen if when >= since]
            return len(later) > 10 and set(later[-10:]) == {who}

        until(settled, f"{who!r} answers")

    def gap(self, who: str, since: float) -> float:
        """The longest time, in seconds, between two questions that this one has answered."""
        good = [when for when, name in self._seen if name == who]
        pairs = ((a, b) for a, b in pairwise(good) if b >= since)
        return max((b - a for a, b in pairs), default=0.0)

    def says(self, who: str, since: float) -> float:
        """Seconds from `since` to the first question that got this answer and the next ones, too."""

        def settled() -> bool:
            later = [name for when, name in self._seen if when >= since]
            return len(later) > 3 and set(later[-3:]) == {who}

        until(settled, f"{who!r} answers")
        later = [(when, name) for when, name in self._seen if when >= since]
        last_other = max((n for n, (_, name) in enumerate(later) if name != who), default=-1)
        return later[last_other + 1][0] - since


@contextmanager
def serving(argv: list[str]) -> Iterator[None]:
    """A server of SERVER, started by that command."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == "serves\n"
            yield
        finally:
            process.kill()


def now() -> float:
    return time.monotonic()
