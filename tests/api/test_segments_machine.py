"""Networks, their segments, subnets of them and ports on hosts, in any order against a model.

Each host leads to one physical network, or to none.
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
WAYS = {"ha": "a", "hb": "b", "hc": "c", "hn": "", "": ""}
PHYSICAL = st.sampled_from("abc")
VLANS = st.integers(1, 3)
HOSTS = st.sampled_from(sorted(WAYS))
REFUSED = (errors.BadRequest, errors.Conflict)


@dataclass
class Network:
    own: str
    parts: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Segment -> physical network and VLAN."""
    subnets: dict[str, str | None] = field(default_factory=dict)
    """Subnet -> its segment."""

    @property
    def mixed(self) -> bool:
        return {segment is None for segment in self.subnets.values()} == {True, False}

    def routed(self, parts: int) -> bool:
        return parts > 1 and any(self.subnets.values())

    def of(self, host: str) -> str | None:
        return next((id for id, (physical, _) in self.parts.items() if physical == WAYS[host]), None)


class Machine(AnyOrder):
    networks = Bundle("networks")
    segments = Bundle("segments")
    subnets = Bundle("subnets")
    ports = Bundle("ports")

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.known: dict[str, Network] = {}
        self.bound: dict[str, dict[str, Any]] = {}
        self.place = 0
        there = {node["name"] for node in api.list("sealane/nodes")}
        for number, (name, physical) in enumerate(WAYS.items(), 1):
            ways = [physical] if physical else []
            if name and name not in there:
                node = {"name": name, "address": f"192.0.2.{number}", "physical_networks": ways}
                api.request("POST", "/v2.0/sealane/nodes", {"node": node})

    def taken(self, physical: str, vlan: int) -> bool:
        return any((physical, vlan) in network.parts.values() for network in self.known.values())

    def within(self, network: str) -> list[dict[str, Any]]:
        return [port for port in self.bound.values() if port["network_id"] == network]

    def segment_of(self, port: dict[str, Any]) -> str | None:
        subnets = self.known[port["network_id"]].subnets
        return next((subnets[fixed["subnet_id"]] for fixed in port["fixed_ips"]), None)

    def astray(self, port: dict[str, Any]) -> bool:
        """Bound where its addresses would be of no use."""
        there = self.known[port["network_id"]].of(port["binding:host_id"])
        return bool(port["binding:host_id"] and port["fixed_ips"] and self.segment_of(port) != there)

    @rule(target=networks, physical=PHYSICAL, vlan=VLANS)
    def make_network(self, physical: str, vlan: int) -> str:
        body = {"network_type": "vlan", "physical_network": physical, "segmentation_id": vlan}
        given = {f"provider:{name}": value for name, value in body.items()}
        if self.taken(physical, vlan):
            with pytest.raises(errors.Conflict, match="in use"):
                self.api.create("networks", given)
            return NOTHING
        id = str(self.api.create("networks", given)["id"])
        (own,) = (row["id"] for row in self.api.list("segments", network_id=id))
        self.known[id] = Network(own, {own: (physical, vlan)})
        return id

    @rule(target=segments, network=networks, physical=PHYSICAL, vlan=VLANS)
    def make_segment(self, network: str, physical: str, vlan: int) -> str:
        body = {"network_type": "vlan", "physical_network": physical, "segmentation_id": vlan}
        body["network_id"] = network
        known = self.known.get(network)
        if known is None:
            with pytest.raises(errors.NotFound):
                self.api.create("segments", body)
            return NOTHING
        there = any(physical == other for other, _ in known.parts.values())
        lost = known.routed(len(known.parts) + 1) and any(
            self.astray(port) or (port["fixed_ips"] and WAYS[port["binding:host_id"]] == physical)
            for port in self.within(network)
        )
        if there or self.taken(physical, vlan) or known.mixed or lost:
            with pytest.raises(REFUSED):
                self.api.create("segments", body)
            return NOTHING
        id = str(self.api.create("segments", body)["id"])
        known.parts[id] = (physical, vlan)
        return id

    @rule(segment=segments, name=st.sampled_from(["", "x"]))
    def name_it(self, segment: str, name: str) -> None:
        if any(segment in network.parts for network in self.known.values()):
            assert self.api.update("segments", segment, {"name": name})["name"] == name

    @rule(segment=segments)
    def delete_segment(self, segment: str) -> None:
        network = next((id for id, known in self.known.items() if segment in known.parts), None)
        if network is None:
            with pytest.raises(errors.NotFound):
                self.api.delete("segments", segment)
            return
        known = self.known[network]
        users = any(known.of(port["binding:host_id"]) == segment for port in self.within(network))
        if segment in known.subnets.values() or users:
            with pytest.raises(errors.Conflict, match="still associated"):
                self.api.delete("segments", segment)
        else:
            self.api.delete("segments", segment)
            del known.parts[segment]

    @rule(network=networks)
    def delete_the_own_one(self, network: str) -> None:
        if network in self.known:
            with pytest.raises(errors.Conflict, match="delete the network"):
                self.api.delete("segments", self.known[network].own)

    @rule(target=subnets, network=networks, number=st.integers(-1, 2))
    def make_subnet(self, network: str, number: int) -> str:
        """number: of the segment; -1: of none."""
        known = self.known.get(network)
        if known is None:
            return NOTHING
        segment = None if number < 0 else sorted(known.parts)[number % len(known.parts)]
        self.place += 1
        cidr = f"10.{self.place // 250 % 250}.{self.place % 250}.0/24"
        body = {"network_id": network, "cidr": cidr, "segment_id": segment}
        if any((other is None) != (segment is None) for other in known.subnets.values()):
            with pytest.raises(errors.BadRequest, match="either all be associated"):
                self.api.create("subnets", body)
            return NOTHING
        id = str(self.api.create("subnets", body)["id"])
        known.subnets[id] = segment
        return id

    @rule(subnet=subnets, to_own=st.booleans())
    def move_subnet(self, subnet: str, to_own: bool) -> None:
        network = next((known for known in self.known.values() if subnet in known.subnets), None)
        if network is None:
            return
        wanted = network.own if to_own else None
        if len(network.parts) > 1 and network.subnets[subnet] != wanted:
            with pytest.raises(errors.Conflict, match="multiple segments"):
                self.api.update("subnets", subnet, {"segment_id": wanted})
        else:
            self.api.update("subnets", subnet, {"segment_id": wanted})
            network.subnets[subnet] = wanted

    @rule(subnet=subnets)
    def delete_subnet(self, subnet: str) -> None:
        network = next((known for known in self.known.values() if subnet in known.subnets), None)
        if network is None:
            return
        if any(f["subnet_id"] == subnet for port in self.bound.values() for f in port["fixed_ips"]):
            with pytest.raises(errors.Conflict):
                self.api.delete("subnets", subnet)
        else:
            self.api.delete("subnets", subnet)
            del network.subnets[subnet]

    @rule(target=ports, network=networks, host=HOSTS)
    def make_port(self, network: str, host: str) -> str:
        known = self.known.get(network)
        if known is None:
            return NOTHING
        body = {"network_id": network, "binding:host_id": host}
        routed = known.routed(len(known.parts))
        segment = known.of(host)
        if routed and host and (segment is None or segment not in known.subnets.values()):
            with pytest.raises(errors.Conflict):
                self.api.create("ports", body)
            return NOTHING
        row = self.api.create("ports", body)
        self.bound[row["id"]] = row
        assert bool(row["fixed_ips"]) == bool(known.subnets and (host or not routed))
        assert row["ip_allocation"] == ("deferred" if routed and not host else "immediate")
        return str(row["id"])

    @rule(port=ports, host=HOSTS)
    def bind(self, port: str, host: str) -> None:
        row = self.bound.get(port)
        if row is None:
            return
        known, change = self.known[row["network_id"]], {"binding:host_id": host}
        routed, segment = known.routed(len(known.parts)), known.of(host)
        waits = row["ip_allocation"] == "deferred" and bool(host)
        nowhere = waits and routed and (segment is None or segment not in known.subnets.values())
        astray = routed and host != row["binding:host_id"] and self.astray({**row, **change})
        if nowhere or astray:
            with pytest.raises(errors.Conflict):
                self.api.update("ports", port, change)
        else:
            self.bound[port] = self.api.update("ports", port, change)

    @rule(port=ports)
    def delete_port(self, port: str) -> None:
        if self.bound.pop(port, None) is not None:
            self.api.delete("ports", port)

    @rule(network=networks)
    def delete_network(self, network: str) -> None:
        if network in self.known and self.within(network):
            with pytest.raises(errors.Conflict):
                self.api.delete("networks", network)
        elif network in self.known:
            self.api.delete("networks", network)
            del self.known[network]

    @invariant()
    def shows_what_the_model_has(self) -> None:
        listed = self.api.list("segments")
        assert {
            (row["network_id"], row["id"]): (row["physical_network"], row["segmentation_id"])
            for row in listed
        } == {
            (id, segment): place for id, known in self.known.items() for segment, place in known.parts.items()
        }
        assert {row["id"]: row["segment_id"] for row in self.api.list("subnets")} == {
            id: segment for known in self.known.values() for id, segment in known.subnets.items()
        }
        for row in self.api.list("networks"):
            known = self.known[row["id"]]
            assert row["l2_adjacency"] is not known.routed(len(known.parts))
            assert len(row["segments"] or [()]) == len(known.parts)

    @invariant()
    def nobody_on_a_routed_network_is_astray(self) -> None:
        for row in self.api.list("ports"):
            known = self.known[row["network_id"]]
            assert not (known.routed(len(known.parts)) and self.astray(row))


def test_segments_in_any_order(host: Host) -> None:
    run(Machine, host, steps=50)
