"""Limits in both directions and marks, by packets that are counted where they arrive."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay.frames import ears
from tests.e2e.overlay.machines import Machine, until
from tests.e2e.overlay.test_fastpath import fast_packets, running, told

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
    near, far = put("host1", "qa"), put("host2", "qc")
    near.soon_reaches(far.addresses[0])
    api.wait = 60
    api.update("networks", network, {"qos_policy_id": policy})
    with flow(near, far) as out:
        holds(out, 2000)  # what `far` may be sent


def test_the_fast_path_goes_round_no_limit(lab: Lab, api: Api, policy: str, put: Any) -> None:
    limited, near = put("host1", "qa"), put("host1", "qb")
    limited.soon_reaches(near.addresses[0])
    lab.exec("host1", "sealane", "fastpath", "on")
    try:
        until(lambda: told(lab)["state"] == "working", "the fast path works")
        with flow(limited, near) as out:
            until(lambda: fast_packets(lab, limited) > 50, "it is fast")
            give(api, limited, policy)
            assert limited.port_id not in {port["port_id"] for port in told(lab)["ports"]}
            holds(out, 4000)
            give(api, limited, None)
            until(lambda: fast_packets(lab, limited) > 50, "it is fast again")
    finally:
        labs.rest(lab, "host1")


def test_the_fast_path_between_hosts_goes_round_no_limit(lab: Lab, api: Api, policy: str, put: Any) -> None:
    """The sender's limit on its host, the receiver's on the other, where the sender's host is fast."""
    near, far = put("host1", "qa"), put("host2", "qc")
    near.soon_reaches(far.addresses[0])
    for host in HOSTS:
        lab.exec(host, "sealane", "fastpath", "on")
    try:
        until(lambda: all(told(lab, host=h)["state"] == "working" for h in HOSTS), "the fast path works")
        with flow(near, far) as out:
            until(lambda: fast_packets(lab, near) > 50, "it is fast")
            give(api, near, policy)
            holds(out, 4000)
            give(api, near, None)
            until(lambda: fast_packets(lab, near) > 50, "it is fast again")
            give(api, far, policy)
            holds(out, 2000)
    finally:
        labs.rest(lab, *HOSTS)


def test_a_mark_is_seen_on_the_wire(lab: Lab, api: Api, put: Any) -> None:
    marked, free, far = put("host1", "qa"), put("host1", "qb"), put("host2", "qc")
    for machine in (marked, free):
        machine.soon_reaches(far.addresses[0])
    made = api.create("qos/policies", {"name": "voice"})["id"]
    api.create(f"qos/policies/{made}/dscp_marking_rules", {"dscp_mark": 46})
    give(api, marked, made)
    with ears(far) as heard:
        for machine in (marked, free):
            machine.soon_reaches(far.addresses[0])
        until(lambda: requests(heard(), marked) and requests(heard(), free), "both are heard")
        assert requests(heard(), marked) == {46}
        assert requests(heard(), free) == {0}
    give(api, marked, None)
    api.delete("qos/policies", made)


def requests(heard: str, source: Machine) -> set[int]:
    """DSCP of the IPv4 packets that came from there."""
    address = bytes(map(int, source.addresses[0].split(".")))
    frames = (bytes.fromhex(line) for line in heard.splitlines() if line != "listens")
    return {f[15] >> 2 for f in frames if f[12:14] == b"\x08\x00" and f[26:30] == address}
