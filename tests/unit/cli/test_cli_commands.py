"""Commands on networks, subnets and ports: what is sent, what is printed, how it ends."""

import json

import pytest

COLLECTIONS = ("network", "subnet", "port")


@pytest.mark.parametrize("noun", COLLECTIONS)
def test_list_as_json_is_what_the_api_said(api, sealane, noun):
    row = api.add(f"{noun}s", name="blue")
    outcome = sealane(noun, "list", "-o", "json")
    assert outcome.status == 0
    assert json.loads(outcome.out) == [row]


def test_list_as_a_table_has_a_line_for_each(api, sealane):
    subnets = [api.add("subnets", cidr=cidr)["id"] for cidr in ("10.1.0.0/24", "10.2.0.0/24")]
    api.add("networks", name="blue", mtu=1342, subnets=subnets)
    api.add("networks", name="red", mtu=1342)
    lines = sealane("network", "list").out.splitlines()
    assert lines[0].split() == ["ID", "NAME", "PROJECT", "SUBNETS", "MTU", "GATEWAY", "STATUS"]
    assert [line.split()[1] for line in lines[1:]] == ["blue", "red"]
    assert "10.1.0.0/24, 10.2.0.0/24" in lines[1]


def test_list_by_the_name_of_the_network(api, sealane):
    blue, red = api.add("networks", name="blue"), api.add("networks", name="red")
    wanted = api.add("ports", network_id=blue["id"])
    api.add("ports", network_id=red["id"])
    assert json.loads(sealane("port", "list", "--network", "blue", "-o", "json").out) == [wanted]


def test_port_table_shows_addresses(api, sealane):
    api.add("ports", name="p", fixed_ips=[{"ip_address": "10.0.0.5", "subnet_id": "s"}])
    assert "10.0.0.5" in sealane("port", "list").out


@pytest.mark.parametrize("key", ("id", "name"))
def test_show_by_id_and_by_name(api, sealane, key):
    row = api.add("networks", name="blue")
    assert json.loads(sealane("network", "show", row[key], "-o", "json").out) == row


def test_show_of_an_unknown_name(api, sealane):
    outcome = sealane("network", "show", "green")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err == "sealane: no network 'green'; 'sealane network list' shows all\n"


def test_a_name_that_two_have_is_refused(api, sealane):
    api.add("networks", name="blue")
    api.add("networks", name="blue")
    outcome = sealane("network", "delete", "blue")
    assert outcome.status == 1
    assert "2 networks are named 'blue'" in outcome.err
    assert len(api.tables["networks"]) == 2


def test_network_create_chooses_a_subnet(api, sealane):
    outcome = sealane("network", "create", "blue", "--ipv6", "--internal", "-o", "json")
    assert outcome.status == 0
    made = json.loads(outcome.out)
    assert made["sealane:gateway"] == "none"
    assert {s["cidr"] for s in api.tables["subnets"].values()} == {"10.96.0.0/24", "fd5e::/64"}
    assert {s["network_id"] for s in api.tables["subnets"].values()} == {made["id"]}


def test_network_create_with_subnets(api, sealane):
    sealane("network", "create", "blue", "--subnet", "10.1.0.0/24", "--subnet", "fd00:1::/64")
    assert {s["cidr"]: s["ip_version"] for s in api.tables["subnets"].values()} == {
        "10.1.0.0/24": 4,
        "fd00:1::/64": 6,
    }


def test_network_create_is_both_or_nothing(api, sealane):
    api.refuse["subnets"] = (409, "OverlapsWithOther", "overlaps\nwith another")
    outcome = sealane("network", "create", "blue")
    assert (outcome.status, outcome.err) == (1, "sealane: overlaps with another\n")
    assert not api.tables["networks"]


def test_subnet_create(api, sealane):
    network = api.add("networks", name="blue")
    outcome = sealane(
        *("subnet", "create", "s", "--network", "blue", "--cidr", "10.1.0.0/24", "--gateway", "none"),
        *("--pool", "10.1.0.10-10.1.0.20", "-o", "json"),
    )
    made = json.loads(outcome.out)
    assert (made["network_id"], made["gateway_ip"]) == (network["id"], None)
    assert made["allocation_pools"] == [{"start": "10.1.0.10", "end": "10.1.0.20"}]


def test_port_create(api, sealane):
    network = api.add("networks", name="blue")
    outcome = sealane("port", "create", "--network", network["id"], "--ip", "10.1.0.9", "-o", "json")
    made = json.loads(outcome.out)
    assert made["fixed_ips"] == [{"ip_address": "10.1.0.9"}]
    assert "mac_address" not in made


def test_delete_goes_on_after_a_failure(api, sealane):
    api.add("networks", name="blue")
    outcome = sealane("network", "delete", "green", "blue")
    assert outcome.status == 1
    assert "green" in outcome.err
    assert not api.tables["networks"]


def test_the_token_is_sent_by_tcp(api, sealane):
    sealane("network", "list")
    assert api.tokens == ["secret"]
