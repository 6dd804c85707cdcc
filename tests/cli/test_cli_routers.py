"""Routers and external networks by the command."""

import pytest


@pytest.fixture
def place(sealane):
    """A network with a subnet, an external one, and a router; they are gone at the end."""
    sealane.json("network", "create", "inside", "--subnet", "10.77.0.0/24")
    sealane.json("network", "create", "outside", "--external", "--subnet", "203.0.113.0/24")
    yield sealane.json("router", "create", "edge", "--tag", "t")
    sealane("router", "unset", "edge", "--gateway")
    for row in sealane.json("router", "interface", "list", "edge"):
        sealane("router", "interface", "remove", "edge", "--port", row["id"])
    sealane("router", "delete", "edge")
    sealane("network", "delete", "inside", "outside")


def _subnet(sealane):
    return sealane.json("subnet", "list", "--network", "inside")[0]["id"]


def test_interfaces(sealane, place):
    joined = sealane.json("router", "interface", "add", "edge", "--subnet", _subnet(sealane))
    assert joined["id"] == place["id"]
    assert sealane("router", "interface", "list", "edge").lines[0][:3] == [
        joined["port_id"],
        "inside",
        "10.77.0.1",
    ]
    assert "remove its interfaces" in sealane.fails(1, "router", "delete", "edge")
    parted = sealane.json("router", "interface", "remove", "edge", "--port", joined["port_id"])
    assert parted["subnet_ids"] == [_subnet(sealane)]
    assert sealane.json("router", "interface", "list", "edge") == []


def test_gateways_and_routes(sealane, place):
    made = sealane.json("router", "set", "edge", "--gateway", "outside,snat=off,ip=203.0.113.50")
    info = made["external_gateway_info"]
    assert (info["enable_snat"], info["external_fixed_ips"][0]["ip_address"]) == (False, "203.0.113.50")
    assert sealane("router", "list", "--name", "edge").lines[0][3] == "203.0.113.50"
    routed = sealane.json("router", "add", "edge", "--route", "192.0.2.0/24=203.0.113.7")
    assert routed["routes"] == [{"destination": "192.0.2.0/24", "nexthop": "203.0.113.7"}]
    assert sealane.json("router", "unset", "edge", "--route", "all")["routes"] == []
    assert sealane.json("router", "unset", "edge", "--gateway")["external_gateway_info"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    (
        (("router", "set", "edge", "--gateway", "outside,colour=red"), "snat=on"),
        (("router", "set", "edge", "--gateway", ",snat=on"), "names no network"),
        (("router", "interface", "add", "edge"), "--subnet or --port"),
        (("network", "create", "x", "--external"), "--no-subnet"),
        (("network", "create", "x", "--vlan", "7", "--no-subnet"), "--physical-network"),
    ),
)
def test_wrong_usage(sealane, place, arguments, says):
    assert says in sealane.fails(2, *arguments)


def test_a_vlan_is_there_once(sealane):
    wire = ("--physical-network", "cable", "--vlan", "9", "--no-subnet")
    made = sealane.json("network", "create", "v9", *wire)
    try:
        assert (made["provider:network_type"], made["provider:segmentation_id"]) == ("vlan", 9)
        assert "in use" in sealane.fails(1, "network", "create", "v9again", *wire)
    finally:
        sealane("network", "delete", "v9")
