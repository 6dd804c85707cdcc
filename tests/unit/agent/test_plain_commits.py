"""Which versions of Open vSwitch abort."""

import pytest

from sealane.agent.plain_commits import aborts

SAID = "ovs-vswitchd (Open vSwitch) {}\nDPDK 22.11.1\n"


@pytest.mark.parametrize("version", ["2.16.4", "2.17.7", "3.0.4", "3.1.0", "3.1.2", "3.2.2"])
def test_these_abort(version: str) -> None:
    assert aborts(SAID.format(version))


@pytest.mark.parametrize(
    "version", ["2.17.8", "2.17.10", "3.0.5", "3.1.3", "3.1.10", "3.2.3", "3.3.0", "4.0.0"]
)
def test_these_are_mended(version: str) -> None:
    assert not aborts(SAID.format(version))


def test_one_that_tells_no_version_may_abort() -> None:
    assert aborts("ovs-vswitchd (Open vSwitch)")
