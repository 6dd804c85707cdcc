"""MTU of networks: what machines have, what fits, what is said of what does not, and what a change does."""

from collections.abc import Iterator

import pytest

from sealane.cli.api import Api
from sealane.errors import BadRequest
from sealane.lab.lab import Lab
from tests.e2e.overlay import machines
from tests.e2e.overlay.conftest import Attach, remove
from tests.e2e.overlay.lengths import answering, fares, forget, mtu
from tests.e2e.overlay.machines import Machine, until
from tests.e2e.overlay.test_fastpath import fast, fast_packets, made_network, talk

HOSTS = ("host1", "host2")
MOST, SMALL = 1442, 1300
"""Bytes: what tunnels leave of the lab's 1500, and less."""


def is_fast(lab: Lab, one: Machine, two: Machine) -> None:
    """By what is short."""
    with talk(one, two, "udp", two.addresses[0]):
        until(lambda: fast_packets(lab, one) > 20, "it is fast")


@pytest.mark.parametrize("how", ["off", "on"])
def test_what_fits_arrives_and_a_byte_more_is_told_at_once(lab: Lab, put: Attach, how: str) -> None:
    """Between hosts, never in fragments, both families."""
    one, two = put("host1", "a"), put("host2", "b")
    with fast(lab, *HOSTS, how=how), answering(two):
        for address in two.addresses:
            one.soon_reaches(address)
        if how == "on":
            is_fast(lab, one, two)
        for address in two.addresses:
            assert fares(one, address, MOST, MOST + 1) == {MOST: "arrived", MOST + 1: f"told {MOST}"}


def test_more_than_tunnels_leave_is_refused_with_the_cure(api: Api, network: str) -> None:
    for values in ({"mtu": MOST + 1}, {"mtu": 9000}):
        with pytest.raises(BadRequest, match=f"MTU is too big, maximum is {MOST}.*path_mtu"):
            api.update("networks", network, values)
        with pytest.raises(BadRequest, match="MTU is too big"):
            api.create("networks", values)
    assert api.update("networks", network, {"mtu": 1300})["mtu"] == 1300
    assert api.update("networks", network, {"mtu": 0})["mtu"] == MOST


def test_a_change_reaches_what_is_attached(lab: Lab, api: Api, network: str, put: Attach) -> None:
    """Less and more again, on both hosts, also after the agent died at it; to the outside as well."""
    pair = put("host1", "a"), put("host2", "b")
    pair[0].soon_reaches(pair[1].addresses[0])
    for size in (SMALL, MOST):
        api.update("networks", network, {"mtu": size})
        until(lambda size=size: {mtu(m) for m in pair} == {size}, f"both have {size}")  # type: ignore[misc]
        with answering(pair[1]):
            forget(pair[0])
            for address in pair[1].addresses:
                found = lambda to=address, s=size: fares(pair[0], to, s, s + 1)  # noqa: E731
                until(
                    lambda f=found, s=size: f() == {s: "arrived", s + 1: f"told {s}"},  # type: ignore[misc]
                    f"what has {size} bytes arrives at {address}",
                )


@pytest.fixture
def small(lab: Lab, api: Api) -> Iterator[str]:
    made = made_network(api, "small", 56)
    api.update("networks", made, {"mtu": SMALL})
    yield made
    remove(api, made)


@pytest.mark.parametrize("how", ["off", "on"])
def test_a_router_tells_who_sends_too_much(
    lab: Lab, api: Api, network: str, small: str, put: Attach, how: str
) -> None:
    """From a network with a larger MTU to one with a smaller, on the same host and on the other one."""
    with machines.router(api, network, small), fast(lab, *HOSTS, how=how):
        one, near, far = put("host1", "a"), put("host1", "n", small), put("host2", "f", small)
        assert (mtu(one), mtu(near), mtu(far)) == (MOST, SMALL, SMALL)
        for other in (near, far):
            with answering(other):
                for address in other.addresses:
                    one.soon_reaches(address)
                    forget(one)
                    found = fares(one, address, SMALL, SMALL + 1, MOST)
                    assert found[SMALL] == "arrived"
                    assert found[SMALL + 1] == found[MOST] == f"told {SMALL}"
            sent, arrived = machines.transfer(one, other, pieces=16)
            assert sent == arrived
