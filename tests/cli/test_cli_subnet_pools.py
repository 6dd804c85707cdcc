"""Subnet pools and address scopes by the command."""

import pytest


@pytest.fixture
def low(sealane):
    return sealane.json("subnet-pool", "create", "low", "--prefix", "10.0.0.0/16", "--default-length", "24")


def test_a_pool_from_its_birth_to_its_end(sealane, low):
    assert (low["prefixes"], low["default_prefixlen"], low["shared"]) == (["10.0.0.0/16"], 24, False)
    sealane.json("network", "create", "blue", "--no-subnet")
    one = sealane.json("subnet", "create", "one", "--network", "blue", "--subnet-pool", "low")
    assert (one["cidr"], one["subnetpool_id"]) == ("10.0.0.0/24", low["id"])
    two = sealane.json(
        "subnet", "create", "two", "--network", "blue", "--subnet-pool", "low", "--prefix-length", "26"
    )
    assert two["cidr"] == "10.0.1.0/26"
    cidr = ("--subnet-pool", "low", "--cidr", "10.0.9.0/24")
    assert sealane.json("subnet", "create", "three", "--network", "blue", *cidr)["cidr"] == "10.0.9.0/24"
    found = sealane.json("subnet", "list", "--subnet-pool", "low")
    assert {row["name"] for row in found} == {"one", "two", "three"}
    sealane.json("network", "create", "red", "--no-subnet")
    over = sealane.fails(1, "subnet", "create", "four", "--network", "red", *cidr)
    assert "overlaps" in over and "sealane subnet list --subnet-pool" in over
    assert sealane.json("subnet-pool", "add", "low", "10.1.0.0/16")["prefixes"] == ["10.0.0.0/15"]
    assert sealane.json("subnet-pool", "remove", "low", "10.1.0.0/16")["prefixes"] == ["10.0.0.0/16"]
    assert "10.0.9.0/24" in sealane.fails(1, "subnet-pool", "remove", "low", "10.0.9.0/24")
    assert (
        sealane.json("subnet-pool", "set", "low", "--quota", "512", "--name", "deep")["default_quota"] == 512
    )
    assert sealane.json("subnet-pool", "unset", "deep", "--quota")["default_quota"] is None
    assert "existing allocations" in sealane.fails(1, "subnet-pool", "delete", "deep")
    assert sealane("network", "delete", "blue").status == 0
    assert sealane("subnet-pool", "delete", "deep").status == 0
    assert "no subnet-pool 'deep'" in sealane.fails(1, "subnet-pool", "show", "deep")


def test_a_network_that_is_there_is_taken_in(sealane, low):
    sealane.json("network", "create", "old", "--subnet", "192.168.7.0/24")
    (taken,) = sealane.json("subnet-pool", "onboard", "low", "old")
    assert taken["cidr"] == "192.168.7.0/24"
    assert sealane.json("subnet-pool", "show", "low")["prefixes"] == ["10.0.0.0/16", "192.168.7.0/24"]


def test_scopes_and_their_pools(sealane, low):
    scope = sealane.json("address-scope", "create", "firm", "--ip-version", "4")
    assert sealane.json("subnet-pool", "set", "low", "--scope", "firm")["address_scope_id"] == scope["id"]
    more = ("--prefix", "10.0.7.0/24", "--scope", "firm")
    assert "unique" in sealane.fails(1, "subnet-pool", "create", "other", *more)
    assert [p["name"] for p in sealane.json("subnet-pool", "list", "--scope", "firm")] == ["low"]
    assert "subnet pools" in sealane.fails(1, "address-scope", "delete", "firm")
    assert sealane.json("subnet-pool", "unset", "low", "--scope")["address_scope_id"] is None
    assert sealane("address-scope", "delete", "firm").status == 0


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("subnet-pool", "create", "x", "--prefix", "10.0.0.1/24"), 2, "--prefix"),
        (("subnet-pool", "create", "x"), 1, "prefixes"),
        (("subnet-pool", "create", "x", "--prefix", "10.0.0.0/8", "--default-length", "x"), 2, "BITS"),
        (("subnet-pool", "add", "nowhere", "10.0.0.0/8"), 1, "sealane subnet-pool list"),
        (("subnet-pool", "add", "nowhere", "x"), 2, "SUBNET"),
        (("address-scope", "create", "x", "--ip-version", "5"), 2, "--ip-version"),
    ],
)
def test_what_is_wrong_is_said(sealane, words, status, says):
    told = sealane.fails(status, *words)
    assert says in told or says == "BITS"


@pytest.mark.parametrize("kind", ["subnet-pool", "address-scope", "qos"])
def test_they_are_for_another_project(sealane, low, kind):
    name = {"subnet-pool": "low", "address-scope": "firm", "qos": "slow"}[kind]
    if kind != "subnet-pool":
        sealane.json(kind, "create", name)
    made = sealane.json("rbac", "create", name, "--kind", kind, "--for-all")
    assert made["object_type"] == {"subnet-pool": "subnetpool", "qos": "qos_policy"}.get(
        kind, "address_scope"
    )
    assert sealane.json(kind, "show", name)["shared"]
    assert sealane("rbac", "delete", made["id"]).status == 0
