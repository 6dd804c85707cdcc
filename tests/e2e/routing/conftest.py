"""One lab of three hosts, of which two have a spare interface on a LAN, for all tests of this directory."""

from collections.abc import Iterator

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay import machines
from tests.e2e.routing.site import Tenant, external
from tests.e2e.routing.world import SETTINGS, World


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    made = Lab(labs.name("routing"), hosts=3, settings=labs.settings(SETTINGS))
    made.down()  # of a run that was killed
    with made:
        yield made


@pytest.fixture(scope="package")
def world(lab: Lab) -> Iterator[World]:
    with World(lab) as outside:
        yield outside


@pytest.fixture(scope="package")
def outside(lab: Lab, world: World) -> Iterator[str]:
    """The external network."""
    api = machines.api(lab)
    made = external(api)
    yield str(made["id"])
    api.delete("networks", made["id"])


@pytest.fixture
def api(lab: Lab) -> Api:
    return machines.api(lab)


@pytest.fixture
def red(lab: Lab, api: Api, outside: str) -> Iterator[Tenant]:
    with Tenant(lab, api, outside, "red") as tenant:
        yield tenant
