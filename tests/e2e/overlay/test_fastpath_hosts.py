"""The fast path between two hosts of the lab: on both, on one, and what must not pass."""

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay import geneve, machines
from tests.e2e.overlay.conftest import remove
from tests.e2e.overlay.frames import ears
from tests.e2e.overlay.machines import Machine, attach, until
from tests.e2e.overlay.test_fastpath import (
    arrives_whole,
    fast_packets,
    flow_ports,
    frames_heard,
    made_network,
    received,
    sent_packets,
    talk,
    told,
)
from tests.e2e.overlay.test_faults import kill

HOSTS = ("host1", "host2")
BUNDLES = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.connect((sys.argv[1], 7778))
    s.settimeout(20)
    for _ in range(20):
        s.send(b"single")
        s.recv(2000)
    s.setsockopt(socket.SOL_UDP, 103, 1200)  # UDP_SEGMENT (udp(7))
    s.send(b"".join(bytes([65 + number]) * 1200 for number in range(8)))
    print(sorted((len(piece), piece[:1].decode()) for piece in [s.recv(2000) for _ in range(8)]))
"""
"""With an echo that answers each datagram for itself."""


Ends = tuple[Machine, Machine]


@pytest.fixture(scope="module", params=["switched", "routed"])
def ends(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Ends]:
    """One on each host, in a network of their own, or in two with a router between them."""
    api = machines.api(lab)
    networks = [made_network(api, "wide", 47)]
    with ExitStack() as stack:
        if request.param == "routed":
            networks.insert(0, made_network(api, "narrow", 48))
            stack.enter_context(machines.router(api, *networks))
        one, two = (
            attach(lab, host, f"wide{host}", network)
            for host, network in zip(HOSTS, networks * 2, strict=False)
        )
        for address in two.addresses:
            one.soon_reaches(address)
        yield one, two
        for machine in (one, two):
            machine.remove()
    for network in networks:
        remove(api, network)


def between(api: Api) -> str:
    """The router that is between them, if one is."""
    return next((router["id"] for router in api.list("routers", name="between")), "")


def network_of(api: Api, machine: Machine) -> str:
    return str(api.list("ports", id=machine.port_id)[0]["network_id"])


@pytest.fixture
def switch(lab: Lab) -> Iterator[Callable[..., None]]:
    """On the hosts that are named, with counters that begin anew; off on the others."""

    def switched(*on: str) -> None:
        for host in HOSTS:
            lab.exec(host, "sealane", "fastpath", "off")
        for host in on:
            lab.exec(host, "sealane", "fastpath", "on")
        for host in on:
            until(lambda host=host: told(lab, host=host)["state"] == "working", f"{host}'s works")  # type: ignore[misc]

    yield switched
    labs.rest(lab, *HOSTS)


def landed(lab: Lab, host: str) -> int:
    return int(told(lab, host=host)["landed"]["fast"])


def both_ways(lab: Lab, machine: Machine, packets: int = 20) -> bool:
    """So many were fast on the machine's host, out and in."""
    return min(fast_packets(lab, machine), landed(lab, machine.host)) >= packets


@contextmanager
def fast(lab: Lab, ends: Ends, kind: str, family: int = 4) -> Iterator[Callable[[], str]]:
    """A talk that is fast in both directions on both hosts."""
    one, two = ends
    with talk(one, two, kind, two.addresses[0 if family == 4 else 1]) as said:
        until(lambda: both_ways(lab, one) and both_ways(lab, two), "it is fast on both hosts")
        yield said


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_a_flow_between_hosts_is_fast_in_both_directions(
    lab: Lab, api: Api, ends: Ends, switch: Callable[..., None], kind: str, family: int
) -> None:
    switch(*HOSTS)
    with fast(lab, ends, kind, family) as said:
        for host in HOSTS:
            (flow,) = [f for f in told(lab, "flows", host) if f["protocol"] == kind and min(f["packets"])]
            assert any(ends[1].addresses[0 if family == 4 else 1] in end for end in flow["ends"])
            router = between(api)
            assert (flow["router_id"], bool(flow["network_id"])) == (router, not router)
        before = len(said().splitlines())
        until(lambda: len(said().splitlines()) > before + 20, "and goes on")


@pytest.mark.parametrize("on", HOSTS)
@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_the_far_end_may_be_without(
    lab: Lab, ends: Ends, switch: Callable[..., None], kind: str, on: str
) -> None:
    switch(on)
    one, two = ends
    here = one if on == one.host else two
    with talk(one, two, kind, two.addresses[0]) as said:
        until(lambda: both_ways(lab, here), f"it is fast on {on}")
        before = len(said().splitlines())
        until(lambda: len(said().splitlines()) > before + 20, "and goes on")


@pytest.mark.parametrize("on", [HOSTS, HOSTS[:1], HOSTS[1:], ()], ids=["both", "sender", "receiver", "none"])
def test_the_same_arrives_in_each_case(
    lab: Lab, ends: Ends, switch: Callable[..., None], on: tuple[str, ...]
) -> None:
    """Bundles of segments among it."""
    switch(*on)
    one, two = ends
    assert arrives_whole(one, two)
    for machine in ends:
        if machine.host in on:
            until(lambda m=machine: arrives_whole(one, two) and both_ways(lab, m), "much of it was fast")  # type: ignore[misc]


def test_frames_are_the_same_with_it_and_without_it(
    lab: Lab, ends: Ends, switch: Callable[..., None]
) -> None:
    """MACs and hop limits, in both families."""
    heard: dict[bool, set[str]] = {}
    for on in (False, True):
        switch(*(HOSTS if on else ()))
        heard[on] = frames_heard(
            lab, ends, (lambda: all(both_ways(lab, end) for end in ends)) if on else None
        )
    assert heard[True] == heard[False] and len(heard[True]) == 2


def test_datagrams_in_one_piece_arrive_one_by_one(lab: Lab, ends: Ends, switch: Callable[..., None]) -> None:
    """UDP's own segmentation, with which HTTP/3 sends."""
    switch(*HOSTS)
    one, two = ends
    with fast(lab, ends, "udp"):
        said = one.exec("python3", "-c", BUNDLES, two.addresses[0]).stdout
        assert said.strip() == str([(1200, chr(65 + number)) for number in range(8)])
    (bundle,) = [line for line in told(lab, "reasons", one.host) if line["reason"] == "bundle"]
    assert bundle["packets"] >= 1


def test_nothing_passes_by_an_old_rule_once_a_change_is_applied(
    lab: Lab, api: Api, ends: Ends, switch: Callable[..., None]
) -> None:
    """Under traffic that is fast, from one change to the next."""
    switch(*HOSTS)
    one, two = ends
    api.wait = 60
    with fast(lab, ends, "udp"):
        for change, undo in changes(api, ends):
            change()
            before = received(two)
            assert api.unapplied == set()
            sent = sent_packets(one)
            until(lambda sent=sent: sent_packets(one) > sent + 5, "the talker goes on")  # type: ignore[misc]
            assert received(two) == before, change
            undo()
            before = landed(lab, two.host)
            until(lambda before=before: landed(lab, two.host) > before + 20, "it is fast again")  # type: ignore[misc]


def changes(api: Api, ends: Ends) -> Iterator[tuple[partial[object], partial[object]]]:
    """Each forbids what one sends to two, and is undone.

    The port of either end goes down; where a router is between them, a longer route leads to nobody, it is
    switched off, it leaves the receiver's network.
    """
    two = ends[1]
    for end in ends:
        update = partial(api.update, "ports", end.port_id)
        yield partial(update, {"admin_state_up": False}), partial(update, {"admin_state_up": True})
    if router := between(api):
        nobody = two.addresses[0].rpartition(".")[0] + ".250"
        route = {"destination": f"{two.addresses[0]}/32", "nexthop": nobody}
        update = partial(api.update, "routers", router)
        yield partial(update, {"routes": [route]}), partial(update, {"routes": []})
        yield partial(update, {"admin_state_up": False}), partial(update, {"admin_state_up": True})
        join = partial(api.change, "PUT")
        way, subnet = f"routers/{router}/%s_router_interface", {"subnet_id": subnet_of(api, two)}
        yield partial(join, way % "remove", subnet), partial(join, way % "add", subnet)


def subnet_of(api: Api, machine: Machine) -> str:
    """That of its IPv4 address."""
    port = api.list("ports", id=machine.port_id)[0]
    return next(str(ip["subnet_id"]) for ip in port["fixed_ips"] if "." in ip["ip_address"])


def test_forged_tunnels_reach_nobody(lab: Lab, api: Api, ends: Ends, switch: Callable[..., None]) -> None:
    """With packets of the very flow that is fast: what is wrong is the tunnel alone."""
    switch(*HOSTS)
    one, two = ends
    source, target = (str(lab.plan.address(host).ip) for host in HOSTS)
    with fast(lab, ends, "udp"):
        ports = struct.pack("!HH", *flow_ports(lab, one))
        router = between(api)
        packet = geneve.packet(lab, one, two, source, target, "right.")
        if router:
            packet = geneve.across(lab, packet, machines.leg(api, router, network_of(api, two)))
        right = packet[:INNER_PORTS] + ports + packet[INNER_PORTS + 4 :]
        before = reasons(lab, two.host)

        def counted() -> bool:
            """Once more while learning pauses, which counts them all as that."""
            for wrong in forged(right, source, str(lab.plan.router.ip), target):
                geneve.inject(lab, wrong, times=3)
            after = reasons(lab, two.host)
            strangers, nowhere = (after[name] - before[name] for name in ("stranger", "no-port"))
            return strangers >= 3 and nowhere >= 6

        with ears(two) as heard:
            until(counted, "each is counted under its reason")
            geneve.inject(lab, right)
            until(lambda: b"right.".hex() in heard(), "the right one arrives")
            assert b"wrong.".hex() not in heard()


INNER_PORTS = 20 + 8 + 16 + 14 + 20
"""Where UDP's ports are in the packet in the tunnel."""


def reasons(lab: Lab, host: str) -> dict[str, int]:
    return {line["reason"]: line["landed"] for line in told(lab, "reasons", host)}


def forged(right: bytes, source: str, stranger: str, target: str) -> list[bytes]:
    """From an address that is no node's; of another network; for another port; a fragment."""
    body = right[28:].replace(b"right.", b"wrong.")
    network = body[:4] + bytes([body[4] ^ 0x40]) + body[5:]
    receiver = body[:14] + bytes([body[14] ^ 0x40]) + body[15:]
    made = [
        geneve.ipv4(outer, target, geneve.udp(50000, geneve.PORT, inner))
        for outer, inner in ((stranger, body), (source, network), (source, receiver), (source, body))
    ]
    first = made[-1][:6] + b"\x20\0" + made[-1][8:10] + b"\0\0" + made[-1][12:]
    return [*made[:-1], first[:10] + geneve.checksum(first[:20]) + first[12:]]


def test_the_next_agent_goes_on_with_flows_between_hosts(
    lab: Lab, ends: Ends, switch: Callable[..., None]
) -> None:
    switch(*HOSTS)
    two = ends[1]
    with fast(lab, ends, "tcp") as said:
        before = landed(lab, two.host)
        kill(lab, two.host, "agent")
        until(lambda: told(lab, host=two.host)["state"] == "working", "the fast path works")
        assert landed(lab, two.host) >= before
        count = len(said().splitlines())
        until(lambda: len(said().splitlines()) > count + 20, "the connection goes on")
        until(lambda: landed(lab, two.host) > before + 20, "and is fast")


def test_a_connection_outlives_the_death_of_the_switch(
    lab: Lab, ends: Ends, switch: Callable[..., None]
) -> None:
    switch(*HOSTS)
    two = ends[1]
    with fast(lab, ends, "tcp") as said:
        kill(lab, two.host, "ovs-vswitchd")
        count = len(said().splitlines())
        until(lambda: len(said().splitlines()) > count + 50, "the connection goes on")
        before = landed(lab, two.host)
        until(lambda: landed(lab, two.host) > before + 20, "and is fast again")


def test_it_can_be_off_for_one_network(lab: Lab, ends: Ends, switch: Callable[..., None]) -> None:
    """On one host: there nothing of it is fast any more, until it is on again; connections go on."""
    switch(*HOSTS)
    one, two = ends
    with fast(lab, ends, "tcp") as said:
        lab.exec(two.host, "sealane", "fastpath", "off", "--network", "wide")
        seen = told(lab, host=two.host)
        assert seen["state"] == "working" and len(seen["networks_off"]) == 1
        assert two.port_id not in [port["port_id"] for port in seen["ports"]]
        before, count = landed(lab, two.host), len(said().splitlines())
        until(lambda: len(said().splitlines()) > count + 20, "the connection goes on")
        assert landed(lab, two.host) == before
        assert one.port_id in [port["port_id"] for port in told(lab, host=one.host)["ports"]]
        lab.exec(two.host, "sealane", "fastpath", "on", "--network", "wide")
        assert told(lab, host=two.host)["networks_off"] == []
        until(lambda: landed(lab, two.host) > before + 20, "it is fast again")


def test_reasons_tell_of_what_came_in_tunnels(lab: Lab, ends: Ends, switch: Callable[..., None]) -> None:
    switch(*HOSTS)
    with fast(lab, ends, "tcp"):
        found = {line["reason"]: line for line in told(lab, "reasons", HOSTS[1])}
        assert found["fast"]["landed"] >= 20 and found["fast"]["landed_bytes"] > 20 * 500
        text = lab.exec(
            HOSTS[1], "curl", "-s", "--unix-socket", "/run/sealane/agent.sock", "http://a/metrics"
        ).stdout
        assert 'sealane_fastpath_landed_packets_total{reason="fast"}' in text
