"""A QEMU guest and a container on another host, through a router, with security groups in force."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.docker.engines import Engine, until
from tests.e2e.doors.guest import Guest, booted
from tests.e2e.doors.house import House
from tests.e2e.doors.test_osvif import gone, plug

PAGE = "mkdir -p /www; echo behind the router > /www/index.html; httpd -p 80 -h /www; httpd -p 81 -h /www"


@pytest.fixture
def routed(house: House) -> Iterator[dict[str, Any]]:
    """The port of an instance on `vms`, which a router joins to `apps`."""
    house.sealane("network", "create", "vms", "--subnet", "10.31.0.0/24")
    house.sealane("network", "create", "apps", "--subnet", "10.32.0.0/24")
    house.sealane("router", "create", "middle")
    joined = [_join(house, cidr) for cidr in ("10.31.0.0/24", "10.32.0.0/24")]
    house.sealane("security-group", "create", "web")
    house.sealane("security-group", "rule", "create", "web", "--port", "80", "--remote", "10.31.0.0/24")
    house.sealane("security-group", "rule", "create", "web", "--protocol", "icmp")
    words = ("--network", "vms", "--ip", "10.31.0.9", "--host", house.host)
    port = house.json("port", "create", "vm1", *words, "--device-owner", "compute:nova")
    yield port
    Engine(house.lab, "host2").clear()
    house.sealane("port", "delete", port["id"])
    for interface in joined:
        house.sealane("router", "interface", "remove", "middle", "--port", interface["port_id"])
    house.sealane("router", "delete", "middle")
    for network in ("vms", "apps"):
        until(lambda name=network: house.exec("sealane", "network", "delete", name).returncode == 0)  # type: ignore[misc]
    house.sealane("security-group", "delete", "web")


def _join(house: House, cidr: str) -> dict[str, Any]:
    (subnet,) = [one for one in house.json("subnet", "list") if one["cidr"] == cidr]
    made: dict[str, Any] = house.json("router", "interface", "add", "middle", "--subnet", subnet["id"])
    return made


def test_a_virtual_machine_and_a_container_through_a_router(house: House, routed: dict[str, Any]) -> None:
    before = house.traces()
    there = Engine(house.lab, "host2")
    there.image()
    until(lambda: "apps" in there.networks(), what="host2 has the network")
    there.run("web", "apps")
    there("exec", "web", "sh", "-c", PAGE)
    address = there.address("web", "apps")
    _grouped(house, address)
    plug(house, "tap", routed)
    with (
        tempfile.TemporaryDirectory() as scratch,
        booted(house.lab, house.host, "vm1dev", routed["mac_address"], Path(scratch)) as guest,
    ):
        status, told = guest.run("ip -o -4 address show eth0")
        assert status == 0 and "10.31.0.9/24" in told, told
        until(lambda: guest.run(f"ping -c1 -W2 {address}")[0] == 0, what="the guest reaches the container")
        until(lambda: fetches(guest, address, 80), what="the guest fetches the page")
        assert there.raw("exec", "web", "wget", "-qO-", "http://127.0.0.1:81/").returncode == 0, "it listens"
        assert not fetches(guest, address, 81), "no rule lets this port in"
        assert not there.reaches("web", "10.31.0.9"), "no rule of the guest's group lets the container in"
        assert fetches(guest, address, 80), "and the page is there still"
    gone(house, routed, before)


def fetches(guest: Guest, address: str, port: int) -> bool:
    """By nc: a static wget asks the C library for services, whose plugins the guest lacks."""
    _, told = guest.run(rf"printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 3 {address} {port}")
    return "behind the router" in told


def _grouped(house: House, address: str) -> None:
    """The container is in the group `web` and in no other."""
    ports = json.loads(house.sealane("port", "list", "-o", "json"))
    (port,) = [one for one in ports if address in json.dumps(one["fixed_ips"])]
    house.sealane("port", "set", port["id"], "--security-group", "web")
