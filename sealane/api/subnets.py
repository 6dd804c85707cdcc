"""Subnets: the table of attributes, and how a row is made and changed.

A subnet's CIDR is given, or is the lowest free one of a pool.  With a pool it has to be within it.
"""

import ipaddress
from dataclasses import replace
from typing import Any

from sealane import names
from sealane.api import convert, ipam, ports, rules, slaac, subnet_pools
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, constant, standard
from sealane.api.convert import BOOLEAN, nullable, one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import BadRequest, NotFound
from sealane.model import Port, Subnet, SubnetPool
from sealane.store import draws, segmenting

UNSTORED = frozenset({"segment_id", "prefixlen", "use_default_subnetpool"})
"""Taken for the sake of clients that send their only value, or said only when it is made."""


def _shared(subnet: Subnet, look: Look) -> bool:
    network = look.state.networks.get(subnet.network_id)
    return network is not None and (network.shared or look.is_shared(network.id))


def _external(subnet: Subnet, look: Look) -> bool:
    network = look.state.networks.get(subnet.network_id)
    return network is not None and network.external


def _unseen(subnet: Subnet, look: Look) -> None:
    """Of what is only said when it is made."""


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
        Attribute(name="cidr", type=convert.CIDR, post=True),
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
        Attribute(name="subnetpool_id", type=nullable(convert.ID), post=True),
        Attribute(
            name="prefixlen",
            type=nullable(subnet_pools.LENGTH),
            read=_unseen,
            post=True,
            filter=False,
            visible=False,
        ),
        Attribute(
            name="use_default_subnetpool",
            type=BOOLEAN,
            read=_unseen,
            default=False,
            post=True,
            filter=False,
            visible=False,
        ),
        Attribute(
            name="segment_id",
            type=nullable(convert.ID),
            read=lambda subnet, look: segmenting.of_subnet(subnet),
            default=None,
            post=True,
            put=True,
        ),
        Attribute(name="shared", type=BOOLEAN, read=_shared, visible=False),
        constant("service_types", []),
        constant("dns_publish_fixed_ip", False),
        Attribute(name="router:external", type=BOOLEAN, read=_external),
    ),
)


def create(id: str, values: Values, draft: Draft) -> Subnet:
    network = rules.network_exists(values["network_id"], draft)
    pool = _pool(values, draft)
    cidr = values["cidr"] if "cidr" in values else _chosen(values, pool, draft)
    given: Values = {"ip_version": ipaddress.ip_network(cidr).version}
    given |= {k: v for k, v in values.items() if k not in UNSTORED}
    given |= {"cidr": cidr, "subnetpool_id": None if pool is None else pool.id}
    rules.version_matches(cidr, given["ip_version"])
    rules.mtu_is_enough(network, given["ip_version"])
    rules.cidr_is_usable(cidr)
    rules.cidr_is_free(cidr, network.id, draft)
    if "gateway_ip" not in given:
        given["gateway_ip"] = _free_gateway(cidr, given.get("allocation_pools", ()))
    if "allocation_pools" not in given:
        given["allocation_pools"] = ipam.default_pools(cidr, given["gateway_ip"])
    given |= _segment(network.id, values["segment_id"], draft)
    subnet = Subnet(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)
    _check(subnet)
    segmenting.refuse_subnet(subnet, draft.subnets_of(network.id), draft.segments_of(network.id))
    draws.refuse_siblings(subnet, draft.subnets_of(network.id), draft.all_pools())
    if pool is not None:
        draws.refuse_subnet(subnet, pool, subnet_pools.subnets_of(pool, draft))
    draft.subnets.append(subnet)
    return subnet


def _segment(network_id: str, segment_id: str | None, draft: Draft) -> Values:
    """As it is kept. Raises BadRequest."""
    segmenting.refuse_strange(network_id, segment_id, draft.segments_of(network_id))
    own = segment_id == names.segment(network_id)
    return {"segmented": own, "further_segment_id": None if own else segment_id}


def _pool(values: Values, draft: Draft) -> SubnetPool | None:
    """The pool that is named, or the default one. Raises BadRequest, NotFound."""
    id, default = values.get("subnetpool_id"), values["use_default_subnetpool"]
    if "cidr" in values and values.get("prefixlen") is not None:
        raise _bad("cidr and prefixlen must not be supplied together")
    if id is not None and default:
        raise _bad("subnetpool_id and use_default_subnetpool cannot both be specified")
    if default:
        version = values.get("ip_version") or (6 if ":" in values.get("cidr", "") else 4)
        return subnet_pools.default_of(version, values["project_id"], draft)
    if id is None:
        if "cidr" not in values:
            raise _bad("a subnetpool_id must be specified in the absence of a cidr")
        return None
    pool = draft.all_pools().get(id)
    if pool is None:
        raise NotFound(f"Subnet pool {id} could not be found.", type="SubnetPoolNotFound")
    return pool


def _chosen(values: Values, pool: SubnetPool | None, draft: Draft) -> str:
    """A free subnet of the pool. Raises BadRequest, Conflict."""
    assert pool is not None, "_pool() wants a cidr then"
    if values.get("ip_version", pool.ip_version) != pool.ip_version:
        raise _bad(
            f"Cannot allocate IPv{values['ip_version']} subnet from IPv{pool.ip_version} "
            f"subnet pool {pool.id}"
        )
    for name in ("allocation_pools", "gateway_ip"):
        if values.get(name):
            raise _bad(f"{name} can't be given without a cidr: nobody knows yet which subnet it will be")
    given = values.get("prefixlen")
    length = pool.default_prefixlen if given is None else given
    draws.refuse_length(length, pool)
    return draws.free(pool, length, subnet_pools.subnets_of(pool, draft), draft.skip())


def _bad(reason: str) -> BadRequest:
    return BadRequest(f"Bad subnets request: {reason}.")


def _free_gateway(cidr: str, pools: Any) -> str | None:
    """The first usable address; none in a subnet of one address, which a station will want."""
    first, last = ipam.usable(cidr)
    return None if first == last and not pools else ipam.default_gateway(cidr)


def update(old: Any, values: Values, draft: Draft) -> Subnet:
    given = {k: v for k, v in values.items() if k not in UNSTORED}
    if "segment_id" in values:
        given |= _segment(old.network_id, values["segment_id"], draft)
    changed: Subnet = replace(old, **given)
    if segmenting.moves(old, changed):
        segmenting.refuse_move(changed, draft.segments_of(old.network_id))
    if changed.gateway_ip != old.gateway_ip:
        rules.gateway_is_nobodys(old.gateway_ip, old, draft)
        rules.gateway_is_nobodys(changed.gateway_ip, changed, draft)
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


def delete(subnet: Any, draft: Draft) -> tuple[Port | Subnet, ...]:
    """With the ports that have an address there and wait for a container."""
    rules.subnet_unused(subnet, draft.look)
    users = [
        p
        for p in draft.look.ports_of(subnet.network_id)
        if any(f.subnet_id == subnet.id for f in p.fixed_ips)
    ]
    return (*(row for port in users for row in ports.delete(port, draft)), subnet)
