"""The fast path by real traffic on one host of the lab: the same results as without it, only faster; and
nothing that Open vSwitch would not let pass."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.cli.test_howto import commands
from tests.e2e.overlay import frames, machines
from tests.e2e.overlay.conftest import remove
from tests.e2e.overlay.frames import IPV4, Station, ears, ethernet, station, udp4
from tests.e2e.overlay.machines import Machine, attach, transfer, until
from tests.e2e.overlay.test_applied import stopped
from tests.e2e.overlay.test_faults import kill

HOST = "host1"
ENDS = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
"""
ECHO = """
import socket, sys
kind, family = sys.argv[1], sys.argv[2]
family = socket.AF_INET6 if family == "6" else socket.AF_INET
server = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", 7778))
if kind == "tcp":
    server.listen()
    print("listens", flush=True)
    connection, _ = server.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := connection.recv(65536):
        connection.sendall(data)
else:
    print("listens", flush=True)
    while True:
        data, peer = server.recvfrom(65536)
        server.sendto(data, peer)
"""
TALK = """
import socket, sys, time
kind, address = sys.argv[1], sys.argv[2]
family = socket.AF_INET6 if ":" in address else socket.AF_INET
talker = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
talker.settimeout(60 if kind == "tcp" else 0.5)
talker.connect((address, 7778))
if kind == "tcp":
    talker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
number = 0
while True:
    number += 1
    said = b"%08d" % number + b"x" * 500
    talker.send(said)
    try:
        heard = talker.recv(65536)
        while kind == "tcp" and len(heard) < len(said):
            heard += talker.recv(65536)
    except TimeoutError:
        continue
    assert kind == "udp" or heard == said, (said, heard)
    print(number, flush=True)
    time.sleep(0.01)
"""


ANSWERS = """
import socket
server = socket.create_server(("", 7779), backlog=64)
kept = []
print("listens", flush=True)
while True:
    connection, _ = server.accept()
    connection.sendall(connection.recv(100))
    kept.append(connection)
"""
CALLS = """
import socket, sys, time
for number in range(20):
    with socket.create_connection((sys.argv[1], 7779), timeout=20) as calling:
        calling.sendall(b"hello")
        assert calling.recv(100) == b"hello"
        if number == 19:
            print(calling.getsockname()[1], flush=True)
            time.sleep(600)
"""
"""A question and an answer each; the last one stays open, and nothing is said on it any more."""


@pytest.fixture(scope="module")
def three(lab: Lab) -> Iterator[list[Machine]]:
    """Machines on one host, in a network of their own."""
    api = machines.api(lab)
    network = made_network(api, "fast", 46)
    with attached(lab, "fast", network, network, network) as made:
        yield made
    remove(api, network)


@pytest.fixture(scope="module")
def across(lab: Lab) -> Iterator[list[Machine]]:
    """Likewise, but a router is between the second one's network and that of the others."""
    api = machines.api(lab)
    near, far = made_network(api, "near", 54), made_network(api, "far", 55)
    with machines.router(api, near, far), attached(lab, "routed", near, far, near) as made:
        yield made
    for network in (near, far):
        remove(api, network)


def made_network(api: Api, name: str, number: int) -> str:
    """Of both families."""
    network = str(api.create("networks", {"name": name})["id"])
    for version, cidr in ((4, f"10.{number}.0.0/24"), (6, f"fd{number}::/64")):
        api.create("subnets", {"network_id": network, "cidr": cidr, "ip_version": version})
    return network


@contextmanager
def attached(lab: Lab, name: str, *networks: str) -> Iterator[list[Machine]]:
    made = [attach(lab, HOST, f"{name}{number}", network) for number, network in enumerate(networks)]
    for other in made[1:]:
        for address in other.addresses:
            made[0].soon_reaches(address)
    yield made
    for machine in made:
        machine.remove()


@pytest.fixture
def working(lab: Lab) -> Iterator[None]:
    """With a fast path that has counted nothing yet."""
    for how in ("off", "on"):
        lab.exec(HOST, "sealane", "fastpath", how)
    until(lambda: told(lab)["state"] == "working", "the fast path works")
    yield
    labs.rest(lab, HOST)


@pytest.fixture
def pair(three: list[Machine], working: None) -> tuple[Machine, Machine]:
    return three[0], three[1]


@pytest.fixture(params=["three", "across"], ids=["switched", "routed"])
def crew(request: pytest.FixtureRequest, working: None) -> list[Machine]:
    """The first and the second one talk."""
    found: list[Machine] = request.getfixturevalue(request.param)
    return found


def told(lab: Lab, what: str = "status", host: str = HOST) -> Any:
    return json.loads(lab.exec(host, "sealane", "fastpath", what, "-o", "json").stdout)


def fast_packets(lab: Lab, machine: Machine) -> int:
    ports = {port["port_id"]: port for port in told(lab, host=machine.host)["ports"]}
    return int(ports[machine.port_id]["fast"]) if machine.port_id in ports else 0


@contextmanager
def fast(lab: Lab, *hosts: str, how: str = "on") -> Iterator[None]:
    """With the fast path on these hosts, or `how` "off"."""
    for host in hosts:
        lab.exec(host, "sealane", "fastpath", how)
    try:
        wanted = "working" if how == "on" else "off"
        until(lambda: all(told(lab, host=h)["state"] == wanted for h in hosts), f"the fast path is {wanted}")
        yield
    finally:
        labs.rest(lab, *hosts)


@contextmanager
def talk(one: Machine, two: Machine, kind: str, address: str) -> Iterator[Callable[[], str]]:
    """Gives what the talker has said of it so far: a number for each answer."""
    family = "6" if ":" in address else "4"
    with running(two, ECHO, kind, family) as echoes:
        until(lambda: "listens" in echoes(), "the echo listens")
        with running(one, TALK, kind, address) as said:
            yield said


@contextmanager
def running(machine: Machine, program: str, *words: str) -> Iterator[Callable[[], str]]:
    argv = ["ip", "netns", "exec", machine.name, *python(program), *words]
    with heard(machine.lab.command(machine.host, argv)) as said:
        yield said


def python(program: str) -> list[str]:
    """It ends with its standard input: of a program in another PID namespace we only have the way there."""
    return ["python3", "-c", ENDS + program]


@contextmanager
def heard(argv: list[str]) -> Iterator[Callable[[], str]]:
    """What it has said until now; it is ended by the end of its input."""
    with (
        tempfile.NamedTemporaryFile("r") as said,
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=said.fileno()),
    ):
        yield lambda: Path(said.name).read_text()


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_both_directions_of_a_flow_become_fast(
    lab: Lab, api: Api, crew: list[Machine], kind: str, family: int
) -> None:
    one, two = crew[:2]
    address = two.addresses[0 if family == 4 else 1]
    with talk(one, two, kind, address) as said:
        until(lambda: min(fast_packets(lab, m) for m in (one, two)) >= 20, "both send fast packets")
        (flow,) = [f for f in told(lab, "flows") if f["protocol"] == kind and min(f["packets"]) >= 5]
        assert any(address in end for end in flow["ends"])
        router = between(api, two)
        assert (flow["router_id"], bool(flow["network_id"])) == (router, not router)
        assert len(said().splitlines()) > 10


def between(api: Api, machine: Machine) -> str:
    """The router of its network, if it has one."""
    network = api.list("ports", id=machine.port_id)[0]["network_id"]
    legs = api.list("ports", network_id=network, device_owner="network:router_interface")
    return str(legs[0]["device_id"]) if legs else ""


def test_short_connections_are_fast_after_their_handshake(lab: Lab, crew: list[Machine]) -> None:
    """And connection tracking knows that they stand, also one on which nobody has spoken since."""
    one, two = crew[:2]
    with running(two, ANSWERS) as answers:
        until(lambda: "listens" in answers(), "the other one listens")
        with running(one, CALLS, two.addresses[0]) as said:
            until(lambda: said().strip(), "all questions are answered")
            assert fast_packets(lab, one) >= 10 and fast_packets(lab, two) >= 10
            told = ("ovs-appctl", "-t", "/run/sealane/ovs/ovs-vswitchd.ctl", "dpctl/dump-conntrack")
            entries = [
                e for e in lab.exec(HOST, *told).stdout.splitlines() if f"sport={said().strip()}," in e
            ]
            assert len(entries) >= 2 and all("state=ESTABLISHED" in entry for entry in entries)


def test_the_same_arrives_with_it_and_without_it(lab: Lab, crew: list[Machine]) -> None:
    one, two = crew[:2]
    until(lambda: arrives_whole(one, two) and fast_packets(lab, one) > 50, "much of it was fast")
    lab.exec(HOST, "sealane", "fastpath", "off")
    assert arrives_whole(one, two)
    assert told(lab)["state"] == "off" and told(lab, "flows") == []


def test_frames_are_the_same_with_it_and_without_it(lab: Lab, crew: list[Machine]) -> None:
    """MACs and hop limits, in both families."""
    pair = crew[0], crew[1]
    fast = frames_heard(lab, pair, lambda: min(fast_packets(lab, m) for m in pair) >= 20)
    lab.exec(HOST, "sealane", "fastpath", "off")
    assert fast == frames_heard(lab, pair) and len(fast) == 2


def frames_heard(
    lab: Lab, pair: tuple[Machine, Machine], ready: Callable[[], bool] | None = None
) -> set[str]:
    """MACs and hop limit of what the second one is sent by the first, in both families.

    `ready`: listen only once that holds; None: after some answers.
    """
    one, two = pair
    found = set()
    for address in two.addresses:
        with talk(one, two, "udp", address) as said:
            until(ready or (lambda said=said: len(said().splitlines()) > 5), "the flow is as it should be")  # type: ignore[misc]
            with ears(two) as heard:
                until(lambda heard=heard: len(data_frames(heard())) > 10, "frames come")  # type: ignore[misc]
                found |= {summary(frame) for frame in data_frames(heard())}
    return found


def data_frames(heard: str) -> list[str]:
    return [frame for frame in heard.split() if len(frame) > 2 * 500]


def summary(frame: str) -> str:
    hops = 22 if frame[24:28] == "0800" else 21
    return f"{frame[:28]} {int(frame[2 * hops : 2 * hops + 2], 16)}"


def arrives_whole(one: Machine, two: Machine) -> bool:
    sent, arrived = transfer(one, two, pieces=64)
    assert sent == arrived
    return True


def test_a_connection_outlives_switching(lab: Lab, pair: Any) -> None:
    """On, off and on again, with bytes in flight."""
    one, two = pair
    with talk(one, two, "tcp", two.addresses[0]) as said:
        until(lambda: fast_packets(lab, one) >= 5, "it is fast")
        lab.exec(HOST, "sealane", "fastpath", "off")
        before = len(said().splitlines())
        until(lambda: len(said().splitlines()) > before + 20, "it goes on without")
        lab.exec(HOST, "sealane", "fastpath", "on")
        until(lambda: fast_packets(lab, one) >= 5, "it is fast again")


def received(machine: Machine) -> int:
    """Ip InReceives (proc_net_snmp)."""
    lines = [line.split() for line in machine.exec("cat", "/proc/net/snmp").stdout.splitlines()]
    names, values = (line for line in lines if line[0] == "Ip:")
    return int(values[names.index("InReceives")])


def test_nothing_arrives_once_a_change_is_applied(lab: Lab, api: Api, crew: list[Machine]) -> None:
    """The port goes down under traffic that is fast."""
    one, two = crew[:2]
    with talk(one, two, "udp", two.addresses[0]):
        until(lambda: min(fast_packets(lab, m) for m in (one, two)) >= 5, "it is fast")
        api.wait = 60
        api.update("ports", two.port_id, {"admin_state_up": False})
        before = received(two)
        assert api.unapplied == set()
        sent = sent_packets(one)
        until(lambda: sent_packets(one) > sent + 5, "the talker goes on")
        assert received(two) == before
        api.update("ports", two.port_id, {"admin_state_up": True})
        until(lambda: received(two) > before, "it arrives again")


def sent_packets(machine: Machine) -> int:
    return int(machine.exec("cat", "/sys/class/net/eth0/statistics/tx_packets").stdout)


def test_a_third_one_can_not_speak_in_anothers_fast_flow(lab: Lab, api: Api, crew: list[Machine]) -> None:
    one, two, third = crew
    third.soon_reaches(two.addresses[0])
    me, honest, target = station(one), station(third), station(two)
    if router := between(api, one):
        network = api.list("ports", id=one.port_id)[0]["network_id"]
        target = replace(target, mac=machines.leg(api, router, network).mac)
    with talk(one, two, "udp", two.addresses[0]):
        until(lambda: min(fast_packets(lab, m) for m in (one, two)) >= 5, "it is fast")
        ports = flow_ports(lab, one)
        with ears(two) as heard:
            frames.say(third, *forged(me, honest, target, ports))
            frames.say(third, ethernet(honest, target, IPV4, udp4(honest, target, "that is all")))
            until(lambda: b"that is all".hex() in heard(), "the honest frame arrives")
            assert b"forged".hex() not in heard()


def flow_ports(lab: Lab, one: Machine) -> tuple[int, int]:
    """Of the talker and the listener."""
    (ends,) = [f["ends"] for f in told(lab, "flows") if f["protocol"] == "udp" and min(f["packets"]) > 0]
    (talker,) = [end for end in ends if one.addresses[0] in end]
    return int(re.sub(".*:", "", talker)), 7778


def forged(me: Station, honest: Station, target: Station, ports: tuple[int, int]) -> list[bytes]:
    """As the sender of the flow altogether, by its address alone, by its MAC alone."""
    said = udp4(me, target, "forged", ports)
    own = udp4(honest, target, "forged", ports)
    return [
        ethernet(me, target, IPV4, said),
        ethernet(honest, target, IPV4, said),
        ethernet(honest, target, IPV4, own, mac=me.mac),
    ]


def test_the_next_agent_goes_on_with_the_flows(lab: Lab, pair: Any) -> None:
    one, two = pair
    with talk(one, two, "tcp", two.addresses[0]) as said:
        until(lambda: fast_packets(lab, one) >= 5, "it is fast")
        before = fast_packets(lab, one)
        kill(lab, HOST, "agent")
        until(lambda: told(lab)["state"] == "working", "the fast path works")
        assert fast_packets(lab, one) >= before
        count = len(said().splitlines())
        until(lambda: len(said().splitlines()) > count + 20, "the connection goes on")


def test_a_change_is_not_applied_before_the_fast_path_has_heard_of_it(
    lab: Lab, api: Api, network: str, pair: Any
) -> None:
    api.wait = 60
    api.update("networks", network, {"description": "a"})
    assert (api.waited, api.unapplied) == (True, set())
    with stopped(lab, HOST, "agent"):
        api.wait = 3
        api.update("networks", network, {"description": "b"})
        assert api.unapplied == {HOST}
    api.unapplied = set()
    api.wait = 60
    api.update("networks", network, {"description": "c"})
    assert api.unapplied == set()
    lab.exec(HOST, "sealane", "fastpath", "off")
    with stopped(lab, HOST, "agent"):
        api.update("networks", network, {"description": "d"})
        assert api.unapplied == set()


def test_the_page_is_true(lab: Lab, pair: Any) -> None:
    script = commands("fast-path.md")
    assert script.count("sealane ") >= 5
    lab.exec(HOST, "bash", "-euxo", "pipefail", "-c", script)
    assert told(lab)["state"] == "off"


def test_it_is_counted_for_prometheus(lab: Lab, pair: Any) -> None:
    one, two = pair
    assert arrives_whole(one, two)
    text = lab.exec(HOST, "curl", "-s", "--unix-socket", "/run/sealane/agent.sock", "http://a/metrics").stdout
    found = {
        name: float(count)
        for name, count in re.findall(r'^sealane_fastpath_packets_total{reason="(.*)"} (\S+)$', text, re.M)
    }
    assert found["begins_or_ends"] >= 4 and found["keepalive"] >= 1


def test_off_nothing_is_at_any_link(lab: Lab, pair: Any) -> None:
    words = (sys.executable, "-c", HOOKS)
    assert set(lab.exec(HOST, *words).stdout.split()) == {"leave", "arrive", "depart", "land"}
    lab.exec(HOST, "sealane", "fastpath", "off")
    assert lab.exec(HOST, *words).stdout.split() == []


HOOKS = """
import socket
from sealane.fastpath import bpf
for number, name in socket.if_nameindex():
    for program in bpf.attached(number):
        print(bpf.program_info(bpf.program_by_id(program)).name)
"""
