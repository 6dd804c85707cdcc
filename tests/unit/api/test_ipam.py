"""Addresses: what is chosen is free, inside, and the lowest or the highest of its kind."""

import ipaddress
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.api import ipam
from sealane.errors import AddressesExhausted
from sealane.model import Pool

networks = st.builds(
    lambda value, prefix: str(ipaddress.ip_network((value, prefix), strict=False)),
    st.integers(0x0A000000, 0x0AFFFFFF),
    st.integers(20, 32),
) | st.builds(
    lambda value, prefix: str(ipaddress.ip_network((value, prefix), strict=False)),
    st.integers(0xFD << 120, (0xFE << 120) - 1),
    st.integers(64, 128),
)


@given(networks)
def test_default_pools_hold_every_usable_address_but_the_gateway(cidr):
    gateway = ipam.default_gateway(cidr)
    first, last = ipam.usable(cidr)
    spans = [ipam.pool_span(p) for p in ipam.default_pools(cidr, gateway)]
    assert sum(b - a + 1 for a, b in spans) == last - first
    assert not any(a <= ipam.number(gateway) <= b for a, b in spans)
    assert all(first <= a <= b <= last for a, b in spans)


@given(networks, st.sets(st.integers(0, 40)), st.booleans())
def test_a_chosen_address_is_free_and_nothing_before_it_is(cidr, offsets, top):
    first, last = ipam.usable(cidr)
    pools = ipam.default_pools(cidr, None)
    used = ipam.Taken(last - n if top else first + n for n in offsets)
    try:
        value = ipam.choose(pools, used, top=top)
    except AddressesExhausted:
        assert set(range(first, min(last, first + 100) + 1)) <= used
        return
    assert value not in used and first <= value <= last
    skipped = range(value + 1, last + 1) if top else range(first, value)
    assert all(v in used for v in skipped)


def test_pools_are_filled_one_after_the_other():
    pools = (Pool(start="10.0.0.20", end="10.0.0.21"), Pool(start="10.0.0.4", end="10.0.0.5"))
    used = ipam.Taken()
    order = []
    for _ in range(4):
        used.add(value := ipam.choose(pools, used))
        order.append(ipam.address(value, 4))
    assert order == ["10.0.0.4", "10.0.0.5", "10.0.0.20", "10.0.0.21"]
    with pytest.raises(AddressesExhausted):
        ipam.choose(pools, used)


Turn = tuple[str, int, bool]
turns = st.lists(
    st.tuples(st.sampled_from(["choose", "skip", "add", "discard"]), st.integers(0, 15), st.booleans())
)


@given(turns)
def test_what_was_found_before_changes_no_choice(steps: list[Turn]):
    pools = (Pool(start="10.0.0.8", end="10.0.0.12"), Pool(start="10.0.0.1", end="10.0.0.4"))
    base, used = ipam.number("10.0.0.0"), ipam.Taken()
    for verb, value, top in steps:
        if verb in ("add", "discard"):
            getattr(used, verb)(base + value)
            continue
        skip = value % 3 if verb == "skip" else 0
        try:
            expected = ipam.choose(pools, ipam.Taken(used), top=top, skip=skip)
        except AddressesExhausted:
            with pytest.raises(AddressesExhausted):
                ipam.choose(pools, used, top=top, skip=skip)
            continue
        assert ipam.choose(pools, used, top=top, skip=skip) == expected
        used.add(expected)


def test_who_skips_free_addresses_still_gets_the_last_one():
    pools = (Pool(start="10.0.0.4", end="10.0.0.5"), Pool(start="10.0.0.20", end="10.0.0.20"))
    got = [ipam.address(ipam.choose(pools, ipam.Taken(), skip=skip), 4) for skip in (0, 1, 2, 9)]
    assert got == ["10.0.0.4", "10.0.0.5", "10.0.0.20", "10.0.0.20"]


@given(st.lists(networks, max_size=8), st.integers(0, 2**32))
def test_a_free_subnet_overlaps_nothing(taken, seed):
    found = ipam.free_cidr("10.0.0.0/8", 24, taken, random.Random(seed))
    assert ipam.overlaps(found, taken) is None
    assert ipaddress.ip_network(found).subnet_of(ipaddress.ip_network("10.0.0.0/8"))


def test_a_full_pool_has_no_free_subnet():
    with pytest.raises(AddressesExhausted):
        ipam.free_cidr("10.0.0.0/23", 24, ["10.0.0.0/24", "10.0.1.128/25"], random.Random(1))
    assert ipam.free_cidr("10.0.0.0/23", 24, ["10.0.0.0/24"], random.Random(1)) == "10.0.1.0/24"


@given(networks)
def test_numbers_and_addresses_are_inverse(cidr):
    version = ipaddress.ip_network(cidr).version
    first = ipam.span(cidr)[0]
    assert ipam.number(ipam.address(first, version)) == first


@pytest.mark.parametrize(
    ("cidr", "pools"),
    [
        ("10.0.0.0/30", [("10.0.0.2", "10.0.0.2")]),
        ("10.0.0.0/31", [("10.0.0.1", "10.0.0.1")]),
        ("10.0.0.0/32", []),
        ("fd00::/126", [("fd00::2", "fd00::3")]),
    ],
)
def test_small_subnets(cidr, pools):
    found = ipam.default_pools(cidr, ipam.default_gateway(cidr))
    assert [(p.start, p.end) for p in found] == pools


def test_a_gateway_in_the_middle_splits_the_pool():
    found = ipam.default_pools("10.0.0.0/29", "10.0.0.3")
    assert [(p.start, p.end) for p in found] == [("10.0.0.1", "10.0.0.2"), ("10.0.0.4", "10.0.0.6")]


def test_a_mac_that_is_taken_is_not_chosen_again():
    chance = random.Random(7)
    first = ipam.choose_mac(set(), random.Random(7))
    assert ipam.choose_mac({first}, chance) != first
