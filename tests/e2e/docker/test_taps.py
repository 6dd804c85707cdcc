"""Containers that are seen by a tap on another host: by an endpoint's option, from the first packet on, and
by a label."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.docker.engines import Api, Engine, Failed, until
from tests.e2e.docker.test_groups import inside
from tests.e2e.overlay.frames import LISTEN
from tests.e2e.overlay.test_taps import all_of

CREATE = (
    "network",
    "create",
    "-d",
    "sealane",
    "--ipam-driver",
    "sealane",
    "--subnet",
    "10.67.0.0/24",
    "blue",
)
SERVICES = "taas/tap_services"


@contextmanager
def seen(engine: Engine, container: str) -> Iterator[Callable[[str, str], int]]:
    """How many frames from one IPv4 address to another have come to the container."""
    with (
        tempfile.NamedTemporaryFile("r") as heard,
        subprocess.Popen(
            inside(engine, container, "python3", "-c", LISTEN), stdout=heard.fileno()
        ) as running,
    ):

        def count(source: str, target: str) -> int:
            ends = b"".join(bytes(map(int, address.split("."))) for address in (source, target))
            return sum(
                f[12:14] == b"\x08\x00" and f[26:34] == ends for f in all_of(Path(heard.name).read_text())
            )

        try:
            until(lambda: "listens" in Path(heard.name).read_text(), what="it listens")
            yield count
        finally:
            running.kill()


@pytest.fixture
def tap(api: Api, one: Engine, two: Engine) -> Iterator[str]:
    """A probe on the second host."""
    one(*CREATE)
    until(lambda: "blue" in two.networks(), what="the mirror")
    (network,) = api.list("networks", "name=blue")
    port = api.call("POST", "ports", {"port": {"network_id": network["id"], "name": "probe"}})["port"]["id"]
    yield str(
        api.call("POST", SERVICES, {"tap_service": {"name": "watch", "port_id": port}})["tap_service"]["id"]
    )
    until(lambda: two.raw("rm", "-f", "probe").returncode == 0, what="the probe is gone")
    until(lambda: not api.call("GET", f"ports/{port}")["port"]["binding:host_id"], what="its port is free")
    api.call("DELETE", f"ports/{port}")


def copies(api: Api, host: str) -> bool:
    """Whether the host copies what it is to copy."""
    view = api.call("GET", f"sealane/taps?node={host}")
    return bool(view["taps"]) and view["told"] == view["digest"]


def sources(api: Api, tap: str) -> set[tuple[str, str]]:
    found: Any = api.call("GET", f"{SERVICES}/{tap}")["tap_service"]["sealane:sources"]
    names = {port["id"]: port["name"] for port in api.ports()}
    return {(names[one["port_id"]], one["direction"]) for one in found}


def test_a_container_is_seen_by_option_and_label(api: Api, tap: str, one: Engine, two: Engine) -> None:
    port = api.call("GET", f"{SERVICES}/{tap}")["tap_service"]["port_id"]
    ip = api.call("GET", f"ports/{port}")["port"]["fixed_ips"][0]["ip_address"]
    two.run("probe", f"name=blue,driver-opt=sealane.port={port}", "--ip", ip)
    two.run("peer", "blue")
    peer = two.address("peer", "blue")
    until(lambda: copies(api, "host2"), what="the probe's host knows")
    with seen(two, "probe") as count:
        script = f"ping -c 5 -W 5 {peer}; sleep 3600"
        network = "name=blue,driver-opt=sealane.tap=watch:out"
        one("run", "-d", "--init", "--name", "opted", "--network", network, "box:1", "sh", "-c", script)
        opted = one.address("opted", "blue")
        until(lambda: count(opted, peer) == 5, what="all that it has sent is seen")
        assert count(peer, opted) == 0, "it is not asked for"
        one.run("plain", "blue")
        one.run("told", "blue", "--label", "sealane.tap=watch")
        until(lambda: sources(api, tap) == {("opted", "OUT"), ("told", "BOTH")}, what="the label is followed")
        until(lambda: copies(api, "host1"), what="it is copied")
        told, plain = (one.address(name, "blue") for name in ("told", "plain"))
        for name in ("told", "plain"):
            one("exec", name, "ping", "-c", "5", "-W", "5", peer)
        until(lambda: (count(told, peer), count(peer, told)) == (5, 5), what="both directions are seen")
        assert (count(plain, peer), count(peer, plain)) == (0, 0)
    with pytest.raises(Failed, match=r"sealane\.tap"):
        one.run("wrong", "name=blue,driver-opt=sealane.tap=watch:up")
