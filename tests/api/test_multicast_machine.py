"""Multicast switches of networks and routers, called in any order with interfaces, against a small model."""

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from sealane import errors, names
from sealane.cli.api import Api
from sealane.translate.desired import desired
from tests.api.any_order import AnyOrder, Sight, host, refused, run
from tests.api.test_server import Host

__all__ = ["host"]
SNOOPING, RELAY = "sealane:multicast_snooping", "sealane:multicast_relay"


class Multicast(AnyOrder):
    networks, routers = Bundle("networks"), Bundle("routers")

    def __init__(self, api: Api, sight: Sight) -> None:
        super().__init__(api, sight)
        self.snooping: dict[str, bool] = {}
        self.relaying: dict[str, bool] = {}
        self.hanging: dict[str, str] = {}
        """Network -> its router."""
        self.subnets: dict[str, str] = {}

    @rule(target=networks, on=st.booleans())
    def make_network(self, on: bool) -> str:
        id = str(self.api.create("networks", {SNOOPING: on})["id"])
        subnet = {"network_id": id, "cidr": f"10.{len(self.subnets)}.0.0/24"}
        self.subnets[id] = self.api.create("subnets", subnet)["id"]
        self.snooping[id] = on
        return id

    @rule(target=routers, on=st.booleans())
    def make_router(self, on: bool) -> str:
        id = str(self.api.create("routers", {RELAY: on})["id"])
        self.relaying[id] = on
        return id

    @rule(network=networks, on=st.booleans())
    def snoop(self, network: str, on: bool) -> None:
        kind = None if network in self.snooping else errors.NotFound
        with refused(kind):
            assert self.api.update("networks", network, {SNOOPING: on})[SNOOPING] == on
            self.snooping[network] = on

    @rule(router=routers, on=st.booleans())
    def relay(self, router: str, on: bool) -> None:
        kind = None if router in self.relaying else errors.NotFound
        with refused(kind):
            assert self.api.update("routers", router, {RELAY: on})[RELAY] == on
            self.relaying[router] = on

    @rule(network=networks, router=routers)
    def hang(self, network: str, router: str) -> None:
        there = network in self.snooping and router in self.relaying
        kind = errors.NotFound if not there else errors.SealaneError if network in self.hanging else None
        with refused(kind):
            self.interface("add", router, network)
            self.hanging[network] = router

    @rule(network=networks)
    def part(self, network: str) -> None:
        if (router := self.hanging.pop(network, None)) is not None:
            self.interface("remove", router, network)

    def interface(self, verb: str, router: str, network: str) -> None:
        path = f"/v2.0/routers/{router}/{verb}_router_interface"
        self.api.request("PUT", path, {"subnet_id": self.subnets[network]})

    @rule(network=networks)
    def delete_network(self, network: str) -> None:
        there, hanging = network in self.snooping, network in self.hanging
        with refused(errors.Conflict if hanging else None if there else errors.NotFound):
            self.api.delete("networks", network)
            del self.snooping[network]

    @rule(router=routers)
    def delete_router(self, router: str) -> None:
        used = router in self.hanging.values()
        kind = errors.Conflict if used else None if router in self.relaying else errors.NotFound
        with refused(kind):
            self.api.delete("routers", router)
            del self.relaying[router]

    @invariant()
    def switches_are_as_the_model_says(self) -> None:
        assert {row["id"]: row[SNOOPING] for row in self.api.list("networks")} == self.snooping
        assert {row["id"]: row[RELAY] for row in self.api.list("routers")} == self.relaying

    @invariant()
    def the_northbound_database_is_to_have_them(self) -> None:
        rows = {row.key: row for row in desired(self.sight.current())}
        for id, on in self.snooping.items():
            config = dict(rows[names.logical_switch(id)].columns["other_config"])  # type: ignore[call-overload]
            assert (config.get("mcast_snoop") == "true") == on
        for id, on in self.relaying.items():
            options = dict(rows[names.logical_router(id)].columns["options"])  # type: ignore[call-overload]
            assert (options.get("mcast_relay") == "true") == on


def test_multicast_in_any_order(host: Host) -> None:
    run(Multicast, host, steps=30, examples=10)
