"""Limits in both directions and marks, by packets that are counted where they arrive."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sealane import names
from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import Machine, until
from tests.e2e.overlay.test_fastpath import fast, fast_packets, running, talk, told

SIZE = 1000
"""Bytes of a datagram."""
FRAME = SIZE + 42
"""With the headers of UDP, IPv4 and Ethernet, which the engine counts as well."""
HOSTS = ("host1", "host2")
WINDOW = 3.0
"""Seconds over which a rate is measured; the burst is 2 to 3 % of what is let through in them."""
FLOOD = f"""
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect((sys.argv[1], 7779))
s.setblocking(False)
while True:
    for _ in range(12):
        try:
            s.send(b"x" * {SIZE})
        except (BlockingIOError, ConnectionRefusedError):
            pass
    try:
        while s.recv(100):
            pass
    except (BlockingIOError, ConnectionRefusedError):
        pass
    time.sleep(0.008)
"""
CAPTURE = """
import socket, sys
source, found = socket.inet_aton(sys.argv[2]), []
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3)) as s:
    s.bind((sys.argv[1], 0))
    s.settimeout(60)
    while len(found) < 5:
        frame = s.recv(65536)
        if frame[12:14] == b"\\x08\\x00" and frame[23] == 17 and frame[36:38] == (6081).to_bytes(2):
            frame = frame[50 + (frame[42] & 63) * 4 :]  # what is in a tunnel (RFC 8926 3.4)
        if frame[12:14] == b"\\x08\\x00" and frame[26:30] == source:
            found.append(frame[15] >> 2)
print(*found)
"""
"""DSCP of packets from an address on a link, in tunnels or not."""
EF = 46
"""RFC 3246."""
METER = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 7779))
print("listens", flush=True)
count, told = 0, 0.0
while True:
    data, peer = s.recvfrom(9000)
    count += 1
    if count % 20 == 0:
        s.sendto(b"heard", peer)
    if time.monotonic() - told > 0.1:
        told = time.monotonic()
        print(told, count, flush=True)
"""


class Flow:
    def __init__(self, read: Any) -> None:
        self._read = read

    def _last(self) -> tuple[float, int]:
        lines = re.findall(r"^([0-9.]+) (\d+)\n", self._read(), re.MULTILINE)
        return (float(lines[-1][0]), int(lines[-1][1])) if lines else (0.0, 0)

    def kbps(self) -> float:
        """Of a window from now on, in kilobits a second as the engine counts them."""
        begun = self._last()
        until(lambda: self._last()[0] > begun[0] + 0.05, "it flows")
        begun = self._last()
        until(lambda: self._last()[0] >= begun[0] + WINDOW, "so long")
        ended = self._last()
        return (ended[1] - begun[1]) * FRAME * 8 / (ended[0] - begun[0]) / 1000


@contextmanager
def flow(source: Machine, target: Machine) -> Iterator[Flow]:
    with running(target, METER) as counted:
        until(lambda: "listens" in counted(), "it listens")
        with running(source, FLOOD, target.addresses[0]):
            yield Flow(counted)


def holds(measured: Flow, kbps: int) -> None:
    """Within 10 %: never above; below only where the sender had no time to send more."""

    def close() -> bool:
        found = measured.kbps()
        assert found <= kbps * 1.1, f"{found:.0f} kbit/s pass a limit of {kbps}"
        print(f"limit {kbps} kbit/s: {found:.0f} kbit/s")
        return found >= kbps * 0.9

    until(close, f"{kbps} kbit/s pass", 120)


def passes(measured: Flow, kbps: int) -> None:
    until(lambda: measured.kbps() > kbps, f"more than {kbps} kbit/s pass", 120)


@pytest.fixture
def policy(api: Api) -> Iterator[str]:
    """4 Mbit/s out, 2 Mbit/s in."""
    made = str(api.create("qos/policies", {"name": "slow"})["id"])
    below = f"qos/policies/{made}/bandwidth_limit_rules"
    api.create(below, {"max_kbps": 4000, "max_burst_kbps": 240})
    api.create(below, {"max_kbps": 2000, "max_burst_kbps": 150, "direction": "ingress"})
    yield made
    for collection in ("ports", "networks"):
        for row in api.list(collection, qos_policy_id=made):
            api.update(collection, row["id"], {"qos_policy_id": None})
    api.delete("qos/policies", made)


def give(api: Api, machine: Machine, policy: str | None) -> None:
    api.wait = 60
    api.update("ports", machine.port_id, {"qos_policy_id": policy})
    assert api.unapplied == set()


def test_a_port_is_limited_in_both_directions_and_others_are_not(
    lab: Lab, api: Api, policy: str, put: Any
) -> None:
    limited, free, far = put("host1", "qa"), put("host1", "qb"), put("host2", "qc")
    for machine in (limited, free):
        machine.soon_reaches(far.addresses[0])
    give(api, limited, policy)
    with flow(limited, far) as out:
        holds(out, 4000)
        give(api, limited, None)
        passes(out, 5000)
    give(api, limited, policy)
    with flow(far, limited) as back:
        holds(back, 2000)
    with flow(free, far) as other:
        passes(other, 5000)


def test_a_networks_policy_is_for_each_of_its_ports(
    lab: Lab, api: Api, policy: str, put: Any, network: str
) -> None:
    """Each by itself, with the fast path and without."""
    near, far = put("host1", "qa"), put("host2", "qc")
    near.soon_reaches(far.addresses[0])
    api.wait = 60
    with flow(near, far) as out:
        api.update("networks", network, {"qos_policy_id": policy})
        holds(out, 2000)  # what `far` may be sent
        with fast(lab, *HOSTS):
            holds(out, 2000)
            assert not {near.port_id, far.port_id} & listed(lab)


def listed(lab: Lab) -> set[str]:
    """Ports that have a fast path."""
    return {port["port_id"] for host in HOSTS for port in told(lab, host=host)["ports"]}


def test_the_fast_path_goes_round_no_limit(lab: Lab, api: Api, policy: str, put: Any) -> None:
    """On one host: of the sender, and of the receiver."""
    limited, near = put("host1", "qa"), put("host1", "qb")
    limited.soon_reaches(near.addresses[0])
    with fast(lab, "host1"), flow(limited, near) as out:
        until(lambda: fast_packets(lab, limited) > 50, "it is fast")
        for machine, rate in ((limited, 4000), (near, 2000)):
            give(api, machine, policy)
            assert machine.port_id not in listed(lab)
            holds(out, rate)
            give(api, machine, None)
            until(lambda: fast_packets(lab, limited) > 50, "it is fast again")


def test_the_fast_path_between_hosts_goes_round_no_limit(lab: Lab, api: Api, policy: str, put: Any) -> None:
    """The sender's limit on its host, the receiver's on the other, where the sender's host is fast."""
    near, far = put("host1", "qa"), put("host2", "qc")
    near.soon_reaches(far.addresses[0])
    with fast(lab, *HOSTS), flow(near, far) as out:
        for machine, rate in ((near, 4000), (far, 2000)):
            until(lambda: fast_packets(lab, near) > 50, "it is fast")
            give(api, machine, policy)
            holds(out, rate)
            give(api, machine, None)


@pytest.fixture
def voice(api: Api) -> Iterator[str]:
    made = str(api.create("qos/policies", {"name": "voice"})["id"])
    api.create(f"qos/policies/{made}/dscp_marking_rules", {"dscp_mark": EF})
    yield made
    for row in api.list("ports", qos_policy_id=made):
        api.update("ports", row["id"], {"qos_policy_id": None})
    api.delete("qos/policies", made)


Place = Callable[..., str]


def places(machine: Machine) -> list[Place]:
    """Where what it is sent passes: its host's underlay, the link to it, and itself; each runs CAPTURE."""
    host = machine.lab.plan.address(machine.host).ip
    shown = json.loads(machine.lab.exec(machine.host, "ip", "-j", "address", "show", "to", str(host)).stdout)
    underlay = next(link["ifname"] for link in shown if link)
    there = lambda *argv: machine.lab.exec(machine.host, *argv).stdout  # noqa: E731
    return [
        lambda *words: there("python3", "-c", CAPTURE, underlay, *words),
        lambda *words: there("python3", "-c", CAPTURE, names.host_link(machine.port_id), *words),
        lambda *words: machine.exec("python3", "-c", CAPTURE, "eth0", *words).stdout,
    ]


def heard(source: Machine, place: Place) -> set[int]:
    """DSCP of some IPv4 packets that came from there."""
    return {int(word) for word in place(source.addresses[0]).split()}


@pytest.mark.parametrize("how", ["off", "on"])
def test_a_mark_is_seen_on_the_wire(lab: Lab, api: Api, voice: str, put: Any, how: str) -> None:
    """In the tunnel on the far host's underlay, on its link to the receiver, and by the receiver.

    Of a conversation that was fast before the mark came, where hosts are fast; another port's stays fast,
    and bears none.
    """
    marked, free, far, other = (
        put(h, n) for h, n in zip((*HOSTS[:1] * 2, *HOSTS[1:] * 2), "abcd", strict=True)
    )
    pairs = ((marked, far), (free, other))
    for machine, peer in pairs:
        machine.soon_reaches(peer.addresses[0])
    with (
        fast(lab, *HOSTS, how=how),
        talk(marked, far, "udp", far.addresses[0]),
        talk(free, other, "udp", other.addresses[0]),
    ):
        if how == "on":
            for machine in (marked, free):
                until(lambda m=machine: fast_packets(lab, m) > 50, "it is fast")  # type: ignore[misc]
        give(api, marked, voice)
        assert [heard(marked, place) for place in places(far)] == [{EF}] * 3
        assert [heard(free, place) for place in places(other)] == [{0}] * 3
        if how == "on":
            before = fast_packets(lab, free)
            until(lambda: fast_packets(lab, free) > before, "the other one is fast")
