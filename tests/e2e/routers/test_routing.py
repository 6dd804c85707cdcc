"""Routers between networks, by packets: what passes, with which TTL, and what does not."""

import pytest

from tests.e2e.overlay.machines import Machine, listening, until
from tests.e2e.routers.site import Site

TELLS_ITS_NAME = """
import select, socket
families = {{"10.99.0.1": socket.AF_INET, "fd99::1": socket.AF_INET6}}
servers = [socket.create_server((a, 7000), family=f, backlog=64) for a, f in families.items()]
print("listens", flush=True)
while True:
    for server in select.select(servers, [], [])[0]:
        connection, _ = server.accept()
        connection.sendall({name!r}.encode())
        connection.close()
"""
FLOWS = """
import socket, sys
heard = set()
for _ in range(30):
    try:
        with socket.create_connection((sys.argv[1], 7000), timeout=2) as asking:
            heard.add(asking.recv(99).decode())
    except OSError:
        break
print(*sorted(heard))
"""
"""Who answers a connection each from 30 ports, at one address."""


def ttl(machine: Machine, target: str) -> int:
    said = machine.exec("busybox", "ping", "-c", "3", "-W", "5", target).stdout
    return int(said.partition("ttl=")[2].split()[0])


def test_networks_of_a_router_reach_each_other(site: Site) -> None:
    """On one host and between two, both families; each packet has passed one router."""
    red = site.network("red", "10.61.0.0/24", "fd61::/64")
    blue = site.network("blue", "10.62.0.0/24", "fd62::/64")
    alone = site.network("alone", "10.63.0.0/24")
    site.router(red, blue)
    one, near, far = (
        site.machine(*p) for p in (("host1", "a", red), ("host1", "b", blue), ("host2", "c", blue))
    )
    other = site.machine("host1", "d", alone)
    for source, target in ((one, near), (one, far), (near, one), (far, one)):
        for address in target.addresses:
            source.soon_reaches(address)
            assert ttl(source, address) == 63
    near.soon_reaches(far.addresses[0])
    assert ttl(near, far.addresses[0]) == 64
    assert not other.reaches(one.addresses[0]) and not one.reaches(other.addresses[0])


def test_what_a_router_lets_go_is_apart_at_once(site: Site) -> None:
    red, blue = site.network("red", "10.61.0.0/24"), site.network("blue", "10.62.0.0/24")
    router = site.router(red, blue)
    one, two = site.machine("host1", "a", red), site.machine("host2", "b", blue)
    one.soon_reaches(two.addresses[0])
    site.api.wait = 30
    subnet = site.api.list("subnets", network_id=blue)[0]["id"]
    site.api.change("PUT", f"routers/{router}/remove_router_interface", {"subnet_id": subnet})
    assert not one.reaches(two.addresses[0])
    site.api.change("PUT", f"routers/{router}/add_router_interface", {"subnet_id": subnet})
    one.soon_reaches(two.addresses[0])
    site.api.update("routers", router, {"admin_state_up": False})
    assert not one.reaches(two.addresses[0])


def test_extra_routes_lead_on(site: Site) -> None:
    """By a machine that has another network behind it."""
    red, blue = site.network("red", "10.61.0.0/24"), site.network("blue", "10.62.0.0/24")
    router = site.router(red, blue)
    one, hop = site.machine("host1", "a", red), site.machine("host2", "hop", blue)
    site.api.update("ports", hop.port_id, {"port_security_enabled": False, "security_groups": []})
    hop.exec("ip", "address", "add", "10.99.0.1/32", "dev", "lo")
    assert not one.reaches("10.99.0.1")
    routes = [{"destination": "10.99.0.0/24", "nexthop": hop.addresses[0]}]
    site.api.update("routers", router, {"routes": routes})
    one.soon_reaches("10.99.0.1")
    site.api.wait = 30
    site.api.update("routers", router, {"routes": []})
    assert not one.reaches("10.99.0.1")


def test_routes_to_one_destination_share_its_flows(site: Site) -> None:
    """In both families, over hops on two hosts; without the one route all flows go by the other.

    By TCP: Open vSwitch looks at addresses alone to choose a way for UDP (flow_hash_symmetric_l3l4).
    """
    red, blue = (
        site.network("red", "10.61.0.0/24", "fd61::/64"),
        site.network("blue", "10.62.0.0/24", "fd62::/64"),
    )
    router, one = site.router(red, blue), site.machine("host1", "a", red)
    hops = site.machine("host1", "left", blue), site.machine("host2", "right", blue)
    for hop in hops:
        site.api.update("ports", hop.port_id, {"port_security_enabled": False, "security_groups": []})
        for address in ("10.99.0.1/32", "fd99::1/128"):
            hop.exec("ip", "address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else []))
    ways = {"10.99.0.0/24": 0, "fd99::/64": 1}
    routes = [{"destination": to, "nexthop": hop.addresses[n]} for to, n in ways.items() for hop in hops]
    heard = lambda address: one.exec("python3", "-c", FLOWS, address).stdout.split()  # noqa: E731
    with (
        listening(hops[0], TELLS_ITS_NAME.format(name="left")),
        listening(hops[1], TELLS_ITS_NAME.format(name="right")),
    ):
        assert heard("10.99.0.1") == []
        site.api.update("routers", router, {"routes": routes})
        for address in ("10.99.0.1", "fd99::1"):
            until(lambda to=address: heard(to) == ["left", "right"], f"both hops have flows to {address}")  # type: ignore[misc]
        site.api.wait = 30
        site.api.update("routers", router, {"routes": routes[1::2]})
        for address in ("10.99.0.1", "fd99::1"):
            assert heard(address) == ["right"]


@pytest.mark.parametrize("mode", ["slaac", "dhcpv6-stateless"])
def test_machines_hear_of_their_router(site: Site, mode: str) -> None:
    """One that knows no way out takes that which the router tells it of."""
    modes = {"ipv6_ra_mode": mode, "ipv6_address_mode": mode}
    red, blue = site.network("red", "fd61:5::/64", subnet=modes), site.network("blue", "fd62::/64")
    site.router(red, blue)
    one, two = site.machine("host2", "a", red), site.machine("host1", "b", blue)
    one.exec("ip", "-6", "route", "delete", "default")
    one.exec("sysctl", "-w", "net.ipv6.conf.eth0.accept_ra=2")
    one.exec("ip", "link", "set", "eth0", "down")
    one.exec("ip", "link", "set", "eth0", "up")
    until(lambda: "proto ra" in one.exec("ip", "-6", "route", "show", "default").stdout, "heard of it")
    one.soon_reaches(two.addresses[0])
