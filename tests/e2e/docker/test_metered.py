"""What containers exchange with the outside, counted under a name: by options, labels and a compose file.

At the host's own gateway and at a router's.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sealane.lab.lab import Lab
from sealane.names import SUBNET_POOL
from tests.e2e.docker.engines import Api, Engine, Failed, until
from tests.e2e.docker.outside import WORLD, Routers
from tests.e2e.docker.test_groups import CREATE, SIX
from tests.e2e.docker.test_published import lan as lan
from tests.e2e.docker.test_published import routers as routers

LABELS = "metering/metering-labels"
LENGTH, LENGTH6, LONG = 98, 118, 242
"""Bytes of a frame of ping: 14 of Ethernet, 20 or 40 of IP, 8 of ICMP, 56 or 200 within."""
COMPOSE = """
version: "2.4"
networks:
  hall:
    driver: sealane
    driver_opts: {sealane.metering: shop}
    ipam: {driver: sealane, options: {sealane.subnetpool: low}}
services:
  web: {image: "box:1", command: sleep 3600, networks: [hall]}
  guest:
    image: box:1
    command: sleep 3600
    networks: [hall]
    labels: {sealane.metering: guests}
"""


@pytest.fixture
def labels(api: Api) -> Iterator[dict[str, str]]:
    """Asked for before the engines: what is on them has gone when they go."""
    made = {}
    for name in ("shop", "guests", "nobody"):
        body = {"metering_label": {"name": name, "project_id": "default"}}
        made[name] = str(api.call("POST", LABELS, body)["metering_label"]["id"])
    yield made
    for id in made.values():
        api.call("DELETE", f"{LABELS}/{id}")


def counted(api: Api, labels: dict[str, str]) -> dict[str, tuple[Any, Any]]:
    rows = {row["id"]: row for row in api.call("GET", LABELS)["metering_labels"]}
    return {name: (rows[id]["sealane:packets"], rows[id]["sealane:bytes"]) for name, id in labels.items()}


def soon(api: Api, labels: dict[str, str], **wanted: tuple[int, int]) -> None:
    """Packets and bytes; of labels that are not named none."""
    expected = {name: wanted.get(name, (0, 0)) for name in labels}
    last: list[Any] = []

    def is_so() -> bool:
        last[:] = [counted(api, labels)]
        return bool(last == [expected])

    try:
        until(is_so, what="all is counted")
    finally:
        print(last, wanted)


def settled(api: Api) -> None:
    """All hosts count what is to be counted."""
    views = lambda: [api.call("GET", f"sealane/metering?node={host}") for host in ("host1", "host2")]  # noqa: E731
    until(lambda: all(v["acked"] == v["digest"] for v in views()), what="hosts count it")


def ping(engine: Engine, container: str, target: str, count: int, *more: str) -> None:
    said = engine("exec", container, "ping", "-q", "-c", str(count), "-i", "0.2", "-W", "5", *more, target)
    assert f"{count} packets received" in said, said


def test_containers_are_counted_by_name(
    lab: Lab, api: Api, labels: dict[str, str], one: Engine, two: Engine
) -> None:
    """At each host's own gateway, both families; with the last container the counts do not go."""
    one(*CREATE, *SIX, "-o", "sealane.metering=shop", "hall")
    one(*CREATE, "--subnet", "10.69.1.0/24", "plain")
    until(lambda: {"hall", "plain"} <= two.networks(), what="the mirrors")
    one.run("web", "hall")
    two.run("opted", "name=plain,driver-opt=sealane.metering=guests")
    two.run("both", "name=hall,driver-opt=sealane.metering=guests")
    one.run("told", "plain", "--label", "sealane.metering=guests")
    one.run("free", "plain")
    until(lambda: [p for p in api.ports() if p["name"] == "told" and p["sealane:meters"]], what="the label")
    settled(api)
    outside, outside6 = str(lab.plan.router.ip), str(lab.plan.router6.ip)
    for engine, name, count in ((one, "web", 10), (two, "opted", 5), (two, "both", 3), (one, "told", 4)):
        ping(engine, name, outside, count)
    ping(one, "web", outside6, 6)
    ping(one, "free", outside, 5)
    ping(one, "web", two.address("both", "hall"), 5)
    shop = (2 * 13 + 2 * 6, 2 * 13 * LENGTH + 2 * 6 * LENGTH6)
    guests = (2 * 12, 2 * 12 * LENGTH)
    soon(api, labels, shop=shop, guests=guests)
    ping(two, "opted", outside, 2)
    two("rm", "-f", "opted")
    two("rm", "-f", "both")
    soon(api, labels, shop=shop, guests=(2 * 14, 2 * 14 * LENGTH))


def test_a_compose_file(lab: Lab, api: Api, labels: dict[str, str], one: Engine, tmp_path: Path) -> None:
    """Of a subnet pool, and counted by the network and a service."""
    pool = {"name": "low", "prefixes": ["10.70.0.0/16"], "default_prefixlen": 24}
    low = api.call("POST", "subnetpools", {"subnetpool": pool})["subnetpool"]["id"]
    file = tmp_path / "docker-compose.yml"
    file.write_text(COMPOSE)
    assert SUBNET_POOL in COMPOSE
    command = ("docker-compose", "-H", f"unix://{one.socket}", "-p", "shop", "-f", str(file))
    try:
        subprocess.run([*command, "up", "-d"], capture_output=True, timeout=120, check=True)
        until(
            lambda: [p for p in api.ports() if p["name"] == "shop_guest_1" and p["sealane:meters"]],
            what="the label is followed",
        )
        settled(api)
        assert one.address("shop_web_1", "shop_hall").startswith("10.70.")
        outside = str(lab.plan.router.ip)
        ping(one, "shop_web_1", outside, 5)
        ping(one, "shop_guest_1", outside, 3)
        soon(api, labels, shop=(16, 16 * LENGTH), guests=(6, 6 * LENGTH))
    finally:
        subprocess.run([*command, "down", "-t", "1"], capture_output=True, timeout=120, check=True)
        until(lambda: not api.list("subnets", f"subnetpool_id={low}"), what="its subnet is gone")
        api.call("DELETE", f"subnetpools/{low}")


def test_behind_a_router(
    lab: Lab, api: Api, labels: dict[str, str], one: Engine, two: Engine, routers: Routers
) -> None:
    """Who first has to find his way sends small packets; those that are counted here are long ones.

    An echo's number is the process' own with busybox, and Open vSwitch does not translate it: of two
    containers whose numbers meet behind one address the second hears nothing.  So they count on from
    different ones.
    """
    routers.router("edge")
    routed = ("-o", "sealane.router=edge", "-o", "sealane.metering=shop")
    one(*CREATE, *routed, "--subnet", "10.69.2.0/24", "hall")
    one(*CREATE, "-o", "sealane.router=edge", "--subnet", "10.69.3.0/24", "plain")
    until(lambda: {"hall", "plain"} <= two.networks(), what="the mirrors")
    one.run("web", "hall")
    two.run("guest", "name=hall,driver-opt=sealane.metering=guests")
    one.run("free", "plain")
    for engine, name, processes in ((two, "guest", 500), (one, "free", 1000)):
        engine("exec", name, "sh", "-c", f"for n in $(seq {processes}); do (:); done")
    for engine, name in ((one, "web"), (two, "guest"), (one, "free")):
        until(lambda e=engine, n=name: e.reaches(n, WORLD), what=f"{name} gets out")  # type: ignore[misc]
    settled(api)
    ping(one, "web", WORLD, 10, "-s", "200")
    ping(two, "guest", WORLD, 5, "-s", "200")
    ping(one, "free", WORLD, 5, "-s", "200")
    ping(one, "web", two.address("guest", "hall"), 5, "-s", "200")
    until(lambda: long_ones(api, labels) == {"shop": 30, "guests": 10, "nobody": 0}, what="all is counted")


def long_ones(api: Api, labels: dict[str, str]) -> dict[str, float]:
    """How many packets were LONG, and not LENGTH, bytes."""
    told = {name: (packets or 0, octets or 0) for name, (packets, octets) in counted(api, labels).items()}
    return {name: (octets - LENGTH * packets) / (LONG - LENGTH) for name, (packets, octets) in told.items()}


def test_a_name_that_is_not_there_is_refused(one: Engine, labels: dict[str, str]) -> None:
    with pytest.raises(Failed, match=r"no metering label is called 'more' in project 'default'; an admin"):
        one(*CREATE, "-o", "sealane.metering=more", "--subnet", "10.69.3.0/24", "hall")
    with pytest.raises(Failed, match=r"--internal and sealane\.metering exclude each other"):
        one(*CREATE, "--internal", "-o", "sealane.metering=shop", "--subnet", "10.69.3.0/24", "hall")
    one(*CREATE, "-o", "sealane.gateway=none", "--subnet", "10.69.3.0/24", "hall")
    with pytest.raises(Failed, match=r"network hall: .*sealane\.metering: nothing leaves this network"):
        one.run("wrong", "name=hall,driver-opt=sealane.metering=shop")
