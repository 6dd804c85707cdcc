"""`sealane attach --physical`: a namespace on a LAN outside, and on one VLAN of it only."""

import re
import shlex
from collections.abc import Iterator

import pytest

from tests.e2e.docker.engines import until
from tests.e2e.docker.outside import PHYSICAL
from tests.e2e.doors.house import House
from tests.e2e.routers.station import outside, station

VLAN = 107
TAGGED, PLAIN, UNTAGGED = "172.31.107.1", "172.31.107.2", "172.31.107.10"
"""Addresses outside, of one subnet: on the VLAN, and of who knows nothing of tags, who talks to the third."""
MADE = (PHYSICAL, f"{PHYSICAL}{VLAN}")


@pytest.fixture(autouse=True)
def lan(house: House, tidy: None) -> Iterator[None]:
    """In this order, as networks with ports on them can't be deleted."""
    lab = house.lab
    with station(lab, VLAN):
        outside(lab, "ip", "address", "add", f"{PLAIN}/32", "dev", PHYSICAL)
        outside(lab, "ip", "route", "add", UNTAGGED, "dev", PHYSICAL)
        outside(lab, "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1")  # each link for its own address
        yield
        outside(lab, "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=0")
        outside(lab, "ip", "route", "delete", UNTAGGED)
        outside(lab, "ip", "address", "delete", f"{PLAIN}/32", "dev", PHYSICAL)
    house.tidy()
    for name in MADE:
        house.exec("sealane", "network", "delete", name)


def cured(house: House, told: str) -> None:
    """By the line of the error itself."""
    line = re.search(r"sealane (network create .*) SUBNET", told)
    assert line, told
    house.sealane(*shlex.split(line[1]), "172.31.107.0/24")


def test_each_is_on_its_own_part_of_the_lan_and_on_no_other(house: House) -> None:
    house.run("ip", "netns", "add", "box1")
    house.run("ip", "netns", "add", "box2")
    before = house.traces()
    tagged = ("attach", "box1", "--physical", PHYSICAL, "--vlan", str(VLAN), "--ip", "172.31.107.9")
    plain = ("attach", "box2", "--physical", PHYSICAL, "--ip", UNTAGGED)
    for words, field in ((tagged, "vlan:"), (plain, "physical:")):
        told = house.refused(*words)
        assert field in told
        assert house.traces() == before
        cured(house, told)
    assert house.json(*tagged)["addresses"] == ["172.31.107.9/24"]
    assert house.json(*plain)["addresses"] == [f"{UNTAGGED}/24"]
    until(lambda: house.pings("box1", TAGGED), what="it reaches its VLAN")
    until(lambda: house.pings("box2", PLAIN), what="it reaches what has no tag")
    assert not house.pings("box1", PLAIN) and not house.pings("box2", TAGGED)


def test_what_this_host_does_not_lead_to_is_told_with_the_cure(house: House) -> None:
    house.run("ip", "netns", "add", "box1")
    before = house.traces()
    for words, told in (
        (("--physical", "moon"), "add 'moon:BRIDGE' to its setting bridge_mappings"),
        (("--physical", "away"), "can't use 'away0', its way to 'away'"),
        (("--physical", PHYSICAL, "--vlan", "4095"), "vlan: 4095 is not between 1 and 4094"),
        (("--physical", PHYSICAL, "--vlan", "-1"), "vlan: -1 is not between 1 and 4094"),
        (("--physical", "../lan"), "no name of a physical network"),
        (("--physical", PHYSICAL, "--network", "blue"), "either a network or a physical network"),
        (("--network", "blue", "--vlan", "7"), "vlan: it is for a physical network"),
    ):
        assert told in house.refused("attach", "box1", *words), words
    assert house.traces() == before
