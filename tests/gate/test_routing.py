"""A stolen certificate of a node, and the routers: gateways that may be on it, neighbours it may tell of."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemons import until
from tests.gate.place import Member, Place, fails
from tests.gate.test_matrix import NONE, binding, claim, insert, rows, update, uuid_of

ROUTERS = {  # router: its network, who has a machine there, where its gateway may be
    "near": ("blue", "host2", "host1"),
    "far": ("green", "host1", "host1"),
    "own": ("red", "host1", "host2"),
}


@pytest.fixture(scope="module")
def thief(place: Place) -> Iterator[Member]:
    place.keep_open()
    joined = place.join("host2", "192.0.2.2")
    until(place.listens, "the gate is open")
    nb, sb = place.central.nbctl, place.central.sbctl
    sb("chassis-add", "host1", "geneve", "192.0.2.1")
    with joined.connect() as peer:
        made = peer.transact(
            insert("Chassis", "c", name="host2", hostname="host2", encaps=["named-uuid", "e"]),
            insert("Encap", "e", type="geneve", ip="192.0.2.2", chassis_name="host2"),
        )
        assert not fails(made), made
    nb("ls-add", "outside")
    for number, (router, (network, host, gateway)) in enumerate(ROUTERS.items(), 1):
        nb("ls-add", network, "--", "lsp-add", network, f"vm-{network}")
        nb("lsp-set-options", f"vm-{network}", f"requested-chassis={host}")
        nb("lr-add", router)
        for side, switch in (("in", network), ("out", "outside")):
            port = f"{router}-{side}"
            cidr = f"10.{number}.0.1/24" if side == "in" else f"192.0.2.{100 + number}/24"
            nb("lrp-add", router, port, f"0a:00:00:00:0{number}:{'01' if side == 'in' else '02'}", cidr)
            nb("lsp-add", switch, f"to-{port}", "--", "lsp-set-type", f"to-{port}", "router")
            nb("lsp-set-addresses", f"to-{port}", "router")
            nb("lsp-set-options", f"to-{port}", f"router-port={port}")
        nb("lrp-set-gateway-chassis", f"{router}-out", gateway, "10")
    place.central.synced()
    sb("lsp-bind", "vm-green", "host1")
    sb("lsp-bind", "vm-red", "host1")
    with joined.connect() as peer:
        assert not fails(peer.transact(claim(place, "vm-blue")))
    yield joined
    joined.remove()


def neighbour(place: Place, port: str, datapath_of: str = "", **more: Any) -> dict[str, Any]:
    datapath = place.central.sbctl("--bare", "get", "Port_Binding", datapath_of or port, "datapath").strip()
    given = {"logical_port": port, "ip": "10.9.9.9", "mac": "0a:00:00:00:00:99"}
    return insert("MAC_Binding", **{**given, "datapath": ["uuid", datapath], **more})


@pytest.mark.parametrize("port", ["cr-near-out", "cr-far-out"])
def test_a_gateway_that_may_not_be_there_can_t_be_taken(port: str, place: Place, thief: Member) -> None:
    before = rows(place)
    with thief.connect() as peer:
        for operation in (
            claim(place, port),
            claim(place, port, "host1"),
            update("Port_Binding", binding(place, port), up=True),
            update("Port_Binding", binding(place, port), ha_chassis_group=NONE),
        ):
            assert fails(peer.transact(operation)), operation
    assert rows(place) == before


def test_a_gateway_that_may_be_there_is_taken_and_let_go(place: Place, thief: Member) -> None:
    port = binding(place, "cr-own-out")
    with thief.connect() as peer:
        assert not fails(peer.transact(claim(place, "cr-own-out")))
        before = rows(place)
        group = place.central.sbctl("--bare", "get", "Port_Binding", "cr-far-out", "ha_chassis_group").strip()
        for operation in (
            update("Port_Binding", port, ha_chassis_group=["uuid", group]),
            update("Port_Binding", port, options=["map", []]),
            update("HA_Chassis", uuid_of(place, "HA_Chassis", "priority=10"), priority=99),
            update("HA_Chassis_Group", group, ha_chassis=NONE),
        ):
            assert fails(peer.transact(operation)), operation
        assert rows(place) == before
        assert not fails(peer.transact(update("Port_Binding", port, chassis=NONE, up=False)))


@pytest.mark.parametrize("port", ["near-in", "own-in", "own-out"])
def test_it_tells_of_neighbours_where_it_does_a_router_s_work(port: str, place: Place, thief: Member) -> None:
    """Where it has a machine beside the router, and where the router's gateway may be on it."""
    with thief.connect() as peer:
        assert not fails(peer.transact(neighbour(place, port)))
        made = uuid_of(place, "MAC_Binding", f"logical_port={port}")
        assert not fails(peer.transact(update("MAC_Binding", made, mac="0a:00:00:00:00:98", timestamp=7)))
        before = rows(place)
        for operation in (
            update("MAC_Binding", made, ip="10.9.9.8"),
            update("MAC_Binding", made, logical_port="far-in"),
            {"op": "delete", "table": "MAC_Binding", "where": [["_uuid", "==", ["uuid", made]]]},
        ):
            assert fails(peer.transact(operation)), operation
        assert rows(place) == before
    place.central.sbctl("destroy", "MAC_Binding", made)


@pytest.mark.parametrize("port", ["far-in", "far-out", "near-out", "vm-blue", "to-near-in", "cr-own-out"])
def test_it_tells_of_neighbours_nowhere_else(port: str, place: Place, thief: Member) -> None:
    before = rows(place)
    with thief.connect() as peer:
        assert fails(peer.transact(neighbour(place, port)))
    assert rows(place) == before
    made = place.central.sbctl("create", *_words(place, port)).strip()
    before = rows(place)
    with thief.connect() as peer:
        assert fails(peer.transact(update("MAC_Binding", made, mac="0a:00:00:00:00:98")))
    assert rows(place) == before
    place.central.sbctl("destroy", "MAC_Binding", made)


@pytest.mark.parametrize(("port", "may"), [("own-out", True), ("far-out", False), ("own-in", False)])
def test_it_tells_how_a_station_is_by_its_own_gateways_only(
    port: str, may: bool, place: Place, thief: Member
) -> None:
    made = place.central.nbctl("create", "BFD", f"logical_port={port}", "dst_ip=192.0.2.9").strip()
    place.central.synced()
    session = uuid_of(place, "BFD", f"logical_port={port}")
    with thief.connect() as peer:
        assert bool(fails(peer.transact(update("BFD", session, status="up")))) != may
        for operation in (
            update("BFD", session, dst_ip="192.0.2.8"),
            {"op": "delete", "table": "BFD", "where": [["_uuid", "==", ["uuid", session]]]},
        ):
            assert fails(peer.transact(operation)), operation
    place.central.nbctl("destroy", "BFD", made)
    place.central.synced()


def test_a_neighbour_on_another_s_datapath_is_none(place: Place, thief: Member) -> None:
    before = rows(place)
    with thief.connect() as peer:
        assert fails(peer.transact(neighbour(place, "near-in", datapath_of="far-in")))
        assert fails(peer.transact(neighbour(place, "near-in", logical_port="far-in")))
    assert rows(place) == before


def _words(place: Place, port: str) -> tuple[str, ...]:
    datapath = place.central.sbctl("--bare", "get", "Port_Binding", port, "datapath").strip()
    return (
        *("MAC_Binding", f"logical_port={port}", "ip=10.9.9.7", 'mac="0a:00:00:00:00:97"'),
        f"datapath={datapath}",
    )
