"""A lab of two hosts with cables to two physical networks, and a world behind them.

outside:  w100 172.31.100.1, w101 172.31.101.1 ── tagger ── lan (bridge)     172.31.200.1 dc (bridge)
                          lan0 of host1 and of host2, spare interfaces ─┘     dcbr, a bridge of host1 ─┘
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay import machines
from tests.e2e.overlay.machines import until
from tests.e2e.routers import tagger
from tests.e2e.routers.site import Site

MAPPINGS = ["lan:lan0", "dc:dcbr"]
VLANS = (100, 101)


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    made = Lab(labs.name("routers"), hosts=2, settings={"bridge_mappings": MAPPINGS})
    made.down()  # of a run that was killed
    with made, ExitStack() as stack:
        _world(made)
        for vlan in VLANS:
            stack.enter_context(_station(made, vlan))
        for host in ("host1", "host2"):
            plug(made, host, "lan", "lan0")
        plug(made, "host1", "dc", "dc0")
        made.exec("host1", "ip", "link", "add", "dcbr", "type", "bridge", "forward_delay", "0")
        made.exec("host1", "ip", "link", "set", "dc0", "master", "dcbr")
        made.exec("host1", "ip", "link", "set", "dcbr", "up")
        yield made


def _world(lab: Lab) -> None:
    for bridge in ("lan", "dc"):
        outside(lab, "ip", "link", "add", bridge, "type", "bridge", "forward_delay", "0")
        outside(lab, "ip", "link", "set", bridge, "up")
    outside(lab, "ip", "address", "add", "172.31.200.1/24", "dev", "dc")


@contextmanager
def _station(lab: Lab, vlan: int) -> Iterator[None]:
    """A link of the world in a VLAN of `lan`; the kernel need not know of VLANs."""
    link, plain, trunk = f"w{vlan}", f"p{vlan}", f"t{vlan}"
    outside(lab, "ip", "link", "add", link, "type", "veth", "peer", "name", plain)
    outside(lab, "ip", "link", "add", f"l{vlan}", "type", "veth", "peer", "name", trunk)
    outside(lab, "ip", "link", "set", f"l{vlan}", "master", "lan")
    for each in (link, plain, trunk, f"l{vlan}"):
        outside(lab, "ethtool", "-K", each, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
        outside(lab, "ip", "link", "set", each, "up")
    outside(lab, "ip", "address", "add", f"172.31.{vlan}.1/24", "dev", link)
    outside(lab, "ip", "address", "add", f"fd31:{vlan}::1/64", "dev", link, "nodad")
    words = ["nsenter", f"--net={lab.plan.outside}", "python3", tagger.__file__, plain, trunk, str(vlan)]
    process = subprocess.Popen(words)
    try:
        yield
    finally:
        process.kill()
        process.wait(60)


def outside(lab: Lab, *argv: str) -> str:
    words = ["nsenter", f"--net={lab.plan.outside}", *argv]
    return subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout


def plug(lab: Lab, host: str, bridge: str, link: str) -> None:
    """A cable from a bridge outside to an interface of the host."""
    near, pid = f"{bridge}-{host}", str(lab.host(host).need_pid())
    outside(lab, "ip", "link", "add", near, "type", "veth", "peer", "name", link, "netns", pid)
    outside(lab, "ip", "link", "set", near, "master", bridge, "up")
    lab.exec(host, "ip", "link", "set", link, "up")


@pytest.fixture
def api(lab: Lab) -> Api:
    return machines.api(lab)


@pytest.fixture
def site(lab: Lab, api: Api) -> Iterator[Site]:
    wanted = {"host1": {"lan", "dc"}, "host2": {"lan"}}
    found = lambda: {n["name"]: set(n["physical_networks"]) for n in api.list("sealane/nodes")}  # noqa: E731
    until(lambda: found() == wanted, "both hosts have told which networks they reach")
    made = Site(lab, api)
    yield made
    made.remove()
