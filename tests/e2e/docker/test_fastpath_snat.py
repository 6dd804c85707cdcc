"""What leaves by a router's own address, with the fast path: the same results as without it, no two flows
taken for each other whoever shares ports and addresses, and nothing once a rule is gone."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE
from tests.e2e.docker import talk
from tests.e2e.docker.engines import AGENT, IMAGE, Api, Engine, until
from tests.e2e.docker.outside import WORLD, Routers, address_of
from tests.e2e.docker.talk import counted, goes_on, serving
from tests.e2e.docker.test_fastpath import ASIDE, HOST, KINDS, all_fast, fast, state_of, switch
from tests.e2e.docker.test_fastpath_floating import Behind
from tests.e2e.docker.test_groups import CREATE, Groups, groups, port_of
from tests.e2e.docker.test_published import lan, routers
from tests.e2e.overlay import machines

__all__ = ["fast", "groups", "lan", "routers"]
SWITCH = "^ovs-vswitchd"
SOURCE = 5555


def edge(engine: Engine, routers: Routers, name: str, *options: str) -> Any:
    """A network behind a router whose gateway is this host."""
    router = routers.router_at(HOST, f"edge-{name}")
    engine(*CREATE, *options, "-o", f"sealane.router=edge-{name}", name)
    return router


def client(engine: Engine, api: Api, name: str, where: str) -> Behind:
    engine("run", "-d", "--init", "--name", name, "--network", where, IMAGE, "sleep", "3600")
    return Behind(engine, name, port_of(api, name)["id"])


def test_it_is_fast_and_the_same_is_seen(lab: Lab, fast: Engine, api: Api, routers: Routers) -> None:
    """Also for connections that are there when the fast path comes and goes, and agent and switch end."""
    seen = address_of(edge(fast, routers, "blue"))
    made = client(fast, api, "client", "blue")
    with serving(lab.command(OUTSIDE, []), ASIDE), ExitStack() as stack:
        talks = [stack.enter_context(talk.talk(made.argv, kind, WORLD, ASIDE)) for kind in KINDS]

        def go_on(talks: Sequence[Callable[[], list[str]]] = talks) -> None:
            for said in talks:
                goes_on(said)
                assert set(said()) == {seen}

        with made.becomes_fast():
            go_on()
        for how in ("off", "on"):
            switch(lab, how)
            go_on()
        with made.becomes_fast():
            pass
        fast.restart(AGENT)
        until(lambda: state_of(lab) == "working", what="the next agent's fast path works")
        with made.becomes_fast(100):
            go_on()
        fast.restart(SWITCH)  # which knows no connection afterwards
        with talk.talk(made.argv, "tcp", WORLD, ASIDE) as fresh, made.becomes_fast(100):
            go_on((talks[KINDS.index("udp")], fresh))


def test_those_with_the_same_port_and_the_same_address_stay_apart(
    lab: Lab, fast: Engine, api: Api, routers: Routers
) -> None:
    """Two of one network that use one port, and one of another tenant's with the address of the first, talk
    to one peer: the second one of the first network gets another port."""
    with ExitStack() as stack:
        stack.enter_context(serving(lab.command(OUTSIDE, []), ASIDE))
        made, talks = [], []
        for name, addresses in {"red": ("9", "10"), "green": ("9",)}.items():
            router = edge(fast, routers, name, "--subnet", "10.60.0.0/24")
            for number in addresses:
                one = client(fast, api, f"{name}{number}", f"name={name},ip=10.60.0.{number}")
                made.append(one)
                talks += [
                    (
                        stack.enter_context(talk.talk(one.argv, kind, WORLD, ASIDE, SOURCE)),
                        address_of(router),
                    )
                    for kind in KINDS
                ]
        flows = all_fast(lab, made, talks)
        assert len({flow["router_id"] for flow in flows}) == 2
        assert len(flows) == len(talks)


def test_nothing_leaves_once_a_rule_is_gone(
    lab: Lab, groups: Groups, fast: Engine, api: Api, routers: Routers
) -> None:
    """From the moment that the API has said so."""
    group, by = groups.new("web"), machines.api(lab)
    edge(fast, routers, "blue")
    made = client(fast, api, "client", "name=blue,driver-opt=sealane.security-groups=web")
    by.wait = 60
    world = lab.command(OUTSIDE, [])
    with serving(world, ASIDE), talk.talk(made.argv, "udp", WORLD, ASIDE) as said:
        with made.becomes_fast():
            goes_on(said)
        rules = by.list("security-group-rules", security_group_id=group, direction="egress", ethertype="IPv4")
        for rule in rules:
            by.delete("security-group-rules", rule["id"])
            assert (by.waited, by.unapplied) == (True, set())
        heard, sent = counted(world, "Udp", "InDatagrams"), counted(made.argv, "Udp", "OutDatagrams")
        until(lambda: counted(made.argv, "Udp", "OutDatagrams") > sent + 5, what="the client goes on")
        assert rules and counted(world, "Udp", "InDatagrams") == heard
        groups.let(group, direction="egress", ethertype="IPv4")
        with made.becomes_fast():
            goes_on(said)
