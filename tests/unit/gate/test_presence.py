"""Since when nodes are there or away, with more than one connection of a node, and before the first."""

from sealane.gate.presence import Presence


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_who_is_there_and_who_is_away_and_since_when() -> None:
    clock = Clock()
    presence = Presence(clock)
    clock.now = 103.0
    presence.came("host2")
    clock.now = 110.0
    assert presence.there() == {"host2": 7.0}
    assert presence.away(["host3", "host2"]) == {"host3": 10.0}, "since the start"
    presence.came("host2")
    presence.went("host2")
    assert presence.there() == {"host2": 7.0}, "it has another one still"
    presence.went("host2")
    clock.now = 114.5
    assert (presence.there(), presence.away(["host2"])) == ({}, {"host2": 4.5})
    presence.came("host2")
    assert (presence.there(), presence.away(["host2"])) == ({"host2": 0.0}, {})
