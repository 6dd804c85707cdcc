"""The world outside of the engines' hosts: a LAN to which routers lead, and who asks and answers there.

outside:  under0 (clients of published ports)     lan 172.31.100.1 (bridge) ── lan0 of host1, host2
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE
from sealane.translate.gateways import order
from tests.e2e.docker.engines import Api, Engine, until

CIDR, WORLD = "172.31.100.0/24", "172.31.100.1"
PHYSICAL, INTERFACE = "lan", "lan0"

SERVER = """
import select, socket, sys
name, ports = sys.argv[1], sys.argv[2:]
udp, tcp = [], []
for port in ports:
    one = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    one.bind(("::", int(port)))
    udp.append(one)
    tcp.append(socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True))
print("serves", flush=True)
def told(peer):
    return f"{name} {peer[0].removeprefix('::ffff:')} ".encode()
while True:
    for ready in select.select([*udp, *tcp], [], [])[0]:
        if ready in udp:
            asked, peer = ready.recvfrom(99)
            ready.sendto(told(peer).ljust(int(asked), b"."), peer)
        else:
            connection, peer = ready.accept()
            connection.sendall(told(peer))
            connection.close()
"""
"""Tells who asks its name and the address that the question came from; by UDP in as many bytes as asked."""
ASK = """
import socket, sys
kind, address, port, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
try:
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as asking:
        asking.settimeout(2)
        asking.connect((address, port))
        if kind == "udp":
            asking.send(size.encode())
        said = asking.recv(65535)
        assert kind == "tcp" or len(said) >= int(size)
        print(" ".join(said.decode().split()[:2]))
except OSError:
    print("-")
"""


def outside(lab: Lab, *argv: str) -> str:
    return lab.exec(OUTSIDE, *argv).stdout


def plug(lab: Lab) -> None:
    """A LAN, and a cable to it from each host; also after a host was booted anew."""
    lab.exec(OUTSIDE, "ip", "link", "delete", PHYSICAL, check=False)
    outside(lab, "ip", "link", "add", PHYSICAL, "type", "bridge", "forward_delay", "0")
    outside(lab, "ip", "address", "add", f"{WORLD}/24", "dev", PHYSICAL)
    outside(lab, "ip", "link", "set", PHYSICAL, "up")
    for host in lab.plan.host_names:
        near, pid = f"lan-{host}", str(lab.host(host).need_pid())
        lab.exec(OUTSIDE, "ip", "link", "delete", near, check=False)
        words = ("ip", "link", "add", near, "type", "veth", "peer", "name", INTERFACE, "netns", pid)
        subprocess.run(["nsenter", f"--net={lab.plan.outside}", *words], check=True, timeout=60)
        outside(lab, "ip", "link", "set", near, "master", PHYSICAL, "up")
        lab.exec(host, "ip", "link", "set", INTERFACE, "up")


def unplug(lab: Lab) -> None:
    for host in lab.plan.host_names:
        outside(lab, "ip", "link", "delete", f"lan-{host}")
    outside(lab, "ip", "link", "delete", PHYSICAL)


class Routers:
    """Networks and routers of a test's; what Docker has made is cleared away with the engines."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._made: list[str] = []
        self._external = ""

    def external(self) -> str:
        """The network on the LAN; one for all routers of the test."""
        if not self._external:
            segment = {"provider:network_type": "flat", "provider:physical_network": PHYSICAL}
            body = {"name": "world", "router:external": True, **segment}
            self._external = str(self.api.call("POST", "networks", {"network": body})["network"]["id"])
            subnet = {"network_id": self._external, "cidr": CIDR, "ip_version": 4, "gateway_ip": WORLD}
            self.api.call("POST", "subnets", {"subnet": {**subnet, "enable_dhcp": False}})
        return self._external

    def router(self, name: str, **values: Any) -> Any:
        """With a gateway to the LAN."""
        body = {"name": name, "external_gateway_info": {"network_id": self.external()}, **values}
        made = self.api.call("POST", "routers", {"router": body})["router"]
        self._made.append(str(made["id"]))
        return made

    def router_at(self, host: str, name: str) -> Any:
        """One whose gateway is on the host; which host that is goes by the gateway's id."""
        while True:
            made = self.router(name)
            (gateway,) = self.api.list("ports", f"device_id={made['id']}&device_owner=network:router_gateway")
            hosts = (node["name"] for node in self.api.call("GET", "sealane/nodes")["nodes"])
            if order(gateway["id"], hosts)[0] == host:
                return made
            self.api.call("DELETE", f"routers/{self._made.pop()}")

    def network(self, name: str) -> str:
        """Its id; Docker tells its name a moment after it was made."""
        found = until(lambda: self.api.list("networks", f"name={name}"), what=f"network {name} has its name")
        return str(found[0]["id"])

    def subnets(self, network: str) -> list[str]:
        return [
            str(subnet["id"]) for subnet in self.api.list("subnets", f"network_id={self.network(network)}")
        ]

    def lead(self, verb: str, router: Any, network: str) -> None:
        """`add` or `remove`, all subnets."""
        for subnet in self.subnets(network):
            path = f"routers/{router['id']}/{verb}_router_interface"
            self.api.call("PUT", path, {"subnet_id": subnet})

    def clear(self) -> None:
        for floating in self.api.list("floatingips"):
            self.api.call("DELETE", f"floatingips/{floating['id']}")
        for router in self._made:
            owner = "device_owner=network:router_interface"
            for port in self.api.list("ports", f"device_id={router}&{owner}"):
                self.api.call("PUT", f"routers/{router}/remove_router_interface", {"port_id": port["id"]})
            self.api.call("DELETE", f"routers/{router}")
        if self._external:
            self.api.call("DELETE", f"networks/{self._external}")


def address_of(router: Any) -> str:
    """Outside."""
    return str(router["external_gateway_info"]["external_fixed_ips"][0]["ip_address"])


def command(engine: Engine, container: str, *argv: str) -> list[str]:
    """In the container's network namespace, with the host's programs."""
    (body,) = json.loads(engine("inspect", container))
    pid = str(body["State"]["Pid"])
    return engine.lab.command(engine.host, ["nsenter", "-t", pid, "-n", *argv])


@contextmanager
def serving(argv: list[str], name: str, *ports: int) -> Iterator[None]:
    """SERVER, begun with that command's words."""
    words = [*argv, "python3", "-c", SERVER, name, *map(str, ports)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout and process.stdout.readline() == "serves\n"
            yield
        finally:
            process.kill()


def asked(argv: list[str], kind: str, address: str, port: int, size: int = 1) -> str:
    """Name of who answers, and as whom it saw the question; "-" when nobody does."""
    words = [*argv, "python3", "-c", ASK, kind, address, str(port), str(size)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def soon(argv: list[str], kind: str, address: str, port: int, expected: str, size: int = 1) -> None:
    last: list[str] = []

    def is_so() -> bool:
        last[:] = [asked(argv, kind, address, port, size)]
        return last == [expected]

    until(is_so, what=f"{kind} {address} {port} says {expected!r}, not {last}")
