"""Copies for taps, counted where they are seen: on their source's host and on another; and what is not
seen."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay import frames
from tests.e2e.overlay.frames import ears, station
from tests.e2e.overlay.machines import Machine, until
from tests.e2e.overlay.test_fastpath import fast_packets, talk, told
from tests.e2e.overlay.test_faults import kill, northbound

SERVICES, FLOWS = "taas/tap_services", "taas/tap_flows"
PINGS = 20
ECHO, ANSWER, ECHO6, ANSWER6 = 8, 0, 128, 129
"""Types of ICMP (RFC 792, RFC 4443)."""


class Taps:
    """Services and flows that the hosts have applied."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._made: list[str] = []
        api.wait = 60

    def service(self, machine: Machine, name: str = "watch") -> str:
        made = str(self._api.create(SERVICES, {"name": name, "port_id": machine.port_id})["id"])
        self._made.append(made)
        return made

    def flow(self, service: str, machine: Machine, direction: str = "BOTH") -> str:
        values = {"tap_service_id": service, "source_port": machine.port_id, "direction": direction}
        made = self._api.create(FLOWS, values)
        assert not self._api.unapplied, self._api.unapplied
        return str(made["id"])

    def end(self, flow: str) -> None:
        self._api.delete(FLOWS, flow)
        assert not self._api.unapplied, self._api.unapplied

    def remove(self) -> None:
        there = {row["id"] for row in self._api.list(SERVICES)}
        for id in self._made:
            if id in there:
                self._api.delete(SERVICES, id)


@pytest.fixture
def taps(api: Api, put: Any) -> Iterator[Taps]:
    made = Taps(api)
    yield made
    made.remove()


def ping(source: Machine, address: str) -> None:
    source.exec("busybox", "ping", "-c", str(PINGS), "-A", "-W", "5", address)


def seen(heard: str, kind: int) -> int:
    """Frames with that type of ICMP."""
    return sum(1 for frame in all_of(heard) if _icmp(frame) == kind)


def all_of(heard: str) -> list[bytes]:
    """Whole lines; the first says that somebody listens."""
    return [bytes.fromhex(line) for line in heard.split("\n")[1:-1]]


def _icmp(frame: bytes) -> int | None:
    if frame[12:14] == b"\x08\x00" and frame[23] == 1:
        return frame[34]
    if frame[12:14] == b"\x86\xdd" and frame[20] == 58:
        return frame[54]
    return None


@pytest.mark.parametrize("host", ["host1", "host2"])
def test_each_packet_is_seen_once_and_nothing_else(lab: Lab, put: Any, taps: Taps, host: str) -> None:
    source, peer, other = put("host1", "ta"), put("host2", "tb"), put("host1", "tc")
    tap = put(host, "td")
    for address in peer.addresses:
        source.soon_reaches(address)
        other.soon_reaches(address)
    service = taps.service(tap)
    for direction, sent, answered in (("OUT", PINGS, 0), ("IN", 0, PINGS), ("BOTH", PINGS, PINGS)):
        flow = taps.flow(service, source, direction)
        with ears(tap) as heard:
            for address in peer.addresses:
                ping(other, address)  # is not seen
                ping(source, address)
            wanted = {ECHO: sent, ANSWER: answered, ECHO6: sent, ANSWER6: answered}

            def found() -> dict[int, int]:
                return {kind: seen(heard(), kind) for kind in wanted}  # noqa: B023

            until(lambda: sum(found().values()) >= sum(wanted.values()), f"{direction} is seen")  # noqa: B023
            assert found() == wanted, direction
        taps.end(flow)
    with ears(tap) as heard:
        ping(source, peer.addresses[0])
        peer.soon_reaches(tap.addresses[0])
        assert seen(heard(), ANSWER) == 0


@pytest.fixture
def fast(lab: Lab) -> Iterator[None]:
    hosts = ("host1", "host2")
    for host in hosts:
        lab.exec(host, "sealane", "fastpath", "on")
    for host in hosts:
        until(lambda host=host: told(lab, host=host)["state"] == "working", f"{host}'s works")  # type: ignore[misc]
    yield
    labs.rest(lab, *hosts)


@pytest.mark.parametrize("direction", ["BOTH", "IN"])
def test_the_fast_path_goes_round_no_tap(lab: Lab, put: Any, taps: Taps, fast: None, direction: str) -> None:
    source, near, far, tap = put("host1", "ta"), put("host1", "tb"), put("host2", "tc"), put("host2", "td")
    service = taps.service(tap)
    for peer in (near, far):
        source.soon_reaches(peer.addresses[0])
        with talk(source, peer, "udp", peer.addresses[0]) as said, ears(tap) as heard:
            until(lambda: min(fast_packets(lab, m) for m in (source, peer)) >= 5, "it is fast")  # noqa: B023
            flow = taps.flow(service, source, direction)
            first = _last(said()) + 2  # those on their way were sent before
            until(lambda: _last(said()) > first + 50, "it goes on")  # noqa: B023
            last = _last(said())
            until(lambda: _times(heard(), last), "the last one is seen")  # noqa: B023
            wanted = 2 if direction == "BOTH" else 1
            numbers = [int(word) for word in said().split() if first <= int(word) < last]
            assert {number: _times(heard(), number) for number in numbers} == dict.fromkeys(numbers, wanted)
        taps.end(flow)


def _last(said: str) -> int:
    words = said.rpartition("\n")[0].split()
    return int(words[-1]) if words else 0


def _times(heard: str, number: int) -> int:
    """How often a datagram of the talker's is there."""
    return sum(b"%08dxxxx" % number in frame for frame in all_of(heard))


def test_who_sees_copies_does_not_take_them_for_his_own(lab: Lab, put: Any, taps: Taps) -> None:
    """Not what is sent to himself, nor what is sent to all."""
    source, tap, peer = put("host1", "ta"), put("host1", "tb"), put("host2", "tc")
    source.soon_reaches(tap.addresses[0])
    source.soon_reaches(peer.addresses[0])
    taps.flow(taps.service(tap), source)
    own = station(tap)
    with ears(source) as answers, ears(tap) as heard:
        for address in tap.addresses:
            ping(source, address)
        for kind in (ANSWER, ANSWER6):
            until(lambda: seen(answers(), kind) >= PINGS, "all are answered")  # noqa: B023
        until(lambda: seen(heard(), ECHO6) >= 2 * PINGS, "and seen beside")
        assert (seen(answers(), ANSWER), seen(answers(), ANSWER6)) == (PINGS, PINGS)
        assert seen(heard(), ECHO) == 2 * PINGS
        mine = bytes.fromhex(own.mac.replace(":", ""))
        assert sum(f[:6] == mine and _icmp(f) == ECHO for f in all_of(heard())) == PINGS
        everybody = frames.Station("ff:ff:ff:ff:ff:ff", own.v4, own.v6)
        text = frames.udp4(station(source), own, "who is there")
        frames.say(source, frames.ethernet(station(source), everybody, frames.IPV4, text))

        def asked() -> list[bytes]:
            return [f[:6] for f in all_of(heard()) if b"who is there" in f]

        until(lambda: len(asked()) >= 6, "it is heard three times, and seen as often")
        assert sorted(asked()) == [b"\xfe" + b"\xff" * 5] * 3 + [b"\xff" * 6] * 3


def test_a_tap_goes_with_its_ports_and_is_left_nowhere(lab: Lab, api: Api, put: Any, taps: Taps) -> None:
    """The agent dies, the source and the tap are on another host, then the tap is gone."""
    source, peer, tap = put("host1", "ta"), put("host2", "tb"), put("host2", "tc")
    for machine in (source, tap):
        machine.soon_reaches(peer.addresses[0])
    service = taps.service(tap)
    flow = taps.flow(service, source, "OUT")

    def sees(who: Machine = tap, by: Machine = source) -> bool:
        with ears(who) as heard:
            ping(by, peer.addresses[0])
            until(lambda: seen(heard(), ECHO) >= PINGS, "all of it is seen")
            return seen(heard(), ECHO) == PINGS

    assert sees()
    for host in ("host1", "host2"):
        kill(lab, host, "agent")
        assert sees()
    other = put("host2", "td")
    other.soon_reaches(peer.addresses[0])
    more = taps.flow(service, other, "OUT")
    assert sees(by=other)
    taps.end(more)
    with ears(tap) as heard:
        ping(other, peer.addresses[0])
        assert seen(heard(), ECHO) == 0
    assert api.list(FLOWS, id=flow)
    api.delete(SERVICES, service)
    assert not api.unapplied
    for host in ("host1", "host2"):
        links = lab.exec(host, "ip", "-o", "link").stdout
        assert "slm" not in links and "slo" not in links
    assert "tap-" not in northbound(lab, "ls-list")


def test_copies_follow_their_ports_to_other_hosts(
    lab: Lab, api: Api, network: str, put: Any, taps: Taps
) -> None:
    """Ports that were made before, of machines that come, go, and come again elsewhere."""
    peer = put("host2", "tp")
    ids = {
        name: str(api.create("ports", {"network_id": network, "name": name})["id"]) for name in ("from", "to")
    }
    ends = [
        attached(lab, host, name, network, ids[name]) for host, name in (("host1", "from"), ("host2", "to"))
    ]
    taps.flow(taps.service(ends[1]), ends[0])
    for hosts in (("host1", "host2"), ("host2", "host1"), ("host2", "host2")):
        for machine in ends:
            machine.remove()
        pairs = zip(hosts, ids, strict=True)
        ends = [attached(lab, host, name, network, ids[name]) for host, name in pairs]
        ends[0].soon_reaches(peer.addresses[0])

        def sees() -> bool:
            with ears(ends[1]) as heard:  # noqa: B023
                ping(ends[0], peer.addresses[0])  # noqa: B023
                until(lambda: seen(heard(), ANSWER) >= PINGS, "it is seen", 5)
                return (seen(heard(), ECHO), seen(heard(), ANSWER)) == (PINGS, PINGS)

        until(lambda: _holds(sees), f"all is seen, from {hosts[0]} at {hosts[1]}")
    for machine in ends:
        machine.remove()
    for id in ids.values():
        api.delete("ports", id)
    assert api.list(SERVICES) == []


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except AssertionError:
        return False


def attached(lab: Lab, host: str, name: str, network: str, port: str) -> Machine:
    lab.exec(host, "ip", "netns", "add", name)
    words = ("--network", network, "--port", port, "-o", "json")
    made = json.loads(lab.exec(host, "sealane", "attach", f"/run/netns/{name}", *words).stdout)
    addresses = tuple(text.partition("/")[0] for text in made["addresses"])
    return Machine(lab, host, name, port, addresses)
