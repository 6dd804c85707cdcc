"""What the API says of the hosts is so: applied means in br-int, and down means that no packet passes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import until
from tests.e2e.overlay.test_faults import parts


@contextmanager
def stopped(lab: Lab, host: str, part: str) -> Iterator[None]:
    pid = str(parts(lab, host)[part]["pid"])
    lab.exec(host, "kill", "-STOP", pid)
    try:
        yield
    finally:
        lab.exec(host, "kill", "-CONT", pid)


def test_a_host_that_has_not_applied_a_change_is_named(lab: Lab, api: Api, network: str) -> None:
    api.wait = 30
    api.update("networks", network, {"description": "a"})
    assert (api.waited, api.unapplied) == (True, set())
    with stopped(lab, "host2", "ovn-controller"):
        api.wait = 3
        api.update("networks", network, {"description": "b"})
        assert api.unapplied == {"host2"}
    api.unapplied = set()
    api.wait = 30
    api.update("networks", network, {"description": "c"})
    assert api.unapplied == set()


def test_both_hosts_are_alive(lab: Lab, api: Api) -> None:
    until(lambda: {a["host"] for a in api.list("agents", alive="true")} == {"host1", "host2"}, "alive")
    assert all(agent["heartbeat_timestamp"] for agent in api.list("agents"))


@pytest.mark.parametrize("which", ["port", "network"])
def test_what_is_down_carries_no_packets(lab: Lab, api: Api, network: str, put, which: str) -> None:
    """Both ways, on one host and between two; the status says so; and it comes back."""
    one, two, near = put("host1", "a"), put("host2", "b"), put("host1", "c")
    one.soon_reaches(two.addresses[0])
    one.soon_reaches(near.addresses[0])
    id = one.port_id if which == "port" else network
    api.wait = 30
    api.update(f"{which}s", id, {"admin_state_up": False})
    assert api.unapplied == set()
    for other in (two, near):
        assert not one.reaches(other.addresses[0]) and not other.reaches(one.addresses[0])
    assert two.still_reaches(near.addresses[0]) is (which == "port")
    assert api.list("ports", id=one.port_id)[0]["status"] == "DOWN"
    assert api.list("networks", id=network)[0]["status"] == ("ACTIVE" if which == "port" else "DOWN")
    api.update(f"{which}s", id, {"admin_state_up": True})
    one.soon_reaches(two.addresses[0])
    near.soon_reaches(one.addresses[0])
    until(lambda: api.list("ports", id=one.port_id)[0]["status"] == "ACTIVE", "active again")
