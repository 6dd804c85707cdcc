"""Routers, floating IPs, port forwardings and security groups, called in any order, against a small model.

Three networks, two of which overlap, and an external one with five addresses to give: soon they are used up,
and what is refused is refused for the reason that the model gives.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from sealane import errors
from sealane.cli.api import Api
from tests.api.any_order import NOTHING, AnyOrder, Sight, host, run
from tests.api.test_server import Host

__all__ = ["host"]
CIDRS = {"a": "10.0.0.0/29", "b": "10.0.1.0/29", "c": "10.0.0.0/29"}
OVERLAP = {"a": "c", "c": "a"}
NETS = st.sampled_from(sorted(CIDRS))
OUTSIDE, TO_GIVE = "203.0.113.0/29", 5
NUMBERS = st.integers(80, 82)


@dataclass
class Router:
    gateway: bool = False
    nets: set[str] = field(default_factory=set)


@dataclass
class Floating:
    port: str | None = None
    router: str | None = None
    forwards: dict[int, tuple[str, str]] = field(default_factory=dict)
    """External port -> the port that it leads to, and the forwarding."""


@dataclass
class Port:
    net: str
    address: str
    group: str | None = None


class Routing(AnyOrder):
    routers, ports, floating, groups = (Bundle(n) for n in ("routers", "ports", "floating", "groups"))

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.known_routers: dict[str, Router] = {}
        self.known_ports: dict[str, Port] = {}
        self.known_floating: dict[str, Floating] = {}
        self.known_groups: set[str] = set()
        self.outside = api.create("networks", {"router:external": True})["id"]
        api.create("subnets", {"network_id": self.outside, "cidr": OUTSIDE, "ip_version": 4})
        self.nets = {name: api.create("networks", {})["id"] for name in CIDRS}
        self.subnets = {
            name: api.create("subnets", {"network_id": self.nets[name], "cidr": cidr, "ip_version": 4})["id"]
            for name, cidr in CIDRS.items()
        }

    # what the model says

    def left(self) -> int:
        """Addresses of the external network that nobody has."""
        return TO_GIVE - len(self.known_floating) - sum(r.gateway for r in self.known_routers.values())

    def way(self, net: str) -> str | None:
        """The router that leads from there to the outside."""
        return next((id for id, r in self.known_routers.items() if net in r.nets and r.gateway), None)

    def leads_to(self, port: str) -> list[str]:
        return [id for id, f in self.known_floating.items() if f.port == port]

    def forwards_to(self, port: str) -> bool:
        return any(p == port for f in self.known_floating.values() for p, _ in f.forwards.values())

    def reached(self, router: str) -> set[str]:
        """Networks that floating IPs lead into through the router."""
        mine = [f for f in self.known_floating.values() if f.router == router]
        ends = {f.port for f in mine if f.port} | {p for f in mine for p, _ in f.forwards.values()}
        return {self.known_ports[port].net for port in ends}

    # calls

    def interface(self, verb: str, router: str, net: str) -> None:
        body = {"subnet_id": self.subnets[net]}
        self.api.request("PUT", f"/v2.0/routers/{router}/{verb}_router_interface", body)

    def gateway(self, wanted: bool) -> dict[str, Any]:
        return {"external_gateway_info": {"network_id": self.outside} if wanted else None}

    @rule(target=routers, gateway=st.booleans())
    def make_router(self, gateway: bool) -> str:
        if gateway and not self.left():
            with pytest.raises(errors.Conflict, match="No more IP addresses"):
                self.api.create("routers", self.gateway(True))
            return NOTHING
        id = str(self.api.create("routers", self.gateway(gateway))["id"])
        self.known_routers[id] = Router(gateway)
        return id

    @rule(router=routers, wanted=st.booleans())
    def set_gateway(self, router: str, wanted: bool) -> None:
        known = self.known_routers.get(router)
        if known is None:
            with pytest.raises(errors.NotFound):
                self.api.update("routers", router, self.gateway(wanted))
        elif known.gateway and not wanted and self.reached(router):
            with pytest.raises(errors.Conflict, match="floating IPs"):
                self.api.update("routers", router, self.gateway(False))
        elif wanted and not known.gateway and not self.left():
            with pytest.raises(errors.Conflict, match="No more IP addresses"):
                self.api.update("routers", router, self.gateway(True))
        else:
            self.api.update("routers", router, self.gateway(wanted))
            known.gateway = wanted

    @rule(router=routers, net=NETS)
    def join(self, router: str, net: str) -> None:
        known = self.known_routers.get(router)
        if known is None:
            with pytest.raises(errors.NotFound):
                self.interface("add", router, net)
        elif net in known.nets or OVERLAP.get(net) in known.nets:
            with pytest.raises(errors.BadRequest, match="overlaps"):
                self.interface("add", router, net)
        elif any(net in other.nets for other in self.known_routers.values()):
            with pytest.raises(errors.Conflict, match="already allocated"):
                self.interface("add", router, net)
        else:
            self.interface("add", router, net)
            known.nets.add(net)

    @rule(router=routers, net=NETS)
    def part(self, router: str, net: str) -> None:
        known = self.known_routers.get(router)
        if known is None or net not in known.nets:
            with pytest.raises(errors.NotFound):
                self.interface("remove", router, net)
        elif net in self.reached(router):
            with pytest.raises(errors.Conflict, match="required by one or more floating IPs"):
                self.interface("remove", router, net)
        else:
            self.interface("remove", router, net)
            known.nets.remove(net)

    @rule(router=routers)
    def delete_router(self, router: str) -> None:
        known = self.known_routers.get(router)
        if known is not None and not known.nets:
            self.api.delete("routers", router)
            del self.known_routers[router]
        else:
            with pytest.raises(errors.Conflict if known else errors.NotFound):
                self.api.delete("routers", router)

    @rule(target=ports, net=NETS)
    def make_port(self, net: str) -> str:
        if sum(port.net == net for port in self.known_ports.values()) == 5:
            with pytest.raises(errors.Conflict, match="No more IP addresses"):
                self.api.create("ports", {"network_id": self.nets[net]})
            return NOTHING
        row = self.api.create("ports", {"network_id": self.nets[net], "security_groups": []})
        self.known_ports[str(row["id"])] = Port(net, row["fixed_ips"][0]["ip_address"])
        return str(row["id"])

    @rule(port=ports)
    def delete_port(self, port: str) -> None:
        if port not in self.known_ports:
            with pytest.raises(errors.NotFound):
                self.api.delete("ports", port)
            return
        self.api.delete("ports", port)
        del self.known_ports[port]
        for floating in self.known_floating.values():
            gone = [number for number, (p, _) in floating.forwards.items() if p == port]
            for number in gone:
                del floating.forwards[number]
            if floating.port == port or (gone and not floating.forwards):
                floating.port = floating.router = None

    @rule(target=floating)
    def take_floating_ip(self) -> str:
        body = {"floating_network_id": self.outside}
        if not self.left():
            with pytest.raises(errors.Conflict, match="No more IP addresses"):
                self.api.create("floatingips", body)
            return NOTHING
        id = str(self.api.create("floatingips", body)["id"])
        self.known_floating[id] = Floating()
        return id

    @rule(floating=floating, port=ports)
    def associate(self, floating: str, port: str) -> None:
        known, target = self.known_floating.get(floating), self.known_ports.get(port)
        refused: type[errors.SealaneError] | None = None
        if known is None or target is None:
            refused = errors.NotFound
        elif known.forwards or self.forwards_to(port) or set(self.leads_to(port)) - {floating}:
            refused = errors.Conflict
        elif self.way(target.net) is None:
            refused = errors.NotFound
        if refused is not None:
            with pytest.raises(refused):
                self.api.update("floatingips", floating, {"port_id": port})
            return
        assert known is not None and target is not None
        row = self.api.update("floatingips", floating, {"port_id": port})
        known.port, known.router = port, self.way(target.net)
        assert row["fixed_ip_address"] == target.address

    @rule(floating=floating)
    def let_go(self, floating: str) -> None:
        known = self.known_floating.get(floating)
        if known is None:
            with pytest.raises(errors.NotFound):
                self.api.update("floatingips", floating, {"port_id": None})
            return
        self.api.update("floatingips", floating, {"port_id": None})
        if known.port is not None:
            known.port = known.router = None

    @rule(floating=floating)
    def delete_floating_ip(self, floating: str) -> None:
        known = self.known_floating.get(floating)
        if known is not None and not known.forwards:
            self.api.delete("floatingips", floating)
            del self.known_floating[floating]
        else:
            with pytest.raises(errors.Conflict if known else errors.NotFound):
                self.api.delete("floatingips", floating)

    @rule(floating=floating, port=ports, number=NUMBERS)
    def forward(self, floating: str, port: str, number: int) -> None:
        body = {"protocol": "tcp", "external_port": number, "internal_port": 8080, "internal_port_id": port}
        below = f"floatingips/{floating}/port_forwardings"
        refused = self.forward_refused(floating, port, number)
        if refused is not None:
            with pytest.raises(refused):
                self.api.create(below, body)
            return
        made = self.api.create(below, body)
        known = self.known_floating[floating]
        known.forwards[number] = (port, str(made["id"]))
        known.router = self.way(self.known_ports[port].net)

    def forward_refused(self, floating: str, port: str, number: int) -> type[errors.SealaneError] | None:
        known, target = self.known_floating.get(floating), self.known_ports.get(port)
        if known is None or target is None:
            return errors.NotFound
        if known.port is not None or self.leads_to(port):
            return errors.Conflict
        way = self.way(target.net)
        if way is None:
            return errors.NotFound
        return errors.BadRequest if known.router not in (None, way) or number in known.forwards else None

    @rule(floating=floating, number=NUMBERS)
    def forward_no_longer(self, floating: str, number: int) -> None:
        known = self.known_floating.get(floating)
        if known is not None and number in known.forwards:
            _, forwarding = known.forwards.pop(number)
            self.api.delete(f"floatingips/{floating}/port_forwardings", forwarding)
            if not known.forwards:
                known.router = None

    @rule(target=groups)
    def make_group(self) -> str:
        id = str(self.api.create("security-groups", {"name": "g"})["id"])
        self.known_groups.add(id)
        return id

    @rule(port=ports, group=groups)
    def put_into_group(self, port: str, group: str) -> None:
        if port in self.known_ports and group in self.known_groups:
            self.api.update("ports", port, {"security_groups": [group]})
            self.known_ports[port].group = group
        else:
            with pytest.raises(errors.NotFound):
                self.api.update("ports", port, {"security_groups": [group]})

    @rule(group=groups)
    def delete_group(self, group: str) -> None:
        used = any(port.group == group for port in self.known_ports.values())
        if group in self.known_groups and not used:
            self.api.delete("security-groups", group)
            self.known_groups.remove(group)
        else:
            with pytest.raises(errors.Conflict if used else errors.NotFound):
                self.api.delete("security-groups", group)

    # what is there

    @invariant()
    def floating_ips_lead_where_the_model_says(self) -> None:
        listed = {row["id"]: row for row in self.api.list("floatingips")}
        assert listed.keys() == self.known_floating.keys()
        for id, known in self.known_floating.items():
            assert (listed[id]["port_id"], listed[id]["router_id"]) == (known.port, known.router)
            shown = {(f["external_port"], f["internal_port_id"]) for f in listed[id]["port_forwardings"]}
            assert shown == {(number, port) for number, (port, _) in known.forwards.items()}

    @invariant()
    def routers_are_as_the_model_says(self) -> None:
        listed = {row["id"]: row for row in self.api.list("routers")}
        assert listed.keys() == self.known_routers.keys()
        for id, known in self.known_routers.items():
            assert (listed[id]["external_gateway_info"] is not None) == known.gateway

    @invariant()
    def no_address_is_given_twice_and_no_port_is_left_over(self) -> None:
        rows = self.api.list("ports")
        pairs = [(f["subnet_id"], f["ip_address"]) for row in rows for f in row["fixed_ips"]]
        assert len(set(pairs)) == len(pairs)
        routers = sum(len(r.nets) + r.gateway for r in self.known_routers.values())
        assert len(rows) == len(self.known_ports) + len(self.known_floating) + routers
        groups = {row["id"]: row["security_groups"] for row in rows if row["id"] in self.known_ports}
        assert all(groups[id] == [p.group] * (p.group is not None) for id, p in self.known_ports.items())


def test_routing_called_in_any_order(host: Host) -> None:
    run(Routing, host)
