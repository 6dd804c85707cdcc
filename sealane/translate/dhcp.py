"""Subnets -> DHCP options, and to which ports they are offered.

    Subnet, IPv4, enable_dhcp ── DHCP_Options <subnet id> <·· dhcpv4_options of its ports
    Port with extra_dhcp_opts ── DHCP_Options <port id>   <·· its own

ovn-controller on the port's own host answers (ovn-nb(5), DHCP_Options): there is no server and no lease to
lose, each port is told its own address, and a question never leaves the host.  Who has his address from
elsewhere is not answered: containers (from Docker) and what belongs to the network itself.

IPv6 is not served: OVN's DHCPv6 leaks memory of ovn-controller (CVE-2026-5367), and the distribution's OVN
has no cure.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sealane import names
from sealane.model import Network, Port, State, Subnet
from sealane.translate import dhcp_options
from sealane.translate.memo import Memo
from sealane.translate.rows import Ref, Row, row

LEASE = "43200"
"""Seconds. An address stays the port's own, so a lease only says how soon changed options are heard of."""
_CONTAINERS = frozenset({*names.CONTAINER_PORTS, names.ADOPTED_PORT, names.AUXILIARY_PORT})
_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class _Siblings:
    """What a network's subnets have in common. gated: one has a gateway. servers: of DNS, IPv4, in order."""

    gated: bool = False
    servers: tuple[str, ...] = ()


def rows(state: State, memo: Memo) -> Iterator[Row]:
    networks, subnets = state.networks, state.subnets
    families = _families(subnets.values())

    def of_subnet(subnet: Subnet) -> tuple[Subnet, Network, _Siblings] | None:
        network = networks.get(subnet.network_id)
        return None if network is None or not served(subnet) else (subnet, network, families[network.id])

    def of_port(port: Port) -> tuple[Port, Subnet, Network, _Siblings] | None:
        network = networks.get(port.network_id)
        subnet = _subnet(port, [subnets.get(f.subnet_id) for f in port.fixed_ips])
        if network is None or subnet is None or not port.extra_dhcp_opts:
            return None
        return port, subnet, network, families[network.id]

    yield from memo.each(_of_subnet, subnets, of_subnet, (networks, subnets))
    yield from memo.each(_of_port, state.ports, of_port, (networks, subnets))


def options_of(port: Port, subnets: Sequence[Subnet | None]) -> Ref | None:
    """The row that tells the port its address. `subnets`: of its fixed addresses, one by one."""
    subnet = _subnet(port, subnets)
    if subnet is None:
        return None
    return Ref("DHCP_Options", port.id if port.extra_dhcp_opts else subnet.id)


def hostname(port: Port) -> str:
    """What the machine is told to call itself; "" for a name that is none in DNS."""
    name = (port.dns_name or port.name).rstrip(".").split(".")[0].lower()
    return name if _HOSTNAME.fullmatch(name) else ""


def _families(subnets: Iterable[Subnet]) -> dict[str, _Siblings]:
    """By network."""
    found: dict[str, _Siblings] = {}
    for subnet in sorted(subnets, key=lambda s: s.id):
        known = found.get(subnet.network_id, _Siblings())
        servers = subnet.dns_nameservers if subnet.ip_version == 4 else ()
        found[subnet.network_id] = _Siblings(
            known.gated or bool(subnet.gateway_ip), tuple(dict.fromkeys((*known.servers, *servers)))
        )
    return found


def served(subnet: Subnet) -> bool:
    return subnet.ip_version == 4 and subnet.enable_dhcp


def _subnet(port: Port, subnets: Sequence[Subnet | None]) -> Subnet | None:
    """The first of its subnets that is served; None: the port is not to be answered."""
    if port.device_owner in _CONTAINERS or port.device_owner.startswith("network:"):
        return None
    if dhcp_options.off(port.extra_dhcp_opts):
        return None
    return next((subnet for subnet in subnets if subnet is not None and served(subnet)), None)


def _of_subnet(subnet: Subnet, network: Network, siblings: _Siblings) -> Row:
    ids = {"neutron:subnet_id": subnet.id}
    return _row(subnet.id, subnet, _options(subnet, network, siblings), ids)


def _of_port(port: Port, subnet: Subnet, network: Network, siblings: _Siblings) -> Row:
    options = dhcp_options.applied(_options(subnet, network, siblings), port.extra_dhcp_opts)
    return _row(port.id, subnet, options, {"neutron:subnet_id": subnet.id, "neutron:port_id": port.id})


def _row(key: str, subnet: Subnet, options: dict[str, str], ids: dict[str, str]) -> Row:
    return row("DHCP_Options", key, {"cidr": subnet.cidr, "options": options, "external_ids": ids})


def _options(subnet: Subnet, network: Network, siblings: _Siblings) -> dict[str, str]:
    """A server that has no address in the subnet is asked anew by a broadcast (RFC 2131 4.4.5).

    Our resolver comes before the network's servers: it knows the names of the overlay, and what it can't ask
    them it refuses, so that the machine does (agent/resolver/reach.py).
    """
    router = subnet.gateway_ip if network.gateway in ("host", "router") else None
    resolver = _resolver(subnet, network, gated=siblings.gated)
    servers = (*((resolver,) if resolver else ()), *(subnet.dns_nameservers or siblings.servers))
    routes = [(r.destination, r.nexthop) for r in subnet.host_routes]
    if names.RESOLVER in servers:
        routes.append((f"{names.RESOLVER}/32", "0.0.0.0"))
    options = {
        "server_id": router or names.RESOLVER,
        "server_mac": names.gateway_mac(network.id),
        "lease_time": LEASE,
        "mtu": str(network.mtu),
    }
    if router:
        options["router"] = router
    if servers:
        options["dns_server"] = dhcp_options.addresses(",".join(servers))
    if routes:  # who understands these does not look at `router` (RFC 3442)
        options["classless_static_route"] = dhcp_options.routes([*routes, *_default(router)])
    if domain := network.dns_domain.rstrip("."):
        options["domain_name"] = dhcp_options.names(domain)
    return options


def _resolver(subnet: Subnet, network: Network, *, gated: bool) -> str | None:
    """Where our resolver answers the subnet's machines; switches.py has the localport."""
    if network.gateway != "host" or not gated:
        return names.RESOLVER
    return subnet.gateway_ip


def _default(router: str | None) -> list[tuple[str, str]]:
    return [("0.0.0.0/0", router)] if router else []
