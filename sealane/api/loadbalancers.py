"""Load balancers: the table of attributes, and how one comes by its address and goes."""

import uuid
from dataclasses import replace
from typing import Any

from sealane import names
from sealane.api import balancing, balancing_status, convert, health_ports, ports, rules
from sealane.api.attributes import Attribute, Kind, Values
from sealane.api.balancer_tree import bodies
from sealane.api.balancing import common, ids, invalid, unserved
from sealane.api.convert import NOTHING_YET, Type, WantedIP, nullable, one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import Conflict, NotFound
from sealane.model import HealthMonitor, Listener, LoadBalancer, Member, Port, ServerPool
from sealane.store.changes import Create, Delete, Update

VIP = frozenset({"vip_port_id", "vip_subnet_id", "vip_network_id", "vip_address"})
UNSTORED = VIP | {
    *("provider", "vip_qos_policy_id", "flavor_id", "availability_zone", "vip_vnic_type"),
    *("additional_vips", "vip_sg_ids", "listeners", "pools"),
}


def _port(balancer: LoadBalancer, look: Look) -> Port | None:
    return look.state.ports.get(balancer.vip_port_id)


def _network(balancer: LoadBalancer, look: Look) -> str:
    port = _port(balancer, look)
    return port.network_id if port else ""


def _subnet(balancer: LoadBalancer, look: Look) -> str:
    port = _port(balancer, look)
    fixed = port.fixed_ips if port else ()
    return next((f.subnet_id for f in fixed if f.ip_address == balancer.vip_address), "")


BODIES = Type(bodies, {"type": "array", "items": {"type": "object"}})
"""What is to be made with it (balancer_tree.py)."""
LOADBALANCERS = Kind(
    singular="loadbalancer",
    plural="loadbalancers",
    words="Load balancer",
    collection=lambda state: state.loadbalancers,
    attributes=(
        *common(balancing_status.of_balancer),
        Attribute(name="vip_address", type=nullable(convert.ADDRESS), default=None, post=True),
        Attribute(name="vip_port_id", type=nullable(convert.ID), default=None, post=True),
        Attribute(name="vip_subnet_id", type=nullable(convert.ID), read=_subnet, default=None, post=True),
        Attribute(name="vip_network_id", type=nullable(convert.ID), read=_network, default=None, post=True),
        Attribute(
            name="provider",
            type=nullable(one_of("ovn")),
            read=lambda balancer, look: "ovn",
            default="ovn",
            post=True,
        ),
        Attribute(
            name="vip_vnic_type",
            type=one_of("normal"),
            read=lambda balancer, look: "normal",
            default="normal",
            post=True,
        ),
        Attribute(
            name="listeners",
            type=BODIES,
            default=(),
            post=True,
            read=lambda balancer, look: ids(look.below(balancer.id, Listener)),
            filter=False,
        ),
        Attribute(
            name="pools",
            type=BODIES,
            default=(),
            post=True,
            read=lambda balancer, look: ids(look.below(balancer.id, ServerPool)),
            filter=False,
        ),
        *unserved("vip_qos_policy_id", "flavor_id", "availability_zone"),
        *unserved("additional_vips", "vip_sg_ids", type=NOTHING_YET, value=[]),
    ),
)


def create(id: str, values: Values, draft: Draft, *, dns_name: str = "") -> LoadBalancer:
    """dns_name: by which DNS knows the address."""
    given = LOADBALANCERS.as_fields(balancing.stored(values, UNSTORED))
    if values["vip_port_id"] is not None:
        port = _adopted(id, values, draft)
        address = values["vip_address"] or port.fixed_ips[0].ip_address
    else:
        port = _made(id, values, draft, dns_name)
        address = port.fixed_ips[0].ip_address
    made = LoadBalancer(
        id=id,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
        vip_port_id=port.id,
        vip_address=address,
        made_port=values["vip_port_id"] is None,
        **given,
    )
    draft.balancing.append(made)
    return made


def update(old: Any, values: Values, draft: Draft) -> LoadBalancer:
    changed: LoadBalancer = replace(old, **LOADBALANCERS.as_fields(balancing.stored(values, UNSTORED)))
    return changed


def delete(balancer: Any, draft: Draft) -> tuple[Any, ...]:
    """Only an empty one."""
    below = (*draft.below(balancer.id, Listener), *draft.below(balancer.id, ServerPool))
    if below:
        raise Conflict(
            f"Load Balancer {balancer.id} has {len(below)} listeners and pools: delete them first, or all "
            "of it with cascade=true.",
            type="LoadbalancerInUse",
        )
    return delete_all(balancer, draft)


def delete_all(balancer: Any, draft: Draft) -> tuple[Any, ...]:
    """With what belongs to it."""
    pools = draft.below(balancer.id, ServerPool)
    members = [member for pool in pools for member in draft.below(pool.id, Member)]
    monitors = [monitor for pool in pools for monitor in draft.below(pool.id, HealthMonitor)]
    gone = (*members, *monitors, *draft.below(balancer.id, Listener), *pools, balancer)
    draft.gone.update(row.id for row in gone)
    _let_port_go(balancer, draft)
    health_ports.settle(draft)
    return gone


def _let_port_go(balancer: LoadBalancer, draft: Draft) -> None:
    port = draft.look.state.ports.get(balancer.vip_port_id)
    if port is None:
        return
    if balancer.made_port:
        for floating in draft.look.floating_of(port.id):
            free = replace(
                floating, port_id=None, fixed_ip_address=None, router_id=None, updated_at=draft.now
            )
            draft.also.append(Update(floating, free))
        draft.also.append(Delete(port, guarded=True))
        draft.gone.add(port.id)
    else:
        draft.also.append(Update(port, replace(port, device_owner="", device_id="", updated_at=draft.now)))


def _adopted(id: str, values: Values, draft: Draft) -> Port:
    """A port that somebody has made for it."""
    port = draft.look.state.ports.get(values["vip_port_id"])
    if port is None:
        raise NotFound(f"Port {values['vip_port_id']} not found (vip_port_id).", type="PortNotFound")
    if port.host or (port.device_owner != names.LBAAS_PORT and (port.device_owner or port.device_id)):
        raise Conflict(
            f"vip_port_id {port.id} is in use by {port.device_owner or port.device_id or port.host}."
        )
    if not port.fixed_ips:
        raise invalid("vip_port_id", f"port {port.id} has no address")
    if values["vip_network_id"] not in (None, port.network_id):
        raise invalid("vip_network_id", f"port {port.id} is in network {port.network_id}")
    fixed = [f for f in port.fixed_ips if values["vip_address"] in (None, f.ip_address)]
    if not fixed:
        raise invalid("vip_address", f"port {port.id} has not the address {values['vip_address']}")
    if values["vip_subnet_id"] not in (None, *(f.subnet_id for f in fixed)):
        raise invalid("vip_subnet_id", f"port {port.id} has no such address in {values['vip_subnet_id']}")
    used = replace(
        port,
        device_owner=names.BALANCER_PORT,
        device_id=names.balancer_device(id),
        updated_at=draft.now,
    )
    draft.also.append(Update(port, used))
    return used


def _made(id: str, values: Values, draft: Draft, dns_name: str) -> Port:
    subnet_id, network_id = values["vip_subnet_id"], values["vip_network_id"]
    if subnet_id is not None:
        subnet = balancing.subnet_there(subnet_id, "vip_subnet_id", draft)
        if network_id not in (None, subnet.network_id):
            raise invalid("vip_network_id", f"subnet {subnet_id} is in network {subnet.network_id}")
        network_id = subnet.network_id
    if network_id is None:
        raise invalid("vip_subnet_id", "give vip_subnet_id, vip_network_id or vip_port_id")
    network = rules.network_exists(network_id, draft)
    address = values["vip_address"]
    if subnet_id is None and address is None:
        subnets = draft.subnets_of(network.id)
        if not subnets:
            raise invalid("vip_network_id", f"network {network_id} has no subnet")
        subnet_id = subnets[0].id
    port = ports.make(
        str(uuid.uuid4()),
        network,
        (WantedIP(subnet_id, address),),
        draft,
        name=f"ovn-lb-vip-{id}",
        project_id=values["project_id"],
        port_security_enabled=False,
        dns_name=dns_name,
        device_owner=names.BALANCER_PORT,
        device_id=names.balancer_device(id),
    )
    draft.also.append(Create(port))
    return port
