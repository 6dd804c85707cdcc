"""What a test builds of networks, routers and machines, and takes down again."""

import subprocess
from dataclasses import dataclass, field
from typing import Any

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import Machine, attach, until

ASKS = """
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
with socket.create_connection((address, port), timeout=5) as connection:
    connection.settimeout(5)
    print(connection.recv(100).decode())
"""
TELLS = """
import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2])), family=getattr(socket, sys.argv[3])) as server:
    print("listens", flush=True)
    while True:
        connection, peer = server.accept()
        with connection:
            connection.sendall(peer[0].encode())
"""


@dataclass
class Site:
    lab: Lab
    api: Api
    made: list[tuple[str, str]] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)
    servers: list[subprocess.Popen[str]] = field(default_factory=list)

    def create(self, plural: str, **values: Any) -> str:
        id = str(self.api.create(plural, values)["id"])
        self.made.append((plural, id))
        return id

    def network(self, name: str, *cidrs: str, subnet: dict[str, Any] | None = None, **values: Any) -> str:
        id = self.create("networks", name=name, **values)
        for cidr in cidrs:
            version = 6 if ":" in cidr else 4
            owner = {key: values[key] for key in ("project_id",) if key in values}
            given = {"network_id": id, "cidr": cidr, "ip_version": version, **owner, **(subnet or {})}
            self.api.create("subnets", given)
        return id

    def external(self, name: str, kind: str, physical: str, vlan: int | None, *cidrs: str) -> str:
        segment = {"provider:segmentation_id": vlan} if vlan else {}
        provider = {"provider:network_type": kind, "provider:physical_network": physical, **segment}
        return self.network(name, *cidrs, **{"router:external": True, **provider})

    def router(self, *networks: str, gateway: str | None = None, **values: Any) -> str:
        given = {"external_gateway_info": {"network_id": gateway}} if gateway else {}
        id = self.create("routers", **{"name": "r", **given, **values})
        for subnet in (s for network in networks for s in self.api.list("subnets", network_id=network)):
            self.interface("add", id, subnet["id"])
        return id

    def interface(self, verb: str, router: str, subnet: str) -> None:
        self.api.request("PUT", f"/v2.0/routers/{router}/{verb}_router_interface", {"subnet_id": subnet})

    def gateway_of(self, router: str, place: int = 0) -> str:
        """The first address of a router's gateway."""
        shown = self.api.list("routers", id=router)[0]["external_gateways"][place]
        return str(shown["external_fixed_ips"][0]["ip_address"])

    def machine(self, host: str, name: str, network: str, ip: str = "") -> Machine:
        made = attach(self.lab, host, name, network, ip)
        self.machines.append(made)
        return made

    def listen(self, address: str, port: int) -> None:
        """Somebody outside who tells each caller from where he calls."""
        family = "AF_INET6" if ":" in address else "AF_INET"
        words = ["nsenter", f"--net={self.lab.plan.outside}", "python3", "-c", TELLS]
        server = subprocess.Popen([*words, address, str(port), family], stdout=subprocess.PIPE, text=True)
        self.servers.append(server)
        assert server.stdout and server.stdout.readline() == "listens\n"

    def remove(self) -> None:
        for server in self.servers:
            server.kill()
            server.communicate(timeout=60)
        for machine in self.machines:
            machine.remove()
        for plural, id in reversed(self.made):
            if plural == "routers":
                self._empty(id)
            if plural == "networks":
                until(lambda id=id: self._is_free(id), "ports of the network are gone")  # type: ignore[misc]
            self.api.delete(plural, id)

    def _empty(self, router: str) -> None:
        self.api.update("routers", router, {"routes": []})
        for port in self.api.list("ports", device_id=router, device_owner="network:router_interface"):
            for fixed in port["fixed_ips"]:
                self.interface("remove", router, fixed["subnet_id"])

    def _is_free(self, network: str) -> bool:
        return not any(port["binding:host_id"] for port in self.api.list("ports", network_id=network))


def seen(machine: Machine, address: str, port: int) -> str:
    """As whom the machine is seen by who listens there; "" when it can't get there."""
    done = machine.exec("python3", "-c", ASKS, address, str(port), check=False)
    return done.stdout.strip()


def soon_seen(machine: Machine, address: str, port: int, expected: str) -> None:
    last: list[str] = []

    def is_so() -> bool:
        last[:] = [seen(machine, address, port)]
        return last == [expected]

    until(is_so, f"{machine.name} is seen as {expected} by {address}, not as {last}")
