"""Metering where packets are IPv6, and where rules come and go while packets pass: each is counted once."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.overlay.machines import Machine, until
from tests.e2e.routers.site import Site
from tests.e2e.routers.test_outside import WORLD6, way_back

LABELS, RULES = "metering/metering-labels", "metering/metering-label-rules"
LENGTH, TAG = 118, 4
"""Bytes of a frame of ping: 14 of Ethernet, 40 of IPv6, 8 of ICMPv6, 56 within; and of the VLAN's tag, with
which what comes is counted."""


class Meter:
    def __init__(self, site: Site) -> None:
        self._api = site.api
        self.made: dict[str, str] = {}

    def label(self, name: str, *rules: dict[str, Any]) -> str:
        id = str(self._api.create(LABELS, {"name": name, "shared": True})["id"])
        self.made[name] = id
        for rule in rules:
            self.rule(name, **rule)
        return id

    def rule(self, name: str, **values: Any) -> str:
        return str(self._api.create(RULES, {"metering_label_id": self.made[name], **values})["id"])

    def drop(self, name: str) -> None:
        self._api.delete(LABELS, self.made.pop(name))

    def counts(self) -> dict[str, tuple[int | None, int | None]]:
        rows = {row["id"]: row for row in self._api.list(LABELS)}
        return {n: (rows[id]["sealane:packets"], rows[id]["sealane:bytes"]) for n, id in self.made.items()}


@pytest.fixture
def meter(site: Site) -> Iterator[Meter]:
    made = Meter(site)
    yield made
    for name in tuple(made.made):
        made.drop(name)


def both(inside: str = "", outside: str = "", **values: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same of what leaves and what comes."""
    out = {"source_ip_prefix": inside or None, "destination_ip_prefix": outside or None}
    into = {"source_ip_prefix": outside or None, "destination_ip_prefix": inside or None}
    return {"direction": "egress", **out, **values}, {"direction": "ingress", **into, **values}


def ping(machine: Machine, target: str, count: int) -> None:
    done = machine.exec("busybox", "ping", "-q", "-c", str(count), "-i", "0.2", "-W", "5", target)
    assert f"{count} packets received" in done.stdout, done.stdout


@contextmanager
def pinging(machine: Machine, target: str, count: int) -> Iterator[None]:
    """While so many are sent; each is answered."""
    argv = ("busybox", "ping", "-q", "-c", str(count), "-i", "0.05", "-W", "5", target)
    command = machine.lab.command(machine.host, ["ip", "netns", "exec", machine.name, *argv])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield
            said, _ = running.communicate(timeout=120)
            assert f"{count} packets received" in said, said
        finally:
            running.kill()


def soon(meter: Meter, wanted: dict[str, tuple[int, int]]) -> None:
    """Packets that leave, and that come."""
    expected = {
        name: (out + into, (out + into) * LENGTH + into * TAG) for name, (out, into) in wanted.items()
    }
    last: list[Any] = []

    def is_so() -> bool:
        last[:] = [meter.counts()]
        return bool(last == [expected])

    try:
        until(is_so, "all is counted")
    finally:
        print(last, wanted)


def test_ipv6_between_machines_of_two_hosts_and_the_world(site: Site, meter: Meter) -> None:
    lan = site.external("lan", "vlan", "lan", 100, "fd31:100::/64")
    red, blue = site.network("red", "fd61::/64"), site.network("blue", "fd62::/64")
    router = site.router(red, blue, gateway=lan)
    one, two = site.machine("host1", "a", red), site.machine("host2", "b", red)
    other = site.machine("host1", "c", blue)
    gateway = site.gateway_of(router)
    with way_back(site, "fd61::/64", gateway), way_back(site, "fd62::/64", gateway):
        for machine in (one, two, other):
            machine.soon_reaches(WORLD6)
        one.soon_reaches(other.addresses[0])
        site.api.wait = 60
        meter.label("all", *both(outside="::/0"))
        meter.label("sent", both(outside=f"{WORLD6}/128")[0])
        meter.label("one", *both(inside=f"{one.addresses[0]}/128"))
        without = both(inside=f"{two.addresses[0]}/128", excluded=True)
        meter.label("not two", *both(outside="::/0"), *without)
        meter.label("elsewhere", *both(outside="fd99::/64"))
        meter.label("four", *both(outside="0.0.0.0/0"))
        for machine in (one, two, other):
            ping(machine, WORLD6, 20)
        ping(one, other.addresses[0], 10)  # stays between the project's networks
        ping(one, gateway, 5)  # the router itself answers
        counted = {"all": (60, 60), "sent": (60, 0), "one": (20, 20), "not two": (40, 40)}
        soon(meter, {**counted, "elsewhere": (0, 0), "four": (0, 0)})


def test_nothing_is_lost_where_rules_come_and_go(site: Site, meter: Meter) -> None:
    """Labels, rules, networks of the router: what others count goes on, to the packet."""
    lan = site.external("lan", "vlan", "lan", 100, "fd31:100::/64")
    red = site.network("red", "fd61::/64")
    more = site.network("more", "fd63::/64")
    router = site.router(red, gateway=lan)
    one = site.machine("host2", "a", red)
    (subnet,) = site.api.list("subnets", network_id=more)
    with way_back(site, "fd61::/64", site.gateway_of(router)):
        one.soon_reaches(WORLD6)
        site.api.wait = 60
        meter.label("all", *both(outside="::/0"))
        meter.label("sent", both(inside="fd61::/64")[0])
        with pinging(one, WORLD6, 600):
            for turn in range(3):
                meter.label("narrow", *both(inside=f"{one.addresses[0]}/128"))
                meter.label("across", both(outside=f"{WORLD6}/128")[0])
                rule = meter.rule("narrow", direction="egress", source_ip_prefix="fd61:0:0:0:8000::/65")
                site.interface("add" if turn != 1 else "remove", router, subnet["id"])
                site.api.delete(RULES, rule)
                meter.drop("narrow")
                meter.drop("across")
            site.interface("remove", router, subnet["id"])
        soon(meter, {"all": (600, 600), "sent": (600, 0)})
