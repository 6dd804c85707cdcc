"""What comes in and goes out by floating IPs, with the fast path: the same results as without it, and nothing
once a floating IP leads elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

from sealane.fastpath.layout import PROGRAMS
from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE
from tests.e2e.docker import talk
from tests.e2e.docker.engines import AGENT, IMAGE, Api, Engine, until
from tests.e2e.docker.outside import WORLD, Routers, command
from tests.e2e.docker.talk import goes_on, serving, told
from tests.e2e.docker.test_fastpath import (
    ASIDE,
    HOST,
    INSIDE,
    KINDS,
    all_fast,
    fast,
    received,
    state_of,
    switch,
)
from tests.e2e.docker.test_groups import CREATE, Groups, groups, port_of
from tests.e2e.docker.test_published import lan, routers
from tests.e2e.overlay import machines

__all__ = ["fast", "groups", "lan", "routers"]


@dataclass(frozen=True)
class Behind:
    """A container behind a router."""

    engine: Engine
    name: str
    port_id: str

    @property
    def argv(self) -> list[str]:
        return command(self.engine, self.name)

    def passed_fast(self) -> tuple[int, int]:
        """Sent by itself; come in from outside, also for others."""
        seen = told(self.engine.lab, HOST)
        sent = {port["port_id"]: int(port["fast"]) for port in seen["ports"]}
        return sent.get(self.port_id, 0), int(seen["landed"]["fast"])

    @contextmanager
    def becomes_fast(self, more: int = 10) -> Iterator[None]:
        """Within it, both ways."""
        before = self.passed_fast()
        yield
        enough = lambda: all(n > old + more for n, old in zip(self.passed_fast(), before, strict=True))  # noqa: E731
        until(enough, what="it is fast both ways")


@dataclass(frozen=True)
class Web(Behind):
    """With a floating IP."""

    floating: Any

    @property
    def address(self) -> str:
        return str(self.floating["floating_ip_address"])


def opened(groups: Groups) -> None:
    group = groups.new("web")
    for kind in KINDS:
        groups.let(group, protocol=kind, port_range_min=INSIDE, port_range_max=INSIDE)


def web(engine: Engine, api: Api, routers: Routers, name: str, network: str, more: str = "") -> Web:
    where = f"name={network}{more},driver-opt=sealane.security-groups=web"
    engine("run", "-d", "--init", "--name", name, "--network", where, IMAGE, "sleep", "3600")
    port = port_of(api, name)
    body = {"floating_network_id": routers.external(), "port_id": port["id"]}
    made = api.call("POST", "floatingips", {"floatingip": body})["floatingip"]
    return Web(engine, name, port["id"], made)


def ways(lab: Lab, made: Web) -> list[tuple[list[str], str, int, str]]:
    """Who asks, whom, at which port, and as whom it is seen: outward and inward."""
    world = lab.command(OUTSIDE, [])
    return [(made.argv, WORLD, ASIDE, made.address), (world, made.address, INSIDE, WORLD)]


def network(engine: Engine, routers: Routers, name: str, *options: str) -> None:
    routers.router(f"edge-{name}")
    engine(*CREATE, *options, "-o", f"sealane.router=edge-{name}", name)


def test_it_is_fast_in_and_out_and_the_same_is_seen(
    lab: Lab, groups: Groups, fast: Engine, api: Api, routers: Routers
) -> None:
    """Whoever begins; also for a connection that is there when the fast path comes and goes."""
    opened(groups)
    network(fast, routers, "blue")
    made = web(fast, api, routers, "web", "blue")
    with serving(made.argv, INSIDE), serving(lab.command(OUTSIDE, []), ASIDE), ExitStack() as stack:
        lasting = [stack.enter_context(talk.talk(a, "tcp", b, port)) for a, b, port, _ in ways(lab, made)]
        for how in ("on", "off", "on"):
            switch(lab, how)
            at = {f"clsact {one}" for one in PROGRAMS} if how == "on" else set()
            until(lambda at=at: talk.hooked(lab, HOST) == at, what="all programs are there, or none")  # type: ignore[misc]
            for kind, (argv, address, port, seen) in product(KINDS, ways(lab, made)):
                with talk.talk(argv, kind, address, port) as said:
                    if how == "on":
                        with made.becomes_fast():
                            pass
                    goes_on(said)
                    assert set(said()) == {seen}, (how, kind, address)
            for said, (_, _, _, seen) in zip(lasting, ways(lab, made), strict=True):
                goes_on(said)
                assert set(said()) == {seen}


def test_it_outlives_the_agent(lab: Lab, groups: Groups, fast: Engine, api: Api, routers: Routers) -> None:
    opened(groups)
    network(fast, routers, "blue")
    made = web(fast, api, routers, "web", "blue")
    with serving(made.argv, INSIDE), talk.talk(*by_udp(lab, made)) as said:
        with made.becomes_fast():
            pass
        before = made.passed_fast()
        fast.restart(AGENT)
        until(lambda: state_of(lab) == "working", what="the next agent's fast path works")
        assert all(new >= old for new, old in zip(made.passed_fast(), before, strict=True))
        with made.becomes_fast():
            goes_on(said)


def by_udp(lab: Lab, made: Web) -> tuple[list[str], str, str, int]:
    """Inward."""
    argv, address, port, _ = ways(lab, made)[1]
    return argv, "udp", address, port


def asks_on(lab: Lab, more: int = 5) -> None:
    """Whoever is outside sends so many datagrams more."""
    before = _sent(lab)
    until(lambda: _sent(lab) > before + more, what="the client goes on")


def _sent(lab: Lab) -> int:
    return talk.counted(lab.command(OUTSIDE, []), "Udp", "OutDatagrams")


def test_nothing_comes_in_once_it_leads_nowhere(
    lab: Lab, groups: Groups, fast: Engine, api: Api, routers: Routers
) -> None:
    """From the moment that the API has said so; nor once a rule of the group is gone."""
    opened(groups)
    network(fast, routers, "blue")
    made = web(fast, api, routers, "web", "blue")
    client = machines.api(lab)
    client.wait = 60

    def lead(port: str | None) -> None:
        client.update("floatingips", made.floating["id"], {"port_id": port})
        assert (client.waited, client.unapplied) == (True, set())

    (rule,) = [
        r for r in client.list("security-group-rules", protocol="udp") if r["port_range_min"] == INSIDE
    ]
    with serving(made.argv, INSIDE), talk.talk(*by_udp(lab, made)) as said:
        with made.becomes_fast():
            pass
        _silenced(lab, made, lambda: lead(None))
        lead(made.port_id)
        with made.becomes_fast():
            goes_on(said)
        _silenced(lab, made, lambda: client.delete("security-group-rules", rule["id"]))


def _silenced(lab: Lab, made: Web, action: Callable[[], object]) -> None:
    action()
    before = received(made.argv)
    asks_on(lab)
    assert received(made.argv) == before


def test_tenants_with_the_same_addresses_stay_apart(
    lab: Lab, groups: Groups, fast: Engine, api: Api, routers: Routers
) -> None:
    """The same address inside, the same peer outside, at once; each by its own."""
    opened(groups)
    with ExitStack() as stack:
        stack.enter_context(serving(lab.command(OUTSIDE, []), ASIDE))
        webs, talks = [], []
        for name in ("red", "green"):
            network(fast, routers, name, "--subnet", "10.60.0.0/24")
            made = web(fast, api, routers, f"in-{name}", name, ",ip=10.60.0.9")
            stack.enter_context(serving(made.argv, INSIDE))
            webs.append(made)
            for kind, (argv, address, port, seen) in product(KINDS, ways(lab, made)):
                talks.append((stack.enter_context(talk.talk(argv, kind, address, port)), seen))
        flows = all_fast(lab, webs, talks)
        assert len({flow["router_id"] for flow in flows}) == len(webs)
        assert len(flows) == len(talks)
