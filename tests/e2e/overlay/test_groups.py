"""Security groups by real packets between two hosts: what passes, what does not, what changes meanwhile."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from sealane.cli.api import Api, Body
from sealane.errors import NotFound
from tests.e2e.overlay.machines import Machine, until

GROUPS, RULES = "security-groups", "security-group-rules"
ECHO = {4: {"protocol": "icmp"}, 6: {"protocol": "icmp", "ethertype": "IPv6"}}


@pytest.fixture
def pair(put: Any) -> tuple[Machine, Machine]:
    one, two = put("host1", "a"), put("host2", "b")
    one.soon_reaches(two.addresses[0])
    one.soon_reaches(two.addresses[1])
    return one, two


class Groups:
    """Makes groups and rules that hosts have applied when the call ends; removes them at last."""

    def __init__(self, api: Api) -> None:
        self.api = api
        api.wait = 30
        self._made: list[str] = []

    def new(self, name: str, **values: Any) -> str:
        made = self.api.create(GROUPS, {"name": name, **values})
        self._made.append(made["id"])
        return str(made["id"])

    def let(self, group: str, direction: str = "ingress", **values: Any) -> Body:
        rule = self.api.create(RULES, {"security_group_id": group, "direction": direction, **values})
        assert not self.api.unapplied, self.api.unapplied
        return rule

    def forbid(self, rule: Body) -> None:
        self.api.delete(RULES, rule["id"])

    def put(self, machine: Machine, *groups: str) -> None:
        self.api.update("ports", machine.port_id, {"security_groups": list(groups)})
        assert not self.api.unapplied, self.api.unapplied

    def remove(self) -> None:
        for port in self.api.list("ports"):
            if set(port["security_groups"]) & set(self._made):
                self.api.update("ports", port["id"], {"security_groups": []})
        for group in self._made:
            with suppress(NotFound):
                self.api.delete(GROUPS, group)


@pytest.fixture
def groups(api: Api, pair: Any) -> Iterator[Groups]:
    made = Groups(api)
    yield made
    made.remove()


SERVE = """
import socket, sys, threading
family = socket.AF_INET6
with socket.socket(family) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("::", int(sys.argv[1])))
    server.listen()
    print("listens", flush=True)
    while True:
        connection, _ = server.accept()
        def echo(connection=connection):
            while piece := connection.recv(100):
                connection.sendall(piece)
        threading.Thread(target=echo, daemon=True).start()
"""
ASK = """
import socket, sys, time
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as c:
    c.settimeout(1.0)
    asked = 0
    while True:
        c.sendall(b"x")
        try:
            asked += len(c.recv(100))
            print(f"answer {asked}", flush=True)
        except TimeoutError:
            print(f"silence {asked}", flush=True)
        time.sleep(0.1)
"""
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()
    print("open")
except OSError:
    print("closed")
"""


@contextmanager
def running(machine: Machine, script: str, *words: str) -> Iterator[Callable[[], list[str]]]:
    """The lines that it has printed so far."""
    command = ["ip", "netns", "exec", machine.name, "python3", "-c", script, *words]
    with (
        tempfile.NamedTemporaryFile("r") as said,
        subprocess.Popen(machine.lab.command(machine.host, command), stdout=said.fileno()) as process,
    ):
        try:
            yield lambda: Path(said.name).read_text().splitlines()
        finally:
            process.kill()


@contextmanager
def serving(machine: Machine, port: int) -> Iterator[None]:
    with running(machine, SERVE, str(port)) as lines:
        until(lambda: "listens" in lines(), "it serves")
        yield


def opens(source: Machine, address: str, port: int) -> bool:
    return source.exec("python3", "-c", CONNECT, address, str(port)).stdout.strip() == "open"


def test_nothing_comes_in_but_what_a_rule_lets(pair: Any, groups: Groups) -> None:
    """By port, by protocol, in both families; and what goes out is ruled as well."""
    one, two = pair
    group = groups.new("web")
    groups.put(two, group)
    assert not one.reaches(two.addresses[0]) and not one.reaches(two.addresses[1])
    assert not two.reaches(one.addresses[0]), "it is no member of the other's group any more"
    with serving(two, 80), serving(two, 81):
        for version, address in ((4, two.addresses[0]), (6, two.addresses[1])):
            assert not opens(one, address, 80)
            groups.let(group, protocol="tcp", port_range_min=80, port_range_max=80, ethertype=f"IPv{version}")
            until(lambda a=address: opens(one, a, 80), "what the rule lets")  # type: ignore[misc]
            assert not opens(one, address, 81)
            assert not one.reaches(address)
            groups.let(group, **ECHO[version])
            assert one.still_reaches(address)


def test_a_remote_group_is_its_members(pair: Any, groups: Groups, put: Any) -> None:
    one, two = pair
    web, db = groups.new("web"), groups.new("db")
    groups.put(two, db)
    groups.let(db, remote_group_id=web, **ECHO[4])
    assert not one.reaches(two.addresses[0])
    groups.put(one, web)
    assert one.still_reaches(two.addresses[0])
    other = put("host1", "c")
    assert not other.reaches(two.addresses[0])
    groups.put(one)
    assert not one.reaches(two.addresses[0])


def test_an_address_group_is_its_addresses(pair: Any, groups: Groups, api: Api) -> None:
    one, two = pair
    office = api.create("address-groups", {"name": "office", "addresses": ["192.0.2.0/24"]})
    db = groups.new("db")
    groups.put(two, db)
    for version in (4, 6):
        groups.let(db, remote_address_group_id=office["id"], **ECHO[version])
    assert not one.reaches(two.addresses[0]) and not one.reaches(two.addresses[1])
    path, mine = f"address-groups/{office['id']}", [f"{one.addresses[0]}/32", "fd44::/64"]
    api.change("PUT", f"{path}/add_addresses", {"addresses": mine})
    assert one.still_reaches(two.addresses[0]) and one.still_reaches(two.addresses[1])
    api.change("PUT", f"{path}/remove_addresses", {"addresses": mine})
    assert not one.reaches(two.addresses[0]) and not one.reaches(two.addresses[1])
    groups.remove()
    api.delete("address-groups", office["id"])


def test_what_goes_out_is_ruled(pair: Any, groups: Groups, api: Api) -> None:
    one, two = pair
    closed = groups.new("closed")
    for rule in api.list(RULES, security_group_id=closed):
        groups.forbid(rule)
    groups.put(one, closed)
    assert not one.reaches(two.addresses[0]) and not one.reaches(two.addresses[1])
    free = groups.new("free")
    groups.let(free, **ECHO[4])
    groups.put(two, free)
    groups.let(closed, "egress", remote_ip_prefix=f"{two.addresses[0]}/32", **ECHO[4])
    assert one.still_reaches(two.addresses[0])
    assert not one.reaches("10.44.0.1"), "the gateway is not that prefix"


@pytest.mark.parametrize("version", (4, 6))
def test_a_connection_ends_with_the_rule_that_let_it(pair: Any, groups: Groups, version: int) -> None:
    """And goes on when the rule comes back: the same connection, which nobody has opened anew."""
    one, two = pair
    group = groups.new("web")
    rule = {"protocol": "tcp", "port_range_min": 90, "port_range_max": 90, "ethertype": f"IPv{version}"}
    let = groups.let(group, **rule)
    groups.put(two, group)
    with serving(two, 90), running(one, ASK, two.addresses[version == 6], "90") as lines:
        until(lambda: any(line.startswith("answer") for line in lines()), "it is answered")
        groups.forbid(let)
        until(lambda: any(line.startswith("silence") for line in lines()), "the connection is cut")
        heard = lines()[-1].split()[1]
        until(
            lambda: lines()[-3:] == [f"silence {heard}"] * 3,
            "and stays so",
        )
        groups.let(group, **rule)
        until(lambda: lines()[-1].startswith("answer"), "it goes on")


def test_a_connection_ends_when_the_port_leaves_the_group(pair: Any, groups: Groups) -> None:
    one, two = pair
    group, other = groups.new("web"), groups.new("other")
    groups.let(group, protocol="tcp", port_range_min=91, port_range_max=91)
    groups.put(two, group)
    with serving(two, 91), running(one, ASK, two.addresses[0], "91") as lines:
        until(lambda: any(line.startswith("answer") for line in lines()), "it is answered")
        groups.put(two, other)
        until(lambda: lines()[-1].startswith("silence"), "the connection is cut")


def test_a_stateless_group_needs_a_rule_for_answers(pair: Any, groups: Groups) -> None:
    one, two = pair
    group = groups.new("fast", stateful=False)
    groups.put(one, group)
    groups.put(two, group)
    assert not one.reaches(two.addresses[0])
    groups.let(group, protocol="icmp", port_range_min=8)
    assert not one.reaches(two.addresses[0]), "the request arrives, the answer does not"
    groups.let(group, protocol="icmp", port_range_min=0)
    assert one.still_reaches(two.addresses[0])
    one.soon_reaches("10.44.0.1")


def test_another_tenants_rules_are_as_they_were(pair: Any, groups: Groups) -> None:
    """Names that look like expressions, groups and rules by the dozen, on both sides."""
    one, two = pair
    group = groups.new("web")
    groups.let(group, **ECHO[4])
    groups.put(two, group)
    for number, name in enumerate(('" || 1 #', "$as", "@pg", "\\n", "drop")):
        foreign = groups.new(name, project_id="foreign", description='ip4.src == "')
        groups.let(foreign, protocol=str(200 + number), description="&& 0")
    assert one.still_reaches(two.addresses[0])
    assert not one.reaches(two.addresses[1])
