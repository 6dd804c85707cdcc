"""The agent as it runs on a node, on two lab hosts: its socket, its ends, and what it leaves."""

import asyncio
import http.client
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sealane.client import ApiClient
from sealane.lab.lab import Lab
from tests import labs
from tests.daemons import until

NAME = "test-agent"
Body = dict[str, Any]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = Lab(NAME, hosts=2, settings=labs.settings())
    made.down()  # of a run that was killed
    made.up()
    yield made
    made.down()


@pytest.fixture
def network(lab: Lab) -> Iterator[Body]:
    """A network with both families; it can be deleted afterwards: no port was left on it."""

    async def make(api: ApiClient) -> Body:
        made = await api.create("networks", {"name": "blue"})
        for cidr, version in (("10.7.0.0/24", 4), ("fd00:7::/64", 6)):
            subnet = {"network_id": made["id"], "cidr": cidr, "ip_version": version}
            await api.create("subnets", subnet)
        await api.update("networks", made["id"], {"description": "all is in OVN"}, applied_on="host1")
        return made

    made = talk(lab, make)
    yield made
    for host in ("host1", "host2"):
        for attachment in attachments(lab, host):
            call(lab, host, "POST", "/detach", {"id": attachment["id"]})
    talk(lab, lambda api: api.delete("networks", made["id"]))


def talk(lab: Lab, action: Callable[[ApiClient], Awaitable[Any]]) -> Any:
    async def body() -> Any:
        async with ApiClient(f"unix:{lab.plan.api_socket}", deadline=30) as api:
            return await action(api)

    return asyncio.run(body())


class AgentConnection(http.client.HTTPConnection):
    """To a host's agent.sock, which only its own mount namespace has."""

    def __init__(self, path: Path) -> None:
        super().__init__("agent", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def call(lab: Lab, host: str, method: str, path: str, body: Body | None = None) -> tuple[int, Body]:
    agent = Path(f"/proc/{lab.host(host).need_pid()}/root/run/sealane/agent.sock")
    connection = AgentConnection(agent)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        raw = answer.read()
    finally:
        connection.close()
    return answer.status, json.loads(raw) if raw else {}


def attachments(lab: Lab, host: str) -> list[Body]:
    return list(call(lab, host, "GET", "/attachments")[1]["attachments"])


def box(lab: Lab, host: str, name: str) -> str:
    lab.exec(host, "ip", "netns", "add", name)
    return f"/run/netns/{name}"


def unbox(lab: Lab, host: str, *names: str) -> None:
    for name in names:
        lab.exec(host, "ip", "netns", "delete", name, check=False)


def attach(lab: Lab, host: str, name: str, **more: str) -> Body:
    request = {"netns": f"/run/netns/{name}", "network": "blue", **more}
    status, body = call(lab, host, "POST", "/attach", request)
    assert status == 201, body
    return dict(body["attachment"])


def pings(lab: Lab, host: str, name: str, target: str, size: int = 56) -> bool:
    words = ("ip", "netns", "exec", name, "busybox", "ping", "-c", "3", "-W", "3", "-s", str(size), target)
    return lab.exec(host, *words, check=False).returncode == 0


def traces(lab: Lab, host: str) -> dict[str, Any]:
    """What of attachments is on the host and in the databases."""
    links = json.loads(lab.exec(host, "ip", "-j", "link").stdout)
    switch = ("nsenter", "--net=/run/sealane/netns/switch", "ip", "-j", "link")
    inside = json.loads(lab.exec(host, *switch).stdout)
    ovs = ("ovs-vsctl", "--db=unix:/run/sealane/ovs/db.sock", "--timeout=10", "list-ports", "br-int")
    nb = ("ovn-nbctl", "--db=unix:/run/sealane/ovn/ovnnb_db.sock", "--timeout=10", "--bare")
    ports = talk(lab, lambda api: api.list("ports"))
    return {
        "links": sorted(link["ifname"] for link in links + inside),
        "ovs": sorted(p for p in lab.exec(host, *ovs).stdout.split() if not p.startswith("ovn")),
        "nb": sorted(lab.exec("host1", *nb, "--columns=name", "list", "Logical_Switch_Port").stdout.split()),
        "store": sorted(port["id"] for port in ports),
        "namespaces": lab.exec(host, "ls", "/run/sealane/netns").stdout.split(),
        "attachments": attachments(lab, host),
    }


def at_rest(found: dict[str, Any]) -> bool:
    """Nothing is attached, and nothing is left that is still to go: a gateway goes in several steps."""
    ours = ("slh", "sls", "slc", "slu", "slg", "slw", "tap", "tgw")
    going = [name for name in found["links"] if name.startswith(ours)]
    going += [name for name in found["namespaces"] if name.startswith("gw-")]
    return not (going or found["ovs"] or found["store"] or found["attachments"])


def test_namespaces_on_two_hosts(lab: Lab, network: Body) -> None:
    box(lab, "host1", "a")
    box(lab, "host2", "b")
    try:
        one = attach(lab, "host1", "a")
        two = attach(lab, "host2", "b", ip="10.7.0.77", ifname="net0", mac="02:00:00:00:00:77")
        assert (two["mac"], two["ifname"]) == ("02:00:00:00:00:77", "net0")
        assert "10.7.0.77/24" in two["addresses"]
        targets = [address.split("/")[0] for address in two["addresses"]]
        for target in (*targets, "10.7.0.1", str(lab.plan.router.ip), str(lab.plan.router6.ip)):
            assert pings(lab, "host1", "a", target), target
        assert pings(lab, "host1", "a", "10.7.0.77", one["mtu"] - 28)
        status, body = call(lab, "host1", "POST", "/attach", {"netns": "/run/netns/a", "network": "blue"})
        assert (status, body["NeutronError"]["type"]) == (409, "Conflict")
        status, _ = call(lab, "host2", "POST", "/detach", {"netns": "/run/netns/b", "ifname": "net0"})
        assert status == 204
        links = lab.exec("host2", "ip", "netns", "exec", "b", "ip", "-br", "link").stdout
        assert "net0" not in links
    finally:
        unbox(lab, "host1", "a")
        unbox(lab, "host2", "b")


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"netns": "relative", "network": "blue"},
        {"netns": "/etc/passwd", "network": "blue"},
        {"netns": "/run/netns/none", "network": "blue"},
        {"netns": "/run/netns/c", "network": "blue", "ifname": "../x"},
        {"netns": "/run/netns/c", "network": "blue", "ip": "10.7.0.999"},
        {"netns": "/run/netns/c", "network": "blue", "ip": "192.0.2.1"},
        {"netns": "/run/netns/c", "network": "nowhere"},
    ],
)
def test_wrong_requests_are_told_and_leave_nothing(lab: Lab, network: Body, request_: Body) -> None:
    until(lambda: at_rest(traces(lab, "host1")), "all of earlier tests is gone", 120)
    box(lab, "host1", "c")
    try:
        before = traces(lab, "host1")
        status, body = call(lab, "host1", "POST", "/attach", request_)
        assert status in (400, 404, 409), body
        assert body["NeutronError"]["message"]
        until(lambda: traces(lab, "host1") == before, "all is as it was", 120)
    finally:
        unbox(lab, "host1", "c")


def test_a_killed_agent_disturbs_nobody_and_its_successor_goes_on(lab: Lab, network: Body) -> None:
    for name in ("d", "e"):
        box(lab, "host1", name)
    try:
        attach(lab, "host1", "d")
        other = attach(lab, "host1", "e")
        target = other["addresses"][0].split("/")[0]
        agent = lab.exec("host1", "pgrep", "-f", "sealane.agent.main").stdout.split()[0]
        lab.exec("host1", "kill", "-9", agent)
        assert pings(lab, "host1", "d", target)

        def answers() -> bool:
            try:
                return call(lab, "host1", "GET", "/status")[1]["trouble"] == ""
            except OSError:
                return False

        until(answers, "the agent's successor answers")
        assert len(attachments(lab, "host1")) == 2
        assert pings(lab, "host1", "d", target)
        assert pings(lab, "host1", "d", str(lab.plan.router.ip))
    finally:
        unbox(lab, "host1", "d", "e")


def test_what_belonged_to_a_namespace_goes_with_it(lab: Lab, network: Body) -> None:
    box(lab, "host1", "f")
    attach(lab, "host1", "f")
    unbox(lab, "host1", "f")

    def gone() -> bool:
        left = traces(lab, "host1")
        return not left["attachments"] and not left["store"] and not left["ovs"]

    until(gone, "link, port and attachment are collected", 120)


def test_two_hundred_namespaces_in_a_row_leave_nothing(lab: Lab, network: Body) -> None:
    until(lambda: not traces(lab, "host1")["ovs"], "gateways of earlier tests are gone", 120)
    before = traces(lab, "host1")
    box(lab, "host1", "g")
    spent = []
    try:
        for _ in range(200):
            start = time.monotonic()
            made = attach(lab, "host1", "g")
            spent.append(time.monotonic() - start)
            assert call(lab, "host1", "POST", "/detach", {"id": made["id"]})[0] == 204
    finally:
        unbox(lab, "host1", "g")
    until(lambda: traces(lab, "host1") == before, "all is as it was", 120)
    print(f"attach: median {sorted(spent)[100] * 1000:.0f} ms, most {max(spent) * 1000:.0f} ms")
