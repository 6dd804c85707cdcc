"""One lab of two hosts, each with a spare interface on a LAN, for all tests of this directory."""

from collections.abc import Iterator

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay import machines
from tests.e2e.routing.world import SETTINGS, World


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    made = Lab(labs.name("routing"), hosts=2, settings=SETTINGS)
    made.down()  # of a run that was killed
    with made:
        yield made


@pytest.fixture(scope="package")
def world(lab: Lab) -> Iterator[World]:
    with World(lab) as outside:
        yield outside


@pytest.fixture
def api(lab: Lab) -> Api:
    return machines.api(lab)
