"""`sealane floating-ip`: taken, associated, moved, forwarded, given back; known by address."""

import pytest

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def site(central, sealane):
    """An external network, a router between it and a network, and two ports on that."""
    client = central.client
    world = client.create("networks", {"name": "world", "router:external": True})
    client.create("subnets", {"network_id": world["id"], "cidr": "203.0.113.0/24", "ip_version": 4})
    router = client.create("routers", {"external_gateway_info": {"network_id": world["id"]}})
    blue = client.create("networks", {"name": "blue", "project_id": "acme"})
    subnet = client.create("subnets", {"network_id": blue["id"], "cidr": "10.1.0.0/24", "ip_version": 4})
    joined = f"/v2.0/routers/{router['id']}/add_router_interface"
    client.request("PUT", joined, {"subnet_id": subnet["id"]})
    return [client.create("ports", {"name": n, "network_id": blue["id"], "project_id": "acme"}) for n in "ab"]


def test_life_of_a_floating_ip(site, sealane):
    made = sealane.json(
        "floating-ip", "create", "world", "--port", "a", "--description", "shop", "--tag", "t"
    )
    address = made["floating_ip_address"]
    assert (made["port_id"], made["project_id"], made["tags"]) == (site[0]["id"], "acme", ["t"])
    moved = sealane.json("floating-ip", "associate", address, "b")
    assert (moved["id"], moved["port_id"]) == (made["id"], site[1]["id"])
    assert sealane.json("floating-ip", "show", made["id"])["port_id"] == site[1]["id"]
    for options in (("--port", "b"), ("--project", "acme"), ("--network", "world")):
        assert sealane("floating-ip", "list", "-q", *options).out.split() == [address], options
    assert sealane("floating-ip", "list", "--free", "-q").out == ""
    assert address in sealane("floating-ip", "list").out
    assert sealane.json("floating-ip", "disassociate", address)["port_id"] is None
    assert sealane("floating-ip", "list", "--free", "-q").out.split() == [address]
    assert sealane("floating-ip", "delete", address).status == 0
    assert sealane.json("floating-ip", "list") == []


def test_an_address_a_subnet_and_a_project_are_chosen(site, sealane):
    made = sealane.json("floating-ip", "create", "world", "--address", "203.0.113.77", "--project", "red")
    assert (made["floating_ip_address"], made["project_id"]) == ("203.0.113.77", "red")
    again = sealane.fails(1, "floating-ip", "create", "world", "--address", "203.0.113.77")
    assert "give another address" in again


def test_forwarding(site, sealane):
    address = sealane.json("floating-ip", "create", "world")["floating_ip_address"]
    made = sealane.json("floating-ip", "forward", "add", address, "a", "--port", "80:8080")
    assert (made["protocol"], made["external_port"], made["internal_port"]) == ("tcp", 80, 8080)
    udp = ("--port", "53", "--protocol", "udp", "--description", "names")
    assert sealane.json("floating-ip", "forward", "add", address, "b", *udp)["internal_port"] == 53
    listed = sealane.json("floating-ip", "forward", "list", address)
    assert {(f["protocol"], f["external_port"]) for f in listed} == {("tcp", 80), ("udp", 53)}
    said = sealane.fails(1, "floating-ip", "delete", address)
    assert "forward list" in said
    assert "does not forward tcp port 53" in sealane.fails(
        1, "floating-ip", "forward", "remove", address, "53"
    )
    assert sealane("floating-ip", "forward", "remove", address, "53", "--protocol", "udp").status == 0
    assert sealane("floating-ip", "forward", "remove", address, "80").status == 0
    assert sealane("floating-ip", "delete", address).status == 0


def test_forwarding_of_ranges(site, sealane):
    address = sealane.json("floating-ip", "create", "world")["floating_ip_address"]
    add = ("floating-ip", "forward", "add", address)
    made = sealane.json(*add, "a", "--port", "8000-8009:9000-9009")
    assert (made["external_port_range"], made["internal_port_range"]) == ("8000:8009", "9000:9009")
    assert sealane.json(*add, "b", "--port", "100-109:80")["internal_port"] == 80
    shown = sealane("floating-ip", "forward", "list", address).out
    assert "8000-8009" in shown and "9000-9009" in shown and "100-109" in shown
    assert "overlaps 8009:8010" in sealane.fails(1, *add, "a", "--port", "8009-8010")
    assert "give as many" in sealane.fails(1, *add, "a", "--port", "20-29:20-28")
    for wrong in ("9-1", "1-", "0-5", "1-70000", "1-5:x"):
        assert "is no port" in sealane.fails(2, *add, "a", "--port", wrong), wrong
    remove = ("floating-ip", "forward", "remove", address)
    assert "does not forward tcp port 8000" in sealane.fails(1, *remove, "8000")
    assert sealane(*remove, "8000-8009", "100-109").status == 0
    assert sealane.json("floating-ip", "forward", "list", address) == []


def test_what_is_refused_says_what_to_do(site, sealane):
    taken = sealane.json("floating-ip", "create", "world", "--port", "a")["floating_ip_address"]
    free = sealane.json("floating-ip", "create", "world")["floating_ip_address"]
    for arguments, status, words in (
        (("create", "blue"), 1, "not a valid external network"),
        (("create", "nowhere"), 1, "no network 'nowhere'"),
        (("show", "203.0.113.250"), 1, "no floating IP '203.0.113.250'"),
        (("show", NOBODY), 1, "floating-ip list"),
        (("associate", free, "a"), 1, "sealane floating-ip disassociate"),
        (("associate", free, "nobody"), 1, "no port 'nobody'"),
        (("forward", "add", taken, "b", "--port", "80"), 1, "disassociate"),
        (("forward", "add", free, "b", "--port", "0"), 2, "is no port"),
        (("forward", "add", free, "b", "--port", "80:x"), 2, "is no port"),
        (("forward", "add", free, "b"), 2, "--port"),
        (("delete", taken, NOBODY), 1, NOBODY),
    ):
        assert words in sealane.fails(status, "floating-ip", *arguments), arguments
