"""Address scopes by packets: what routers pass between networks of one scope, of two, and of none."""

from tests.e2e.overlay.machines import Machine, until
from tests.e2e.routers.site import Site, seen, soon_seen
from tests.e2e.routers.station import outside
from tests.e2e.routers.test_outside import way_back

WORLD, PORT = "172.31.100.1", 7310
PINGS = 4
LABELS = "metering/metering-labels"


class Scoped:
    """Pools and networks of a site, in scopes; they go after the networks, as they came before them."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def scope(self, name: str, version: int = 4) -> str:
        return self.site.create("address-scopes", name=name, ip_version=version)

    def pool(self, name: str, scope: str | None, *prefixes: str) -> str:
        length = 64 if ":" in prefixes[0] else 24
        given = {"prefixes": list(prefixes), "default_prefixlen": length, "address_scope_id": scope}
        return self.site.create("subnetpools", name=name, **given)

    def network(self, name: str, *pools: str) -> str:
        network = self.site.network(name)
        for pool in pools:
            self.site.api.create("subnets", {"network_id": network, "subnetpool_id": pool})
        return network


def pings(source: Machine, target: Machine) -> list[bool]:
    return [source.reaches(address) for address in target.addresses]


def test_networks_of_one_scope_are_routed_and_of_two_are_not(site: Site) -> None:
    """On two hosts, both families; a scope that is taken away, or given, counts at once."""
    scoped = Scoped(site)
    firm, guests = scoped.scope("firm"), scoped.scope("guests")
    firm6 = scoped.scope("firm6", 6)
    low = scoped.pool("low", firm, "10.61.0.0/16")
    high = scoped.pool("high", firm6, "fd61::/48")
    other, none6 = scoped.pool("other", guests, "10.62.0.0/16"), scoped.pool("none6", None, "fd62::/48")
    red, blue = scoped.network("red", low, high), scoped.network("blue", low, high)
    green = scoped.network("green", other, none6)
    plain = site.network("plain", "10.63.0.0/24")
    site.router(red, blue, green, plain)
    one, two = site.machine("host1", "a", red), site.machine("host2", "b", blue)
    three, four = site.machine("host2", "c", green), site.machine("host1", "d", plain)
    for address in two.addresses:
        one.soon_reaches(address)
    assert pings(two, one) == [True, True]
    for source, target in ((one, three), (three, one), (two, three), (one, four), (four, one), (three, four)):
        assert not any(pings(source, target)), f"{source.name} to {target.name}"
    site.api.wait = 60
    site.api.update("subnetpools", other, {"address_scope_id": firm})
    assert pings(one, three) == [True, False]
    site.api.update("subnetpools", other, {"address_scope_id": guests})
    assert pings(one, three) == [False, False]


def test_to_the_outside_by_nat_or_within_the_scope(site: Site) -> None:
    """The world is of the firm's scope: the firm's machines are seen as themselves, guests as the router.

    From outside the firm's are reached by their own addresses, guests by floating IPs alone, also where
    the router does no SNAT.
    """
    scoped = Scoped(site)
    firm, guests = scoped.scope("firm"), scoped.scope("guests")
    low, other = (
        scoped.pool("low", firm, "10.61.0.0/16", "172.31.100.0/24"),
        scoped.pool("other", guests, "10.62.0.0/16"),
    )
    place = {"subnetpool_id": low, "allocation_pools": [{"start": "172.31.100.20", "end": "172.31.100.90"}]}
    segment = {"provider:physical_network": "lan", "provider:segmentation_id": 100}
    lan = site.network(
        "lan",
        "172.31.100.0/24",
        subnet={**place, "gateway_ip": WORLD},
        **{"router:external": True, "provider:network_type": "vlan", **segment},
    )
    red, green = scoped.network("red", low), scoped.network("green", other)
    plain = site.network("plain", "10.63.0.0/24")
    router = site.router(red, green, plain, gateway=lan)
    one, two = site.machine("host2", "a", red), site.machine("host2", "b", green)
    three = site.machine("host1", "c", plain)
    for machine in (one, two):
        site.api.update("ports", machine.port_id, {"port_security_enabled": False, "security_groups": []})
    site.listen(WORLD, PORT)
    with way_back(site, "10.61.0.0/16", site.gateway_of(router)):
        soon_seen(one, WORLD, PORT, one.addresses[0])
        soon_seen(two, WORLD, PORT, site.gateway_of(router))
        assert not one.reaches(two.addresses[0])
        until(lambda: heard(site, one.addresses[0]), "the world reaches the firm's machine as it is")
    with way_back(site, "10.62.0.0/16", site.gateway_of(router)):
        assert not heard(site, two.addresses[0])
        floating = site.api.create("floatingips", {"floating_network_id": lan, "port_id": two.port_id})
        try:
            address = floating["floating_ip_address"]
            soon_seen(two, WORLD, PORT, address)
            until(lambda: heard(site, address), "the world reaches the guest by its floating IP")
            assert not heard(site, two.addresses[0])
            assert not three.reaches(two.addresses[0])
            three.soon_reaches(address)
            site.api.wait = 60
            without = {"external_gateway_info": {"network_id": lan, "enable_snat": False}}
            site.api.update("routers", router, without)
            soon_seen(two, WORLD, PORT, address)
            into, out = (labelled(site, way, "10.62.0.0/16") for way in ("ingress", "egress"))
            two.exec("busybox", "ping", "-c", "5", "-W", "5", WORLD)
            assert heard(site, address) and not heard(site, two.addresses[0])
            wanted = 5 + PINGS  # TCP of before may still say good-bye
            until(
                lambda: counted(site, into) >= wanted <= counted(site, out), "what is let through is counted"
            )
            for label in (into, out):
                site.api.delete(LABELS, label)
        finally:
            site.api.delete("floatingips", floating["id"])
        assert seen(two, WORLD, PORT) == "", "without SNAT and a floating IP nothing gets out"
    with way_back(site, "10.61.0.0/16", site.gateway_of(router)):
        soon_seen(one, WORLD, PORT, one.addresses[0])


def heard(site: Site, address: str) -> bool:
    """Whether a machine answers the world's pings (one of a few will do: a neighbour has to be found)."""
    said = outside(site.lab, "sh", "-c", f"busybox ping -c {PINGS} -W 1 {address} || true")
    return "0 packets received" not in said


def labelled(site: Site, direction: str, prefix: str) -> str:
    """A metering label for what such machines send out or are sent from outside."""
    made = str(site.api.create(LABELS, {"name": direction, "shared": True})["id"])
    rule = {"metering_label_id": made, "direction": direction, "remote_ip_prefix": prefix}
    site.api.create("metering/metering-label-rules", rule)
    return made


def counted(site: Site, label: str) -> int:
    (row,) = site.api.list(LABELS, id=label)
    return int(row["sealane:packets"] or 0)
