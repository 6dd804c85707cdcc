"""Containers: names, several networks, restarts, crashes, and that nothing stays behind."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealane.lab.lab import Lab
from tests.e2e.docker.engines import AGENT, DOCKERD, IMAGE, Api, Engine, Failed, until


@pytest.fixture
def blue(one: Engine, two: Engine) -> Iterator[str]:
    one("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "--subnet", "10.60.0.0/24", "blue")
    until(lambda: "blue" in two.networks(), what="the mirror")
    yield "blue"


def test_names_reach_across_hosts(blue: str, one: Engine, two: Engine, api: Api) -> None:
    one.run("web", blue, "--network-alias", "www", "--hostname", "inside")
    two.run("client", blue)
    for name in ("web", "www", "web.blue", "web.blue.sealane.internal"):
        until(lambda name=name: two.reaches("client", name), what=name)
    (port,) = [p for p in api.ports() if p["name"] == "web"]
    assert "www" in port["sealane:dns_aliases"]
    assert port["device_id"] == one("inspect", "-f", "{{.Id}}", "web")
    one("rename", "web", "shop")
    until(lambda: two.reaches("client", "shop"), what="the new name")


def test_connect_and_disconnect_while_running(blue: str, one: Engine, two: Engine) -> None:
    one("network", "create", "-d", "sealane", "--ipam-driver", "sealane", "--subnet", "10.61.0.0/24", "red")
    until(lambda: "red" in two.networks(), what="the mirror")
    one.run("ca", blue)
    two.run("cb", "red")
    one("network", "connect", "red", "ca")
    assert one.still_reaches("ca", two.address("cb", "red"))
    until(lambda: one.reaches("ca", "cb"), what="by name")
    one("network", "disconnect", blue, "ca")
    assert "10.60." not in one("exec", "ca", "ip", "addr")
    assert one.still_reaches("ca", two.address("cb", "red"))
    one("network", "disconnect", "red", "ca")
    one("network", "connect", "--ip", "10.60.0.40", blue, "ca")
    assert one.address("ca", blue) == "10.60.0.40"


def test_restarted_container_is_reached_at_once(blue: str, one: Engine, two: Engine) -> None:
    one.run("ca", blue, "--ip", "10.60.0.9")
    two.run("cb", blue)
    assert two.still_reaches("cb", "10.60.0.9")
    one("restart", "-t", "0", "ca")
    assert one.still_reaches("ca", two.address("cb", blue))
    assert two.still_reaches("cb", "10.60.0.9")


def test_crashed_container_comes_back_with_its_address(blue: str, one: Engine, two: Engine, api: Api) -> None:
    one.run("ca", blue, "--ip", "10.60.0.9", "--restart", "always")
    two.run("cb", blue)
    pid = one("inspect", "-f", "{{.State.Pid}}", "ca")
    one.lab.exec("host1", "kill", "-9", pid)
    until(lambda: one("inspect", "-f", "{{.RestartCount}}", "ca") == "1", what="restarted")
    until(lambda: two.reaches("cb", "10.60.0.9"), what="reachable again")
    assert len(api.ports()) == 2


def test_failed_start_leaves_no_port(blue: str, one: Engine, api: Api) -> None:
    with pytest.raises(Failed):
        one("run", "--rm", "--network", blue, IMAGE, "no-such-program")
    until(lambda: api.ports() == [], what="no port")


def test_remove_leaves_nothing(blue: str, one: Engine, api: Api) -> None:
    for number in range(4):
        one.run(f"c{number}", blue)
    one("rm", "-f", *(f"c{number}" for number in range(4)))
    assert api.ports() == []
    until(lambda: not left_on(one), what="links and switch ports are gone")


def left_on(engine: Engine) -> list[str]:
    """Names of what a container has on its host."""
    database = "--db=unix:/run/sealane/ovs/db.sock"
    links = engine.lab.exec(engine.host, "ip", "-br", "link").stdout.split()
    ports = engine.lab.exec(engine.host, "ovs-vsctl", database, "list-ports", "br-int").stdout.split()
    return [name for name in (*links, *ports) if name.startswith(("slh", "slc", "sls", "tap"))]


def test_port_made_before_is_adopted_and_kept(blue: str, one: Engine, api: Api) -> None:
    (network,) = until(lambda: api.list("networks", "name=blue"))
    port = api.call(
        "POST", "ports", {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.60.0.77"}]}}
    )["port"]
    with pytest.raises(Failed, match="driver-opt"):
        one.run("cx", blue, "--ip", "10.60.0.77")
    one("rm", "-f", "cx")
    one(
        *(
            "run",
            "-d",
            "--name",
            "ca",
            "--network",
            f"name={blue},ip=10.60.0.77,driver-opt=sealane.port={port['id']}",
        ),
        *(IMAGE, "sleep", "3600"),
    )
    assert port["mac_address"] in one("exec", "ca", "ip", "link", "show", "eth0")
    until(lambda: api.call("GET", f"ports/{port['id']}")["port"]["status"] == "ACTIVE", what="ACTIVE")
    one("rm", "-f", "ca")
    after = api.call("GET", f"ports/{port['id']}")["port"]
    assert (after["binding:host_id"], after["device_owner"]) == ("", "")


def test_published_port_leads_to_the_container(blue: str, one: Engine, lab: Lab) -> None:
    one("run", "-d", "--name", "web", "--network", blue, "-p", "8088:80", IMAGE, "httpd", "-f", "-h", "/etc")
    address = str(lab.plan.address("host1").ip)
    one.lab.exec(
        "host2", "python3", "-c", f"import socket; socket.create_connection(('{address}', 8088), 10)"
    )
    with pytest.raises(Failed, match="8088"):
        one("run", "-d", "--name", "other", "--network", blue, "-p", "8088:80", IMAGE, "sleep", "9")
    one("rm", "-f", "web", "other")
    one("run", "--rm", "--network", blue, "-p", "8088:80", IMAGE, "true")


COMPOSE = """
version: "3.5"
services:
  web:
    image: box:1
    init: true
    command: ["sleep", "3600"]
    networks: {front: {aliases: [shop]}, back: {}}
  store:
    image: box:1
    init: true
    command: ["sleep", "3600"]
    networks: {back: {ipv4_address: 10.62.0.30}}
networks:
  front: {driver: sealane, ipam: {driver: sealane}}
  back:
    driver: sealane
    internal: true
    driver_opts: {sealane.mtu: "1400"}
    ipam: {driver: sealane, config: [{subnet: 10.62.0.0/24}]}
"""


def test_compose_up_down_and_up_again(one: Engine, two: Engine, api: Api, tmp_path: Path) -> None:
    file = tmp_path / "docker-compose.yml"
    file.write_text(COMPOSE)

    def compose(*argv: str) -> None:
        command = ("docker-compose", "-H", f"unix://{one.socket}", "-p", "shop", "-f", str(file), *argv)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr

    def nothing() -> None:
        return

    def agent_restarts() -> None:
        one.restart(AGENT)

    def engine_restarts() -> None:
        one.restart(DOCKERD)
        until(one.answers, what="dockerd answers")

    for before in (nothing, nothing, agent_restarts, engine_restarts):
        before()
        compose("up", "-d", "-t", "1")
        until(lambda: one.reaches("shop_web_1", "store"), what="the service's name")
        until(lambda: one.reaches("shop_store_1", "shop_web_1"), what="the container's name")
        assert one.address("shop_store_1", "shop_back") == "10.62.0.30"
        until(lambda: "shop_front" in two.networks(), what="the mirror")
        two.run("guest", "shop_front")
        until(lambda: two.reaches("guest", "shop"), what="the alias, from the other host")
        two("rm", "-f", "guest")
        if before is agent_restarts:
            continue  # the engine restarts with the project up; without a restart policy it is down then
        compose("down", "-t", "1")
        assert api.ports() == []
        until(lambda: api.list("networks") == [], what="its networks are gone")
