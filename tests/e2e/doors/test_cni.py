"""The CNI door as runtimes go through it: versions, capabilities, other plugins, errors, Podman."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from sealane.lab.image import archive
from tests.e2e.docker.engines import until
from tests.e2e.doors.doors import Cni
from tests.e2e.doors.house import House, eventually
from tests.e2e.doors.page import commands

CONFLIST = "/etc/cni/net.d/10-sealane-blue.conflist"
PLUGIN = "/run/cni/bin/sealane"


@pytest.fixture
def cni(house: House) -> Cni:
    door = Cni()
    door.live(house)
    return door


def change(house: House, **changes: Any) -> None:
    """The list that was installed; `plugins` are appended."""
    body = json.loads(house.run("cat", CONFLIST))
    body["plugins"] += changes.pop("plugins", [])
    body["plugins"][0] |= changes.pop("first", {})
    text = json.dumps(body | changes)
    assert house.exec("tee", CONFLIST, stdin=text).returncode == 0


def add(house: House, cni: Cni, capabilities: Any = None, container: str = "c1") -> dict[str, Any]:
    done = cni.call(house, "ADD", container, json.dumps(capabilities or {}))
    assert done.returncode == 0, done.stdout + done.stderr
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def plugin(house: House, command: str, config: str, **env: str) -> tuple[int, dict[str, Any]]:
    """One call of the plugin alone."""
    given = {"CONTAINERID": "c1", "NETNS": "/run/netns/box2", "IFNAME": "eth0", "PATH": "/usr/lib/cni"} | env
    words = [f"CNI_{key}={value}" for key, value in {"COMMAND": command, **given}.items()]
    done = house.exec("env", "-i", *words, PLUGIN, stdin=config)
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def config(**more: Any) -> str:
    return json.dumps({"cniVersion": "1.1.0", "name": "blue", "type": "sealane", **more})


@pytest.mark.parametrize("version", ("0.3.1", "0.4.0", "1.0.0", "1.1.0"))
def test_the_answer_is_of_the_version_that_was_asked_for(house: House, cni: Cni, version: str) -> None:
    change(house, cniVersion=version)
    made = add(house, cni)
    assert made["cniVersion"] == version
    inner = made["interfaces"][1]
    assert inner["sandbox"] == "/run/netns/box2" and ("mtu" in inner) == (version == "1.1.0")
    (ip,) = made["ips"]
    assert ip["interface"] == 1 and ip["gateway"] == "10.7.0.1"
    assert ("version" in ip) == (version < "1.0.0")
    assert made["routes"] == [{"dst": "0.0.0.0/0", "gw": "10.7.0.1"}]
    assert made["dns"]["nameservers"] == ["10.7.0.1"]


def test_capabilities_and_the_runtimes_arguments(house: House, cni: Cni) -> None:
    change(house, first={"reservePorts": True})
    wanted = {
        "ips": ["10.7.0.66/24"],
        "mac": "02:00:00:00:00:66",
        "portMappings": [{"hostPort": 8066, "containerPort": 80, "protocol": "tcp"}],
        "aliases": ["front"],
    }
    made = add(house, cni, wanted, "shop")
    assert made["ips"][0]["address"] == "10.7.0.66/24"
    assert made["interfaces"][1]["mac"] == "02:00:00:00:00:66"
    (port,) = house.ports().values()
    assert (port["name"], port["sealane:dns_aliases"]) == ("shop", ["front"])
    inside = ("sealane", "exec", "box2", "--", "busybox")
    with subprocess.Popen(house.lab.command(house.host, [*inside, "httpd", "-f", "-p", "80"])) as server:
        try:
            until(lambda: house.exec("curl", "-s", "-m", "3", "http://127.0.0.1:8066/").returncode == 0)
        finally:
            server.kill()
    asked = (*inside, "nslookup", "front.blue.sealane.internal", "10.7.0.1")
    until(lambda: house.exec(*asked).returncode == 0, what="the alias is found")
    assert "8066->80/tcp" in house.sealane("ps")


def test_it_is_chained_with_the_standard_plugins(house: House, cni: Cni) -> None:
    """Addresses by host-local, sysctls by tuning, a shaped link by bandwidth."""
    ipam = {"type": "host-local", "dataDir": "/run/cni-test/ipam", "routes": [{"dst": "10.99.0.0/16"}]}
    ipam["ranges"] = [[{"subnet": "10.7.0.0/24", "rangeStart": "10.7.0.100", "gateway": "10.7.0.1"}]]
    change(
        house,
        cniVersion="1.0.0",
        first={"ipam": ipam},
        plugins=[
            {"type": "tuning", "sysctl": {"net.ipv4.conf.eth0.arp_ignore": "1"}},
            {"type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 8_000_000},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    )
    made = add(house, cni)
    assert made["ips"][0]["address"] == "10.7.0.100/24"
    routes = house.sealane("exec", "box2", "--", "ip", "route")
    assert "10.99.0.0/16 via 10.7.0.1" in routes and "default" not in routes
    told = house.sealane("exec", "box2", "--", "sysctl", "-n", "net.ipv4.conf.eth0.arp_ignore")
    assert told.strip() == "1"
    assert "tbf" in house.run("tc", "qdisc", "show", "dev", made["interfaces"][0]["name"])
    house.reaches("netns:box2")
    assert cni.call(house, "CHECK").returncode == 0
    assert cni.call(house, "DEL").returncode == 0
    assert house.exec("ls", "/run/cni-test/ipam/blue/10.7.0.100").returncode != 0
    change(house, first={"ipam": ipam | {"ranges": [[{"subnet": "10.55.0.0/24"}]]}})
    assert cni.call(house, "ADD").returncode > 100  # an address that the network has not
    assert house.exec("ls", "/run/cni-test/ipam/blue/10.55.0.2").returncode != 0


def test_check_finds_what_was_changed(house: House, cni: Cni) -> None:
    add(house, cni)
    assert cni.call(house, "CHECK").returncode == 0
    house.sealane("exec", "box2", "--", "ip", "link", "set", "eth0", "down")
    done = cni.call(house, "CHECK")
    assert done.returncode == 202 and "not as it was made" in json.loads(done.stdout)["msg"]
    house.sealane("exec", "box2", "--", "ip", "link", "delete", "eth0")
    assert cni.call(house, "CHECK").returncode == 202


def test_gc_keeps_what_is_valid_and_removes_the_rest(house: House, cni: Cni) -> None:
    add(house, cni, container="keep")
    house.run("ip", "netns", "add", "box3")
    other = cni.call(house, "ADD", "lose", netns="/run/netns/box3")
    assert other.returncode == 0, other.stdout
    valid = {"valid": [{"containerID": "keep", "ifname": "eth0"}]}
    assert cni.call(house, "GC", capabilities=json.dumps(valid)).returncode == 0
    assert [row["name"] for row in house.attachments()] == ["keep"]
    house.reaches("netns:box2")


def test_without_its_agent_it_says_so_and_del_works_when_all_has_gone(house: House, cni: Cni) -> None:
    add(house, cni)
    house.run("ip", "netns", "delete", "box2")
    (agent,) = house.run("pgrep", "-f", "sealane.agent.main").split()
    house.run("kill", "-STOP", agent)
    house.run("mv", "/run/sealane/agent.sock", "/run/sealane/agent.away")
    for command, code in (("ADD", 11), ("DEL", 11), ("STATUS", 50)):
        status, body = plugin(house, command, config())
        assert (status, body["code"]) == (1, code) and body["cniVersion"] == "1.1.0"
    assert plugin(house, "VERSION", config())[1]["supportedVersions"][-1] == "1.1.0"
    house.run("mv", "/run/sealane/agent.away", "/run/sealane/agent.sock")
    house.run("kill", "-CONT", agent)
    assert plugin(house, "STATUS", config()) == (0, {})
    for _ in range(2):
        assert plugin(house, "DEL", config(), NETNS="") == (0, {})
    eventually(lambda: not house.ports() and not house.attachments(), "nothing is left")


WRONG = (
    ("ADD", "{", {}, 6),
    ("ADD", "[]", {}, 6),
    ("ADD", "[" * 100_000, {}, 6),
    ("ADD", '{"cniVersion":"1.0.0","name":"blue","name":"red"}', {}, 6),
    ("ADD", config(filler="x" * (1 << 20)), {}, 6),
    ("ADD", config(cniVersion="2.0.0"), {}, 1),
    ("ADD", config(cniVersion=7), {}, 1),
    ("ADD", json.dumps({"name": "blue"}), {}, 1),
    ("GC", config(cniVersion="1.0.0"), {}, 1),
    ("CHECK", config(cniVersion="0.3.1"), {}, 1),
    ("FLY", config(), {}, 4),
    ("ADD", config(name="../blue"), {}, 7),
    ("ADD", config(name=""), {}, 7),
    ("ADD", config(network="nowhere"), {}, 7),
    ("ADD", config(ipam={"type": "../../bin/sh"}), {}, 7),
    ("ADD", config(ipam={"type": "no-such-ipam"}), {}, 4),
    ("ADD", config(ipam="host-local"), {}, 7),
    ("ADD", config(runtimeConfig={"ips": ["10.7.0.999"]}), {}, 7),
    ("ADD", config(runtimeConfig={"ips": ["10.7.0.250"]}), {}, 101),
    ("ADD", config(runtimeConfig={"mac": "x"}), {}, 7),
    ("ADD", config(runtimeConfig={"portMappings": [{"hostPort": 0, "containerPort": 80}]}), {}, 7),
    ("ADD", config(), {"CONTAINERID": "../x"}, 4),
    ("ADD", config(), {"CONTAINERID": ""}, 4),
    ("ADD", config(), {"IFNAME": "../x"}, 4),
    ("ADD", config(), {"IFNAME": "a" * 16}, 4),
    ("ADD", config(), {"IFNAME": "lo"}, 101),
    ("ADD", config(), {"NETNS": ""}, 4),
    ("ADD", config(), {"NETNS": "/run/netns/nobody"}, 3),
    ("ADD", config(), {"NETNS": "/etc/passwd"}, 3),
    ("ADD", config(), {"NETNS": "/proc/1/ns/net"}, 7),
    ("ADD", config(), {"ARGS": "IP"}, 4),
    ("CHECK", config(), {}, 7),
    ("GC", config(), {}, 7),
)


def test_what_is_wrong_has_the_specifications_code_and_leaves_nothing(house: House, cni: Cni) -> None:
    before = house.traces()
    for command, text, env, code in WRONG:
        status, body = plugin(house, command, text, **env)
        assert (status, body.get("code")) == (1, code), (command, text[:100], env, body)
        assert body["msg"] and body["cniVersion"]
    assert house.traces() == before


PODMAN = """
[network]
network_backend = "cni"
cni_plugin_dirs = ["/run/cni/bin", "/usr/lib/cni"]
network_config_dir = "/etc/cni/net.d"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@pytest.fixture
def podman(house: House, cni: Cni) -> Iterator[tuple[str, ...]]:
    """Its words; the host's own store, where the agent finds its containers, and an image of busybox."""
    change(house, cniVersion="1.0.0")
    assert house.exec("tee", "/run/containers.conf", stdin=PODMAN).returncode == 0
    words = ("env", "CONTAINERS_CONF=/run/containers.conf", "podman")
    command = house.lab.command(house.host, [*words, "import", "-c", "ENV PATH=/bin", "-", "box:1"])
    subprocess.run(command, input=archive(), capture_output=True, timeout=60, check=True)
    yield words
    house.exec(*words, "rm", "-af", "-t", "0")
    house.exec(*words, "rmi", "-af")


def test_podmans_containers_are_on_the_overlay(house: House, podman: tuple[str, ...]) -> None:
    before = house.traces()
    run = (*podman, "run", "-d", "--network", "blue", "--name")
    house.run(*run, "one", "-p", "8077:80", "box:1", "httpd", "-f", "-p", "80")
    house.run(*run, "two", "box:1", "sleep", "600")
    inside = (*podman, "exec", "two")
    until(lambda: house.exec(*inside, "ping", "-c1", "-W2", "10.7.0.250").returncode == 0)
    assert {row["name"] for row in house.attachments()} == {"one", "two"}
    name = "one.blue.sealane.internal"
    until(lambda: house.exec(*inside, "ping", "-c1", "-W2", name).returncode == 0)
    host = str(house.lab.plan.address("host1").ip)
    far = House(house.lab, "host2")
    until(lambda: far.exec("curl", "-s", "-m", "5", f"http://{host}:8077/").returncode == 0)
    for target in ("two", "podman:two"):
        house.sealane("attach", target, "--network", "red", "--ifname", "eth1")
        told = house.json("inspect", target)
        assert told["container"].startswith("podman:") and len(told["networks"]) == 2, told
        assert (
            "eth1"
            in house.run(*inside, "ip", "-o", "link")
            == house.sealane("exec", target, "--", "busybox", "ip", "-o", "link")
        )
        house.sealane("detach", target, "--ifname", "eth1")
    house.run(*podman, "restart", "-t", "0", "two")
    until(lambda: house.exec(*inside, "ping", "-c1", "-W2", "10.7.0.250").returncode == 0)
    house.run(*podman, "rm", "-af", "-t", "0")
    eventually(lambda: house.traces() == before, "all is as it was")


LABELLED = "sealane.security-groups-by-label"


@pytest.fixture
def selecting(house: House) -> Iterator[None]:
    """Labels decide in the whole project."""
    house.sealane("security-group", "tag", "add", "--project", "default", "default", LABELLED)
    yield
    house.sealane("security-group", "tag", "remove", "--project", "default", "default", LABELLED)


def policy(house: House, name: str) -> tuple[bool, list[str]]:
    """Whether its port is in quarantine, and its groups."""
    port = next(p for p in house.ports().values() if p["name"] == name)
    return port["sealane:quarantine"], port["security_groups"]


def test_a_label_of_podmans_container_says_its_groups(
    house: House, podman: tuple[str, ...], selecting: None
) -> None:
    """And what it offers.  Without one it has what the network says; one that can't be followed leaves it in
    quarantine."""
    group = next(g["id"] for g in house.json("security-group", "list") if g["name"] == "open")
    run = (*podman, "run", "-d", "--network", "blue")
    labelled = ("--label", "sealane.security-groups=open", "--label", "sealane.service=shop:80:8080")
    house.run(*run, *labelled, "--name", "one", "box:1", "sleep", "600")
    house.run(*run, "--name", "two", "box:1", "sleep", "600")
    house.run(*run, "--label", "sealane.security-groups=opne", "--name", "bad", "box:1", "sleep", "600")
    until(lambda: policy(house, "one") == (False, [group]), what="the group of the label")
    until(lambda: policy(house, "two") == (False, []), what="no label, no quarantine")
    until(lambda: [b["name"] for b in house.json("loadbalancer", "list")] == ["shop"], what="its service")

    def pings(name: str, address: str) -> bool:
        return house.exec(*podman, "exec", name, "ping", "-c1", "-W2", address).returncode == 0

    until(lambda: pings("one", "10.7.0.250"), what="its group lets it out")
    until(lambda: "opne" in house.sealane("ps"), what="`ps` says why the third one is in quarantine")
    assert "container bad is in quarantine: " in house.exec("sealane", "status").stdout
    assert policy(house, "bad") == (True, [])
    assert not pings("bad", "10.7.0.250")
    house.sealane("security-group", "create", "opne")
    until(lambda: policy(house, "bad")[0] is False, what="once the group is there it is in it")
    house.run(*podman, "rm", "-f", "-t", "0", "bad")
    house.sealane("security-group", "delete", "opne")
    house.run(*podman, "rm", "-f", "-t", "0", "one")
    until(lambda: house.json("loadbalancer", "list") == [], what="it goes with who offers it")


def test_a_container_of_which_nobody_knows_the_labels_stays_in_quarantine(
    house: House, cni: Cni, selecting: None
) -> None:
    """Unless its runtime tells them."""
    add(house, cni, container="c1")
    until(lambda: "knows a container c1" in house.sealane("ps"), what="it is said")
    house.kill_agent()
    until(lambda: "knows a container c1" in house.sealane("ps"), what="also by the agent's successor")
    (port,) = house.ports().values()
    assert port["sealane:quarantine"] is True and not house.pings("netns:box2")
    assert cni.call(house, "DEL", "c1").returncode == 0
    for labels in (
        {"sealane.security-groups": "open"},
        [{"key": "sealane.security-groups", "value": "open"}],
    ):
        given = config(args={"cni": {"labels": labels}})
        assert plugin(house, "ADD", given)[0] == 0
        (port,) = house.ports().values()
        assert port["sealane:quarantine"] is False and len(port["security_groups"]) == 1
        house.reaches("netns:box2")
        assert plugin(house, "DEL", given)[0] == 0
    wrong = config(args={"cni": {"labels": {"sealane.security-groups": "opne"}}})
    assert plugin(house, "ADD", wrong)[0] == 1 and not house.ports()


def test_the_page_is_true(house: House) -> None:
    script = (
        commands("cni.md")
        .replace("/opt/cni/bin", "/run/cni/bin")
        .replace("install green", "install green --bin-dir /run/cni/bin")
    )
    done = house.exec("bash", "-euxo", "pipefail", "-c", script, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "0% packet loss" in done.stdout
