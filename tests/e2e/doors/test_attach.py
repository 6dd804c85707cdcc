"""`sealane attach` and its kin: what they can be told, what they refuse, and what they show."""

import json
import re

import pytest

from tests.e2e.docker.engines import IMAGE, until
from tests.e2e.doors.house import House, eventually
from tests.e2e.doors.page import commands


@pytest.fixture
def web(house: House) -> str:
    """Id of a container with a network of Docker's own."""
    return house.docker("run", "-d", "--name", "web", "--network", "bridge", IMAGE, "sleep", "3600")


def test_several_interfaces_with_routes_beside_dockers_own(house: House, web: str) -> None:
    default = house.sealane("exec", "web", "--", "ip", "-4", "route", "show", "default")
    one = house.json("attach", "web", "--network", "blue", "--route", "10.99.0.0/16=10.7.0.1")
    two = house.json("attach", web[:12], "--network", "red", "--ifname", "red0", "--mac", "02:00:00:00:00:77")
    assert (one["ifname"], two["ifname"], two["mac"]) == ("eth1", "red0", "02:00:00:00:00:77")
    assert house.sealane("exec", "web", "--", "ip", "-4", "route", "show", "default") == default
    routes = house.sealane("exec", "web", "--", "ip", "-4", "route")
    assert "10.99.0.0/16 via 10.7.0.1 dev eth1" in routes and "10.8.0.0/24 dev red0" in routes
    house.reaches("web")
    assert "is on blue already" in house.refused("attach", "web", "--network", "blue")
    assert "--ifname" in house.refused("detach", "web")
    told = house.json("inspect", "web")
    assert [n["network"] for n in told["networks"]] == ["blue", "red"]
    assert told["networks"][0]["tunnel_peers"] == ["host2"] and told["networks"][0]["status"] == "ACTIVE"
    assert {i["name"] for i in told["interfaces"]} >= {"lo", "eth0", "eth1", "red0"}
    assert told["cgroup"] and told["container"] == f"docker:{web}"
    assert {n["host_link"] for n in told["networks"]} <= house.links()
    house.sealane("detach", "web", "--ifname", "red0")
    house.sealane("detach", "web")
    assert "red0" not in house.sealane("exec", "web", "--", "ip", "link")


def test_a_default_route_only_where_there_is_none_or_it_is_asked_for(house: House) -> None:
    for name, words, expected in (
        ("box1", (), "10.7.0.1"),
        ("box2", ("--gateway", "none"), ""),
        ("box3", ("--gateway", "10.7.0.250"), "10.7.0.250"),
    ):
        house.run("ip", "netns", "add", name)
        house.sealane("attach", name, "--network", "blue", *words)
        found = house.sealane("exec", name, "--", "ip", "-4", "route", "show", "default")
        assert re.findall(r"via (\S+)", found) == ([expected] if expected else []), name


def test_a_port_made_before_is_adopted_and_given_back(house: House) -> None:
    port = house.json("port", "create", "mine", "--network", "blue", "--ip", "10.7.0.99")
    house.run("ip", "netns", "add", "box1")
    made = house.json("attach", "box1", "--port", port["id"])
    assert made["addresses"] == ["10.7.0.99/24"] and made["mac"] == port["mac_address"]
    house.run("ip", "netns", "add", "box2")
    assert "in use" in house.refused("attach", "box2", "--port", port["id"])
    house.reaches("box1")
    house.sealane("detach", "box1")
    left = house.json("port", "show", "mine")
    assert (left["id"], left["device_owner"], left["binding:host_id"]) == (port["id"], "", "")


def test_persist_brings_it_back_with_the_container_at_the_same_address(house: House) -> None:
    house.docker("run", "-d", "--name", "web", "--network", "none", IMAGE, "sleep", "3600")
    made = house.json("attach", "web", "--network", "blue", "--persist")
    address = made["addresses"]
    house.docker("kill", "web")
    eventually(lambda: not house.attachments(), "it is taken down")
    assert any(row["name"] == "web" and not row.get("sandbox") for row in house.json("ps"))
    house.kill_agent()
    house.docker("start", "web")
    until(lambda: [row["addresses"] for row in house.attachments()] == [address], what="it is back")
    house.reaches("web")
    house.docker("rm", "-f", "web")
    eventually(lambda: not house.ports() and not house.json("ps"), "the wish goes with the container")


def test_a_named_namespace_that_was_made_anew_is_attached_again(house: House) -> None:
    house.run("ip", "netns", "add", "box1")
    house.json("attach", "box1", "--network", "blue", "--ip", "10.7.0.44", "--persist")
    house.run("ip", "netns", "delete", "box1")
    eventually(lambda: not house.attachments(), "it is taken down")
    house.run("ip", "netns", "add", "box1")
    eventually(lambda: house.pings("box1"), "it is back")
    house.sealane("detach", "box1")
    assert house.json("ps") == []


WRONG = (
    (("attach", "../../etc/passwd", "--network", "blue"), "no name of a container"),
    (("attach", "/run/netns/../netns/box1", "--network", "blue"), "give its path"),
    (("attach", "x" * 200, "--network", "blue"), "no name of a container"),
    (("attach", "nobody", "--network", "blue"), "there is no container"),
    (("attach", "docker:nobody", "--network", "blue"), "there is no container"),
    (("attach", "pid:4194305", "--network", "blue"), "there is no container"),
    (("attach", "pid:-1", "--network", "blue"), "no name of a container"),
    (("attach", "box1", "--network", "nowhere"), "no network 'nowhere'"),
    (("attach", "box1"), "say on which network"),
    (("attach", "box1", "--network", "blue", "--ifname", "../x"), "no name of an interface"),
    (("attach", "box1", "--network", "blue", "--ifname", "a234567890123456"), "no name of an interface"),
    (("attach", "box1", "--network", "blue", "--ip", "10.7.0.999"), "ip"),
    (("attach", "box1", "--network", "blue", "--ip", "192.0.2.1"), "192.0.2.1"),
    (("attach", "box1", "--network", "blue", "--ip", "10.7.0.250"), "10.7.0.250"),
    (("attach", "box1", "--network", "blue", "--mac", "zz"), "MAC"),
    (("attach", "box1", "--network", "blue", "--gateway", "maybe"), "gateway"),
    (("attach", "box1", "--network", "blue", "--route", "10.9.0.0/16=fd00::1"), "families"),
    (("attach", "box1", "--port", "no-such-port"), "no-such-port"),
    (("attach", "1", "--network", "blue"), "the host's own network"),
    (("attach", "/run/sealane/netns/switch", "--network", "blue"), "Sealane's own"),
    (("detach", "box1"), "no attachment"),
    (("inspect", "nobody"), "there is no container"),
    (("exec", "nobody", "--", "true"), "there is no container"),
    (("exec", "box1", "--", "no-such-program"), "can't be run"),
)


def test_what_can_not_be_is_told_in_one_line_and_leaves_nothing(house: House) -> None:
    house.run("ip", "netns", "add", "box1")
    before = house.traces()
    sleeper = str(house.sleeper())
    assert "never comes back" in house.refused("attach", sleeper, "--network", "blue", "--persist")
    for words, told in WRONG:
        assert told in house.refused(*words), words
    assert house.traces() == before


FLOOD = r"""
import socket
body = b'{"target":"' + b"x" * 10_000_000 + b'"}'
head = b"POST /attach HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
with socket.socket(socket.AF_UNIX) as agent:
    agent.connect("/run/sealane/agent.sock")
    agent.sendall(head + body)
    print(agent.makefile("rb").read()[-400:].decode())
"""


def test_a_large_or_doubled_request_is_refused_in_the_apis_shape(house: House) -> None:
    answer = house.run("python3", "-c", FLOOD)
    assert json.loads(answer[answer.index('{"Neutron') :])["NeutronError"]["type"] == "BadRequest"


def test_exec_has_the_status_of_the_command_and_the_files_of_the_host(house: House) -> None:
    house.run("ip", "netns", "add", "box1")
    assert house.exec("sealane", "exec", "box1", "--", "sh", "-c", "exit 7").returncode == 7
    assert house.run("sealane", "exec", "box1", "--", "ls", "/sys/class/net").split() == ["lo"]


def test_the_page_is_true(house: House) -> None:
    script = commands("attach.md").replace("busybox sleep", f"{IMAGE} sleep")
    done = house.exec("bash", "-euxo", "pipefail", "-c", script, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "0% packet loss" in done.stdout and script.count("sealane ") > 8
