"""docs/how-to/service.md by its own commands, while requests go on: who serves, who is seen, what fails."""

import json
import subprocess
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from sealane.lab.image import archive
from sealane.lab.lab import Lab
from sealane.lab.plan import OUTSIDE
from tests import labs
from tests.e2e.docker.engines import Engine, until
from tests.e2e.docker.outside import INTERFACE, PHYSICAL, WORLD, command, plug
from tests.e2e.overlay import machines
from tests.e2e.service.page import Page
from tests.e2e.service.wrk import Wrk

SERVES = """
mkdir -p /www/cgi-bin
hostname=$(busybox hostname)
echo $hostname > /www/index.html
cat > /www/cgi-bin/who << 'END'
#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
echo $(busybox hostname) $REMOTE_ADDR
END
busybox chmod +x /www/cgi-bin/who
httpd -p 80 -h /www
exec sleep 86400"""
SETTINGS = {"bridge_mappings": [f"{PHYSICAL}:{INTERFACE}"], "projects": ["default", "shop"]}
VIP, FLOATING, CLIENT = "10.80.0.5", "172.31.100.51", "10.80.0.9"
TRIES = 30
"""After which each of five servers was chosen, but for one time in 160; it is asked again then."""
FIVE = [f"web{number}" for number in range(1, 6)]
ASK = "for n in $(seq {}); do curl -s -m 5 http://{}/cgi-bin/who || {{ echo - -; break; }}; done"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = Lab(labs.name("service"), hosts=2, docker=True, settings=SETTINGS)
    made.down()  # of a run that was killed
    with made:
        plug(made)
        for host in made.plan.host_names:
            words = ["docker", "import", "-c", "ENV PATH=/bin", "-c", _cmd(), "-", "shop:1"]
            subprocess.run(
                made.command(host, words), input=archive(), capture_output=True, timeout=90, check=True
            )
        yield made


def _cmd() -> str:
    return f"CMD {json.dumps(['sh', '-c', SERVES])}"


@pytest.fixture
def page(lab: Lab) -> Page:
    return Page(lab, "service.md")


def answers(argv: list[str], address: str) -> dict[str, set[str]]:
    """Name of who answers -> whom it takes for the client; "-" is nobody."""
    done = subprocess.run(
        [*argv, "bash", "-c", ASK.format(TRIES, address)],
        capture_output=True,
        text=True,
        timeout=280,
        check=True,
    )
    found: dict[str, set[str]] = {}
    for line in done.stdout.splitlines():
        name, client = line.split()
        found.setdefault(name, set()).add(client.strip("[]").removeprefix("::ffff:"))
    return found


def tree(page: Page) -> Any:
    """The load balancer's, of its only listener's only pool."""
    (said,) = page.run("ann", "openstack loadbalancer status show shop")
    return json.loads(said)["loadbalancer"]


def statuses(shop: Any) -> dict[str, str]:
    """By name, of the load balancer, its listener, the pool and the members."""
    (listener,) = shop["listeners"]
    (pool,) = listener["pools"]
    rows = (shop, listener, pool, *pool["members"])
    return {row["name"]: row["operating_status"] for row in rows}


def status(*servers: str, dead: tuple[str, ...] = ()) -> dict[str, str]:
    whole = "DEGRADED" if dead else "ONLINE"
    members = dict.fromkeys(servers, "ONLINE") | dict.fromkeys(dead, "ERROR")
    return {**dict.fromkeys(("shop", "http", "servers"), whole), **members}


class Clients:
    """One in the network, by the load balancer's address, and one outside, by the floating IP."""

    def __init__(self, lab: Lab) -> None:
        self.near = command(Engine(lab, "host1"), "client")
        self.far = lab.command(OUTSIDE, [])

    def are_served_by(self, *names: str) -> None:
        """All of them and nobody else; and they are seen as who they are."""
        self.are_served({name: {CLIENT} for name in names}, {name: {WORLD} for name in names})

    def are_served(self, near: dict[str, set[str]], far: dict[str, set[str]]) -> None:
        for argv, address, wanted in ((self.near, VIP, near), (self.far, FLOATING, far)):
            until(lambda: answers(argv, address) == wanted, what=f"at {address} {wanted}")  # noqa: B023


@pytest.mark.timeout(1500)
def test_it_grows_and_shrinks_and_loses_servers_while_requests_go_on(lab: Lab, page: Page) -> None:
    one, two = Engine(lab, "host1"), Engine(lab, "host2")
    page("The operator")
    page("The network", 0)
    for engine in (one, two):
        until(lambda: engine.raw("network", "inspect", "shop").returncode == 0, what="the network")  # noqa: B023
    page("The network", 1)
    clients = Clients(lab)
    assert "-" in answers(clients.far, FLOATING), "nobody has that address yet"
    page("The load balancer", 0)
    clients.are_served_by("web1")
    assert page("The load balancer", 1) == ["web1\n", "web1\n"]
    grows_and_shrinks(lab, page, clients)
    dies(lab, page, clients)
    page("And away with it")


def grows_and_shrinks(lab: Lab, page: Page, clients: Clients) -> None:
    loads = (Wrk(clients.near, VIP), Wrk(clients.far, FLOATING))
    near, far = loads
    with near.running(), far.running():
        page("From one to five", 0)
        clients.are_served_by(*FIVE)
        until(lambda: statuses(tree(page)) == status(*FIVE), what="all are found well")
        a_server_asks(lab)
        page("From five to one", 0)
        clients.are_served_by("web1")
        page("From five to one", 1)
        clients.are_served_by("web1")
        for load in loads:
            load.hangs_nowhere()
    for load, way in zip(loads, ("address", "floating IP"), strict=True):
        print(f"service: by its {way} {load.requests} requests of wrk, {load.failed} failed", flush=True)
        assert load.requests > 100 and load.failed == 0, load.said


def a_server_asks(lab: Lab) -> None:
    """The others see it; it sees itself as the load balancer's address."""
    asks = command(Engine(lab, "host1"), "web1")
    wanted = {**{name: {"10.80.0.11"} for name in FIVE}, "web1": {VIP}}
    until(lambda: answers(asks, VIP) == wanted, what="web1 is seen as who it is")


def told(lab: Lab) -> list[str]:
    """Status of the members: at once, where the command takes seconds."""
    api = machines.api(lab)
    (pool,) = api.list("lbaas/pools", name="servers")
    return [member["operating_status"] for member in api.list(f"lbaas/pools/{pool['id']}/members")]


def dies(lab: Lab, page: Page, clients: Clients) -> None:
    """A server, and then a whole container."""
    page("A server that dies", 0)
    until(lambda: statuses(tree(page)) == status("web1", "web2", "web3"), what="all three are found well")
    clients.are_served_by("web1", "web2", "web3")
    page("A server that dies", 1)
    begun = monotonic()
    until(lambda: "ERROR" in told(lab), what="it is found dead")
    print(f"service: a dead server is found after {monotonic() - begun:.1f} s", flush=True)
    assert statuses(tree(page)) == status("web1", "web3", dead=("web2",))
    clients.are_served_by("web1", "web3")
    page("A server that dies", 2)
    clients.are_served_by("web1")
    assert statuses(tree(page)) == status("web1", dead=("web2", "web3"))
