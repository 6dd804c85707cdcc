"""A lab of two hosts with cables to two physical networks, and a world behind them.

outside:  w100 172.31.100.1, w101 172.31.101.1 ── tagger ── lan (bridge)     172.31.200.1 dc (bridge)
                          lan0 of host1 and of host2, spare interfaces ─┘     dcbr, a bridge of host1 ─┘
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay import machines
from tests.e2e.overlay.machines import until
from tests.e2e.routers.site import Site
from tests.e2e.routers.station import outside, station

MAPPINGS = ["lan:lan0", "dc:dcbr"]
VLANS = (100, 101)


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    made = Lab(labs.name("routers"), hosts=2, settings=labs.settings({"bridge_mappings": MAPPINGS}))
    made.down()  # of a run that was killed
    with made, ExitStack() as stack:
        _world(made)
        for vlan in VLANS:
            stack.enter_context(station(made, vlan))
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
