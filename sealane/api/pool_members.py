"""Members of a pool: the servers.  They are rows below it: /v2.0/lbaas/pools/ID/members/ID."""

from dataclasses import replace
from typing import Any

from sealane.api import balancing, balancing_status, convert, health_ports, ipam, rules
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values
from sealane.api.balancing import common, invalid, taken, unserved
from sealane.api.convert import FALSE_YET, nullable
from sealane.api.draft import Draft
from sealane.model import HealthMonitor, LoadBalancer, Member, ServerPool, Subnet

WEIGHT = convert.integer(0, 256)
OF_OTHERS = ("monitor_address", "monitor_port", "vnic_type")
UNSTORED = frozenset({*OF_OTHERS, "backup"})
MANY = 250
"""Members of one pool."""

MEMBERS = Kind(
    singular="member",
    plural="members",
    collection=lambda state: state.members,
    attributes=(
        *common(balancing_status.of_member),
        Attribute(name="address", type=convert.ADDRESS, default=REQUIRED, post=True),
        Attribute(name="protocol_port", type=balancing.PORT_NUMBER, default=REQUIRED, post=True),
        Attribute(name="subnet_id", type=nullable(convert.ID), default=None, post=True),
        Attribute(name="weight", type=WEIGHT, default=1, post=True, put=True),
        *unserved("backup", type=FALSE_YET, value=False),
        *unserved(*OF_OTHERS),
    ),
)


def create(id: str, values: Values, pool: ServerPool, draft: Draft) -> Member:
    balancer = balancing.there("loadbalancer", pool.loadbalancer_id, draft)
    subnet = _subnet(values["address"], values["subnet_id"], balancer, draft)
    given = MEMBERS.as_fields(balancing.stored(values, UNSTORED))
    made = Member(
        id=id,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
        pool_id=pool.id,
        **{**given, "subnet_id": subnet.id, "project_id": pool.project_id},
    )
    _is_alone(made, draft)
    if draft.below(pool.id, HealthMonitor):
        can_be_asked(made, "address", draft)
    draft.balancing.append(made)
    health_ports.settle(draft)
    return made


def update(old: Any, values: Values, draft: Draft) -> Member:
    changed: Member = replace(old, **MEMBERS.as_fields(balancing.stored(values, UNSTORED)))
    return changed


def delete(member: Any, draft: Draft) -> tuple[Member, ...]:
    draft.gone.add(member.id)
    health_ports.settle(draft)
    return (member,)


def can_be_asked(member: Member, field: str, draft: Draft) -> None:
    """A server is asked for its health by the port that has its address. Raises BadRequest."""
    port = draft.look.holders.get((member.subnet_id, member.address))
    if port is None or port.device_owner in rules.SERVICE_PORTS:
        raise invalid(field, f"no port of a machine has {member.address}, so its health can't be asked for")


def _subnet(address: str, subnet_id: str | None, balancer: LoadBalancer, draft: Draft) -> Subnet:
    """Where the server is: the load balancer's own network, or one behind a router of it."""
    look = draft.look
    port = next((p for p in draft.ports if p.id == balancer.vip_port_id), None)
    networks = balancing.networks_beside(port.network_id, look) if port else ()
    networks = networks or balancing.networks_reached(balancer, look)
    if address == balancer.vip_address:
        raise invalid("address", f"{address} is the address of the load balancer itself")
    if not ipam.same_family(address, balancer.vip_address):
        raise invalid("address", f"{address} is not of the family of {balancer.vip_address}")
    if subnet_id is not None:
        subnet = balancing.subnet_there(subnet_id, "subnet_id", draft)
        if not ipam.contains(subnet.cidr, address):
            raise invalid("address", f"{address} is not in {subnet.cidr} of subnet {subnet_id}")
        if subnet.network_id not in networks:
            raise invalid(
                "subnet_id",
                f"no router leads from the load balancer's network {networks[0]} to subnet {subnet_id}",
            )
        return subnet
    for network in networks:
        for subnet in draft.subnets_of(network):
            if ipam.contains(subnet.cidr, address):
                return subnet
    raise invalid(
        "address", f"{address} is in no subnet that the load balancer reaches; give another, or a router"
    )


def _is_alone(member: Member, draft: Draft) -> None:
    there = draft.below(member.pool_id, Member)
    for other in there:
        if (other.address, other.protocol_port) == (member.address, member.protocol_port):
            raise taken(
                f"address {member.address} with protocol_port {member.protocol_port} is member {other.id} of "
                f"pool {member.pool_id} already"
            )
    if len(there) >= MANY:
        raise invalid("address", f"pool {member.pool_id} has {MANY} members, which is as many as it may have")
