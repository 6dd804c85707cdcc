"""Gateways to physical networks: VLAN and flat, SNAT on and off, several at once, equal addresses."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.overlay.machines import until
from tests.e2e.routers.site import Site, seen, soon_seen
from tests.e2e.routers.station import outside

WORLD, WORLD6, OTHER, FLAT, PORT = "172.31.100.1", "fd31:100::1", "172.31.101.1", "172.31.200.1", 7300


@contextmanager
def way_back(site: Site, cidr: str, router: str) -> Iterator[None]:
    outside(site.lab, "ip", "route", "add", cidr, "via", router)
    try:
        yield
    finally:
        outside(site.lab, "ip", "route", "delete", cidr)


def test_snat_on_and_off(site: Site) -> None:
    """With it the world sees the router; without it the machine, where the world knows the way."""
    lan = site.external("lan", "vlan", "lan", 100, "172.31.100.0/24")
    red = site.network("red", "10.61.0.0/24")
    router = site.router(red, gateway=lan)
    one, two = site.machine("host1", "a", red), site.machine("host2", "b", red)
    site.listen(WORLD, PORT)
    for machine in (one, two):
        soon_seen(machine, WORLD, PORT, site.gateway_of(router))
    site.api.update("routers", router, {"external_gateway_info": {"network_id": lan, "enable_snat": False}})
    with way_back(site, "10.61.0.0/24", site.gateway_of(router)):
        for machine in (one, two):
            soon_seen(machine, WORLD, PORT, machine.addresses[0])


def test_tenants_with_the_same_addresses_are_apart(site: Site) -> None:
    """Both get out, each as its own router, and neither reaches the other's machine of that address."""
    lan = site.external("lan", "vlan", "lan", 100, "172.31.100.0/24")
    places = []
    for name, host in (("one", "host1"), ("two", "host2")):
        network = site.network(name, "10.61.0.0/24", project_id=name)
        router = site.router(network, gateway=lan, project_id=name)
        places.append((router, site.machine(host, name, network, "10.61.0.9"), network))
    site.listen(WORLD, PORT)
    for router, machine, _ in places:
        soon_seen(machine, WORLD, PORT, site.gateway_of(router))
    assert site.gateway_of(places[0][0]) != site.gateway_of(places[1][0])
    only = site.machine("host2", "only", places[0][2], "10.61.0.77")
    places[0][1].soon_reaches(only.addresses[0])
    assert not places[1][1].reaches(only.addresses[0])


def test_a_flat_network_that_one_host_reaches(site: Site) -> None:
    """By a bridge of the host; machines of the other host get there by this one."""
    flat = site.external("flat", "flat", "dc", None, "172.31.200.0/24")
    red = site.network("red", "10.61.0.0/24")
    router = site.router(red, gateway=flat)
    site.listen(FLAT, PORT)
    for host in ("host1", "host2"):
        soon_seen(site.machine(host, f"m{host}", red), FLAT, PORT, site.gateway_of(router))


def test_several_external_networks(site: Site) -> None:
    """The first leads to everywhere; stations of the others are reached by the others."""
    lan = site.external("lan", "vlan", "lan", 100, "172.31.100.0/24")
    other = site.external("other", "vlan", "lan", 101, "172.31.101.0/24")
    red = site.network("red", "10.61.0.0/24")
    router = site.router(red, gateway=lan)
    gateways = {"router": {"external_gateways": [{"network_id": other}]}}
    site.api.request("PUT", f"/v2.0/routers/{router}/add_external_gateways", gateways)
    one = site.machine("host1", "a", red)
    for place, world in enumerate((WORLD, OTHER)):
        site.listen(world, PORT)
        soon_seen(one, world, PORT, site.gateway_of(router, place))


def test_ipv6_leaves_as_it_is(site: Site) -> None:
    lan = site.external("lan", "vlan", "lan", 100, "fd31:100::/64")
    red = site.network("red", "fd61::/64")
    router = site.router(red, gateway=lan)
    one = site.machine("host2", "a", red)
    site.listen(WORLD6, PORT)
    with way_back(site, "fd61::/64", site.gateway_of(router)):
        soon_seen(one, WORLD6, PORT, one.addresses[0])


def test_machines_on_a_physical_network_itself(site: Site) -> None:
    """A VLAN without a router: its machines and stations of the LAN reach each other, and no other VLAN."""

    def vlan(number: int) -> str:
        pool = {"allocation_pools": [{"start": "172.31.100.50", "end": "172.31.100.99"}]}
        segment = {"provider:physical_network": "lan", "provider:segmentation_id": number}
        kind = {"provider:network_type": "vlan", **segment}
        return site.network(f"vlan{number}", "172.31.100.0/24", subnet=pool, **kind)

    lan, other = vlan(100), vlan(101)
    one, two = site.machine("host1", "a", lan), site.machine("host2", "b", lan)
    beside = site.machine("host1", "c", other, "172.31.100.60")
    for machine in (one, two):
        machine.soon_reaches(WORLD)
    one.soon_reaches(two.addresses[0])
    assert not one.reaches(beside.addresses[0]) and not beside.reaches(WORLD)


def test_what_must_not_get_in(site: Site) -> None:
    """A station of the LAN that sends to a tenant's machine by the router, and to another tenant's."""
    lan = site.external("lan", "vlan", "lan", 100, "172.31.100.0/24")
    red = site.network("red", "10.61.0.0/24")
    router = site.router(red, gateway=lan)
    one = site.machine("host1", "a", red)
    site.listen(WORLD, PORT)
    soon_seen(one, WORLD, PORT, site.gateway_of(router))
    with way_back(site, "10.61.0.0/24", site.gateway_of(router)):
        words = ("ping", "-c", "2", "-W", "1", one.addresses[0])
        said = outside(site.lab, "sh", "-c", f"busybox {' '.join(words)} || true")
        assert "0 packets received" in said
    until(lambda: seen(one, WORLD, PORT), "and the machine still gets out")
