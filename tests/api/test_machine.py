"""Networks, subnets and ports, called in any order, against a model in a few dictionaries (any_order.py)."""

import ipaddress
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    consumes,
    invariant,
    rule,
)

from sealane import errors
from sealane.cli.api import Api
from tests.api.any_order import NOTHING, AnyOrder, Sight, host, run
from tests.api.test_server import Host

__all__ = ["host"]
NAMES = st.sampled_from(["", "a", "b", "ä 🦊"])
TAGS = st.lists(st.sampled_from(["red", "warm", "old"]), unique=True, max_size=3)
PLACES = st.integers(0, 3)
"""Of a subnet: 10.0.PLACE.0/29, six addresses, one of them the gateway's."""
LAST = st.integers(0, 7)
SHOWN = {
    "networks": ("name", "tags", "revision_number"),
    "subnets": ("name", "cidr"),
    "ports": ("name", "tags"),
}


class Machine(AnyOrder):
    networks = Bundle("networks")
    subnets = Bundle("subnets")
    ports = Bundle("ports")

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.rows: dict[str, dict[str, dict[str, Any]]] = {"networks": {}, "subnets": {}, "ports": {}}

    def keep(self, collection: str, row: dict[str, Any]) -> str:
        self.rows[collection][row["id"]] = row
        return str(row["id"])

    def of(self, collection: str, network: str) -> list[dict[str, Any]]:
        return [row for row in self.rows[collection].values() if row["network_id"] == network]

    def taken(self, subnet: dict[str, Any]) -> set[str]:
        ports = self.of("ports", subnet["network_id"])
        fixed = {f["ip_address"] for p in ports for f in p["fixed_ips"] if f["subnet_id"] == subnet["id"]}
        return fixed | {subnet["gateway_ip"]}

    @rule(target=networks, name=NAMES, tags=TAGS)
    def make_network(self, name: str, tags: list[str]) -> str:
        row = self.api.create("networks", {"name": name, "tags": tags})
        assert (row["name"], row["tags"], row["revision_number"]) == (name, tags, 1)
        return self.keep("networks", row)

    @rule(target=subnets, network=networks, place=PLACES)
    def make_subnet(self, network: str, place: int) -> str:
        cidr = f"10.0.{place}.0/29"
        body = {"network_id": network, "cidr": cidr}
        if network not in self.rows["networks"]:
            with pytest.raises(errors.NotFound):
                self.api.create("subnets", body)
            return NOTHING
        if cidr in (s["cidr"] for s in self.of("subnets", network)):
            with pytest.raises(errors.BadRequest, match="overlaps"):
                self.api.create("subnets", body)
            return NOTHING
        return self.keep("subnets", self.api.create("subnets", body))

    @rule(target=ports, network=networks, name=NAMES, tags=TAGS)
    def make_port(self, network: str, name: str, tags: list[str]) -> str:
        """Any address: the lowest of a subnet that has one."""
        body = {"network_id": network, "name": name, "tags": tags}
        if network not in self.rows["networks"]:
            with pytest.raises(errors.NotFound):
                self.api.create("ports", body)
            return NOTHING
        there = self.of("subnets", network)
        if there and all(len(self.taken(s)) == 6 for s in there):
            with pytest.raises(errors.Conflict, match="No more IP addresses"):
                self.api.create("ports", body)
            return NOTHING
        free = {min(_hosts(s["cidr"]) - self.taken(s)) for s in there if _hosts(s["cidr"]) - self.taken(s)}
        row = self.api.create("ports", body)
        assert len(row["fixed_ips"]) == bool(there)
        assert {f["ip_address"] for f in row["fixed_ips"]} <= free
        return self.keep("ports", row)

    @rule(target=ports, subnet=subnets, last=LAST)
    def make_port_with_an_address(self, subnet: str, last: int) -> str:
        known = self.rows["subnets"].get(subnet)
        if known is None:
            return NOTHING
        address = str(ipaddress.ip_network(known["cidr"])[last])
        body = {
            "network_id": known["network_id"],
            "fixed_ips": [{"subnet_id": subnet, "ip_address": address}],
        }
        if address in _hosts(known["cidr"]) - self.taken(known):
            return self.keep("ports", self.api.create("ports", body))
        with pytest.raises(errors.Conflict if address in self.taken(known) else errors.BadRequest):
            self.api.create("ports", body)
        return NOTHING

    @rule(port=ports, other=ports)
    def take_the_mac_of_another(self, port: str, other: str) -> None:
        rows = self.rows["ports"]
        if port in rows and other in rows and port != other:
            mac = rows[other]["mac_address"]
            neighbours = [row for row in self.of("ports", rows[port]["network_id"]) if row["id"] != port]
            if mac in (row["mac_address"] for row in neighbours):
                with pytest.raises(errors.Conflict, match="mac address"):
                    self.api.update("ports", port, {"mac_address": mac})
            else:
                self.keep("ports", self.api.update("ports", port, {"mac_address": mac}))

    @rule(network=networks, name=NAMES, stale=st.booleans())
    def rename_network(self, network: str, name: str, stale: bool) -> None:
        known = self.rows["networks"].get(network)
        if known is None:
            with pytest.raises(errors.NotFound):
                self.api.update("networks", network, {"name": name})
        elif stale:
            with pytest.raises(errors.RevisionMismatch):
                self.api.update("networks", network, {"name": name}, known["revision_number"] + 1)
        else:
            row = self.api.update("networks", network, {"name": name}, known["revision_number"])
            assert row["revision_number"] == known["revision_number"] + (known["name"] != name)
            self.keep("networks", {**known, "name": name, "revision_number": row["revision_number"]})

    @rule(network=consumes(networks))
    def delete_network(self, network: str) -> None:
        known = self.rows["networks"].get(network)
        if known is not None and self.of("ports", network):
            with pytest.raises(errors.Conflict, match="ports still in use"):
                self.api.delete("networks", network)
        elif known is not None:
            self.api.delete("networks", network)
            del self.rows["networks"][network]
            for subnet in self.of("subnets", network):
                del self.rows["subnets"][subnet["id"]]

    @rule(subnet=subnets)
    def delete_subnet(self, subnet: str) -> None:
        known = self.rows["subnets"].get(subnet)
        if known is None:
            with pytest.raises(errors.NotFound):
                self.api.delete("subnets", subnet)
        elif len(self.taken(known)) > 1:
            with pytest.raises(errors.Conflict, match="IP allocation"):
                self.api.delete("subnets", subnet)
        else:
            self.api.delete("subnets", subnet)
            del self.rows["subnets"][subnet]

    @rule(port=ports)
    def delete_port(self, port: str) -> None:
        if port in self.rows["ports"]:
            self.api.delete("ports", port)
            del self.rows["ports"][port]
        else:
            with pytest.raises(errors.NotFound):
                self.api.delete("ports", port)

    @rule(name=NAMES, tag=st.sampled_from(["red", "warm", "old"]))
    def ask_for_some(self, name: str, tag: str) -> None:
        for collection in ("networks", "ports"):
            known = self.rows[collection].values()
            named = {row["id"] for row in self.api.list(collection, name=name)}
            assert named == {row["id"] for row in known if row["name"] == name}
            tagged = {row["id"] for row in self.api.list(collection, tags=tag)}
            assert tagged == {row["id"] for row in known if tag in row["tags"]}

    @invariant()
    def shows_what_the_model_has(self) -> None:
        for collection, rows in self.rows.items():
            listed = {row["id"]: row for row in self.api.list(collection)}
            assert listed.keys() == rows.keys()
            for id, row in listed.items():
                assert all(row[name] == rows[id][name] for name in SHOWN[collection])
                if collection == "ports":
                    assert row["fixed_ips"] == rows[id]["fixed_ips"]


def _hosts(cidr: str) -> set[str]:
    return {str(address) for address in ipaddress.ip_network(cidr).hosts()}


def test_calls_in_any_order(host: Host) -> None:
    run(Machine, host, steps=30)
