"""One lab of two hosts with Docker for all doors; every test leaves it without attachments."""

from collections.abc import Iterator

import pytest

from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.docker.engines import Engine, until
from tests.e2e.docker.outside import INTERFACE, PHYSICAL, plug
from tests.e2e.doors import guest
from tests.e2e.doors.house import House, be_far


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if guest.ran:
        terminalreporter.write_line(f"guests of QEMU ran by {' and '.join(sorted(guest.ran))}")


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    mappings = [f"{PHYSICAL}:{INTERFACE}", "away:away0"]  # the second leads nowhere
    made = Lab(
        labs.name("doors"), hosts=2, docker=True, settings=labs.settings({"bridge_mappings": mappings})
    )
    made.down()  # of a run that was killed
    with made:
        plug(made)
        for host in made.plan.host_names:
            Engine(made, host).image()
        yield made


STORAGE = """
[storage]
driver = "vfs"
graphroot = "/var/lib/containers/storage"
runroot = "/run/containers/storage"
"""
"""Podman's, before anybody asks it for anything: overlay on overlay is not to be had everywhere."""


@pytest.fixture(scope="package")
def house(lab: Lab) -> House:
    """host1, where the doors are; `far` is on host2, and reached through each of them."""
    made = House(lab, "host1")
    made.run("mkdir", "-p", "/etc/containers")
    assert made.exec("tee", "/etc/containers/storage.conf", stdin=STORAGE).returncode == 0
    until(lambda: leads(made), what="the engine finds the way to the LAN")
    made.sealane("network", "create", "blue", "--subnet", "10.7.0.0/24")
    made.sealane("network", "create", "red", "--subnet", "10.8.0.0/24")
    # Beside the default group, which lets its own members in only: containers of runtimes are none.
    made.sealane("security-group", "create", "open")
    made.sealane("security-group", "rule", "create", "open", "--protocol", "icmp")
    be_far(lab)
    return made


def leads(house: House) -> bool:
    """Out to the LAN?"""
    nodes = house.json("node", "list")
    return all(node["physical_networks"] == [PHYSICAL] for node in nodes)


@pytest.fixture(autouse=True)
def tidy(house: House) -> Iterator[None]:
    yield
    house.tidy()
