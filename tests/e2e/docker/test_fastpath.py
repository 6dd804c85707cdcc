"""What leaves to the outside and what comes in by published ports, with the fast path: the same results as
without it, and nothing that Open vSwitch would not let pass."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Protocol

import pytest

from sealane import names
from sealane.cli.api import Api as Client
from sealane.fastpath.layout import PROGRAMS
from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE
from tests import labs
from tests.e2e.docker import talk
from tests.e2e.docker.engines import AGENT, IMAGE, Api, Engine, until
from tests.e2e.docker.outside import WORLD, Routers, command
from tests.e2e.docker.talk import goes_on, serving, told
from tests.e2e.docker.test_groups import CREATE, SIX, Groups, both, groups, port_of
from tests.e2e.docker.test_published import lan, routers
from tests.e2e.overlay import frames, machines
from tests.e2e.overlay.frames import IPV4, Station, ethernet, udp4

__all__ = ["groups", "lan", "routers"]
HOST, INSIDE, PUBLISHED, ASIDE = "host1", 80, 8080, 7000
KINDS = ("tcp", "udp")


class Fast(Protocol):
    def becomes_fast(self, more: int = 10) -> AbstractContextManager[None]:
        """Within it, both ways."""


@dataclass(frozen=True)
class Web:
    """A container that publishes, and its network's gateway."""

    engine: Engine
    name: str
    port_id: str
    network_id: str

    @property
    def argv(self) -> list[str]:
        return command(self.engine, self.name)

    @property
    def way_id(self) -> str:
        return names.gateway_port(self.network_id)

    def sent_fast(self) -> tuple[int, int]:
        """By itself, by the gateway to it and its like."""
        sent = {port["port_id"]: int(port["fast"]) for port in told(self.engine.lab, HOST)["ports"]}
        return sent.get(self.port_id, 0), sent.get(self.way_id, 0)

    @contextmanager
    def becomes_fast(self, more: int = 10) -> Iterator[None]:
        """Within it, both ways."""
        before = self.sent_fast()
        yield
        enough = lambda: all(n > old + more for n, old in zip(self.sent_fast(), before, strict=True))  # noqa: E731
        until(enough, what="it is fast both ways")


@pytest.fixture
def fast(lab: Lab, one: Engine) -> Iterator[Engine]:
    """The first engine; it is on there."""
    switch(lab, "on")
    yield one
    labs.rest(lab, HOST)


def switch(lab: Lab, how: str) -> None:
    lab.exec(HOST, "sealane", "fastpath", how)
    state = "working" if how == "on" else "off"
    until(lambda: state_of(lab) == state, what=f"the fast path is {how}")


def state_of(lab: Lab) -> str:
    """ "" while there is no agent."""
    return str(told(lab, HOST).get("state", ""))


def flows_of(lab: Lab) -> list[dict[str, Any]]:
    return list(told(lab, HOST, "/flows")["flows"])


def web(engine: Engine, api: Api, name: str = "web", network: str = "blue", number: int = 0) -> Web:
    publish = [w for kind in KINDS for w in ("-p", f"{PUBLISHED + number}:{INSIDE}/{kind}")]
    engine("run", "-d", "--init", "--name", name, "--network", network, *publish, IMAGE, "sleep", "3600")
    port = port_of(api, name)
    return Web(engine, name, port["id"], port["network_id"])


def ways(lab: Lab, made: Web, number: int = 0) -> list[tuple[list[str], str, int, str]]:
    """Who asks, whom, at which port, and as whom it is seen: outward and inward, in both families."""
    world = lab.command(OUTSIDE, [])
    mine = str(lab.plan.router.ip), str(lab.plan.router6.ip)
    found = []
    for here, there in zip(both(lab, HOST), mine, strict=True):
        found.append((made.argv, there, ASIDE, here))
        found.append((world, here, PUBLISHED + number, there))
    return found


def test_it_is_fast_out_and_in_and_the_same_is_seen(lab: Lab, fast: Engine, api: Api) -> None:
    fast(*CREATE, *SIX, "blue")
    made = web(fast, api)
    with serving(made.argv, INSIDE), serving(lab.command(OUTSIDE, []), ASIDE):
        for how in ("on", "off"):
            switch(lab, how)
            assert talk.hooked(lab, HOST) == (
                {f"clsact {one}" for one in PROGRAMS[:4]} if how == "on" else set()
            )
            for kind, (argv, address, port, seen) in product(KINDS, ways(lab, made)):
                with talk.talk(argv, kind, address, port) as said:
                    if how == "on":
                        with made.becomes_fast():
                            pass
                    goes_on(said)
                    assert set(said()) == {seen}, (kind, address)


def test_connections_outlive_the_agent_and_the_switch(lab: Lab, fast: Engine, api: Api) -> None:
    """And the gateway's own links, where the kernel keeps nothing of a datagram's way."""
    fast(*CREATE, *SIX, "blue")
    made = web(fast, api)
    with ExitStack() as stack:
        for argv, port in ((made.argv, INSIDE), (lab.command(OUTSIDE, []), ASIDE)):
            stack.enter_context(serving(argv, port))
        talks = [
            stack.enter_context(talk.talk(argv, "tcp", address, port))
            for argv, address, port, _ in ways(lab, made)
        ]
        with made.becomes_fast():
            pass
        before = made.sent_fast()
        fast.restart(AGENT)
        until(lambda: state_of(lab) == "working", what="the next agent's fast path works")
        assert all(new >= old for new, old in zip(made.sent_fast(), before, strict=True)), (
            "it goes on with it"
        )
        for how in ("off", "on"):
            switch(lab, how)
            for said in talks:
                goes_on(said)
        with made.becomes_fast():
            pass
    _gateway_anew(lab, made)


def _gateway_anew(lab: Lab, made: Web) -> None:
    """By the next agent: this one would look at its whole host only now and then."""
    with serving(made.argv, INSIDE), talk.talk(*ways_by_udp(lab, made)) as said:
        with made.becomes_fast():
            pass
        lab.exec(HOST, "ip", "link", "delete", names.gateway_link(made.network_id))
        made.engine.restart(AGENT)
        goes_on(said)
        with made.becomes_fast():
            goes_on(said)


def ways_by_udp(lab: Lab, made: Web) -> tuple[list[str], str, str, int]:
    """Inward."""
    argv, address, port, _ = ways(lab, made)[1]
    return argv, "udp", address, port


def received(argv: list[str]) -> int:
    return talk.counted(argv, "Ip", "InReceives")


def test_nothing_comes_in_once_a_rule_is_gone(lab: Lab, groups: Groups, fast: Engine, api: Api) -> None:
    """From the moment that the API has said so."""
    group, client = groups.new("web"), machines.api(lab)
    rule = groups.let(group, protocol="udp", port_range_min=INSIDE, port_range_max=INSIDE)
    fast(*CREATE, *SIX, "blue")
    made = web(fast, api, network="name=blue,driver-opt=sealane.security-groups=web")
    with serving(made.argv, INSIDE), talk.talk(*ways_by_udp(lab, made)) as said:
        with made.becomes_fast():
            pass
        _removed(client, rule)
        before = received(made.argv)
        sent = _sent_by_way(lab, made)
        until(lambda: _sent_by_way(lab, made) > sent + 5, what="the client goes on")
        assert received(made.argv) == before
        groups.let(group, protocol="udp", port_range_min=INSIDE, port_range_max=INSIDE)
        with made.becomes_fast():
            goes_on(said)


def _removed(client: Client, rule: str) -> None:
    client.wait = 60
    client.delete("security-group-rules", rule)
    assert (client.waited, client.unapplied) == (True, set())


def _sent_by_way(lab: Lab, made: Web) -> int:
    ports = told(lab, HOST)["ports"]
    return sum(int(port["packets"]) for port in ports if port["port_id"] == made.way_id)


def test_tenants_with_the_same_addresses_stay_apart(lab: Lab, fast: Engine, api: Api) -> None:
    """The same address inside, the same peer outside, at once."""
    with ExitStack() as stack:
        stack.enter_context(serving(lab.command(OUTSIDE, []), ASIDE))
        webs, talks = [], []
        for number, name in enumerate(("red", "green")):
            fast(*CREATE, *SIX, name)
            made = web(fast, api, f"in-{name}", f"name={name},ip=10.60.0.9", number)
            stack.enter_context(serving(made.argv, INSIDE))
            webs.append(made)
            for kind, (argv, address, port, seen) in product(KINDS, ways(lab, made, number)):
                talks.append((stack.enter_context(talk.talk(argv, kind, address, port)), seen))
        flows = all_fast(lab, webs, talks)
        assert {flow["network_id"] for flow in flows} == {made.network_id for made in webs}


def all_fast(
    lab: Lab, made: Sequence[Fast], talks: Sequence[tuple[Callable[[], list[str]], str]]
) -> list[dict[str, Any]]:
    """The flows, once all that are made are fast; each conversation goes on, and is seen as whose it is."""
    for one in made:
        with one.becomes_fast(100):
            pass
    for said, seen in talks:
        goes_on(said)
        assert set(said()) == {seen}
    return [flow for flow in flows_of(lab) if min(flow["packets"]) > 0]


def test_nobody_speaks_for_the_outside(lab: Lab, fast: Engine, api: Api) -> None:
    """A neighbour with the gateway's MAC, the client's address or both: what it says does not arrive."""
    fast(*CREATE, *SIX, "blue")
    made = web(fast, api)
    fast.run("mallory", "blue")
    forger = command(fast, "mallory")
    until(lambda: fast.reaches("mallory", fast.address("web", "blue")), what="it is reached at all")
    target, honest = _station(made.argv), _station(forger)
    with serving(made.argv, INSIDE), talk.talk(*ways_by_udp(lab, made)):
        with made.becomes_fast():
            pass
        (client,) = _clients(lab, made, target)
        world = Station(names.gateway_mac(made.network_id), *client)
        ports = (int(client[1]), INSIDE)
        said = udp4(world, target, "forged", ports)
        with _ears(made.argv) as heard:
            for frame in (
                ethernet(world, target, IPV4, said),
                ethernet(honest, target, IPV4, said),
                ethernet(world, target, IPV4, udp4(honest, target, "forged", ports)),
                ethernet(honest, replace(target, mac=world.mac), IPV4, said),
                ethernet(honest, target, IPV4, udp4(honest, target, "that is all", (4000, 4001))),
            ):
                subprocess.run([*forger, "python3", "-c", frames.SEND, frame.hex()], timeout=60, check=True)
            until(lambda: b"that is all".hex() in heard(), what="the honest frame arrives")
            assert b"forged".hex() not in heard()


def _station(argv: list[str]) -> Station:
    words = [*argv, "ip", "-o", "address", "show", "dev", "eth0", "scope", "global"]
    lines = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    v4, v6 = sorted((line.split()[3].split("/")[0] for line in lines), key=lambda address: ":" in address)
    shown = subprocess.run(
        [*argv, "ip", "-o", "link", "show", "eth0"], capture_output=True, text=True, check=True
    )
    return Station(shown.stdout.split("link/ether ")[1].split()[0], v4, v6)


def _clients(lab: Lab, made: Web, target: Station) -> list[tuple[str, str]]:
    """Address and port of who talks to it from outside."""
    flows = [f for f in flows_of(lab) if f["protocol"] == "udp" and min(f["packets"]) > 0]
    ends = [end for flow in flows for end in flow["ends"] if not end.startswith(f"{target.v4}:")]
    return [(end.rpartition(":")[0], end.rpartition(":")[2]) for end in ends]


@contextmanager
def _ears(argv: list[str]) -> Iterator[Callable[[], str]]:
    with talk.running(argv, frames.LISTEN) as lines:
        until(lambda: "listens" in lines(), what="the container listens")
        yield lambda: "\n".join(lines())


def test_published_beside_a_router_it_is_fast_too(lab: Lab, fast: Engine, api: Api, routers: Routers) -> None:
    """In by the host and back by it; what the container begins leaves by the router."""
    routers.router("edge")
    fast(*CREATE, *SIX, "-o", "sealane.router=edge", "blue")
    made = web(fast, api)
    inward = ways(lab, made)[1::2]
    with serving(made.argv, INSIDE), serving(lab.command(OUTSIDE, []), ASIDE):
        for kind, (argv, address, port, seen) in product(KINDS, inward):
            with talk.talk(argv, kind, address, port) as said, made.becomes_fast():
                goes_on(said)
                assert set(said()) == {seen}
        with talk.talk(made.argv, "tcp", WORLD, ASIDE) as said:
            goes_on(said)
            beside = [f for f in flows_of(lab) if any(WORLD in end for end in f["ends"])]
            assert not [f for f in beside if f["network_id"]]
