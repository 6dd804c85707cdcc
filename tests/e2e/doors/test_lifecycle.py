"""The life of an attachment is the same through every door."""

import pytest

from tests.e2e.doors.doors import DOORS, Door
from tests.e2e.doors.house import House, eventually

COLLECTED = 60.0
"""Seconds; a look at the host every 20 s finds what has died, on a machine with other things to do."""


@pytest.fixture(params=DOORS, ids=lambda named: named.name)
def door(request: pytest.FixtureRequest) -> Door:
    found: Door = request.param.door
    return found


def test_attach_again_and_detach_twice(house: House, door: Door) -> None:
    before = house.traces()
    target = door.live(house)
    address = door.attach(house, target)
    house.reaches(target)
    assert House(house.lab, "host2").pings("far", address)
    there = house.traces()
    if door.duplicate_is_error:
        assert "already" in door.fails_to_attach(house, target)
    else:
        door.attach(house, target)
    assert house.traces() == there
    house.reaches(target)
    assert door.detach(house, target)
    assert door.detach(house, target) is not door.detach_twice_is_error
    eventually(lambda: house.traces() == before, "all is as it was")
    door.attach(house, target)
    house.reaches(target)


def test_an_agent_that_was_killed_is_followed_by_one_that_goes_on(house: House) -> None:
    targets = {named.name: named.door.live(house) for named in DOORS}
    there = {named.name: named.door.attach(house, targets[named.name]) for named in DOORS}
    house.kill_agent()
    listed = str(house.attachments())
    for named in DOORS:
        assert there[named.name] in listed, named.name
        house.reaches(targets[named.name])
        assert named.door.detach(house, targets[named.name]), named.name
    eventually(lambda: not house.ports(), "the ports are gone")


def test_what_belonged_to_the_dead_is_collected(house: House) -> None:
    before = house.traces()
    targets = {named.name: named.door.live(house) for named in DOORS}
    for named in DOORS:
        named.door.attach(house, targets[named.name])
    for named in DOORS:
        named.door.die(house, targets[named.name])
    eventually(lambda: house.traces() == before, "all is as it was", COLLECTED)
    for named in DOORS:
        ended = named.door.detach(house, targets[named.name])
        assert ended is not named.door.detach_twice_is_error, named.name


def test_the_dead_can_be_detached_at_once(house: House, door: Door) -> None:
    before = house.traces()
    target = door.live(house)
    door.attach(house, target)
    door.die(house, target)
    door.detach(house, target)
    eventually(lambda: house.traces() == before, "all is as it was", COLLECTED)
