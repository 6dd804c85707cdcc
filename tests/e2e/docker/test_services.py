"""Containers with the same service label form a pool by themselves, on both hosts."""

import subprocess
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import pytest

from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE
from tests.e2e.docker.engines import IMAGE, Api, Engine, Failed, until
from tests.e2e.docker.outside import Routers, command
from tests.e2e.docker.test_groups import Groups, inside, port_of
from tests.e2e.docker.test_published import groups, lan, routers  # noqa: F401

CREATE = (
    "network",
    "create",
    "-d",
    "sealane",
    "--ipam-driver",
    "sealane",
    "--subnet",
    "10.66.0.0/24",
    "blue",
)
SERVE = "echo {} > /index.html; echo > /well; httpd -p 8080 -h /; sleep 3600"
CHECK = ("--health-cmd", "test -e /well", "--health-interval", "1s", "--health-retries", "1")
TRIES = " ".join(map(str, range(24)))


def serve(engine: Engine, name: str, *options: str, script: str = SERVE) -> None:
    label = ("--label", "sealane.service=shop:80:8080")
    engine(
        "run",
        "-d",
        "--init",
        "--name",
        name,
        "--network",
        "blue",
        *label,
        *options,
        IMAGE,
        "sh",
        "-c",
        script.format(name),
    )


def address_of(engine: Engine, container: str, name: str) -> str:
    """By the container's own resolver; "" for none."""
    said = engine("exec", container, "sh", "-c", f"nslookup {name} || true")
    return said.rpartition("Address: ")[2].split()[0] if "Name:" in said else ""


def fetched(engine: Engine, container: str, address: str) -> set[str]:
    """Names of those who answer; empty where nobody does."""
    script = f"for n in {TRIES}; do curl -s -m 2 http://{address}/ || break; done"
    done = subprocess.run(
        inside(engine, container, "sh", "-c", script), capture_output=True, text=True, timeout=90, check=False
    )
    return set(done.stdout.split())


def test_a_service_is_where_its_containers_are_and_well(one: Engine, two: Engine) -> None:
    one(*CREATE)
    until(lambda: "blue" in two.networks(), what="the mirror")
    one.run("client", "blue")
    serve(one, "first")
    shop = until(lambda: address_of(one, "client", "shop"), what="its name")
    until(lambda: fetched(one, "client", shop) == {"first"}, what="the first one serves")
    serve(two, "second", *CHECK)
    until(
        lambda: fetched(one, "client", shop) == {"first", "second"},
        what="so does the second, once it is well",
    )
    two("exec", "second", "sh", "-c", "rm /well")
    until(lambda: fetched(one, "client", shop) == {"first"}, what="one that is not well is left out")
    two("exec", "second", "sh", "-c", "echo > /well")
    until(lambda: fetched(one, "client", shop) == {"first", "second"}, what="it is back")
    one("rm", "-f", "first")
    until(lambda: fetched(one, "client", shop) == {"second"}, what="the first one has gone")
    two("rm", "-f", "second")
    until(lambda: not address_of(one, "client", "shop"), what="nobody is left, and no name")
    assert not fetched(one, "client", shop)


GRACEFUL = """echo {} > /index.html; httpd -p 8080 -h /; echo > /well
trap 'sleep 5; exit' TERM
while :; do sleep 1 & wait $!; done"""
"""Goes on for a moment after it was told to end, as servers do that end gracefully."""
LOAD = """
import socket, sys, threading
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
while not ended.is_set():
    try:
        with socket.create_connection((sys.argv[1], 80), timeout=20) as connection:
            connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            said = b""
            while piece := connection.recv(999):
                said += piece
        name = said.split()[-1].decode() if b" 200 " in said else "-what"
    except OSError as exc:
        name = f"-{type(exc).__name__}"
    print(name, flush=True)
print("end")
"""
"""A request after the other, each by a connection of its own, until its input ends."""


class Load:
    def __init__(self, argv: list[str], address: str) -> None:
        self._directory = TemporaryDirectory()
        self._said = Path(self._directory.name) / "said"
        with self._said.open("w") as out:
            self._process = subprocess.Popen(
                [*argv, "python3", "-c", LOAD, address], stdin=subprocess.PIPE, stdout=out
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(60)
        self._directory.cleanup()

    @property
    def said(self) -> list[str]:
        return self._said.read_text().split()

    @property
    def failures(self) -> Counter[str]:
        return Counter(word for word in self.said if word.startswith("-"))

    def comes_to(self, *names: str) -> None:
        """From now on: of the next sixty requests in a row."""
        begun = len(self.said)
        until(
            lambda: len(self.said) - begun > 60 and set(self.said[-60:]) == set(names),
            what=f"it comes to {names}, to all of them and nobody else",
        )


def test_nothing_fails_while_it_grows_and_shrinks(
    lab: Lab,
    groups: Groups,  # noqa: F811
    one: Engine,
    two: Engine,
    routers: Routers,  # noqa: F811
    api: Api,
) -> None:
    """One, five and one again over two hosts, by the service's address and by a floating IP."""
    web = groups.new("web")
    groups.let(web, protocol="tcp", port_range_min=8080, port_range_max=8080)
    graceful = (*CHECK, "--label", "sealane.security-groups=web")
    one(*CREATE)
    until(lambda: "blue" in two.networks(), what="the mirror")
    routers.lead("add", routers.router("edge"), "blue")
    one.run("client", "blue")
    serve(one, "box1", *graceful, script=GRACEFUL)
    until(lambda: api.list("ports", "device_owner=Octavia"), what="the service has an address")
    (vip,) = api.list("ports", "device_owner=Octavia")
    outer = api.call(
        "POST",
        "floatingips",
        {"floatingip": {"floating_network_id": routers.external(), "port_id": vip["id"]}},
    )["floatingip"]["floating_ip_address"]
    inner = vip["fixed_ips"][0]["ip_address"]
    world = lab.command(OUTSIDE, [])
    until(lambda: fetched(one, "client", inner) == {"box1"}, what="it serves")
    until(lambda: one_answers(world, outer), what="it serves the world")
    every = [f"box{number}" for number in range(1, 6)]
    with Load(command(one, "client"), inner) as near, Load(world, outer) as far:
        for load in (near, far):
            load.comes_to("box1")
        for number, engine in enumerate((two, one, two, one), start=2):
            serve(engine, f"box{number}", *graceful, script=GRACEFUL)
        for load in (near, far):
            load.comes_to(*every)
        for engine, gone in ((one, ("box3", "box5")), (two, ("box2", "box4"))):
            engine("stop", "-t", "60", *gone)
        for load in (near, far):
            load.comes_to("box1")
            print(f"service: {len(load.said)} requests, {sum(load.failures.values())} failed")
            assert not load.failures


def one_answers(argv: list[str], address: str) -> bool:
    words = (*argv, "curl", "-s", "-m", "2", f"http://{address}/")
    return subprocess.run(words, capture_output=True, timeout=60, check=False).stdout == b"box1\n"


COMPOSE = """
version: "3.7"
networks:
  back:
    driver: sealane
    ipam:
      driver: sealane
services:
  web:
    image: box:1
    command: sh -c "busybox hostname > /index.html; httpd -f -p 8080 -h /"
    labels:
      sealane.service: shop:80:8080
    networks: [back]
  client:
    image: box:1
    command: sleep 3600
    networks: [back]
"""


def test_a_service_of_a_compose_file(one: Engine, tmp_path: Path) -> None:
    """Its label is a line under `labels`, and it grows and shrinks by --scale."""
    file = tmp_path / "docker-compose.yml"
    file.write_text(COMPOSE)
    command = ("docker-compose", "-H", f"unix://{one.socket}", "-p", "app", "-f", str(file))

    def compose(*words: str) -> None:
        subprocess.run([*command, *words], capture_output=True, timeout=180, check=True)

    def served() -> bool:
        names = {one("exec", c, "busybox", "hostname") for c in one("ps", "-q", "-f", "name=app_web").split()}
        shop = address_of(one, "app_client_1", "shop")
        return bool(shop) and fetched(one, "app_client_1", shop) == names

    compose("up", "-d")
    try:
        until(served, what="the one serves")
        for number in (3, 1):
            compose("up", "-d", "--no-recreate", "-t", "1", "--scale", f"web={number}")
            assert len(one("ps", "-q", "-f", "name=app_web").split()) == number
            until(served, what=f"{number} serve, all of them and nobody else")
    finally:
        compose("down", "-t", "1")


def test_a_service_by_an_endpoint_s_option(one: Engine, api: Api) -> None:
    """It goes before the label; what is none is refused at once."""
    one(*CREATE)
    with pytest.raises(Failed, match="no list of NAME:PORT"):
        one.run("wrong", "name=blue,driver-opt=sealane.service=shop")
    label = ("--label", "sealane.service=other:80")
    one.run("box", "name=blue,driver-opt=sealane.service=shop:80:8080", *label)
    until(
        lambda: port_of(api, "box")["sealane:services"] == ["shop:80:8080/tcp"], what="the option is followed"
    )
