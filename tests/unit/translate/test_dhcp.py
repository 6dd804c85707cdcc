"""What OVN's DHCP server is told is read by its type and written anew."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.model import DhcpOption, Port
from sealane.translate import dhcp, dhcp_options

BASE = {"router": "10.0.0.1", "mtu": "1442"}
WRITTEN = re.compile(r'"[ !#-\[\]-~]*"|[0-9./]+|\{[0-9./]+(, ?[0-9./]+)*\}')
"""All that may come after the '=' in the text of an action."""


def option(name: str, value: str, version: int = 4) -> DhcpOption:
    return DhcpOption(opt_name=name, opt_value=value, ip_version=version)


@pytest.mark.parametrize(
    ("name", "value", "key", "written"),
    [
        ("ntp-server", "10.0.0.5", "ntp_server", "10.0.0.5"),
        ("42", "10.0.0.5, 10.0.0.6", "ntp_server", "{10.0.0.5, 10.0.0.6}"),
        ("option:ntp-server", "10.0.0.5;10.0.0.6", "ntp_server", "{10.0.0.5, 10.0.0.6}"),
        ("bootfile-name", "pxe linux.0", "bootfile_name", '"pxe linux.0"'),
        ("66", "boot.example", "tftp_server", '"boot.example"'),
        ("tftp-server", "10.0.0.7", "tftp_server", "10.0.0.7"),
        ("mtu", "1300", "mtu", "1300"),
        ("ip-forward-enable", "TRUE", "ip_forward_enable", "1"),
        ("domain-search", "a.example,b.example", "domain_search_list", '"a.example,b.example"'),
        (
            "classless-static-route",
            "10.1.0.0/16,10.0.0.9,10.2.0.0/16,10.0.0.9",
            "classless_static_route",
            "{10.1.0.0/16,10.0.0.9, 10.2.0.0/16,10.0.0.9}",
        ),
    ],
)
def test_an_option_is_told(name: str, value: str, key: str, written: str) -> None:
    dhcp_options.check(option(name, value))
    assert dhcp_options.applied(BASE, [option(name, value)]) == {**BASE, key: written}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ntp-server", "10.0.0.300", "IPv4 addresses"),
        ("ntp-server", "fd00::1", "IPv4 addresses"),
        ("ntp-server", "", "IPv4 addresses"),
        ("bootfile-name", 'a"); drop; ("', "without quotes"),
        ("bootfile-name", "a\\", "without quotes"),
        ("bootfile-name", "a\nb", "printable"),
        ("bootfile-name", "a\0", "printable"),
        ("bootfile-name", "ü", "ASCII"),
        ("bootfile-name", "a" * 251, "250"),
        ("domain-name", "a b", "domains"),
        ("domain-name", "a}", "domains"),
        ("mtu", "100", "from 576"),
        ("mtu", "١٥٠٠", "from 576"),
        ("lease-time", "0", "60 at least"),
        ("T1", "4294967296", "seconds"),
        ("ip-forward-enable", "2", "true or false"),
        ("classless-static-route", "10.0.0.0/8", "SUBNET,NEXTHOP"),
        ("classless-static-route", "10.0.0.1/8,10.0.0.1", "SUBNET,NEXTHOP"),
        ("server_id", "10.0.0.1", "there are: T1"),
        ("server_mac", "fa:16:3e:00:00:01", "there are: T1"),
        ("netmask", "255.0.0.0", "there are: T1"),
        ("dhcp_disabled", "maybe", "true or false"),
    ],
)
def test_what_can_not_be_told_is_refused_with_the_cure(name: str, value: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        dhcp_options.check(option(name, value))
    assert dhcp_options.applied(BASE, [option(name, value)]) == BASE


def test_dhcpv6_is_refused() -> None:
    with pytest.raises(ValueError, match="CVE-2026-5367"):
        dhcp_options.check(option("dns-server", "fd00::1", 6))


def test_an_empty_value_takes_the_subnets_away() -> None:
    dhcp_options.check(option("router", ""))
    assert dhcp_options.applied(BASE, [option("3", "")]) == {"mtu": "1442"}


@given(st.sampled_from([*dhcp_options.KNOWN, *dhcp_options.NUMBERS, "x"]), st.text(max_size=300))
def test_no_value_breaks_out_of_its_place(name: str, value: str) -> None:
    for written in dhcp_options.applied({}, [option(name, value)]).values():
        assert WRITTEN.fullmatch(written)


@pytest.mark.parametrize(
    ("name", "dns_name", "known"),
    [
        ("web", "", "web"),
        ("Web 1", "", ""),
        ("x", "Box.corp.example.", "box"),
        ('a"', "", ""),
        ("-a", "", ""),
        ("a_b", "", ""),
        ("a" * 64, "", ""),
        ("web\n", "", ""),
    ],
)
def test_the_name_of_a_machine(name: str, dns_name: str, known: str) -> None:
    port = Port(id="p", project_id="", network_id="n", mac_address="", name=name, dns_name=dns_name)
    assert dhcp.hostname(port) == known
