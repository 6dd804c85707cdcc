"""Wrong usage: exit status 2 and one line that names the option and the cure; nothing is asked or made."""

import pytest

PORT = ("port", "create", "--network", "blue")
SUBNET = ("subnet", "create", "--network", "blue")


@pytest.mark.parametrize(
    ("arguments", "said"),
    (
        (("network", "create"), "Missing argument 'NAME'"),
        (("network", "create", "x", "--subnet", "10.1.0.1/24"), "the subnet is 10.1.0.0/24"),
        (("network", "create", "x", "--subnet", "ten"), "give it as 10.1.0.0/24"),
        (("network", "create", "x", "--mtu", "9"), "--mtu: '9' is no number of 68 to 9000"),
        (("network", "create", "x", "--gateway", "me"), "--gateway"),
        (("network", "create", "x", "--label", "k"), "KEY=VALUE"),
        (("network", "create", "x", "--no-subnet", "--ipv6"), "exclude"),
        (("network", "create", "x", "--internal", "--gateway", "host"), "exclude"),
        (("network", "create", "x", "--count", "2", "--subnet", "10.1.0.0/24"), "exclude"),
        (("network", "create", "x", "--count", "0"), "--count"),
        (("network", "create", "x", "--wait=soon"), "--wait"),
        (("network", "create", "x", "--wait=0"), "--wait"),
        (("network", "create", "x", "--file", "/nowhere"), "/nowhere"),
        (("network", "create", "x", "--file", "-"), "--file says everything"),
        (("network", "create", "-xyz"), "after '--'"),
        (("network", "set", "x"), "nothing to set"),
        (("network", "unset", "x"), "nothing to unset"),
        (("network", "add", "x"), "nothing to add"),
        (("network", "delete"), "Missing argument"),
        (("network", "tag", "add", "x"), "Missing argument"),
        (("network", "list", "--limit", "0"), "--limit"),
        (("network", "list", "--filter", "name"), "KEY=VALUE"),
        (("network", "list", "-o", "xml"), "--output"),
        (("subnet", "create", "x"), "Missing option '--network'"),
        ((*SUBNET, "--cidr", "10.1.0.0"), "--cidr"),
        ((*SUBNET, "--cidr", "10.1.0.0/24", "--pool", "10.1.0.9"), "FIRST-LAST"),
        ((*SUBNET, "--cidr", "10.1.0.0/24", "--pool", "10.1.0.9-x"), "'x' is no IP address"),
        ((*SUBNET, "--cidr", "10.1.0.0/24", "--gateway", "me"), "--gateway: 'me' is no IP address"),
        ((*SUBNET, "--cidr", "10.1.0.0/24", "--route", "10.2.0.0/16"), "SUBNET=ADDRESS"),
        ((*SUBNET, "--cidr", "10.1.0.0/24", "--dns", "one.one"), "--dns"),
        ((*SUBNET, "--cidr", "fe80::1%eth0/64"), "--cidr"),
        (("port", "create", "x"), "Missing option '--network'"),
        ((*PORT, "--ip", "10.1.0.300"), "--ip: '10.1.0.300' is no IP address"),
        ((*PORT, "--ip", "10.1.0.3", "--no-ip"), "exclude"),
        ((*PORT, "--mac", "02:42"), "--mac: '02:42' is no MAC address"),
        ((*PORT, "--pair", "10.1.0.9=x"), "--pair"),
        ((*PORT, "--profile", "{"), "--profile: it is not JSON"),
        ((*PORT, "--profile", "[]"), "--profile: it is no JSON object"),
        (("port", "set", "x", "--ip", "y"), "--ip"),
        (("nonsense",), "nonsense"),
        (("network", "crate", "x"), "crate"),
        (("network", "list", "--nonsense"), "sealane network list --help"),
    ),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage(sealane, arguments, said):
    assert said in sealane.fails(2, *arguments)
    assert sealane.json("network", "list") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    (
        ((*PORT, "--ip", "10.9.0.1"), "10.9.0.1 is not a valid IP for any of the subnets"),
        ((*PORT, "--ip", "10.9.0.1"), "; 'sealane subnet list --network NETWORK' shows what there is"),
        ((*PORT, "--ip", "10.1.0.1"), "; give another address, or none"),
        ((*PORT, "--subnet", "low"), "no subnet 'low'"),
        ((*PORT, "--dns-name", "a b"), "dns_name"),
        ((*PORT, "--mac", "01:00:5e:00:00:01"), "mac_address"),
        ((*PORT, "--count", "300"), "No more IP addresses"),
        ((*SUBNET, "--cidr", "10.1.0.0/25"), "overlaps"),
        ((*SUBNET, "--cidr", "10.2.0.0/24", "--gateway", "10.3.0.1"), "10.3.0.1"),
        (("network", "set", "blue", "--description", "x" * 300), "description"),
        (("network", "delete", "blue"), "still in use on the network; 'sealane port list --network"),
        ((*PORT, "--no-port-security", "--pair", "10.1.0.77"), "; 'sealane port unset PORT --pair all'"),
    ),
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_what_the_api_refuses_is_one_line(sealane, arguments, said):
    sealane.json("network", "create", "blue", "--subnet", "10.1.0.0/24")
    sealane.json("port", "create", "there", "--network", "blue")
    assert said in sealane.fails(1, *arguments)


def test_an_argument_that_is_no_text(sealane):
    """Bytes that are not UTF-8 come from the shell as surrogates."""
    assert "not UTF-8" in sealane.fails(2, "network", "create", "a\udcff", "--no-subnet")
