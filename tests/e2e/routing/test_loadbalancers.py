"""Load balancers between machines of two hosts, other networks and the world."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from sealane.cli.api import Api
from sealane.errors import BadRequest
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay.machines import Machine, attach, listening, until
from tests.e2e.overlay.test_fastpath import ECHO, TALK, heard, python, running, told
from tests.e2e.routing.site import PORT, Tenant
from tests.e2e.routing.world import CABLED, GATEWAY, World, serving

VIP_PORT = 80
LBAAS = "lbaas"
TRIES = 24
"""Connections after which each of two servers was chosen, but for one time in eight millions."""


@dataclass
class Shop:
    """A load balancer of the tenant's, with a listener for TCP and one for UDP, both with all its servers."""

    tenant: Tenant
    balancer: dict[str, Any]
    pools: dict[str, str] = field(default_factory=dict)
    listeners: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return str(self.balancer["vip_address"])

    def below(self, kind: str) -> str:
        return f"{LBAAS}/pools/{self.pools[kind]}/members"

    def listen(self, kind: str) -> None:
        api, protocol = self.tenant.api, kind.upper()
        at = {"loadbalancer_id": self.balancer["id"], "protocol": protocol, "protocol_port": VIP_PORT}
        self.listeners[kind] = api.create(f"{LBAAS}/listeners", at)["id"]
        pool = {"listener_id": self.listeners[kind], "protocol": protocol, "lb_algorithm": "SOURCE_IP_PORT"}
        self.pools[kind] = api.create(f"{LBAAS}/pools", pool)["id"]

    def add(self, machine: Machine, **values: Any) -> None:
        for kind in self.pools:
            body = {"address": machine.addresses[0], "protocol_port": PORT, **values}
            self.tenant.api.create(self.below(kind), body)

    def change(self, machine: Machine, **values: Any) -> None:
        for kind in self.pools:
            (row,) = self.tenant.api.list(self.below(kind), address=machine.addresses[0])
            self.tenant.api.update(self.below(kind), row["id"], values)

    def remove(self, machine: Machine) -> None:
        for kind in self.pools:
            (row,) = self.tenant.api.list(self.below(kind), address=machine.addresses[0])
            self.tenant.api.delete(self.below(kind), row["id"])

    def statuses(self) -> dict[str, str]:
        rows = [row for kind in self.pools for row in self.tenant.api.list(self.below(kind))]
        return {row["address"]: row["operating_status"] for row in rows}


@contextmanager
def shop(tenant: Tenant, *kinds: str, subnet: str = "") -> Iterator[Shop]:
    body = {"name": "shop", "vip_subnet_id": subnet or tenant.subnet, "project_id": tenant.name}
    made = Shop(tenant, tenant.api.create(f"{LBAAS}/loadbalancers", body))
    try:
        for kind in kinds:
            made.listen(kind)
        yield made
    finally:
        tenant.api.delete(f"{LBAAS}/loadbalancers", made.balancer["id"], cascade="true")


ASK = """
import socket, sys
kind, address, port, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
family = socket.AF_INET6 if ":" in address else socket.AF_INET
for _ in range(times):
    try:
        with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as asking:
            asking.settimeout(2)
            asking.connect((address, port))
            asking.send(b"who")
            print(*asking.recv(99).decode().split(), flush=True)
    except OSError:
        print("-", "-", flush=True)
        break
"""
"""Asks again and again, each time from another port, until nobody answers."""
Ask = Callable[..., str]


def by(machine: Machine) -> Ask:
    return lambda *words: machine.exec("python3", "-c", ASK, *words).stdout


def from_outside(world: World) -> Ask:
    return lambda *words: world.exec("python3", "-c", ASK, *words)


def answers(ask: Ask, kind: str, address: str, port: int = VIP_PORT, times: int = TRIES) -> dict[str, str]:
    """Name of who answered -> whom it took the question from; "-" is nobody."""
    said = ask(kind, address, str(port), str(times))
    return dict(line.split() for line in said.splitlines())


def all_answer(ask: Ask, kind: str, address: str, *names: str, port: int = VIP_PORT) -> None:
    until(
        lambda: answers(ask, kind, address, port).keys() == set(names),
        f"{names} answer by {kind} at {address}:{port}, all of them and nobody else",
    )


def seen_as(ask: Ask, kind: str, address: str, client: str) -> None:
    """Every server takes the questions from there; one that is lost on a busy machine is asked once more."""
    until(
        lambda: set(answers(ask, kind, address).values()) == {client},
        f"who asks {address} is seen as {client}",
    )


def nobody_answers(ask: Ask, kind: str, address: str, port: int = VIP_PORT) -> None:
    until(lambda: answers(ask, kind, address, port, 3).keys() == {"-"}, f"nobody answers at {address}:{port}")


def test_servers_on_two_hosts_share_what_comes(world: World, red: Tenant) -> None:
    one, two, client = (red.put(h, n) for h, n in (("host1", "one"), ("host2", "two"), ("host1", "client")))
    inside, beyond = by(client), from_outside(world)
    with shop(red, "tcp", "udp") as made:
        made.add(one)
        made.add(two)
        for kind in ("tcp", "udp"):
            all_answer(inside, kind, made.address, "one", "two")
            seen_as(inside, kind, made.address, client.addresses[0])
        all_answer(by(two), "tcp", made.address, "one", "two")
        assert client.reaches(made.address), "the address answers echoes"
        nobody_answers(inside, "tcp", made.address, VIP_PORT + 1)
        outer = red.take(port_id=made.balancer["vip_port_id"])["floating_ip_address"]
        for kind in ("tcp", "udp"):
            all_answer(beyond, kind, outer, "one", "two")
            seen_as(beyond, kind, outer, GATEWAY)
        all_answer(inside, "tcp", outer, "one", "two")
        nobody_answers(beyond, "tcp", outer, PORT)
        made.change(one, weight=0)
        all_answer(inside, "tcp", made.address, "two")
        all_answer(beyond, "tcp", outer, "two")
        made.change(one, weight=1)
        made.remove(two)
        all_answer(inside, "tcp", made.address, "one")
        red.api.update(f"{LBAAS}/listeners", made.listeners["tcp"], {"admin_state_up": False})
        nobody_answers(inside, "tcp", made.address)
        nobody_answers(beyond, "tcp", outer)
        all_answer(inside, "udp", made.address, "one")
        red.api.update(f"{LBAAS}/loadbalancers", made.balancer["id"], {"admin_state_up": False})
        nobody_answers(inside, "udp", made.address)


@contextmanager
def fast(lab: Lab, *hosts: str) -> Iterator[None]:
    """With the fast path on these hosts."""
    for host in hosts:
        lab.exec(host, "sealane", "fastpath", "on")
    try:
        for host in hosts:
            until(lambda host=host: told(lab, host=host)["state"] == "working", f"{host}'s works")  # type: ignore[misc]
        yield
    finally:
        labs.rest(lab, *hosts)


def test_the_fast_path_changes_nothing(world: World, red: Tenant, lab: Lab) -> None:
    """Who serves, who is out and who stays; long connections, also by a router; nobody when it is deleted."""
    one, two, client = (red.put(h, n) for h, n in (("host1", "one"), ("host2", "two"), ("host1", "client")))
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": ECHOES, "port_range_max": ECHOES}
    red.api.create("security-group-rules", {"security_group_id": red.group, **rule, "project_id": red.name})
    inside, beyond = by(client), from_outside(world)
    with fast(lab, *CABLED), beside(red, "10.45.0.0/24") as network:
        far = red.put("host1", "far", network=network)
        with shop(red, "tcp", "udp") as made:
            made.add(one)
            made.add(two)
            outer = red.take(port_id=made.balancer["vip_port_id"])["floating_ip_address"]
            for kind in ("tcp", "udp"):
                for ask in (inside, by(two), by(far)):
                    all_answer(ask, kind, made.address, "one", "two")
                all_answer(beyond, kind, outer, "one", "two")
                seen_as(inside, kind, made.address, client.addresses[0])
            for server, other in ((one, two), (two, one)):
                made.change(other, weight=0)
                all_answer(inside, "tcp", made.address, server.name)
                for talker in (client, far):
                    talked_to_the_end(made, talker, server)
                made.change(other, weight=1)
            stays = {"session_persistence": {"type": "SOURCE_IP", "persistence_timeout": 60}}
            red.api.update(f"{LBAAS}/pools", made.pools["tcp"], stays)
            until(lambda: len(answers(inside, "tcp", made.address)) == 1, "it stays with one server")
        nobody_answers(inside, "tcp", made.address)
        nobody_answers(by(far), "tcp", made.address)


ECHOES = 7778
"""Where ECHO listens."""


@contextmanager
def echoes(made: Shop, server: Machine) -> Iterator[tuple[str, str]]:
    """By a listener of their own; the path of its members, and the id of the only one."""
    api = made.tenant.api
    at = {"loadbalancer_id": made.balancer["id"], "protocol": "TCP", "protocol_port": ECHOES}
    listener = api.create(f"{LBAAS}/listeners", at)["id"]
    pool = {"listener_id": listener, "protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"}
    pool_id = api.create(f"{LBAAS}/pools", pool)["id"]
    below = f"{LBAAS}/pools/{pool_id}/members"
    api.wait = 60
    try:
        member = api.create(below, {"address": server.addresses[0], "protocol_port": ECHOES})["id"]
        with running(server, ECHO, "tcp", "4") as echo:
            until(lambda: "listens" in echo(), "the echo listens")
            yield below, member
    finally:
        api.wait = None
        api.delete(f"{LBAAS}/listeners", listener)
        api.delete(f"{LBAAS}/pools", pool_id)


def talked_to_the_end(made: Shop, client: Machine, server: Machine) -> None:
    """A long connection goes on while its server gets no new ones, and when it is no member any more."""
    lab, api = made.tenant.lab, made.tenant.api
    with echoes(made, server) as (below, member), running(client, TALK, "tcp", made.address) as said:
        goes_on(said, 300)
        api.update(below, member, {"weight": 0})
        goes_on(said, 300)
        by_address = [f for f in told(lab, "flows") if f"{made.address}:{ECHOES}" in f["ends"]]
        print(f"load balancer: by the address {[f['packets'] for f in by_address]} fast")
        assert not any(sum(f["packets"]) for f in by_address), "translated packets are not fast"
        api.delete(below, member)
        goes_on(said, 300)


def goes_on(said: Callable[[], str], answers_: int) -> None:
    """TALK dies of a wrong answer."""
    before = len(said().splitlines())
    until(lambda: len(said().splitlines()) > before + answers_, "the connection goes on")


@pytest.mark.parametrize("rest", [{"weight": 0}, {"admin_state_up": False}], ids=["weight", "off"])
@pytest.mark.parametrize("snat", [True, False], ids=["snat", "plain"])
def test_by_a_floating_ip_it_goes_on_too(
    world: World, red: Tenant, outside: str, snat: bool, rest: dict[str, object]
) -> None:
    """From the world to a server that gets no new connections, whatever else its router translates."""
    gateway = {"network_id": outside, "enable_snat": snat}
    red.api.update("routers", red.router, {"external_gateway_info": gateway})
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": ECHOES, "port_range_max": ECHOES}
    red.api.create("security-group-rules", {"security_group_id": red.group, **rule, "project_id": red.name})
    one, two = red.put("host1", "one"), red.put("host2", "two")
    with shop(red, "tcp") as made:
        outer = red.take(port_id=made.balancer["vip_port_id"])["floating_ip_address"]
        for server in (one, two):
            with (
                echoes(made, server) as (below, member),
                heard(world.command(*python(TALK), "tcp", outer)) as said,
            ):
                goes_on(said, 300)
                red.api.update(below, member, rest)
                goes_on(said, 300)


def test_a_server_has_a_floating_ip_of_its_own(world: World, red: Tenant) -> None:
    """Its answers to who came by the load balancer's are the load balancer's."""
    one, two = red.put("host1", "one"), red.put("host2", "two")
    with shop(red, "tcp") as made:
        made.add(one)
        made.add(two)
        balanced = red.take(port_id=made.balancer["vip_port_id"])["floating_ip_address"]
        for server in (one, two):
            own = red.take(port_id=server.port_id)["floating_ip_address"]
            all_answer(from_outside(world), "tcp", own, server.name, port=PORT)
            all_answer(from_outside(world), "tcp", balanced, "one", "two")


STEADY = """
import socket, sys, time
address, port, patience = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
print("begins", flush=True)
while True:
    begun = time.monotonic()
    try:
        with socket.create_connection((address, port), timeout=patience) as asking:
            said = asking.recv(99).decode().split()[0]
    except (OSError, IndexError) as exc:
        said = f"-{type(exc).__name__}"
    try:
        print(begun, said, flush=True)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit()
"""
"""One connection after the other, without a pause; tells when each began, who answered, what went wrong."""


class Customer:
    """Asks without a pause, from a machine. patience: seconds for one answer."""

    def __init__(self, machine: Machine, address: str, patience: float = 5.0) -> None:
        words = [address, str(VIP_PORT), str(patience)]
        argv = ["ip", "netns", "exec", machine.name, "python3", "-c", STEADY, *words]
        self._process = subprocess.Popen(
            machine.lab.command(machine.host, argv), stdout=subprocess.PIPE, text=True
        )
        self._begun: list[float] = []
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdout
        self._process.kill()
        self._process.wait()
        self._reader.join(10)
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout
        assert self._process.stdout.readline() == "begins\n"
        while line := self._process.stdout.readline():
            begun, said = line.split()
            self._begun.append(float(begun))
            self._said.append(said)
            if self._process.returncode is not None:
                return

    @property
    def failures(self) -> list[str]:
        return [said for said in self._said if said.startswith("-")]

    @property
    def asked(self) -> int:
        return len(self._said)

    def last(self, *said: str) -> float:
        """When the last connection began that was answered so, or failed; by now()."""
        ends = (
            when for when, who in zip(self._begun, self._said, strict=False) if who in said or who[0] == "-"
        )
        return max(ends, default=0.0)

    def first(self, who: str, since: float) -> float:
        """When the first one began, since then, that this server has answered."""
        pairs = zip(self._begun, self._said, strict=False)
        return min(when for when, name in pairs if name == who and when >= since)

    def is_served_by(self, *names: str) -> None:
        """From now on: of the next hundred that are asked in a row."""

        def served() -> bool:
            return len(self._said) - begun > 100 and set(self._said[-100:]) == set(names)

        begun = len(self._said)
        until(served, f"{names} serve, all of them and nobody else")


@contextmanager
def beside(tenant: Tenant, cidr: str) -> Iterator[str]:
    """Another network of the tenant's, behind the same router; machines in it are removed before it."""
    api, own = tenant.api, {"project_id": tenant.name}
    network = api.create("networks", {"name": "beside", **own})["id"]
    subnet = api.create("subnets", {"network_id": network, "cidr": cidr, "ip_version": 4, **own})["id"]
    path = f"/v2.0/routers/{tenant.router}"
    api.request("PUT", f"{path}/add_router_interface", {"subnet_id": subnet})
    try:
        yield network
    finally:
        for port in api.list("ports", network_id=network):
            for machine in [m for m in tenant.machines if m.port_id == port["id"]]:
                machine.remove()
                tenant.machines.remove(machine)
        api.request("PUT", f"{path}/remove_router_interface", {"subnet_id": subnet})
        until(lambda: not api.list("ports", network_id=network), "ports of the network are gone")
        api.delete("networks", network)


def test_networks_behind_the_router_reach_it_and_strangers_do_not(
    world: World, red: Tenant, lab: Lab, api: Api, outside: str
) -> None:
    """Servers and clients are in both networks; the group of a server's port decides."""
    with (
        beside(red, "10.45.0.0/24") as network,
        shop(red, "tcp") as made,
        Tenant(lab, api, outside, "blue") as blue,
    ):
        one, two = red.put("host1", "one"), red.put("host2", "two", network=network)
        near, far = red.put("host2", "near"), red.put("host1", "far", network=network)
        stranger = blue.put("host1", "stranger")
        made.add(one)
        made.add(two)
        for client in (near, far):
            all_answer(by(client), "tcp", made.address, "one", "two")
            assert set(answers(by(client), "tcp", made.address).values()) == {client.addresses[0]}
        nobody_answers(by(stranger), "tcp", made.address)
        api.update("ports", two.port_id, {"security_groups": []})
        until(lambda: "-" in answers(by(near), "tcp", made.address), "its group lets nobody in")
        assert "two" not in answers(by(near), "tcp", made.address) | answers(by(far), "tcp", made.address)
        made.remove(two)
        all_answer(by(far), "tcp", made.address, "one")


def test_nothing_fails_while_servers_come_and_go(world: World, red: Tenant) -> None:
    one, two, three = (red.put(h, n) for h, n in (("host1", "one"), ("host2", "two"), ("host2", "three")))
    client = red.put("host1", "client")
    with shop(red, "tcp") as made:
        made.add(one)
        all_answer(by(client), "tcp", made.address, "one")
        with Customer(client, made.address) as customer:
            customer.is_served_by("one")
            made.add(two)
            customer.is_served_by("one", "two")
            made.add(three)
            customer.is_served_by("one", "two", "three")
            made.change(one, weight=0)
            customer.is_served_by("two", "three")
            made.remove(one)
            made.change(two, admin_state_up=False)
            customer.is_served_by("three")
            print(f"load balancer: {customer.asked} connections, {len(customer.failures)} failed")
            assert customer.failures == []


SERVER6 = """
import socket, sys
name, port = sys.argv[1], int(sys.argv[2])
with socket.create_server(("::", port), family=socket.AF_INET6) as server:
    print("serves", flush=True)
    while True:
        connection, peer = server.accept()
        with connection:
            connection.sendall(f"{name} {peer[0]}".encode())
"""


def test_ipv6_without_any_router(world: World, red: Tenant, lab: Lab) -> None:
    """A client stays with the server that it has come to."""
    api, own = red.api, {"project_id": red.name}
    network = api.create("networks", {"name": "six", "sealane:gateway": "none", **own})["id"]
    subnet = api.create("subnets", {"network_id": network, "cidr": "fd00:44::/64", "ip_version": 6, **own})[
        "id"
    ]
    with ExitStack() as stack:
        stack.callback(api.delete, "networks", network)
        stack.callback(until, lambda: not api.list("ports", network_id=network), "its ports are gone")
        machines = []
        for host, name in (("host1", "six1"), ("host2", "six2"), ("host1", "client6")):
            machines.append(attach(lab, host, name, network))
            stack.callback(machines[-1].remove)
            api.update("ports", machines[-1].port_id, {"port_security_enabled": False, "security_groups": []})
        one, two, client = machines
        for machine in (one, two):
            words = ["ip", "netns", "exec", machine.name, "python3", "-c", SERVER6, machine.name, str(PORT)]
            stack.enter_context(serving(lab.command(machine.host, words)))
        made = stack.enter_context(shop(red, "tcp", subnet=subnet))
        made.add(one)
        made.add(two)
        all_answer(by(client), "tcp", made.address, "six1", "six2")
        client.soon_reaches(made.address)
        stays = {"session_persistence": {"type": "SOURCE_IP", "persistence_timeout": 60}}
        api.update(f"{LBAAS}/pools", made.pools["tcp"], stays)
        until(lambda: len(answers(by(client), "tcp", made.address)) == 1, "it stays with one server")
        first = answers(by(client), "tcp", made.address)
        assert answers(by(client), "tcp", made.address) == first


PACKETS = """
import socket, struct, sys
table = []
for word in range(256):
    for _ in range(8):
        word = (word >> 1) ^ 0x82F63B78 if word & 1 else word >> 1
    table.append(word)
def crc32c(data):
    sum = 0xFFFFFFFF
    for byte in data:
        sum = table[(sum ^ byte) & 255] ^ (sum >> 8)
    return struct.pack("<I", sum ^ 0xFFFFFFFF)
def packet(source, target, tag, kind, own):
    head = struct.pack("!HHI", source, target, tag)
    chunk = struct.pack("!BBHIIHHI", kind, 0, 20, own, 65535, 1, 1, 1)
    return head + crc32c(head + bytes(4) + chunk) + chunk
def heard(s):
    data, peer = s.recvfrom(2000)
    data = data[(data[0] & 15) * 4:]
    assert data[8:12] == crc32c(data[:8] + bytes(4) + data[12:])
    return (*struct.unpack("!HHI", data[:8]), data[12], peer[0])
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 132)
"""
"""SCTP by hand (RFC 9260 3): the kernel need not have it."""
ANSWER = (
    PACKETS
    + """
print("listens", flush=True)
while True:
    source, target, tag, kind, peer = heard(s)
    print(source, target, kind, peer, flush=True)
    s.sendto(packet(target, source, 99, 2, 77), (peer, 0))
"""
)
INIT = (
    PACKETS
    + """
s.settimeout(3)
s.sendto(packet(5000, int(sys.argv[2]), 0, 1, 99), (sys.argv[1], 0))
try:
    print(*heard(s))
except TimeoutError:
    print("-")
"""
)
INIT_ACK = 2


def test_sctp_passes_and_is_not_balanced_in_user_space(world: World, red: Tenant) -> None:
    """Open vSwitch 3.1 sees no ports of SCTP in its own connection tracking, and translates none."""
    server, client = red.put("host2", "one"), red.put("host1", "client")
    rule = {"direction": "ingress", "protocol": "sctp", "port_range_min": PORT, "port_range_max": PORT}
    red.api.create("security-group-rules", {"security_group_id": red.group, **rule, "project_id": red.name})
    with listening(server, ANSWER) as heard:
        until(lambda: asks(client, server.addresses[0], PORT)[3:4] == [str(INIT_ACK)], "it is answered")
        assert f"5000 {PORT} 1 {client.addresses[0]}" in heard()
        assert asks(client, server.addresses[0], PORT + 1) == ["-"], "by the rule's port only"
    with shop(red) as made, pytest.raises(BadRequest, match="user space"):
        made.listen("sctp")


def asks(client: Machine, address: str, port: int) -> list[str]:
    """Source, target, tag and kind of the answer to an INIT, and who sends it."""
    return client.exec("python3", "-c", INIT, address, str(port)).stdout.split()
