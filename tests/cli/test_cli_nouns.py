"""Networks, subnets and ports by the command: every attribute, every verb."""

import json
import os
import subprocess
import sys

import pytest

from tests.daemons import PATIENCE


@pytest.fixture
def blue(sealane):
    return sealane.json("network", "create", "blue", "--subnet", "10.1.0.0/24", "--subnet", "fd00:1::/64")


def test_a_network_with_all_attributes(sealane):
    made = sealane.json(
        *("network", "create", "blue", "--subnet", "10.1.0.0/24", "--description", "sea", "--mtu", "1400"),
        *("--gateway", "none", "--dns-domain", "blue.example", "--disable", "--no-port-security", "--share"),
        *("--label", "team=sea", "--label", "eq==", "--tag", "a", "--tag", "b", "--project", "acme"),
    )
    assert made["sealane:gateway"] == "none"
    assert (made["mtu"], made["dns_domain"], made["project_id"]) == (1400, "blue.example", "acme")
    assert (made["admin_state_up"], made["port_security_enabled"], made["shared"]) == (False, False, True)
    assert made["sealane:labels"] == {"team": "sea", "eq": "="}
    assert sorted(made["tags"]) == ["a", "b"]
    (subnet,) = sealane.json("subnet", "list", "--network", "blue")
    assert (subnet["cidr"], subnet["project_id"], subnet["id"]) == ("10.1.0.0/24", "acme", *made["subnets"])


def test_a_network_chooses_free_subnets(sealane):
    for name in ("one", "two"):
        sealane.json("network", "create", name, "--ipv6")
    cidrs = {s["cidr"] for s in sealane.json("subnet", "list")}
    assert len(cidrs) == 4 and sum(":" in cidr for cidr in cidrs) == 2
    assert sealane.json("network", "create", "none", "--no-subnet")["subnets"] == []


def test_a_network_is_made_with_its_subnets_or_not_at_all(sealane):
    said = sealane.fails(1, "network", "create", "x", "--subnet", "10.1.0.0/24", "--subnet", "10.1.0.0/25")
    assert "overlap" in said
    assert sealane.json("network", "list") == []


def test_bits_of_a_host_in_a_subnet_are_a_slip_of_the_hand(sealane, blue):
    for words in (
        ("subnet", "create", "--network", "blue", "--cidr"),
        ("network", "create", "x", "--subnet"),
    ):
        said = sealane.fails(2, *words, "10.2.0.1/24")
        assert "'10.2.0.1/24' has bits set behind the prefix; the subnet is 10.2.0.0/24" in said
    assert len(sealane.json("subnet", "list")) == 2


def test_a_subnet_with_all_attributes(sealane, blue):
    made = sealane.json(
        *("subnet", "create", "low", "--network", "blue", "--cidr", "10.2.0.0/24", "--gateway", "10.2.0.254"),
        *("--pool", "10.2.0.10-10.2.0.19", "--pool", "10.2.0.30-10.2.0.39", "--dns", "10.2.0.53"),
        *("--dns", "10.2.0.54", "--route", "10.9.0.0/16=10.2.0.1", "--no-dhcp", "--tag", "t"),
        *("--description", "d"),
    )
    assert made["allocation_pools"] == [
        {"start": "10.2.0.10", "end": "10.2.0.19"},
        {"start": "10.2.0.30", "end": "10.2.0.39"},
    ]
    assert (made["gateway_ip"], made["enable_dhcp"]) == ("10.2.0.254", False)
    assert made["dns_nameservers"] == ["10.2.0.53", "10.2.0.54"]
    assert made["host_routes"] == [{"destination": "10.9.0.0/16", "nexthop": "10.2.0.1"}]
    high = sealane.json(
        *("subnet", "create", "--network", blue["id"], "--cidr", "fd00:2::/64", "--gateway", "none"),
        *("--ra-mode", "slaac", "--address-mode", "slaac"),
    )
    assert (high["gateway_ip"], high["ipv6_ra_mode"], high["ip_version"]) == (None, "slaac", 6)
    free = sealane.json("subnet", "create", "--network", "blue", "--ip-version", "6")
    assert free["ip_version"] == 6


def test_a_port_with_all_attributes(sealane, blue):
    made = sealane.json(
        *("port", "create", "web", "--network", "blue", "--ip", "10.1.0.9", "--ip", "fd00:1::9"),
        *("--mac", "02-42-0A-01-00-09", "--disable", "--pair", "10.1.0.200", "--pair"),
        *("10.3.0.0/24=02:42:0a:01:00:0a", "--dns-name", "web", "--dns-alias", "www", "--device", "d1"),
        *("--device-owner", "compute:nova", "--host", "host1", "--profile", '{"a": [1]}', "--tag", "t"),
        *("--description", "d", "--vnic-type", "normal", "--port-security"),
    )
    assert [ip["ip_address"] for ip in made["fixed_ips"]] == ["10.1.0.9", "fd00:1::9"]
    assert made["mac_address"] == "02:42:0a:01:00:09"
    assert made["allowed_address_pairs"] == [
        {"ip_address": "10.1.0.200", "mac_address": "02:42:0a:01:00:09"},
        {"ip_address": "10.3.0.0/24", "mac_address": "02:42:0a:01:00:0a"},
    ]
    assert (made["dns_name"], made["sealane:dns_aliases"]) == ("web", ["www"])
    assert (made["device_id"], made["device_owner"]) == ("d1", "compute:nova")
    assert (made["binding:host_id"], made["binding:profile"]) == ("host1", {"a": [1]})
    assert made["admin_state_up"] is False
    assert sealane.json("port", "create", "--network", "blue", "--no-ip")["fixed_ips"] == []
    loose = sealane.json("port", "create", "--network", "blue", "--no-port-security")
    assert loose["port_security_enabled"] is False


def test_an_address_of_a_subnet_by_its_name(sealane, blue):
    """Of the port's own network, though others have a subnet of that name."""
    sealane.json("network", "create", "red", "--no-subnet")
    for network, cidr in (("blue", "10.7.0.0/24"), ("red", "10.8.0.0/24")):
        sealane.json("subnet", "create", "low", "--network", network, "--cidr", cidr)
    made = sealane.json("port", "create", "--network", "red", "--subnet", "low")
    assert [ip["ip_address"] for ip in made["fixed_ips"]] == ["10.8.0.2"]
    moved = sealane.json("port", "set", made["id"], "--subnet", "low", "--ip", "10.8.0.77")
    assert {ip["ip_address"] for ip in moved["fixed_ips"]} == {"10.8.0.2", "10.8.0.77"}


def test_set_replaces_add_and_unset_change_members(sealane, blue):
    sealane.json("subnet", "create", "low", "--network", "blue", "--cidr", "10.2.0.0/24", "--dns", "1.1.1.1")
    servers = lambda *words: sealane.json("subnet", *words)["dns_nameservers"]  # noqa: E731
    assert servers("add", "low", "--dns", "2.2.2.2", "--dns", "1.1.1.1") == ["1.1.1.1", "2.2.2.2"]
    assert servers("unset", "low", "--dns", "1.1.1.1") == ["2.2.2.2"]
    assert servers("set", "low", "--dns", "3.3.3.3") == ["3.3.3.3"]
    assert servers("unset", "low", "--dns", "all") == []
    said = sealane.fails(1, "subnet", "unset", "low", "--dns", "9.9.9.9")
    assert "--dns 9.9.9.9 is not there" in said


def test_pairs_and_addresses_of_a_port_come_and_go(sealane, blue):
    sealane.json("port", "create", "web", "--network", "blue", "--ip", "10.1.0.9")
    twice = ("--pair", "10.1.0.200") * 2
    added = sealane.json("port", "add", "web", *twice, "--ip", "10.1.0.10")
    assert len(added["allowed_address_pairs"]) == 1
    assert {ip["ip_address"] for ip in added["fixed_ips"]} == {"10.1.0.9", "10.1.0.10"}
    left = sealane.json("port", "unset", "web", "--pair", "10.1.0.200", "--ip", "10.1.0.9")
    assert left["allowed_address_pairs"] == []
    assert [ip["ip_address"] for ip in left["fixed_ips"]] == ["10.1.0.10"]


def test_dhcp_options_of_a_port_come_and_go(sealane, blue):
    option = lambda text: ("--extra-dhcp-option", text)  # noqa: E731
    made = sealane.json(
        "port", "create", "web", "--network", "blue", *option("42=10.1.0.5"), *option("mtu=1300")
    )
    there = lambda port: {o["opt_name"]: o["opt_value"] for o in port["extra_dhcp_opts"]}  # noqa: E731
    assert there(made) == {"42": "10.1.0.5", "mtu": "1300"}
    assert there(sealane.json("port", "add", "web", *option("router="))) == {**there(made), "router": ""}
    assert there(sealane.json("port", "unset", "web", *option("42=10.1.0.5"))) == {
        "mtu": "1300",
        "router": "",
    }
    assert there(sealane.json("port", "set", "web", *option("T1=300"))) == {"T1": "300"}
    assert there(sealane.json("port", "unset", "web", *option("all"))) == {}
    said = sealane.fails(1, "port", "add", "web", *option("mtu=1"))
    assert "extra_dhcp_opts" in said and "give a number from 576" in said
    assert "NAME=VALUE" in sealane.fails(2, "port", "add", "web", *option("mtu"))


def test_members_that_are_added_at_once_are_all_kept(sealane, central, blue):
    sealane.json("port", "create", "web", "--network", "blue")
    wanted = [f"10.5.0.{number}" for number in range(1, 5)]
    command = (sys.executable, "-m", "sealane.cli.main", "port", "add", "web", "--pair")
    running = [
        subprocess.Popen((*command, pair), env=os.environ | central.environ, stdout=subprocess.DEVNULL)
        for pair in wanted
    ]
    assert [process.wait(PATIENCE) for process in running] == [0] * len(wanted)
    pairs = sealane.json("port", "show", "web")["allowed_address_pairs"]
    assert {pair["ip_address"] for pair in pairs} == set(wanted)


def test_labels_of_a_network(sealane, blue):
    sealane.json("network", "add", "blue", "--label", "a=1", "--label", "b=2")
    assert sealane.json("network", "unset", "blue", "--label", "a")["sealane:labels"] == {"b": "2"}
    assert sealane.json("network", "set", "blue", "--label", "c=3")["sealane:labels"] == {"c": "3"}


def test_set_and_unset_of_plain_attributes(sealane, blue):
    changed = sealane.json(
        *("network", "set", "blue", "--name", "azure", "--description", "d", "--disable", "--mtu", "1300")
    )
    assert (changed["name"], changed["admin_state_up"], changed["mtu"]) == ("azure", False, 1300)
    assert changed["status"] == "DOWN"
    assert sealane.json("network", "set", "azure", "--enable")["admin_state_up"] is True
    assert sealane.json("network", "unset", "azure", "--description", "--name")["description"] == ""
    (subnet,) = sealane.json("subnet", "list", "--ip-version", "4")
    assert sealane.json("subnet", "unset", subnet["id"], "--gateway")["gateway_ip"] is None


def test_many_at_once_by_count(sealane, blue):
    made = sealane.json("port", "create", "node", "--network", "blue", "--count", "3", "--tag", "t")
    assert [port["name"] for port in made] == ["node-1", "node-2", "node-3"]
    assert len(sealane("port", "create", "--network", "blue", "--count", "2").lines) == 2
    assert len(sealane.json("network", "create", "n", "--count", "3")) == 3
    assert len(sealane.json("subnet", "list")) == 5


@pytest.mark.parametrize("wrapped", (False, True))
def test_many_at_once_from_json(sealane, blue, wrapped):
    rows = [{"name": f"p{n}", "network_id": blue["id"], "tags": ["x"]} for n in range(20)]
    text = json.dumps({"ports": rows} if wrapped else rows)
    assert len(sealane.json("port", "create", "--file", "-", stdin=text)) == 20


def test_many_at_once_from_yaml(sealane, blue, tmp_path):
    """What YAML 1.1 would take for numbers, dates and booleans are texts here."""
    sealane.json("subnet", "create", "low", "--network", "blue", "--cidr", "10.2.0.0/24")
    text = """
    - {name: no, network: blue, mac_address: 02:42:10:01:00:05, fixed_ips: [{subnet: low}]}
    - name: 2026-01-01
      network: blue
      description: |
        several
        lines
    """
    (tmp_path / "ports.yaml").write_text(text)
    first, second = sealane.json("port", "create", "-f", str(tmp_path / "ports.yaml"))
    assert (first["name"], first["mac_address"]) == ("no", "02:42:10:01:00:05")
    assert first["fixed_ips"][0]["ip_address"] == "10.2.0.2"
    assert second["name"] == "2026-01-01" and second["description"] == "several\nlines\n"


@pytest.mark.parametrize(
    ("text", "said"),
    (
        ("", "a list of ports"),
        ("[]", "a list of ports"),
        ("- 5", "entry 1 is no object"),
        ("- {network: nowhere}", "no network 'nowhere'"),
        ("- {network: blue, colour: red}", "'colour'"),
        ("- {network: blue, mac_address: x}", "mac_address"),
        ("{", "neither JSON nor YAML"),
        ("- !!binary aGk=", "neither JSON nor YAML"),
        ("- !!python/object:os.system {}", "neither JSON nor YAML"),
        ("- {network: ''}", "entry 1: the name or id of the network is empty"),
    ),
)
def test_a_file_that_is_wrong_makes_nothing(sealane, blue, text, said):
    assert said in sealane.fails(1, "port", "create", "--file", "-", stdin=text)
    assert sealane.json("port", "list") == []


def test_a_file_is_all_or_nothing(sealane, blue):
    rows = [{"network": "blue"}, {"network": "blue", "fixed_ips": [{"ip_address": "10.1.0.1"}]}]
    sealane.fails(1, "port", "create", "--file", "-", stdin=json.dumps(rows))
    assert sealane.json("port", "list") == []


def test_deleting_several_goes_on_and_tells_all_errors(sealane, blue):
    sealane.json("port", "create", "a", "--network", "blue")
    sealane.json("network", "create", "red")
    outcome = sealane("network", "delete", "green", "blue", "red", "grey")
    assert outcome.status == 1
    lines = outcome.err.splitlines()
    assert len(lines) == 3 and all(line.startswith("sealane: ") for line in lines)
    assert "green" in lines[0] and "network 'blue'" in lines[1] and "grey" in lines[2]
    assert [n["name"] for n in sealane.json("network", "list")] == ["blue"]


def test_an_ambiguous_name_is_refused_until_it_is_narrowed(sealane, blue):
    sealane.json("network", "create", "red", "--subnet", "10.4.0.0/24", "--project", "acme")
    ids = [sealane.json("port", "create", "web", "--network", n)["id"] for n in ("blue", "red")]
    said = sealane.fails(1, "port", "show", "web")
    assert "2 ports are named 'web'" in said and all(id in said for id in ids) and "10.4.0.2" in said
    assert sealane.json("port", "show", "web", "--network", "red")["id"] == ids[1]
    assert sealane.json("port", "show", "web", "--project", "default")["id"] == ids[0]
    assert sealane("port", "delete", "web", "--network", "red").status == 0
    assert sealane.json("port", "show", "web")["id"] == ids[0]


def test_an_empty_name_is_nobodys(sealane, blue):
    """`port delete "$UNSET"` must not take the only port without a name."""
    sealane.json("port", "create", "--network", "blue")
    assert "is empty" in sealane.fails(1, "port", "delete", "")
    assert len(sealane.json("port", "list")) == 1


def test_tags(sealane, blue):
    assert sealane("network", "tag", "add", "blue", "a", "b/c", "ü").out.splitlines() == ["a", "b/c", "ü"]
    assert sealane.json("network", "tag", "remove", "blue", "b/c") == ["a", "ü"]
    assert sealane.json("network", "tag", "list", "blue") == ["a", "ü"]
    assert "no tag 'z'" in sealane.fails(1, "network", "tag", "remove", "blue", "z")
    assert sealane.json("network", "tag", "set", "blue") == []
    assert "comma" in sealane.fails(1, "network", "tag", "add", "blue", "a,b")


@pytest.mark.parametrize(
    "name",
    ("-odd", "--name", "ein schönes Netz", "海道", "a'b\"c;$(d)`e`", "100%", "a/b?c=d&e#f", "a\\b", "🐳"),
)
def test_odd_names_are_names(sealane, name):
    made = sealane("network", "create", "--no-subnet", "-o", "json", "--", name).json
    assert made["name"] == name
    assert sealane("network", "show", "-o", "json", "--", name).json["id"] == made["id"]
    sealane("port", "create", "-o", "json", f"--network={name}", "--", name)
    assert [p["name"] for p in sealane.json("port", "list", f"--network={name}")] == [name]
    assert sealane("port", "delete", "--", name).status == 0
    assert sealane("network", "delete", "--", name).status == 0


def test_control_characters_do_not_reach_the_terminal(sealane):
    sealane.json("network", "create", "a\x1b[31m\nb", "--no-subnet")
    out = sealane("network", "list").out
    assert "\x1b" not in out and "a\\x1b[31m\\nb" in out
