"""Trunks and taps, called in any order, against a small model.

What a port is to one excludes what it may be to others, and what goes with a port is gone with it.
"""

from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from sealane import errors
from sealane.cli.api import Api
from tests.api.any_order import AnyOrder, Sight, host, run
from tests.api.test_server import Host

__all__ = ["host"]
VLANS = st.integers(0, 2)
Refusal = type[errors.SealaneError] | None


@dataclass
class Trunk:
    parent: str
    within: dict[str, int] = field(default_factory=dict)
    """Sub-ports, with their VLANs."""
    enabled: bool = True


@dataclass
class Tap:
    port: str
    flows: dict[str, str] = field(default_factory=dict)
    """Sources, with the flow of each."""


class Carrying(AnyOrder):
    ports, trunks, taps = (Bundle(name) for name in ("ports", "trunks", "taps"))

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.known_ports: set[str] = set()
        self.known_trunks: dict[str, Trunk] = {}
        self.known_taps: dict[str, Tap] = {}
        self.network = str(api.create("networks", {})["id"])

    # what the model says

    def in_a_trunk(self, port: str) -> bool:
        return any(port == one.parent or port in one.within for one in self.known_trunks.values())

    def is_sub_port(self, port: str) -> bool:
        return any(port in one.within for one in self.known_trunks.values())

    def is_source(self, port: str) -> bool:
        return any(port in one.flows for one in self.known_taps.values())

    def sees(self, port: str) -> bool:
        return any(one.port == port for one in self.known_taps.values())

    # calls

    @rule(target=ports)
    def make_port(self) -> str:
        id = str(self.api.create("ports", {"network_id": self.network})["id"])
        self.known_ports.add(id)
        return id

    @rule(port=ports)
    def delete_port(self, port: str) -> None:
        """Not while it is in a trunk; taps go with it."""
        if port not in self.known_ports or self.in_a_trunk(port):
            with pytest.raises(errors.Conflict if port in self.known_ports else errors.NotFound):
                self.api.delete("ports", port)
            return
        self.api.delete("ports", port)
        self.known_ports.remove(port)
        for id in [id for id, tap in self.known_taps.items() if tap.port == port]:
            del self.known_taps[id]
        for tap in self.known_taps.values():
            tap.flows.pop(port, None)

    @rule(target=trunks, port=ports)
    def make_trunk(self, port: str) -> str:
        refused: Refusal = errors.NotFound if port not in self.known_ports else None
        if self.in_a_trunk(port):
            refused = errors.Conflict
        if refused is not None:
            with pytest.raises(refused):
                self.api.create("trunks", {"port_id": port})
            return "none"
        id = str(self.api.create("trunks", {"port_id": port})["id"])
        self.known_trunks[id] = Trunk(port)
        return id

    @rule(trunk=trunks)
    def delete_trunk(self, trunk: str) -> None:
        if self.known_trunks.pop(trunk, None) is not None:
            self.api.delete("trunks", trunk)
        else:
            with pytest.raises(errors.NotFound):
                self.api.delete("trunks", trunk)

    @rule(trunk=trunks, enabled=st.booleans())
    def switch(self, trunk: str, enabled: bool) -> None:
        if trunk in self.known_trunks:
            self.api.update("trunks", trunk, {"admin_state_up": enabled})
            self.known_trunks[trunk].enabled = enabled

    @rule(trunk=trunks, port=ports, vlan=VLANS)
    def carry(self, trunk: str, port: str, vlan: int) -> None:
        place = {"port_id": port, "segmentation_type": "vlan", "segmentation_id": vlan}
        refused = self.carry_refused(trunk, port, vlan)
        if refused is not None:
            with pytest.raises(refused):
                self.api.request("PUT", f"/v2.0/trunks/{trunk}/add_subports", {"sub_ports": [place]})
            return
        self.api.request("PUT", f"/v2.0/trunks/{trunk}/add_subports", {"sub_ports": [place]})
        self.known_trunks[trunk].within[port] = vlan

    def carry_refused(self, trunk: str, port: str, vlan: int) -> Refusal:
        known = self.known_trunks.get(trunk)
        if not vlan:
            return errors.BadRequest
        if known is None:
            return errors.NotFound
        if not known.enabled:
            return errors.Conflict
        if port not in self.known_ports:
            return errors.NotFound
        taken = self.in_a_trunk(port) or vlan in known.within.values()
        taken |= self.is_source(port) or self.sees(port)
        return errors.Conflict if taken else None

    @rule(trunk=trunks, port=ports)
    def carry_no_longer(self, trunk: str, port: str) -> None:
        known, body = self.known_trunks.get(trunk), {"sub_ports": [{"port_id": port}]}
        refused: Refusal = None
        if known is None or (known.enabled and port not in known.within):
            refused = errors.NotFound
        elif not known.enabled:
            refused = errors.Conflict
        if refused is not None:
            with pytest.raises(refused):
                self.api.request("PUT", f"/v2.0/trunks/{trunk}/remove_subports", body)
            return
        assert known is not None
        self.api.request("PUT", f"/v2.0/trunks/{trunk}/remove_subports", body)
        del known.within[port]

    @rule(target=taps, port=ports)
    def make_tap(self, port: str) -> str:
        refused: Refusal = None
        if port not in self.known_ports:
            refused = errors.NotFound
        elif self.is_sub_port(port):
            refused = errors.BadRequest
        elif self.is_source(port):
            refused = errors.Conflict
        if refused is not None:
            with pytest.raises(refused):
                self.api.create("taas/tap_services", {"port_id": port})
            return "none"
        id = str(self.api.create("taas/tap_services", {"port_id": port})["id"])
        self.known_taps[id] = Tap(port)
        return id

    @rule(tap=taps)
    def delete_tap(self, tap: str) -> None:
        if self.known_taps.pop(tap, None) is not None:
            self.api.delete("taas/tap_services", tap)
        else:
            with pytest.raises(errors.NotFound):
                self.api.delete("taas/tap_services", tap)

    @rule(tap=taps, port=ports, way=st.sampled_from(("IN", "OUT", "BOTH")))
    def copy(self, tap: str, port: str, way: str) -> None:
        body = {"tap_service_id": tap, "source_port": port, "direction": way}
        refused = self.copy_refused(tap, port)
        if refused is not None:
            with pytest.raises(refused):
                self.api.create("taas/tap_flows", body)
            return
        self.known_taps[tap].flows[port] = str(self.api.create("taas/tap_flows", body)["id"])

    def copy_refused(self, tap: str, port: str) -> tuple[type[errors.SealaneError], ...] | None:
        known = self.known_taps.get(tap)
        if tap == "none":
            return (errors.BadRequest,)
        if known is None or port not in self.known_ports:
            return (errors.NotFound,)
        if self.is_sub_port(port) or known.port == port:
            return (errors.BadRequest,)
        return (errors.Conflict,) if self.sees(port) or port in known.flows else None

    @rule(tap=taps, port=ports)
    def copy_no_longer(self, tap: str, port: str) -> None:
        known = self.known_taps.get(tap)
        if known is not None and port in known.flows:
            self.api.delete("taas/tap_flows", known.flows.pop(port))

    # what is there

    @invariant()
    def all_is_there_as_the_model_says(self) -> None:
        trunks = {row["id"]: row for row in self.api.list("trunks")}
        assert {
            id: (row["port_id"], {place["port_id"]: place["segmentation_id"] for place in row["sub_ports"]})
            for id, row in trunks.items()
        } == {id: (known.parent, known.within) for id, known in self.known_trunks.items()}
        assert {row["id"] for row in self.api.list("taas/tap_services")} == self.known_taps.keys()
        flows = {(r["tap_service_id"], r["source_port"], r["id"]) for r in self.api.list("taas/tap_flows")}
        assert flows == {
            (id, port, flow) for id, tap in self.known_taps.items() for port, flow in tap.flows.items()
        }
        owners = {row["id"]: row["device_owner"] for row in self.api.list("ports")}
        assert owners.keys() == self.known_ports
        for port, owner in owners.items():
            assert owner == ("trunk:subport" if self.is_sub_port(port) else "")


def test_called_in_any_order(host: Host) -> None:
    run(Carrying, host, steps=50)
