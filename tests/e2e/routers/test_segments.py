"""A network of two segments: host1 leads to `east`, host2 to `west`, and a router outside lies between them.

host1 ── e0 ── east (bridge outside, 10.91.1.1) ── the world routes ── west (10.91.2.1) ── w0 ── host2
                                                                       wv (VLAN 7 of west)
"""

import ipaddress
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from sealane.cli.api import Api
from sealane.errors import Conflict
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.docker.engines import Engine, Failed
from tests.e2e.overlay import machines
from tests.e2e.overlay.machines import until
from tests.e2e.routers.conftest import plug
from tests.e2e.routers.site import Site
from tests.e2e.routers.station import outside

CIDRS = {"east": "10.91.1.0/24", "west": "10.91.2.0/24"}
CIDRS6 = {"east": "fd91:1::/64", "west": "fd91:2::/64"}
GATEWAYS = {"east": "10.91.1.1", "west": "10.91.2.1"}
HOSTS = {"east": "host1", "west": "host2"}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Both hosts have both mappings in their settings, and a cable for one of them."""
    mappings = ["east:e0", "west:w0"]
    made = Lab(labs.name("segments"), hosts=2, docker=True, settings={"bridge_mappings": mappings})
    made.down()  # of a run that was killed
    with made:
        for name, gateway in GATEWAYS.items():
            outside(made, "ip", "link", "add", name, "type", "bridge", "forward_delay", "0")
            outside(made, "ip", "address", "add", f"{gateway}/24", "dev", name)
            outside(made, "ip", "address", "add", f"{CIDRS6[name][:-3]}1/64", "dev", name, "nodad")
            outside(made, "ip", "link", "set", name, "up")
            plug(made, HOSTS[name], name, f"{name[0]}0")
        for knob in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
            outside(made, "sysctl", "-qw", f"net.{knob}=1")
        yield made


@pytest.fixture
def api(lab: Lab) -> Api:
    return machines.api(lab)


@pytest.fixture
def site(lab: Lab, api: Api) -> Iterator[Site]:
    wanted = {"host1": ["east"], "host2": ["west"]}
    found = lambda: {n["name"]: n["physical_networks"] for n in api.list("sealane/nodes")}  # noqa: E731
    until(lambda: found() == wanted, "both hosts have told which networks they reach")
    made = Site(lab, api)
    yield made
    made.remove()


def racks(site: Site, *, routed: bool = True, both: bool = False) -> str:
    """A network of both segments, with a subnet of each; both: in two families."""
    provider = {"provider:network_type": "flat", "provider:physical_network": "east"}
    network = site.create("networks", name="racks", **provider)
    wish = {"network_id": network, "network_type": "flat", "physical_network": "west"}
    further = site.api.create("segments", wish)["id"]
    (own,) = (s["id"] for s in site.api.list("segments", network_id=network) if s["id"] != further)
    for name, segment in (("east", own), ("west", further)):
        for cidr in (CIDRS[name], *((CIDRS6[name],) if both else ())):
            place = {"segment_id": segment} if routed else {}
            site.api.create("subnets", {"network_id": network, "cidr": cidr, **place})
    return network


def test_each_host_is_in_its_segment_and_the_outside_routes_between(site: Site) -> None:
    network = racks(site, both=True)
    one, two = site.machine("host1", "a", network), site.machine("host2", "b", network)
    beside = site.machine("host1", "c", network)
    for machine, name in ((one, "east"), (two, "west"), (beside, "east")):
        prefix, prefix6 = (cidrs[name].split("/")[0].rstrip("0:") for cidrs in (CIDRS, CIDRS6))
        assert [a.startswith(p) for a, p in zip(machine.addresses, (prefix, prefix6), strict=True)] == [
            True
        ] * 2
        machine.soon_reaches(GATEWAYS[name])
    one.soon_reaches(beside.addresses[0])
    for family in (0, 1):
        one.soon_reaches(two.addresses[family])
        two.soon_reaches(beside.addresses[family])
    sent, received = machines.transfer(one, two)
    assert sent == received
    outside(site.lab, "sysctl", "-qw", "net.ipv4.ip_forward=0")
    try:
        assert not one.reaches(two.addresses[0]), "no way but by the outside: it takes no tunnel"
        assert one.still_reaches(beside.addresses[0])
    finally:
        outside(site.lab, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    one.soon_reaches(two.addresses[0])


def test_nothing_of_a_segment_is_in_the_other(site: Site) -> None:
    """Neither a broadcast nor what a machine sends from an address of the other segment."""
    network = racks(site)
    one, two = site.machine("host1", "a", network), site.machine("host2", "b", network)
    one.soon_reaches(two.addresses[0])
    missing, forged = "10.91.1.77", "10.91.2.99"
    with _heard(site, "east") as east, _heard(site, "west") as west:
        until(lambda: one.reaches(missing) or f"who-has {missing}" in east(), "its question is in the east")
        two.exec("ip", "neighbour", "flush", "all")
        until(lambda: two.reaches(GATEWAYS["west"]) and "who-has" in west(), "the west is heard, too")
        assert missing not in west()
        one.exec("ip", "address", "add", f"{forged}/32", "dev", "eth0")
        words = ("ping", "-c", "2", "-W", "1", "-I", forged, GATEWAYS["east"])
        assert one.exec("busybox", *words, check=False).returncode != 0
        one.soon_reaches(GATEWAYS["east"])
        assert forged not in east() + west(), "port security lets no address of the other segment out"


@contextmanager
def _heard(site: Site, bridge: str) -> Iterator[Callable[[], str]]:
    """What passes the bridge outside, so far."""
    words = ["nsenter", f"--net={site.lab.plan.outside}", "tcpdump", "-lnei", bridge, "arp or icmp"]
    with (
        tempfile.NamedTemporaryFile("r") as heard,
        tempfile.NamedTemporaryFile("r") as said,
        subprocess.Popen(words, stdout=heard.fileno(), stderr=said.fileno()) as running,
    ):
        try:
            until(lambda: "listening on" in Path(said.name).read_text(), "tcpdump listens")
            yield lambda: Path(heard.name).read_text()
        finally:
            running.kill()


def test_a_tag_is_of_its_segment_only(site: Site) -> None:
    """A segment that is a VLAN of west: what has no tag there is not in it."""
    provider = {"provider:network_type": "flat", "provider:physical_network": "east"}
    network = site.create("networks", name="tagged", **provider)
    wish = {"network_id": network, "network_type": "vlan", "physical_network": "west", "segmentation_id": 7}
    further = site.api.create("segments", wish)["id"]
    site.api.create("subnets", {"network_id": network, "cidr": CIDRS["west"], "segment_id": further})
    two, three = site.machine("host2", "b", network), site.machine("host2", "c", network)
    two.soon_reaches(three.addresses[0])
    assert not two.reaches(GATEWAYS["west"]), "who knows nothing of tags"


def test_a_part_of_a_lan_is_found_whichever_segment_it_is(site: Site) -> None:
    """`sealane attach --physical`, of a network's own segment and of a further one."""
    racks(site)
    for name, host in HOSTS.items():
        site.lab.exec(host, "ip", "netns", "add", "x")
        try:
            words = ("sealane", "attach", "/run/netns/x", "--physical", name, "-o", "json")
            shown = json.loads(site.lab.exec(host, *words).stdout)
            assert shown["addresses"][0].startswith(CIDRS[name][:-4])
            ping = ("ip", "netns", "exec", "x", "busybox", "ping", "-c", "1", "-W", "1", GATEWAYS[name])
            until(partial(succeeds, site.lab, host, *ping), "it is there")
        finally:
            site.lab.exec(host, "sealane", "detach", "/run/netns/x", check=False)
            site.lab.exec(host, "ip", "netns", "delete", "x")


@pytest.fixture
def engines(lab: Lab, site: Site) -> Iterator[tuple[Engine, Engine]]:
    """Without containers and networks of their own when they are left; before the site goes."""
    both = Engine(lab, "host1"), Engine(lab, "host2")
    for engine in both:
        engine.image()
    yield both
    for engine in both:
        engine.clear()
        for name in engine.networks() - {"racks"}:
            engine("network", "rm", name)


def test_containers_get_addresses_of_their_hosts_segment(site: Site, engines: tuple[Engine, Engine]) -> None:
    """By plain `docker run` on the mirror, whose pools begin with the other's (docs/how-to/segments.md)."""
    one, two = engines
    racks(site, both=True)
    for engine in engines:
        until(partial(is_whole, engine), f"the mirror on {engine.host} is whole")
    one.run("anna", "racks")
    two.run("bert", "racks")
    for engine, name, segment in ((one, "anna", "east"), (two, "bert", "west")):
        shown = engine.settings(name, "racks")
        assert ipaddress.ip_address(shown["IPAddress"]) in ipaddress.ip_network(CIDRS[segment])
        assert ipaddress.ip_address(shown["GlobalIPv6Address"]) in ipaddress.ip_network(CIDRS6[segment])
        until(partial(engine.reaches, name, GATEWAYS[segment]), "the outside of its segment")
    until(lambda: one.reaches("anna", "bert"), "by name, by the outside's route")
    address6 = two.settings("bert", "racks")["GlobalIPv6Address"]
    until(lambda: one.raw("exec", "anna", "ping", "-6", "-c1", "-W2", address6).returncode == 0, "by IPv6")
    outside(site.lab, "sysctl", "-qw", "net.ipv4.ip_forward=0")
    try:
        assert not one.reaches("anna", two.address("bert", "racks")), "no way but by the outside"
    finally:
        outside(site.lab, "sysctl", "-qw", "net.ipv4.ip_forward=1")
    with pytest.raises(Failed, match="not connected to a segment"):
        two.run("carl", "racks", "--ip", "10.91.1.40")
    two.run("dora", "racks", "--ip", "10.91.2.40")
    assert two.address("dora", "racks") == "10.91.2.40"
    until(lambda: one.reaches("anna", "dora"), "an address of its own segment can be chosen")
    two("restart", "-t", "0", "bert")
    assert two.address("bert", "racks").startswith("10.91.2.")


def test_an_engine_can_have_a_network_of_its_segment_alone(
    site: Site, engines: tuple[Engine, Engine]
) -> None:
    """Joined by an option: with our addresses, and with those of Docker's own management."""
    _, two = engines
    racks(site)
    join = ("network", "create", "-d", "sealane", "-o", "sealane.network=racks")
    two(*join, "--ipam-driver", "sealane", "--ipam-opt", "sealane.network=racks", "mine")
    assert subnets_of(two, "mine") == {CIDRS["west"]}
    plain = ("--subnet", CIDRS["west"], "--gateway", GATEWAYS["west"], "--ip-range", "10.91.2.128/25")
    two(*join, *plain, "plain")
    for name in ("mine", "plain"):
        two.run(f"in-{name}", name)
        until(partial(two.reaches, f"in-{name}", GATEWAYS["west"]), "the outside of its segment")
    assert two.reaches("in-mine", two.address("in-plain", "plain")), "they are of one network"
    wrong = ("--subnet", CIDRS["east"], "--gateway", GATEWAYS["east"])
    two(*join, *wrong, "other")
    with pytest.raises(Failed, match="not connected to a segment"):
        two.run("eve", "other")


def succeeds(lab: Lab, host: str, *words: str) -> bool:
    return lab.exec(host, *words, check=False).returncode == 0


def is_whole(engine: Engine) -> bool:
    return subnets_of(engine, "racks") == EVERY


EVERY = {*CIDRS.values(), *CIDRS6.values()}


def subnets_of(engine: Engine, network: str) -> set[str]:
    """As the engine knows it; none where it does not have it yet."""
    done = engine.raw("network", "inspect", network, "-f", "{{range .IPAM.Config}}{{.Subnet}} {{end}}")
    return set(done.stdout.split())


def test_what_a_host_can_t_have_is_refused_and_leaves_nothing(site: Site) -> None:
    network = racks(site)
    said = site.lab.exec("host1", "ip", "netns", "add", "x")
    try:
        words = ("sealane", "attach", "/run/netns/x", "--network", network, "--ip", "10.91.2.50")
        said = site.lab.exec("host1", *words, check=False)
        assert said.returncode == 1 and "not connected to a segment" in said.stderr, said.stderr
        assert not site.api.list("ports", network_id=network)
    finally:
        site.lab.exec("host1", "ip", "netns", "delete", "x")


def test_a_segment_comes_and_goes_while_machines_of_another_run(site: Site) -> None:
    provider = {"provider:network_type": "flat", "provider:physical_network": "east"}
    network = site.network("racks", CIDRS["east"], **provider)
    one = site.machine("host1", "a", network)
    one.soon_reaches(GATEWAYS["east"])
    wish = {"network_id": network, "network_type": "flat", "physical_network": "west"}
    (subnet,) = site.api.list("subnets", network_id=network)
    (own,) = site.api.list("segments", network_id=network)
    site.api.update("subnets", subnet["id"], {"segment_id": own["id"]})
    further = site.api.create("segments", wish)["id"]
    made = site.api.create("subnets", {"network_id": network, "cidr": CIDRS["west"], "segment_id": further})
    assert one.still_reaches(GATEWAYS["east"])
    two = site.machine("host2", "b", network)
    one.soon_reaches(two.addresses[0])
    with pytest.raises(Conflict, match="associated with subnet"):
        site.api.delete("segments", further)
    two.remove()
    site.machines.remove(two)
    until(lambda: len(site.api.list("ports", network_id=network)) == 1, "its port is gone")
    site.api.delete("subnets", made["id"])
    site.api.delete("segments", further)
    assert one.still_reaches(GATEWAYS["east"])
