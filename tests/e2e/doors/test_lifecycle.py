"""The life of an attachment is the same through every door."""

from collections.abc import Iterator

import pytest

from tests.e2e.docker.outside import plug
from tests.e2e.doors.every import DOORS, Tenant, tenants
from tests.e2e.doors.house import FAR, House, be_far, eventually

COLLECTED = 60.0
"""Seconds; a look at the host every 20 s finds what has died, on a machine with other things to do."""


@pytest.fixture(params=DOORS)
def tenant(request: pytest.FixtureRequest, house: House) -> Tenant:
    made = Tenant(house, request.param)
    made.live()
    return made


def test_attach_again_and_detach_twice(house: House, tenant: Tenant) -> None:
    before, door = house.traces(), tenant.door
    tenant.attach()
    tenant.reaches()
    far = House(house.lab, "host2")
    far.reaches("far", tenant.address)
    there = house.traces()
    if door.duplicate_is_error:
        assert "already" in door.fails_to_attach(house, tenant.target)
    else:
        tenant.attach()
    assert house.traces() == there
    tenant.reaches()
    assert tenant.detach()
    assert tenant.detach() is not door.detach_twice_is_error
    eventually(lambda: house.traces() == before, "all is as it was")
    tenant.attach()
    tenant.reaches()


def test_the_dead_can_be_detached_at_once(house: House, tenant: Tenant) -> None:
    before = house.traces()
    tenant.attach()
    tenant.die()
    tenant.detach()
    eventually(lambda: _less(before, tenant) == house.traces(), "all is as it was", COLLECTED)


def _less(before: dict[str, set[str]], *dead: Tenant) -> dict[str, set[str]]:
    """Without nova's ports that were deleted with their instances."""
    gone = {tenant.door.port["id"] for tenant in dead if hasattr(tenant.door, "port")}
    return {**before, "ports": before["ports"] - gone}


def test_what_belonged_to_the_dead_is_collected(house: House) -> None:
    everyone = tenants(house)
    before = house.traces()
    for tenant in everyone:
        tenant.attach()
    for tenant in everyone:
        tenant.die()
    wanted = _less(before, *everyone)
    eventually(lambda: house.traces() == wanted, "all is as it was", COLLECTED)
    for tenant in everyone:
        assert tenant.detach() is not tenant.door.detach_twice_is_error, tenant.name


def test_an_agent_that_was_killed_is_followed_by_one_that_goes_on(house: House) -> None:
    everyone = tenants(house)
    before = house.traces()
    for tenant in everyone:
        tenant.attach()
    house.kill_agent()
    listed = str(house.json("ps"))
    for tenant in everyone:
        assert tenant.address in listed, tenant.name
        tenant.reaches()
        assert tenant.detach(), tenant.name
    eventually(lambda: house.traces() == before, "all is as it was")


LASTING = {"docker", "host", "os-vif"}
"""Doors with something behind them after a boot: what Docker starts, the host, devices for nova's guests."""


@pytest.fixture(params=("host1", "host2"))
def cut(request: pytest.FixtureRequest, house: House) -> Iterator[tuple[House, House, str]]:
    """The host that is to lose power, with the central part or without it; another one, and who is there."""
    if request.param == house.host:
        yield house, House(house.lab, "host2"), "far"
        return
    be_far(house.lab, house.host, "boxfar", NEAR)
    other = House(house.lab, request.param)
    yield other, house, "boxfar"
    other.tidy()
    be_far(house.lab)


NEAR = "10.7.0.251"
"""Of who is on the host with the central part, when the other one loses power."""


def test_a_host_that_lost_power_has_what_comes_back_and_nothing_of_the_rest(
    cut: tuple[House, House, str],
) -> None:
    place, distant, witness = cut
    everyone = tenants(place)
    for tenant in everyone:
        tenant.attach()
    place.lab.power_cut(place.host)
    place.stop()
    place.lab.boot(place.host)
    plug(place.lab)
    back = {tenant.address: tenant for tenant in everyone if tenant.door.comes_back}
    target = FAR if witness == "far" else NEAR
    for tenant in back.values():
        eventually(lambda t=tenant: place.pings(t.target, target), f"{tenant.name} is back")  # type: ignore[misc]
        distant.reaches(witness, tenant.address)
    eventually(lambda: {row["door"] for row in place.json("ps")} == LASTING, "the rest is gone", COLLECTED)
    devices = {row["port_id"] for row in place.json("ps") if row["door"] == "os-vif"}
    used = {row["port_id"] for row in place.json("ps")}
    eventually(lambda: set(place.ports()) == used | devices, "and its ports", COLLECTED)
    for tenant in everyone:
        if tenant not in back.values():
            tenant.live()
            tenant.attach()
            place.reaches(tenant.target, target)


def test_all_doors_meet_on_two_hosts(house: House) -> None:
    """Every kind with every other, in both directions."""
    two = [tenants(one) for one in (house, House(house.lab, "host2"))]
    try:
        for tenant in (*two[0], *two[1]):
            tenant.attach()
            _open(tenant)
        for here, there in (two, two[::-1]):
            addresses = {tenant.address: tenant.name for tenant in there}
            for tenant in here:
                silent = _silent(tenant, addresses)
                assert not silent, f"{tenant.name} of {tenant.house.host} does not reach {silent}"
    finally:
        two[1][0].house.tidy(keep="far")


def _open(tenant: Tenant) -> None:
    """What its group lets in is not the question here."""
    (port,) = [
        port
        for port in tenant.house.ports().values()
        if tenant.address in [ip["ip_address"] for ip in port["fixed_ips"]]
    ]
    tenant.house.central.sealane("port", "add", port["id"], "--security-group", "open")


PINGS = """
for address in "$@"; do
    for try in 1 2 3 4 5 6; do
        busybox ping -c1 -W2 $address >/dev/null 2>&1 && continue 2
        sleep 1
    done
    echo $address
done
"""


def _silent(tenant: Tenant, addresses: dict[str, str]) -> list[str]:
    words = (*tenant.house.within(tenant.target), "sh", "-c", PINGS, "-", *addresses)
    done = tenant.house.exec(*words, timeout=300)
    assert done.returncode == 0, done.stderr
    return [addresses[line] for line in done.stdout.split()]
