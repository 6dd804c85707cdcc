"""One lab of two hosts without Docker for all tests of this directory."""

from collections.abc import Callable, Iterator

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay import machines
from tests.e2e.overlay.machines import Machine, attach, until

Attach = Callable[..., Machine]


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    made = Lab(labs.name("overlay"), hosts=2, settings=labs.settings())
    made.down()  # of a run that was killed
    with made:
        yield made


@pytest.fixture
def api(lab: Lab) -> Api:
    return machines.api(lab)


@pytest.fixture
def network(lab: Lab, api: Api) -> Iterator[str]:
    """A network of both families; everything on it goes with it."""
    made = api.create("networks", {"name": "blue"})
    for version, cidr in ((4, "10.44.0.0/24"), (6, "fd44::/64")):
        api.create("subnets", {"network_id": made["id"], "cidr": cidr, "ip_version": version})
    yield str(made["id"])
    remove(api, made["id"])


def remove(api: Api, network_id: str) -> None:
    def ports() -> list[dict[str, object]]:
        return [p for p in api.list("ports", network_id=network_id) if p["binding:host_id"]]

    until(lambda: not ports(), "ports of the network are gone")
    api.delete("networks", network_id)


@pytest.fixture
def put(lab: Lab, network: str) -> Iterator[Attach]:
    """Put a namespace on the network: put("host1", "a")."""
    made: list[Machine] = []

    def one(host: str, name: str, network_id: str = network, ip: str = "") -> Machine:
        machine = attach(lab, host, name, network_id, ip)
        made.append(machine)
        return machine

    yield one
    for machine in made:
        machine.remove()
