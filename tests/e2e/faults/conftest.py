"""One lab with failpoints for the sure sample of `make faults`."""

from collections.abc import Iterator

import pytest

from faults import life
from faults.campaigns import Campaigns
from faults.site import Site
from sealane.lab.lab import Lab
from tests import labs


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    lab = Lab(labs.name("flt"), hosts=2, docker=True)
    lab.down()  # of a run that was killed
    with lab:
        made = Site(lab)
        made.arm()
        life.begin(made)
        yield made


@pytest.fixture
def campaigns(site: Site) -> Campaigns:
    return Campaigns(site)
