"""Security groups of containers: what holds by default, by option and by label, and no moment without."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE
from tests.e2e.docker.engines import IMAGE, Api, Engine, Failed, until

SERVE = """echo hello > /index.html
for port in 80 81; do httpd -p $port -h /; httpd -p [::]:$port -h /; done
sleep 3600"""
CREATE = ("network", "create", "-d", "sealane", "--ipam-driver", "sealane")
SIX = ("--ipv6", "--subnet", "10.60.0.0/24", "--subnet", "fd60::/64")


class Groups:
    def __init__(self, api: Api) -> None:
        self.api = api

    def new(self, name: str) -> str:
        made = self.api.call("POST", "security-groups", {"security_group": {"name": name}})
        return str(made["security_group"]["id"])

    def let(self, group: str, **values: Any) -> str:
        rule = {"security_group_id": group, "direction": "ingress", **values}
        made = self.api.call("POST", "security-group-rules", {"security_group_rule": rule})
        return str(made["security_group_rule"]["id"])

    def clear(self) -> None:
        for group in self.api.call("GET", "security-groups")["security_groups"]:
            if group["name"] != "default":
                self.api.call("DELETE", f"security-groups/{group['id']}")


@pytest.fixture
def groups(api: Api) -> Iterator[Groups]:
    """Asked for before the engines: what is on them has gone when the groups go."""
    made = Groups(api)
    yield made
    made.clear()


def port_of(api: Api, name: str) -> Any:
    return until(lambda: [p for p in api.ports() if p["name"] == name], what=f"the port of {name}")[0]


def opens(lab: Lab, address: str, port: int, seconds: int = 2) -> bool:
    """From outside."""
    where = f"[{address}]" if ":" in address else address
    words = ("curl", "-s", "-o", "/dev/null", "-m", str(seconds), f"http://{where}:{port}/")
    return lab.exec(OUTSIDE, *words, check=False).returncode == 0


def inside(engine: Engine, container: str, *argv: str) -> list[str]:
    """The command, in the container's network namespace."""
    pid = engine("inspect", "-f", "{{.State.Pid}}", container)
    return engine.lab.command(engine.host, ["nsenter", "-t", pid, "-n", *argv])


def fetches(engine: Engine, container: str, address: str) -> bool:
    words = inside(engine, container, "curl", "-s", "-o", "/dev/null", "-m", "2", f"http://{address}:81/")
    return subprocess.run(words, timeout=20, check=False).returncode == 0


def both(lab: Lab, host: str) -> tuple[str, str]:
    return str(lab.plan.address(host).ip), str(lab.plan.address6(host).ip)


def test_by_default_neighbours_and_published_ports(lab: Lab, one: Engine, two: Engine) -> None:
    """And nothing else: not what is not published, and not from another network."""
    one(*CREATE, *SIX, "blue")
    one(*CREATE, "--subnet", "10.61.0.0/24", "red")
    until(lambda: "blue" in two.networks(), what="the mirror")
    web = ("-p", "8080:80", IMAGE, "sh", "-c", SERVE)
    one("run", "-d", "--init", "--name", "web", "--network", "blue", *web)
    two.run("friend", "blue")
    one.run("stranger", "red")
    address = one.address("web", "blue")
    until(lambda: two.reaches("friend", address), what="a neighbour reaches it")
    until(lambda: fetches(two, "friend", address), what="also what is not published")
    for host_address in both(lab, "host1"):
        until(lambda where=host_address: opens(lab, where, 8080), what="it is published")  # type: ignore[misc]
    assert not one.reaches("stranger", address)
    assert not fetches(one, "stranger", address)


def test_a_published_port_obeys_groups_with_the_client_s_address(
    lab: Lab, groups: Groups, one: Engine, api: Api
) -> None:
    """In both families: first for somebody else's address, then for the client's own."""
    web = groups.new("web")
    one(*CREATE, *SIX, "blue")
    driver = "name=blue,driver-opt=sealane.security-groups=web"
    publish = ("-p", "8080:80", "-p", "8081:81")
    one("run", "-d", "--init", "--name", "web", "--network", driver, *publish, IMAGE, "sh", "-c", SERVE)
    assert port_of(api, "web")["security_groups"] == [web]
    clients = lab.plan.router, lab.plan.router6
    for version, client, host in zip((4, 6), clients, both(lab, "host1"), strict=True):
        tcp = {"protocol": "tcp", "ethertype": f"IPv{version}", "port_range_min": 80, "port_range_max": 80}
        assert not opens(lab, host, 8080)
        groups.let(web, **tcp, remote_ip_prefix=str(client.ip + 1))
        assert not opens(lab, host, 8080), "the rule is for another client"
        groups.let(web, **tcp, remote_ip_prefix=str(client.ip))
        until(lambda where=host: opens(lab, where, 8080), what="the client's own rule")  # type: ignore[misc]
        assert not opens(lab, host, 8081), "published, but in no rule"


FLOOD = """
import socket, sys, time
sending = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end = time.monotonic() + 240
while time.monotonic() < end:
    try:
        sending.sendto(b"x", (sys.argv[1], 9999))
    except OSError:
        pass
    time.sleep(0.002)
"""


@contextmanager
def flooding(engine: Engine, container: str, address: str) -> Iterator[None]:
    """Somebody who sends to the address all the time, also before anybody has it."""
    with subprocess.Popen(inside(engine, container, "python3", "-c", FLOOD, address)) as process:
        try:
            yield
        finally:
            process.kill()


def heard(engine: Engine, container: str) -> bool:
    """Whether a datagram has come since it has a network: the kernel counts those that nobody waits for."""
    lines = [line.split() for line in engine("exec", container, "cat", "/proc/net/snmp").splitlines()]
    names, counts = (words for words in lines if words[0] == "Udp:")
    return int(counts[names.index("NoPorts")]) > 0


def test_no_moment_without_the_groups_of_the_endpoint(groups: Groups, one: Engine, two: Engine) -> None:
    web = groups.new("web")
    one(*CREATE, "--subnet", "10.62.0.0/24", "blue")
    until(lambda: "blue" in two.networks(), what="the mirror")
    two.run("friend", "blue")
    driver = "name=blue,ip=10.62.0.77,driver-opt=sealane.security_groups=web"
    with flooding(two, "friend", "10.62.0.77"):
        one("run", "-d", "--name", "shy", "--network", driver, IMAGE, "sleep", "3600")
        until(lambda: one.reaches("shy", two.address("friend", "blue")), what="the other host knows it, too")
        assert not heard(one, "shy")
        groups.let(web, protocol="udp", port_range_min=9999, port_range_max=9999)
        until(lambda: heard(one, "shy"), what="what the rule lets")


def test_where_labels_decide_a_container_begins_in_quarantine(
    groups: Groups, one: Engine, two: Engine, api: Api
) -> None:
    """With its label in the label's groups, without one as on any network; before that in nothing."""
    web = groups.new("web")
    one(*CREATE, "--subnet", "10.63.0.0/24", "-o", "sealane.security-groups-by-label=true", "blue")
    until(lambda: "blue" in two.networks(), what="the mirror")
    two.run("friend", "blue")
    free = lambda name: not port_of(api, name)["sealane:quarantine"]  # noqa: E731
    until(lambda: free("friend"), what="no label is known as well")
    label = ("--label", "sealane.security-groups=web")
    with flooding(two, "friend", "10.63.0.77"):
        one.run("shy", "name=blue,ip=10.63.0.77", *label)
        until(lambda: free("shy"), what="its label is known")
        assert port_of(api, "shy")["security_groups"] == [web]
        until(lambda: one.reaches("shy", two.address("friend", "blue")), what="it is let out")
        assert not heard(one, "shy")
        groups.let(web, protocol="udp", port_range_min=9999, port_range_max=9999)
        until(lambda: heard(one, "shy"), what="what the rule lets")


def test_groups_of_a_whole_network_and_a_label_that_says_otherwise(
    groups: Groups, one: Engine, two: Engine, api: Api
) -> None:
    web, db = groups.new("web"), groups.new("db")
    one(*CREATE, "--subnet", "10.64.0.0/24", "-o", "sealane.security-groups=web", "blue")
    until(lambda: "blue" in two.networks(), what="the mirror")
    two.run("cw", "blue")
    two.run("cd", "blue", "--label", "sealane.security-groups=db")
    assert port_of(api, "cw")["security_groups"] == [web]
    until(lambda: port_of(api, "cd")["security_groups"] == [db], what="the label is followed")
    two.run("cx", "blue", "--label", "sealane.security-groups=nobody")
    until(lambda: port_of(api, "cx")["sealane:quarantine"], what="a label that can't be followed")


COMPOSE = """
version: "3.7"
networks:
  back:
    driver: sealane
    driver_opts:
      sealane.security-groups: back
    ipam:
      driver: sealane
services:
  web:
    image: box:1
    command: sleep 3600
    labels:
      sealane.security-groups: front
    networks: [back]
  store:
    image: box:1
    command: sh -c "httpd -p 81 -h / && sleep 3600"
    networks: [back]
  other:
    image: box:1
    command: sleep 3600
    networks: [back]
"""


def test_groups_of_a_compose_file(groups: Groups, one: Engine, api: Api, tmp_path: Path) -> None:
    """The network's for all services, a service's own by its label; a rule lets the one to the other."""
    front, back = groups.new("front"), groups.new("back")
    groups.let(back, protocol="tcp", port_range_min=81, port_range_max=81, remote_group_id=front)
    file = tmp_path / "docker-compose.yml"
    file.write_text(COMPOSE)
    command = ("docker-compose", "-H", f"unix://{one.socket}", "-p", "shop", "-f", str(file))
    subprocess.run([*command, "up", "-d"], capture_output=True, timeout=120, check=True)
    until(lambda: port_of(api, "shop_web_1")["security_groups"] == [front], what="the label is followed")
    for name in ("shop_store_1", "shop_other_1"):
        assert port_of(api, name)["security_groups"] == [back]
    store = one.address("shop_store_1", "shop_back")
    until(lambda: fetches(one, "shop_web_1", store), what="what the rule lets")
    assert not fetches(one, "shop_other_1", store)
    assert not one.reaches("shop_web_1", store), "the rule is for one port"
    subprocess.run([*command, "down", "-t", "1"], capture_output=True, timeout=120, check=True)


def test_a_group_that_is_not_there_is_refused(one: Engine) -> None:
    one(*CREATE, "--subnet", "10.65.0.0/24", "blue")
    with pytest.raises(Failed, match="no security group is called 'nobody'"):
        one.run("lost", "name=blue,driver-opt=sealane.security-groups=nobody")
