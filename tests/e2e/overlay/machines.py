"""Network namespaces on lab hosts, attached with the command, as the tests talk to them."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests.daemons import become

PATIENCE = 60.0


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
    become(condition, what, seconds)


def api(lab: Lab) -> Api:
    return Api(f"unix:{lab.plan.api_socket}")


@dataclass(frozen=True)
class Machine:
    """A namespace on a network."""

    lab: Lab
    host: str
    name: str
    port_id: str
    addresses: tuple[str, ...]

    @property
    def path(self) -> str:
        return f"/run/netns/{self.name}"

    def exec(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.lab.exec(self.host, "ip", "netns", "exec", self.name, *argv, check=check)

    def reaches(self, target: str) -> bool:
        """One echo; says at once when it comes back."""
        return self.exec("busybox", "ping", "-c", "1", "-W", "1", target, check=False).returncode == 0

    def still_reaches(self, target: str) -> bool:
        """At once, but for a lost echo or two."""
        return any(self.reaches(target) for _ in range(5))

    def soon_reaches(self, target: str) -> None:
        until(lambda: self.reaches(target), f"{self.name} on {self.host} reaches {target}")

    def remove(self) -> None:
        """Also where the agent has already let go of it, as that of a node that was removed and is back."""
        done = self.lab.exec(self.host, "sealane", "detach", self.path, check=False)
        assert done.returncode == 0 or "has no attachment" in done.stderr, done.stderr
        self.lab.exec(self.host, "ip", "netns", "delete", self.name)


@dataclass(frozen=True)
class Leg:
    """A router's port on a network."""

    port_id: str
    mac: str


@contextmanager
def router(api: Api, *networks: str) -> Iterator[str]:
    """One that joins all their subnets; gone afterwards."""
    made = str(api.create("routers", {"name": "between"})["id"])
    subnets = [{"subnet_id": s["id"]} for id in networks for s in api.list("subnets", network_id=id)]
    for subnet in subnets:
        api.change("PUT", f"routers/{made}/add_router_interface", subnet)
    yield made
    for subnet in subnets:
        api.change("PUT", f"routers/{made}/remove_router_interface", subnet)
    api.delete("routers", made)


def leg(api: Api, router: str, network: str) -> Leg:
    (port,) = [
        port
        for port in api.list("ports", network_id=network, device_id=router)
        if any("." in ip["ip_address"] for ip in port["fixed_ips"])
    ]
    return Leg(port["id"], port["mac_address"])


def attach(lab: Lab, host: str, name: str, network: str, *ips: str) -> Machine:
    lab.exec(host, "ip", "netns", "add", name)
    lab.exec(host, "ip", "-n", name, "link", "set", "lo", "up")
    options = [word for ip in filter(None, ips) for word in ("--ip", ip)]
    said = lab.exec(
        host, "sealane", "attach", f"/run/netns/{name}", "--network", network, *options, "-o", "json"
    )
    made = json.loads(said.stdout)
    addresses = tuple(text.partition("/")[0] for text in made["addresses"])
    return Machine(lab, host, name, made["port_id"], addresses)


@contextmanager
def listening(machine: Machine, program: str) -> Iterator[Callable[[], str]]:
    """A Python program that says "listens" and then what it hears; gives all that it has said so far."""
    words = machine.lab.command(machine.host, ["ip", "netns", "exec", machine.name, "python3", "-c", program])
    with (
        tempfile.NamedTemporaryFile("r") as heard,
        subprocess.Popen(words, stdout=heard.fileno()) as running,
    ):

        def read() -> str:
            return Path(heard.name).read_text()

        try:
            until(lambda: "listens" in read(), "the machine listens")
            yield read
        finally:
            running.kill()


SINK = """
import hashlib, socket, sys
with socket.create_server(("", 7777)) as server:
    print("listens", flush=True)
    server.settimeout(60)
    connection, _ = server.accept()
    connection.settimeout(60)
    digest = hashlib.sha256()
    while piece := connection.recv(65536):
        digest.update(piece)
print(digest.hexdigest())
"""
SOURCE = """
import hashlib, random, socket, sys
rest, digest = random.Random(1), hashlib.sha256()
with socket.create_connection((sys.argv[1], 7777), timeout=60) as connection:
    for _ in range(int(sys.argv[2])):
        piece = rest.randbytes(65536)
        digest.update(piece)
        connection.sendall(piece)
print(digest.hexdigest())
"""


def transfer(source: Machine, sink: Machine, pieces: int = 256) -> tuple[str, str]:
    """Send that many pieces of 64 KiB by TCP; the digests of what was sent and of what arrived."""
    words = sink.lab.command(sink.host, ["ip", "netns", "exec", sink.name, "python3", "-c", SINK])
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as listening:
        assert listening.stdout
        assert listening.stdout.readline() == "listens\n"
        sent = source.exec("python3", "-c", SOURCE, sink.addresses[0], str(pieces)).stdout
        return sent, listening.communicate(timeout=90)[0]
