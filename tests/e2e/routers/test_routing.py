"""Routers between networks, by packets: what passes, with which TTL, and what does not."""

import pytest

from tests.e2e.overlay.machines import Machine, until
from tests.e2e.routers.site import Site


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
