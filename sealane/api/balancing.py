"""What load balancers, listeners, pools, members and health monitors have in common.

Attributes and their names are those of the Load Balancer API v2 (https://docs.openstack.org/api-ref/load-balancer/v2/);
what of it OVN can't do is there with the one value that it can have, so that clients find what they look for.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from sealane.api import convert
from sealane.api.attributes import Attribute, Read, Values, standard
from sealane.api.convert import NULL_YET, Type, one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.model import LoadBalancer, Subnet
from sealane.names import ROUTER_INTERFACE

PROTOCOL = one_of("TCP", "UDP", "SCTP")
PORT_NUMBER = convert.integer(1, 65535)
TITLES = {
    "loadbalancer": "load balancer",
    "listener": "listener",
    "pool": "pool",
}


def common(operating_status: Read) -> tuple[Attribute, ...]:
    """The standard attributes; tags may be given with a change, too, as Octavia has no calls for them."""
    return (
        *(replace(a, put=True) if a.name == "tags" else a for a in standard()),
        Attribute(name="admin_state_up", type=convert.BOOLEAN, default=True, post=True, put=True),
        Attribute(name="provisioning_status", type=convert.NAME, read=lambda row, look: "ACTIVE"),
        Attribute(name="operating_status", type=convert.NAME, read=operating_status),
    )


def unserved(*names: str, type: Type = NULL_YET, value: object = None) -> tuple[Attribute, ...]:
    """Attributes that only have that value."""
    return tuple(
        Attribute(name=name, type=type, read=lambda row, look: value, post=True, put=True, filter=False)
        for name in names
    )


def stored(values: Values, unstored: Collection[str]) -> Values:
    return {key: value for key, value in values.items() if key not in unstored}


def ids(rows: Any) -> list[dict[str, str]]:
    return [{"id": row.id} for row in rows]


def there(kind: str, id: str, draft: Draft) -> Any:
    """Raises NotFound."""
    found = draft.balanced(id)
    if found is None:
        raise NotFound(f"{TITLES[kind]} {id} not found.", type=f"{kind}NotFound")
    return found


def networks_reached(balancer: LoadBalancer, look: Look) -> list[str]:
    """Ids of networks: that of the address first, then those behind routers that have an interface in it."""
    port = look.state.ports.get(balancer.vip_port_id)
    return [] if port is None else networks_beside(port.network_id, look)


def networks_beside(network: str, look: Look) -> list[str]:
    legs = [p for ports in look.router_ports.values() for p in ports if p.device_owner == ROUTER_INTERFACE]
    routers = {leg.device_id for leg in legs if leg.network_id == network}
    return [network, *sorted({leg.network_id for leg in legs if leg.device_id in routers} - {network})]


def subnet_there(id: str, field: str, draft: Draft) -> Subnet:
    found = draft.look.state.subnets.get(id)
    if found is None:
        raise NotFound(f"Subnet {id} not found ({field}).", type="SubnetNotFound")
    return found


def invalid(field: str, reason: str) -> BadRequest:
    return BadRequest(f"Invalid input for {field}. Reason: {reason}.", type="HTTPBadRequest")


def taken(reason: str) -> Conflict:
    return Conflict(reason)
