"""Ports that wait for containers of runtimes: what they are meanwhile, who gets one, when one is no good."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sealane.config import Settings
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.docker.engines import until
from tests.e2e.doors.doors import Cni
from tests.e2e.doors.house import House, eventually

COUNT = Settings().ready_ports


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    lab = Lab(labs.name("ready"), hosts=2)
    lab.down()  # of a run that was killed
    with lab:
        made = House(lab, "host1")
        made.sealane("network", "create", "blue", "--subnet", "10.7.0.0/24")
        made.sealane("security-group", "create", "open")
        made.sealane("security-group", "rule", "create", "open", "--protocol", "icmp")
        House(lab, "host2").run("ip", "netns", "add", "far")
        words = ("attach", "far", "--network", "blue", "--ip", "10.7.0.250", "-o", "json")
        far = json.loads(House(lab, "host2").sealane(*words))
        made.sealane("port", "add", far["port_id"], "--security-group", "open")
        yield made


@pytest.fixture
def door(house: House) -> Iterator[Cni]:
    """A namespace, and ports that wait on blue."""
    made = Cni()
    made.live(house)
    made.attach(house, "")
    assert made.detach(house, "")
    settled(house)
    yield made
    made.call(house, "DEL")
    house.run("ip", "netns", "delete", made.box)


def waiting(house: House) -> dict[str, dict[str, Any]]:
    """Ports by id, as the node and the API agree on them."""
    listed = house.json("port", "list", "--all", "--host", house.host)
    told = {port["id"]: port for port in listed if port["device_id"].startswith("ready:")}
    return told if house.waiting() == set(told) else {}


def everyone(house: House) -> set[str]:
    """Ports of the host, also those that wait."""
    return {port["id"] for port in house.json("port", "list", "--all", "--host", house.host)}


def settled(house: House) -> dict[str, dict[str, Any]]:
    """As many as there shall be, bound."""

    def all_there() -> dict[str, dict[str, Any]]:
        found = waiting(house)
        ready = len(found) == COUNT and all(port["status"] == "ACTIVE" for port in found.values())
        return found if ready else {}

    found: dict[str, dict[str, Any]] = until(all_there, what=f"{COUNT} ports wait")
    return found


def mine(house: House, address: str) -> dict[str, Any]:
    listed = house.json("port", "list", "--all", "--host", house.host)
    (port,) = [port for port in listed if address in json.dumps(port["fixed_ips"])]
    return port


def test_a_container_gets_a_port_that_has_waited(house: House, door: Cni) -> None:
    before = settled(house)
    links = {one["ifname"] for one in json.loads(house.run("ip", "-j", "link"))}
    for port in before:
        ends = {f"{kind}{port[:11]}": kind == "sls" for kind in ("sls", "slh", "slc")}
        assert {link: link in links for link in ends} == ends, "by which nobody sends anything"
    assert not house.ports() and not house.json("ps"), "they are in nobody's way"
    address = door.attach(house, "")
    port = mine(house, address)
    assert port["id"] in before and port["name"] == "c1" and port["status"] == "ACTIVE"
    assert not port["device_id"].startswith("ready:")
    house.reaches(f"netns:{door.box}")
    until(lambda: port["id"] not in settled(house), what="another one waits")
    assert "already" in door.fails_to_attach(house, "")
    assert door.detach(house, "") and door.detach(house, "")
    eventually(lambda: everyone(house) == set(settled(house)), "the port has gone with its container")


def test_who_asks_for_something_special_gets_a_port_of_its_own(house: House, door: Cni) -> None:
    before = settled(house)
    body = json.loads(house.run("cat", door.conflist))
    body["plugins"][0]["securityGroups"] = ["open"]
    house.write(door.conflist, json.dumps(body))
    address = door.attach(house, "")
    assert mine(house, address)["id"] not in before
    House(house.lab, "host2").reaches("far", address)
    assert set(settled(house)) == set(before)


def test_one_that_would_be_made_otherwise_now_is_not_used(house: House, door: Cni) -> None:
    """The network says since which group its containers are in."""
    before = settled(house)
    address = door.attach(house, "")
    assert not mine(house, address)["security_groups"]
    assert door.detach(house, "")
    before |= settled(house)
    house.sealane("network", "set", "blue", "--label", "sealane.security-groups=open")
    try:
        address = door.attach(house, "")
        assert mine(house, address)["id"] not in before and mine(house, address)["security_groups"]
        House(house.lab, "host2").reaches("far", address)
        eventually(lambda: len(everyone(house)) == 1, "which port, only the API can say")
        assert door.detach(house, "")
    finally:
        house.sealane("network", "set", "blue", "--label", "sealane.security-groups=")
    subnet = next(one for one in house.json("subnet", "list") if one["cidr"] == "10.7.0.0/24")
    door.attach(house, "")
    assert door.detach(house, "")
    old = settled(house)
    house.sealane("subnet", "set", subnet["id"], "--dns", "192.0.2.53")
    done = door.call(house, "ADD")
    assert "192.0.2.53" in json.loads(done.stdout)["dns"]["nameservers"], done.stdout
    assert door.detach(house, "")
    eventually(lambda: not set(old) & set(settled(house)), "the old ones have gone")


def test_an_agent_that_was_killed_is_followed_by_one_that_goes_on(house: House, door: Cni) -> None:
    before = settled(house)
    house.kill_agent()
    address = door.attach(house, "")
    assert mine(house, address)["id"] in before
    house.reaches(f"netns:{door.box}")
    house.kill_agent()
    house.reaches(f"netns:{door.box}")
    assert door.detach(house, "")
    assert len(settled(house)) == COUNT


def test_a_port_that_somebody_deleted_is_followed_by_another(house: House, door: Cni) -> None:
    before = settled(house)
    gone = min(before)
    house.sealane("port", "delete", gone)
    eventually(lambda: gone not in settled(house), "another one waits")
    door.attach(house, "")
    house.reaches(f"netns:{door.box}")


def test_somebody_on_another_host_takes_the_addresses_of_all(house: House, door: Cni) -> None:
    """As if nobody had them; and a call that comes before this host has noticed gets a port of its own."""
    before, other = settled(house), House(house.lab, "host2")
    taken = [port["fixed_ips"][0]["ip_address"] for port in before.values()]
    for number, address in enumerate(taken):
        other.run("ip", "netns", "add", f"box{number}")
        other.sealane("attach", f"box{number}", "--network", "blue", "--ip", address)
    try:
        assert door.attach(house, "") not in taken
        house.reaches(f"netns:{door.box}")
        assert door.detach(house, "")
        eventually(lambda: not set(before) & set(settled(house)), "others wait")
    finally:
        for number in range(len(taken)):
            other.run("ip", "netns", "delete", f"box{number}")
        eventually(lambda: len(other.ports()) == 1, "all is as it was")


def test_they_go_with_their_network(house: House) -> None:
    house.sealane("network", "create", "brief", "--subnet", "10.9.0.0/24")
    house.run("ip", "netns", "add", "box9")
    house.sealane("cni", "install", "brief", "--bin-dir", "/run/cni/bin")
    door = Cni()
    door.box, door.conflist = "box9", "/etc/cni/net.d/10-sealane-brief.conflist"
    door.attach(house, "")
    brief = house.json("network", "show", "brief")["id"]
    until(lambda: sum(port["network_id"] == brief for port in waiting(house).values()) == COUNT)
    assert house.exec("sealane", "network", "delete", "brief").returncode == 1, "a container is on it"
    assert door.detach(house, "")
    house.sealane("network", "delete", "brief")
    assert not house.json("port", "list", "--all", "--filter", f"network_id={brief}")
    left = lambda: [row for row in house.json("ps", "--all") if row["network_id"] == brief]  # noqa: E731
    eventually(lambda: not left(), "and from the host")
    house.run("ip", "netns", "delete", "box9")
