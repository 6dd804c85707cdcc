"""Services: ports that offer the same one are the servers of a load balancer of that name in their network.

    sealane:services = ["web:80:8080/tcp"]      name, port of the address, port of the server, protocol

It comes with the first port that offers it and goes with the last; its rows bear the tag TAG and ids that
follow from what they stand for, so everybody makes the same ones.  Members that somebody adds stay his.
"""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from sealane.api import listeners, loadbalancers, pool_members, pools, ports, rules
from sealane.api.attributes import Values
from sealane.api.draft import Draft
from sealane.model import Listener, LoadBalancer, Member, Port, ServerPool
from sealane.store.changes import Create, Delete, Update

TAG = "sealane.service"
_IDS = uuid.UUID("5ea1a000-0000-4000-8000-000000000006")


class Place(NamedTuple):
    """A listener of a service."""

    protocol: str
    port: int


class Server(NamedTuple):
    port: Port
    number: int


Offers = dict[Place, list[Server]]


def create_port(id: str, values: Values, draft: Draft) -> Port:
    """As ports.create, with what it offers."""
    made = ports.create(id, values, draft)
    if made.services:
        settle(made.network_id, draft)
    return made


def update_port(old: Any, values: Values, draft: Draft) -> Port:
    changed = ports.update(old, values, draft)
    if _offered(old) != _offered(changed):
        draft.ports.append(changed)
        settle(changed.network_id, draft)
    return changed


def delete_port(port: Any, draft: Draft) -> tuple[Port, ...]:
    gone = ports.delete(port, draft)
    without(gone, draft)
    return gone


def without(gone: Iterable[Port], draft: Draft) -> None:
    """What they offered is offered by others, or by nobody."""
    offering = [port for port in gone if port.services]
    draft.gone.update(port.id for port in offering)
    for network_id in sorted({port.network_id for port in offering}):
        settle(network_id, draft)


def _offered(port: Port) -> object:
    return (port.services, port.withdrawn, port.fixed_ips) if port.services else ()


def settle(network_id: str, draft: Draft) -> None:
    """The load balancers of a network's services, after what the request does to ports."""
    project = rules.network_exists(network_id, draft).project_id
    before = _offers(draft.look.ports_of(network_id), project)
    wanted = _offers(_ports(network_id, draft), project)
    for name in sorted(before.keys() | wanted.keys()):
        id = str(uuid.uuid5(_IDS, f"{network_id} {name}"))
        there = draft.look.state.loadbalancers.get(id)
        if name in wanted:
            _balance(there or _made(id, name, network_id, draft), wanted[name], draft)
        elif there is not None:
            _delete(loadbalancers.delete_all(there, draft), draft)


def _ports(network_id: str, draft: Draft) -> list[Port]:
    rows = {port.id: port for port in draft.look.ports_of(network_id)}
    rows |= {port.id: port for port in draft.ports if port.network_id == network_id}
    return [port for id, port in sorted(rows.items()) if id not in draft.gone]


def _offers(rows: Iterable[Port], project: str) -> dict[str, Offers]:
    """By name. Who is a guest in the network makes nothing in its owner's project."""
    found: dict[str, Offers] = {}
    for port in rows:
        for offer in port.services if port.project_id == project else ():
            name, at, number = offer.partition("/")[0].split(":")
            place = Place(offer.partition("/")[2].upper(), int(at))
            found.setdefault(name, {}).setdefault(place, []).append(Server(port, int(number)))
    return found


def _made(id: str, name: str, network_id: str, draft: Draft) -> LoadBalancer:
    project = rules.network_exists(network_id, draft).project_id
    given = {"name": name, "project_id": project, "vip_network_id": network_id, "tags": [TAG]}
    made = loadbalancers.create(id, loadbalancers.LOADBALANCERS.accept_new(given), draft, dns_name=name)
    draft.also.append(Create(made, counted=False))
    return made


def _balance(balancer: LoadBalancer, offers: Offers, draft: Draft) -> None:
    ids = {_id(balancer.id, place): place for place in offers}
    for listener in draft.below(balancer.id, Listener):
        if TAG in listener.tags and listener.id not in ids:
            _delete(listeners.delete(listener, draft), draft)
    for pool in draft.below(balancer.id, ServerPool):
        if TAG in pool.tags and not any(_id(id, "pool") == pool.id for id in ids):
            _delete(pools.delete(pool, draft), draft)
    for id, place in ids.items():
        pool_id = _id(id, "pool")
        pool = draft.balanced(pool_id) or _pool(pool_id, balancer, place, draft)
        if draft.balanced(id) is None:
            _listener(id, balancer, place, pool_id, draft)
        _members(pool, balancer, offers[place], draft)


def _pool(id: str, balancer: LoadBalancer, place: Place, draft: Draft) -> ServerPool:
    given = {"loadbalancer_id": balancer.id, "protocol": place.protocol, "lb_algorithm": "SOURCE_IP_PORT"}
    made = pools.create(id, pools.POOLS.accept_new({**given, "tags": [TAG]}), draft)
    draft.also.append(Create(made, counted=False))
    return made


def _listener(id: str, balancer: LoadBalancer, place: Place, pool_id: str, draft: Draft) -> None:
    at = {"protocol": place.protocol, "protocol_port": place.port}
    given = {"loadbalancer_id": balancer.id, "default_pool_id": pool_id, **at, "tags": [TAG]}
    made = listeners.create(id, listeners.LISTENERS.accept_new(given), draft)
    draft.also.append(Create(made, counted=False))


def _members(pool: ServerPool, balancer: LoadBalancer, servers: list[Server], draft: Draft) -> None:
    there = {member.id: member for member in draft.below(pool.id, Member)}
    wanted = {
        _id(pool.id, f"{server.port.id} {fixed.ip_address} {server.number}"): (server, fixed)
        for server in servers
        for fixed in _addresses(server.port, balancer)
    }
    _delete(
        (
            r
            for id, m in there.items()
            if TAG in m.tags and id not in wanted
            for r in pool_members.delete(m, draft)
        ),
        draft,
    )
    for id, (server, fixed) in wanted.items():
        up = not server.port.withdrawn
        if (old := there.get(id)) is not None:
            if old.admin_state_up != up:
                draft.also.append(Update(old, replace(old, admin_state_up=up, updated_at=draft.now)))
            continue
        given = {"address": fixed.ip_address, "subnet_id": fixed.subnet_id, "protocol_port": server.number}
        values = pool_members.MEMBERS.accept_new({**given, "admin_state_up": up, "tags": [TAG]})
        draft.also.append(Create(pool_members.create(id, values, pool, draft), counted=False))


def _addresses(port: Port, balancer: LoadBalancer) -> Iterator[Any]:
    """The one that the load balancer can lead to."""
    family = ":" in balancer.vip_address
    yield from [fixed for fixed in port.fixed_ips if (":" in fixed.ip_address) == family][:1]


def _id(of: str, what: object) -> str:
    return str(uuid.uuid5(uuid.UUID(of), str(what)))


def _delete(rows: Any, draft: Draft) -> None:
    draft.also += [Delete(row, guarded=True) for row in rows]
