"""Published ports of containers whose way out is a router: by the host, with the client's own address."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE
from sealane.names import RESOLVER, resolver_mac
from tests.e2e.docker.engines import AGENT, IMAGE, Api, Engine, Failed, until
from tests.e2e.docker.outside import (
    PHYSICAL,
    WORLD,
    Routers,
    address_of,
    asked,
    command,
    plug,
    serving,
    soon,
    unplug,
)
from tests.e2e.docker.test_groups import CREATE, SIX, Groups, both, port_of

KINDS, FLOATING = ("tcp", "udp"), "172.31.100.80"


@pytest.fixture(scope="module")
def lan(lab: Lab) -> Iterator[None]:
    plug(lab)
    yield
    unplug(lab)


@pytest.fixture
def groups(api: Api) -> Iterator[Groups]:
    made = Groups(api)
    yield made
    made.clear()


@pytest.fixture
def routers(lan: None, api: Api, lab: Lab) -> Iterator[Routers]:
    """Asked for after the engines: its networks go first."""
    nodes = lambda: api.call("GET", "sealane/nodes")["nodes"]  # noqa: E731
    reached = lambda: all(node["physical_networks"] == [PHYSICAL] for node in nodes())  # noqa: E731
    until(reached, what="both hosts have told that they reach the LAN")
    made = Routers(api)
    yield made
    made.clear()


def run(engine: Engine, name: str, network: str, *ports: int) -> None:
    """Published as 8000 more, by TCP and UDP."""
    publish = [w for p in ports for kind in KINDS for w in ("-p", f"{8000 + p}:{p}/{kind}")]
    engine("run", "-d", "--init", "--name", name, "--network", network, *publish, IMAGE, "sleep", "3600")


def clients(lab: Lab, host: str) -> list[tuple[str, str]]:
    """Addresses of the host and, of the same family, of who is outside."""
    mine = str(lab.plan.router.ip), str(lab.plan.router6.ip)
    return list(zip(both(lab, host), mine, strict=True))


def test_published_behind_a_router(lab: Lab, groups: Groups, one: Engine, routers: Routers, api: Api) -> None:
    """In both families: for whom a group lets in, whatever the agent meets; out by the router alone."""
    web, world = groups.new("web"), lab.command(OUTSIDE, [])
    for version in (4, 6):
        for kind in KINDS:
            rule = {"ethertype": f"IPv{version}", "protocol": kind}
            groups.let(web, **rule, port_range_min=81, port_range_max=81)
    one(*CREATE, *SIX, "blue")
    router = routers.router("edge")
    routers.lead("add", router, "blue")
    run(one, "web", "name=blue,driver-opt=sealane.security-groups=web", 80, 81)
    with serving(command(one, "web"), "web", 80, 81), serving(world, "world", 7000):
        for host, client in clients(lab, "host1"):
            for kind in KINDS:
                soon(world, kind, host, 8081, f"web {client}")
                assert asked(world, kind, host, 8080) == "-", "published, but in no rule"
            length = client_prefix(client)
            groups.let(web, ethertype=f"IPv{6 if ':' in client else 4}", remote_ip_prefix=length)
            for kind in KINDS:
                soon(world, kind, host, 8080, f"web {client}")
            soon(world, "udp", host, 8080, f"web {client}", size=4000)  # in fragments
        soon(command(one, "web"), "tcp", WORLD, 7000, f"world {address_of(router)}")
        one.restart(AGENT)
        _damage(one, api)
        for host, client in clients(lab, "host1"):
            soon(world, "tcp", host, 8080, f"web {client}")
        _no_way_out(lab, one, routers, router)


def client_prefix(address: str) -> str:
    return f"{address}/128" if ":" in address else f"{address}/32"


def _damage(engine: Engine, api: Api) -> None:
    """Half of what leads the answers is lost."""
    port = port_of(api, "web")["id"]
    link = f"slh{port[:11]}"
    if engine.lab.exec(engine.host, "ip", "link", "show", link, check=False).returncode != 0:
        link = f"tap{port[:11]}"
    engine.lab.exec(engine.host, "tc", "filter", "del", "dev", link, "egress")


def _no_way_out(lab: Lab, engine: Engine, routers: Routers, router: object) -> None:
    """Whoever is root in the container's network gets nothing but answers out by the host."""
    inside = command(engine, "web")
    client, target = str(lab.plan.router.ip), engine.lab
    soon(inside, "tcp", client, 7000, f"world {address_of(router)}")
    by = ("via", RESOLVER, "dev", "eth0", "onlink")
    neighbour = (RESOLVER, "lladdr", resolver_mac(routers.network("blue")), "dev", "eth0", "nud", "permanent")
    _in(engine, "ip", "neighbour", "replace", *neighbour)
    _in(engine, "ip", "route", "add", client, *by)
    soon(lab.command(OUTSIDE, []), "tcp", both(target, "host1")[0], 8080, f"web {client}")
    for kind in KINDS:
        assert asked(inside, kind, client, 7000) == "-"
    _in(engine, "ip", "route", "delete", client)
    soon(inside, "tcp", client, 7000, f"world {address_of(router)}")


def _in(engine: Engine, *argv: str) -> None:
    subprocess.run(command(engine, "web", *argv), check=True, timeout=60)


def test_tenants_with_the_same_addresses_side_by_side(lab: Lab, one: Engine, routers: Routers) -> None:
    """Each behind a router of its own, on one host, with the same address inside."""
    world = lab.command(OUTSIDE, [])
    with ExitStack() as stack:
        made = {}
        for number, name in enumerate(("red", "green")):
            one(*CREATE, *SIX, name)
            made[name] = routers.router(name)
            routers.lead("add", made[name], name)
            run(one, f"in-{name}", f"name={name},ip=10.60.0.9", 80 + number)
            stack.enter_context(serving(command(one, f"in-{name}"), name, 80 + number))
        stack.enter_context(serving(world, "world", 7000))
        for number, name in enumerate(made):
            for host, client in clients(lab, "host1"):
                for kind in KINDS:
                    soon(world, kind, host, 8080 + number, f"{name} {client}")
            soon(command(one, f"in-{name}"), "tcp", WORLD, 7000, f"world {address_of(made[name])}")


def test_a_router_takes_over_and_leaves(lab: Lab, one: Engine, routers: Routers) -> None:
    """What is published stays so, whoever is the gateway."""
    world = lab.command(OUTSIDE, [])
    one(*CREATE, *SIX, "blue")
    run(one, "web", "blue", 80)
    router = routers.router("edge")
    with serving(command(one, "web"), "web", 80), serving(world, "world", 7000):
        for verb in ("", "add", "remove"):
            if verb:
                routers.lead(verb, router, "blue")
            seen = address_of(router) if verb == "add" else str(lab.plan.address("host1").ip)
            soon(command(one, "web"), "tcp", str(lab.plan.router.ip), 7000, f"world {seen}")
            for host, client in clients(lab, "host1"):
                soon(world, "tcp", host, 8080, f"web {client}")


def test_docker_makes_a_network_behind_a_router(
    lab: Lab, one: Engine, two: Engine, routers: Routers, api: Api
) -> None:
    """By -o sealane.router on one engine: containers of both get out by it, and rm takes it off again."""
    router, world = routers.router("edge"), lab.command(OUTSIDE, [])
    with pytest.raises(Failed, match="there is no router 'nobody'"):
        one(*CREATE, *SIX, "-o", "sealane.router=nobody", "blue")
    one(*CREATE, *SIX, "-o", "sealane.router=edge", "blue")
    until(lambda: "blue" in two.networks(), what="the mirror")
    owned = f"device_id={router['id']}&device_owner=network:router_interface"
    [leg] = api.list("ports", owned)
    assert {fixed["ip_address"] for fixed in leg["fixed_ips"]} == {"10.60.0.1", "fd60::1"}
    with serving(world, "world", 7000):
        for engine, name in ((one, "here"), (two, "there")):
            engine.run(name, "blue")
            soon(command(engine, name), "tcp", WORLD, 7000, f"world {address_of(router)}")
    for engine in (one, two):
        engine.clear()
    one("network", "rm", "blue")
    until(lambda: not api.list("networks", "name=blue"), what="the network is gone")
    assert not api.list("ports", owned), "and with it the router's interface"
    until(lambda: "blue" not in two.networks(), what="the mirror is gone")


def test_a_floating_ip_beside_a_published_port(
    lab: Lab, groups: Groups, one: Engine, routers: Routers, api: Api
) -> None:
    """The world asks by either, and is seen as it is; what the container begins leaves by its floating IP."""
    web, world = groups.new("web"), lab.command(OUTSIDE, [])
    groups.let(web, protocol="tcp", port_range_min=80, port_range_max=80)
    router = routers.router("edge")
    one(*CREATE, "--subnet", "10.66.0.0/24", "-o", "sealane.router=edge", "blue")
    run(one, "web", "name=blue,driver-opt=sealane.security-groups=web", 80)
    host, client = clients(lab, "host1")[0]
    inside, port = command(one, "web"), port_of(api, "web")["id"]
    with serving(inside, "web", 80), serving(world, "world", 7000):
        soon(world, "tcp", host, 8080, f"web {client}")
        soon(inside, "tcp", WORLD, 7000, f"world {address_of(router)}")
        lab.exec("host1", "sealane", "floating-ip", "create", "world", "--address", FLOATING, "--port", port)
        soon(world, "tcp", FLOATING, 80, f"web {WORLD}")
        soon(inside, "tcp", WORLD, 7000, f"world {FLOATING}")
        soon(world, "tcp", host, 8080, f"web {client}")
        lab.exec("host1", "sealane", "floating-ip", "delete", FLOATING)
        soon(inside, "tcp", WORLD, 7000, f"world {address_of(router)}")
        soon(world, "tcp", host, 8080, f"web {client}")
        soon(world, "tcp", FLOATING, 80, "-")
