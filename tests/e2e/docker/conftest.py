"""One lab for all tests of this directory; every test finds and leaves it without containers.

The programs of the fast path are where kernels before Linux 6.6 have them.
"""

import zlib
from collections.abc import Iterator

import pytest

from sealane.lab.lab import Lab
from sealane.lab.plan import Setting
from tests import labs
from tests.e2e.docker.engines import Api, Engine, until
from tests.e2e.docker.outside import INTERFACE, PHYSICAL

NAME = f"dkr-{zlib.crc32(__file__.encode()) & 0xFFFF:04x}"
"""One lab for each checkout: two runs at once don't meet, and a run finds what a killed one left."""

SETTINGS: dict[str, Setting] = {
    "bridge_mappings": [f"{PHYSICAL}:{INTERFACE}"],
    "fastpath_hook": "clsact",
}


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    made = Lab(NAME, hosts=2, docker=True, settings=labs.settings(SETTINGS))
    made.down()  # of a run that was killed
    with made:
        for host in ("host1", "host2"):
            Engine(made, host).image()
        yield made


@pytest.fixture
def api(lab: Lab) -> Iterator[Api]:
    """It outlives the engines of a test, and so sees that no engine, asked for or not, keeps a mirror."""
    api = Api(lab)
    yield api
    for engine in (Engine(lab, "host1"), Engine(lab, "host2")):
        _without_old_mirrors(engine, api)


@pytest.fixture
def one(lab: Lab, api: Api) -> Iterator[Engine]:
    engine = Engine(lab, "host1")
    yield engine
    _clear(engine, api)


@pytest.fixture
def two(lab: Lab, api: Api) -> Iterator[Engine]:
    engine = Engine(lab, "host2")
    yield engine
    _clear(engine, api)


def _clear(engine: Engine, api: Api) -> None:
    """Containers go, then networks: those that Docker made by the command, the others by the API."""
    until(engine.answers, what="the engine answers")
    engine.clear()
    mine = lambda: [p for p in api.ports() if p["binding:host_id"] == engine.host]  # noqa: E731
    until(lambda: not mine(), what=f"ports of {engine.host} are gone")
    for port in api.list("ports"):
        if port["device_owner"] in ("", "sealane:auxiliary"):
            api.call("DELETE", f"ports/{port['id']}")
    for network in api.list("networks"):
        if not api.list("ports", f"network_id={network['id']}"):
            api.call("DELETE", f"networks/{network['id']}")
    _without_old_mirrors(engine, api)


def _without_old_mirrors(engine: Engine, api: Api) -> None:
    known = lambda: {n["name"] for n in api.list("networks")}  # noqa: E731
    until(lambda: engine.networks() <= known(), what="mirrors of removed networks are gone")
