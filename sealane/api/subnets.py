"""Subnets: the table of attributes, and how a row is made and changed."""

import ipaddress
from dataclasses import replace
from typing import Any

from sealane.api import convert, ipam, rules, slaac
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, constant, standard
from sealane.api.convert import BOOLEAN, nullable, one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.model import Subnet

UNSTORED = frozenset({"subnetpool_id", "segment_id"})
"""Taken for the sake of clients that send their only value."""


def _shared(subnet: Subnet, look: Look) -> bool:
    network = look.state.networks.get(subnet.network_id)
    return network is not None and (network.shared or look.is_shared(network.id))


def _external(subnet: Subnet, look: Look) -> bool:
    network = look.state.networks.get(subnet.network_id)
    return network is not None and network.external


IPV6_MODE = nullable(one_of("dhcpv6-stateful", "dhcpv6-stateless", "slaac"))
IP_VERSION = convert.Type(convert.integer(4, 6).convert, {"type": "integer", "enum": [4, 6]})

SUBNETS = Kind(
    singular="subnet",
    plural="subnets",
    collection=lambda state: state.subnets,
    attributes=(
        *standard(),
        Attribute(name="network_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(name="ip_version", type=IP_VERSION, post=True),
        Attribute(name="cidr", type=convert.CIDR, default=REQUIRED, post=True),
        Attribute(name="gateway_ip", type=nullable(convert.ADDRESS), post=True, put=True),
        Attribute(name="enable_dhcp", type=BOOLEAN, default=True, post=True, put=True),
        Attribute(
            name="allocation_pools",
            type=convert.POOLS,
            read=lambda subnet, look: [{"start": p.start, "end": p.end} for p in subnet.allocation_pools],
            post=True,
            put=True,
            filter=False,
        ),
        Attribute(
            name="dns_nameservers", type=convert.SERVERS, default=(), post=True, put=True, filter=False
        ),
        Attribute(
            name="host_routes",
            type=convert.ROUTES,
            read=lambda subnet, look: [
                {"destination": r.destination, "nexthop": r.nexthop} for r in subnet.host_routes
            ],
            default=(),
            post=True,
            put=True,
            filter=False,
        ),
        Attribute(name="ipv6_ra_mode", type=IPV6_MODE, default=None, post=True),
        Attribute(name="ipv6_address_mode", type=IPV6_MODE, default=None, post=True),
        Attribute(name="subnetpool_id", type=convert.NULL_YET, read=lambda subnet, look: None, post=True),
        Attribute(name="segment_id", type=convert.NULL_YET, read=lambda subnet, look: None, post=True),
        Attribute(name="shared", type=BOOLEAN, read=_shared, visible=False),
        constant("service_types", []),
        constant("dns_publish_fixed_ip", False),
        Attribute(name="router:external", type=BOOLEAN, read=_external),
    ),
)


def create(id: str, values: Values, draft: Draft) -> Subnet:
    network = rules.network_exists(values["network_id"], draft)
    cidr = values["cidr"]
    given: Values = {"ip_version": ipaddress.ip_network(cidr).version}
    given |= {k: v for k, v in values.items() if k not in UNSTORED}
    rules.version_matches(cidr, given["ip_version"])
    rules.cidr_is_usable(cidr)
    rules.cidr_is_free(cidr, network.id, draft)
    if "gateway_ip" not in given:
        given["gateway_ip"] = _free_gateway(cidr, given.get("allocation_pools", ()))
    if "allocation_pools" not in given:
        given["allocation_pools"] = ipam.default_pools(cidr, given["gateway_ip"])
    subnet = Subnet(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)
    _check(subnet)
    draft.subnets.append(subnet)
    return subnet


def _free_gateway(cidr: str, pools: Any) -> str | None:
    """The first usable address; none in a subnet of one address, which a station will want."""
    first, last = ipam.usable(cidr)
    return None if first == last and not pools else ipam.default_gateway(cidr)


def update(old: Any, values: Values, draft: Draft) -> Subnet:
    changed: Subnet = replace(old, **values)
    if changed.gateway_ip != old.gateway_ip:
        rules.gateway_is_nobodys(old.gateway_ip, old, draft.look)
        rules.gateway_is_nobodys(changed.gateway_ip, changed, draft.look)
    _check(changed)
    return changed


def _check(subnet: Subnet) -> None:
    """What a subnet must be in itself."""
    rules.gateway_is_inside(subnet.gateway_ip, subnet.cidr)
    rules.pools_fit(subnet.allocation_pools, subnet.cidr)
    rules.gateway_is_free(subnet.gateway_ip, subnet.allocation_pools)
    rules.family_is(subnet.dns_nameservers, subnet.ip_version, "nameserver")
    rules.routes_fit(subnet.host_routes, subnet.ip_version)
    slaac.check(subnet)
    rules.ipv6_modes_fit(subnet.ip_version, subnet.ipv6_ra_mode, subnet.ipv6_address_mode, subnet.enable_dhcp)


def delete(subnet: Any, draft: Draft) -> tuple[Subnet, ...]:
    rules.subnet_unused(subnet, draft.look)
    return (subnet,)
