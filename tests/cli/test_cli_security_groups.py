"""Security groups, their rules and address groups by the command."""

import pytest

RULE = ("security-group", "rule", "create", "web")


@pytest.fixture
def web(sealane):
    return sealane.json("security-group", "create", "web", "--description", "seen by all", "--tag", "front")


def test_a_group_from_its_birth_to_its_end(sealane, web):
    assert (web["name"], web["tags"], web["stateful"]) == ("web", ["front"], True)
    changed = sealane.json("security-group", "set", "web", "--stateless", "--name", "front")
    assert (changed["stateful"], changed["name"]) == (False, "front")
    assert sealane.json("security-group", "unset", "front", "--description")["description"] == ""
    assert {row[1] for row in sealane("security-group", "list").lines} == {"default", "front"}
    assert sealane("security-group", "tag", "add", "front", "green").status == 0
    assert sealane.json("security-group", "list", "--tag", "green")[0]["id"] == web["id"]
    assert sealane("security-group", "delete", "front").status == 0
    assert "no security-group 'front'" in sealane.fails(1, "security-group", "show", "front")


@pytest.mark.parametrize(
    ("options", "values"),
    [
        (("--port", "80"), {"protocol": "tcp", "port_range_min": 80, "port_range_max": 80}),
        (
            ("--protocol", "udp", "--port", "8000:8010", "--egress"),
            {"direction": "egress", "port_range_min": 8000, "port_range_max": 8010},
        ),
        (
            ("--protocol", "icmp", "--icmp-type", "8", "--icmp-code", "0"),
            {"port_range_min": 8, "port_range_max": 0},
        ),
        (
            ("--remote", "192.0.2.0/24"),
            {"remote_ip_prefix": "192.0.2.0/24", "ethertype": "IPv4", "protocol": None},
        ),
        (("--remote", "2001:db8::7"), {"remote_ip_prefix": "2001:db8::7/128", "ethertype": "IPv6"}),
        (("--protocol", "58", "--ipv6"), {"protocol": "58", "ethertype": "IPv6", "direction": "ingress"}),
    ],
)
def test_a_rule_says_what_its_options_say(sealane, web, options, values):
    made = sealane.json(*RULE, *options, "--description", "why")
    assert made.items() >= {**values, "security_group_id": web["id"], "description": "why"}.items()
    assert sealane.json("security-group", "rule", "show", made["id"])["id"] == made["id"]


def test_remotes_are_found_by_name(sealane, web):
    db = sealane.json("security-group", "create", "db")
    office = sealane.json("address-group", "create", "office", "--address", "192.0.2.0/24")
    by_group = sealane.json(
        "security-group", "rule", "create", "db", "--remote-group", "web", "--port", "5432"
    )
    by_addresses = sealane.json(*RULE, "--remote-address-group", "office", "--port", "22")
    assert by_group["remote_group_id"] == web["id"]
    assert by_addresses["remote_address_group_id"] == office["id"]
    table = sealane("security-group", "rule", "list", "db", "--direction", "ingress").lines
    assert table == [[by_group["id"], "db", "ingress", "IPv4", "tcp", "5432", "web"]]
    found = sealane.json("security-group", "rule", "list", "--remote-group", "web")
    assert [r["security_group_id"] for r in found] == [db["id"]]
    quiet = sealane("security-group", "rule", "list", "web", "-q").out.split()
    assert len(quiet) == 3 and by_addresses["id"] in quiet
    described = sealane.json("security-group", "rule", "set", by_group["id"], "--description", "queries")
    assert described["description"] == "queries"
    assert sealane("security-group", "rule", "delete", *quiet).status == 0
    assert sealane("security-group", "rule", "list", "web", "-q").out == ""


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((*RULE, "--port", "x"), 2, "--port"),
        ((*RULE, "--port", "90:80"), 1, "port_range"),
        ((*RULE, "--remote", "10.0.0.1/24"), 2, "10.0.0.0/24"),
        ((*RULE, "--icmp-type", "8"), 2, "--protocol icmp"),
        ((*RULE, "--protocol", "tcpp"), 1, "tcpp"),
        (("security-group", "create", "default"), 1, "already exists"),
        (
            ("security-group", "rule", "delete", "00000000-0000-4000-8000-000000000000"),
            1,
            "could not be found",
        ),
        (("address-group", "create", "x", "--address", "a"), 2, "--address"),
        (("port", "create", "--network", "blue", "--security-group", "nobody"), 1, "nobody"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(sealane, web, arguments, status, said):
    sealane.json("network", "create", "blue", "--no-subnet")
    assert said in sealane.fails(status, *arguments)


def test_the_groups_of_a_port(sealane, web):
    sealane.json("network", "create", "blue", "--subnet", "10.1.0.0/24")
    sealane.json("security-group", "create", "db")
    port = sealane.json("port", "create", "p", "--network", "blue", "--security-group", "web")
    assert port["security_groups"] == [web["id"]]
    assert len(sealane.json("port", "add", "p", "--security-group", "db")["security_groups"]) == 2
    assert "port list --security-group" in sealane.fails(1, "security-group", "delete", "web")
    assert [p["name"] for p in sealane.json("port", "list", "--security-group", "web")] == ["p"]
    said = sealane.fails(1, "port", "set", "p", "--no-port-security")
    assert "sealane port unset PORT --security-group all" in said
    assert sealane.json("port", "unset", "p", "--security-group", "all")["security_groups"] == []
    none = sealane.json("port", "create", "q", "--network", "blue", "--no-security-group")
    assert none["security_groups"] == []


def test_a_name_means_the_group_of_the_ports_project(sealane):
    """Each project has a group called default."""
    for project in ("acme", "other"):
        sealane.json("network", "create", project, "--subnet", "10.1.0.0/24", "--project", project)
        port = sealane.json("port", "create", project, "--network", project, "--security-group", "default")
        assert port["project_id"] == project
        (own,) = sealane.json("security-group", "list", "--project", project)
        assert port["security_groups"] == [own["id"]]


def test_addresses_come_and_go(sealane):
    sealane.json(
        "address-group", "create", "office", "--address", "192.0.2.0/24", "--address", "2001:db8::/32"
    )
    assert len(sealane.json("address-group", "add", "office", "198.51.100.7")["addresses"]) == 3
    left = sealane.json("address-group", "remove", "office", "192.0.2.0/24", "198.51.100.7/32")
    assert left["addresses"] == ["2001:db8::/32"]
    assert "not found" in sealane.fails(1, "address-group", "remove", "office", "192.0.2.0/24")
    assert sealane.json("address-group", "set", "office", "--name", "offices")["name"] == "offices"
    assert sealane("address-group", "delete", "offices").status == 0
