"""The fast path where no rule looks at connections: the second packet of one direction, without an answer."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay import machines
from tests.e2e.overlay.conftest import remove
from tests.e2e.overlay.machines import Machine, attach, until
from tests.e2e.overlay.test_fastpath import fast_packets, running, sent_packets, told
from tests.e2e.overlay.test_groups import Groups

HOSTS = ("host1", "host2")
MANY = 20
HEARS = """
import socket
server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.bind(("", 7790))
print("listens", flush=True)
while True:
    print(server.recv(2000).decode(), flush=True)
"""
SAYS = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
talker, number = socket.socket(family, socket.SOCK_DGRAM), 0
talker.connect((sys.argv[1], 7790))
for line in sys.stdin:
    for _ in range(int(line)):
        number += 1
        talker.send(b"%d" % number)
"""


@dataclass(frozen=True)
class Crew:
    """On the first host two, on the second one another; it is told whether a router is between."""

    one: Machine
    near: Machine
    far: Machine

    def networks(self, api: Api) -> list[str]:
        ports = [api.list("ports", id=machine.port_id)[0] for machine in (self.one, self.near, self.far)]
        return list(dict.fromkeys(str(port["network_id"]) for port in ports))


@pytest.fixture(scope="module", params=["switched", "routed"])
def free(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Crew]:
    """Without port security."""
    with crew(lab, "free", 64, routed=request.param == "routed", port_security_enabled=False) as made:
        yield made


@pytest.fixture(scope="module")
def held(lab: Lab) -> Iterator[Crew]:
    """With what Docker's users expect, which is stateful."""
    with crew(lab, "held", 67) as made:
        yield made


@contextmanager
def crew(lab: Lab, name: str, number: int, *, routed: bool = False, **values: Any) -> Iterator[Crew]:
    api = machines.api(lab)
    networks = [network(api, f"{name}{n}", number + n, **values) for n in range(2 if routed else 1)]
    with ExitStack() as stack:
        if routed:
            stack.enter_context(machines.router(api, *networks))
        places = ((HOSTS[0], networks[0]), (HOSTS[0], networks[-1]), (HOSTS[1], networks[-1]))
        made = [attach(lab, host, f"{name}{n}", id) for n, (host, id) in enumerate(places)]
        for other in made[1:]:
            for address in other.addresses:
                made[0].soon_reaches(address)
        yield Crew(*made)
        for machine in made:
            machine.remove()
    for id in networks:
        remove(api, id)


def network(api: Api, name: str, number: int, **values: Any) -> str:
    made = str(api.create("networks", {"name": name, **values})["id"])
    for version, cidr in ((4, f"10.{number}.0.0/24"), (6, f"fd{number}::/64")):
        api.create("subnets", {"network_id": made, "cidr": cidr, "ip_version": version})
    return made


@pytest.fixture(scope="module", autouse=True)
def on(lab: Lab) -> Iterator[None]:
    for host in HOSTS:
        lab.exec(host, "sealane", "fastpath", "on")
        until(lambda host=host: told(lab, host=host)["state"] == "working", f"{host}'s works")  # type: ignore[misc]
    yield
    labs.rest(lab, *HOSTS)


@dataclass
class Speech:
    """A flow of one direction, of its own ports."""

    source: Machine
    target: Machine
    said: int
    _more: Callable[[int], None]
    _heard: Callable[[], str]

    def say(self, count: int) -> None:
        """They have arrived when it returns."""
        self._more(count)
        self.said += count
        until(lambda: str(self.said) in self._heard().split(), f"{self.said} datagrams arrive")

    def try_to_say(self, count: int) -> None:
        """They have left when it returns."""
        before = sent_packets(self.source)
        self._more(count)
        self.said += count
        until(lambda: sent_packets(self.source) >= before + count, f"{count} datagrams leave")

    def heard(self) -> int:
        return len(self._heard().split()) - 1

    def counts(self) -> list[int]:
        """Fast packets that it can be among: by the sender, and those that land on another host."""
        lab, found = self.source.lab, [fast_packets(self.source.lab, self.source)]
        if self.source.host != self.target.host:
            found.append(int(told(lab, host=self.target.host)["landed"]["fast"]))
        return found

    def fast_of(self, count: int) -> int:
        """So many of `count` more were fast at least, on either host."""
        before = self.counts()
        self.say(count)
        return min(after - old for after, old in zip(self.counts(), before, strict=True))


@contextmanager
def speech(source: Machine, target: Machine, family: int = 4) -> Iterator[Speech]:
    address = target.addresses[0 if family == 4 else 1]
    argv = ["ip", "netns", "exec", source.name, "python3", "-c", SAYS, address]
    with (
        running(target, HEARS) as heard,
        subprocess.Popen(source.lab.command(source.host, argv), stdin=subprocess.PIPE, text=True) as saying,
    ):
        until(lambda: "listens" in heard(), "the other one listens")

        def more(count: int) -> None:
            assert saying.stdin is not None
            saying.stdin.write(f"{count}\n")
            saying.stdin.flush()

        yield Speech(source, target, 0, more, heard)


def second_is_fast(source: Machine, target: Machine, family: int = 4) -> bool:
    """One goes through Open vSwitch; of those that follow at most one does, to keep the flow alive.

    Rules that change meanwhile, for whatever reason, have it begin anew.
    """
    with speech(source, target, family) as made:
        made.say(1)
        return made.fast_of(MANY) >= MANY - 1


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("to", ["near", "far"])
def test_the_second_packet_of_one_direction_is_fast(free: Crew, to: str, family: int) -> None:
    until(lambda: second_is_fast(free.one, getattr(free, to), family), "all but the first were fast")


@pytest.mark.parametrize("to", ["near", "far"])
def test_with_stateful_rules_one_direction_never_is(held: Crew, to: str) -> None:
    with speech(held.one, getattr(held, to)) as made:
        before = made.counts()[0]
        for _ in range(5):
            made.say(MANY)
        assert made.counts()[0] == before


def test_a_stateful_rule_ends_it_and_a_stateless_one_does_not(free: Crew, api: Api) -> None:
    """The receiver is put into a group: first one that looks at no connections, then one that does."""
    if len(free.networks(api)) > 1:
        return  # which network's rules count across a router is tried in tests/netns/fastpath
    groups = Groups(api)
    stateless, stateful = (groups.new(f"s{kept}", stateful=kept) for kept in (False, True))
    rules = [groups.let(group, protocol="udp") for group in (stateless, stateful)]
    port = free.far.port_id
    try:
        with speech(free.one, free.far) as made:
            for group, fast in ((stateless, True), (stateful, False), (stateless, True)):
                change = {"port_security_enabled": True, "security_groups": [group]}
                api.update("ports", port, change)
                assert not api.unapplied, api.unapplied
                if fast:
                    made.say(1)
                    until(lambda: made.fast_of(MANY) >= MANY - 2, "the stateless group keeps it fast")
                else:
                    assert made.fast_of(MANY) == 0
            groups.forbid(rules[0])
            assert not api.unapplied, api.unapplied
            count = made.heard()
            made.try_to_say(MANY)
            groups.let(stateless, protocol="udp")
            made.say(1)
            assert made.heard() == count + 1, "nothing passed by the rule that was gone"
    finally:
        api.update("ports", port, {"security_groups": [], "port_security_enabled": False})
        groups.remove()
