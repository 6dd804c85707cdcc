"""A tenant in the lab: a network behind a router with a gateway to the world, and machines on it."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Self

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from sealane.translate import gateways
from tests.e2e.overlay.machines import Machine, attach, until
from tests.e2e.routing.world import ASK, CABLED, CIDR, GATEWAY, PHYSICAL, SERVER, serving

INSIDE = "10.44.0.0/24"
PORT = 7000
"""On which each machine serves, by TCP and UDP."""


def external(api: Api) -> dict[str, Any]:
    made = api.create(
        "networks",
        {
            "name": "world",
            "router:external": True,
            "provider:network_type": "flat",
            "provider:physical_network": PHYSICAL,
        },
    )
    pool = {"start": "172.31.254.100", "end": "172.31.254.200"}
    subnet = {"network_id": made["id"], "cidr": CIDR, "ip_version": 4, "gateway_ip": GATEWAY}
    api.create("subnets", {**subnet, "allocation_pools": [pool], "enable_dhcp": False})
    return made


@dataclass
class Tenant:
    """Left again, it leaves nothing."""

    lab: Lab
    api: Api
    outside: str
    name: str
    network: str = ""
    router: str = ""
    subnet: str = ""
    group: str = ""
    machines: list[Machine] = field(default_factory=list)
    floating: list[str] = field(default_factory=list)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        api, project = self.api, {"project_id": self.name, "name": self.name}
        self.network = api.create("networks", project)["id"]
        body = {"network_id": self.network, "cidr": INSIDE, "ip_version": 4, "project_id": self.name}
        self.subnet = api.create("subnets", body)["id"]
        gateway = {"network_id": self.outside}
        self.router = api.create("routers", {**project, "external_gateway_info": gateway})["id"]
        self._interface("add")
        self.group = api.create("security-groups", {"name": "open", "project_id": self.name})["id"]
        for protocol in ("icmp", "tcp", "udp"):
            rule = {"security_group_id": self.group, "direction": "ingress", "protocol": protocol}
            ports = {} if protocol == "icmp" else {"port_range_min": PORT, "port_range_max": PORT}
            api.create("security-group-rules", {**rule, **ports, "project_id": self.name})
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        for machine in self.machines:
            machine.remove()
        for id in self.floating:
            for row in self.api.list(f"floatingips/{id}/port_forwardings"):
                self.api.delete(f"floatingips/{id}/port_forwardings", row["id"])
            self.api.delete("floatingips", id)
        self._interface("remove")
        self.api.delete("routers", self.router)
        until(lambda: not self._bound(), "ports of the network are gone")
        self.api.delete("networks", self.network)
        for group in self.api.list("security-groups", project_id=self.name):
            self.api.delete("security-groups", group["id"])

    def _bound(self) -> bool:
        ports = self.api.list("ports", network_id=self.network)
        return any(port["binding:host_id"] for port in ports)

    def _interface(self, verb: str) -> None:
        path = f"/v2.0/routers/{self.router}/{verb}_router_interface"
        self.api.request("PUT", path, {"subnet_id": self.subnet})

    def put(self, host: str, name: str, ip: str = "", network: str = "") -> Machine:
        """A machine that serves on PORT, and tells its name; in the tenant's first network or another one."""
        machine = attach(self.lab, host, name, network or self.network, ip)
        self.machines.append(machine)
        self.api.update("ports", machine.port_id, {"security_groups": [self.group]})
        words = ["ip", "netns", "exec", name, "python3", "-c", SERVER, name, str(PORT)]
        self._stack.enter_context(serving(self.lab.command(host, words)))
        return machine

    def take(self, **values: Any) -> dict[str, Any]:
        """A floating IP."""
        body = {"floating_network_id": self.outside, "project_id": self.name, **values}
        made = self.api.create("floatingips", body)
        self.floating.append(made["id"])
        return made

    def forward(self, floating: dict[str, Any], machine: Machine, kind: str, at: int) -> dict[str, Any]:
        """A port of it to the machine's PORT."""
        to = {"internal_port": PORT, "internal_port_id": machine.port_id}
        body = {"protocol": kind, "external_port": at, **to}
        return self.api.create(f"floatingips/{floating['id']}/port_forwardings", body)

    def gateway_on(self, host: str) -> str:
        """Give the router a gateway for which that host comes first; its address."""
        while gateways.order(self._gateway()["id"], CABLED)[0] != host:
            for info in (None, {"network_id": self.outside}):
                self.api.update("routers", self.router, {"external_gateway_info": info})
        return str(self._gateway()["fixed_ips"][0]["ip_address"])

    def holder(self) -> str:
        """The host that has the gateway."""
        return str(self._gateway()["binding:host_id"])

    def _gateway(self) -> dict[str, Any]:
        (port,) = self.api.list("ports", device_id=self.router, device_owner="network:router_gateway")
        return dict(port)

    def lead(self, floating: dict[str, Any], machine: Machine | None) -> None:
        to = machine.port_id if machine else None
        self.api.update("floatingips", floating["id"], {"port_id": to})

    def status(self, floating: dict[str, Any]) -> str:
        (row,) = self.api.list("floatingips", id=floating["id"])
        return str(row["status"])


def ask(machine: Machine, kind: str, address: str, port: int = PORT) -> list[str]:
    return machine.exec("python3", "-c", ASK, kind, address, str(port)).stdout.split()
