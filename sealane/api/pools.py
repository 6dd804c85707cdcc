"""Pools of a load balancer's servers.

In the model one is a ServerPool: a Pool there is a range of addresses.
"""

from dataclasses import replace
from typing import Any

from sealane.api import balancing, balancing_status, convert, health_ports, listeners
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values
from sealane.api.balancing import common, ids, invalid, taken, unserved
from sealane.api.convert import NOTHING_YET, Type, nullable, one_of, record
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.model import HealthMonitor, Listener, Member, ServerPool

Persistence = tuple[str, int]
LONGEST = 65535
"""Seconds (ovn-nb(5), Load_Balancer.options:affinity_timeout)."""
_TIMEOUT = nullable(convert.integer(1, LONGEST))
NAMES = ("type", "persistence_timeout", "persistence_granularity", "cookie_name")
TLS = ("tls_container_ref", "ca_tls_container_ref", "crl_container_ref", "tls_ciphers", "tls_enabled")
LISTS = ("tls_versions", "alpn_protocols")
UNSTORED = frozenset({"listener_id", "lb_algorithm", "session_persistence", *TLS, *LISTS})


def _persistence(value: Any) -> Persistence:
    """How a client stays with its server, and for how many seconds."""
    if value in (None, {}):
        return "", 0
    found = record(value, *NAMES, required=("type",))
    if found["type"] != "SOURCE_IP":
        raise ValueError(f"type '{found['type']}' is not in ['SOURCE_IP']")
    if found.get("cookie_name") is not None or found.get("persistence_granularity") is not None:
        raise ValueError("cookie_name and persistence_granularity can't be given with type SOURCE_IP here")
    return "SOURCE_IP", _TIMEOUT.convert(found.get("persistence_timeout")) or 0


def _shown(pool: ServerPool, look: Look) -> Values | None:
    if not pool.persistence:
        return None
    timeout = pool.persistence_timeout or None
    return dict(zip(NAMES, (pool.persistence, timeout, None, None), strict=True))


def _leading(pool: ServerPool, look: Look) -> list[Listener]:
    return [one for one in look.below(pool.loadbalancer_id, Listener) if one.default_pool_id == pool.id]


PERSISTENCE = Type(_persistence, {"type": "object", "nullable": True})
POOLS = Kind(
    singular="pool",
    plural="pools",
    collection=lambda state: state.pools,
    attributes=(
        *common(balancing_status.of_pool),
        Attribute(name="loadbalancer_id", type=nullable(convert.ID), default=None, post=True),
        Attribute(
            name="listener_id",
            type=nullable(convert.ID),
            default=None,
            post=True,
            visible=False,
            filter=False,
        ),
        Attribute(name="protocol", type=balancing.PROTOCOL, default=REQUIRED, post=True),
        Attribute(
            name="lb_algorithm",
            type=one_of("SOURCE_IP_PORT"),
            read=lambda pool, look: "SOURCE_IP_PORT",
            default=REQUIRED,
            post=True,
            put=True,
        ),
        Attribute(
            name="session_persistence",
            type=PERSISTENCE,
            read=_shown,
            default=None,
            post=True,
            put=True,
            filter=False,
        ),
        Attribute(
            name="loadbalancers",
            type=convert.ANY,
            read=lambda pool, look: [{"id": pool.loadbalancer_id}],
            filter=False,
        ),
        Attribute(
            name="listeners",
            type=convert.ANY,
            read=lambda pool, look: ids(_leading(pool, look)),
            filter=False,
        ),
        Attribute(
            name="members",
            type=convert.ANY,
            read=lambda pool, look: ids(look.below(pool.id, Member)),
            filter=False,
        ),
        Attribute(
            name="healthmonitor_id",
            type=convert.ANY,
            read=lambda pool, look: next((m.id for m in look.below(pool.id, HealthMonitor)), None),
            filter=False,
        ),
        *unserved(*TLS),
        *unserved(*LISTS, type=NOTHING_YET, value=[]),
    ),
)


def create(id: str, values: Values, draft: Draft) -> ServerPool:
    listener_id, balancer_id = values["listener_id"], values["loadbalancer_id"]
    if listener_id is None and balancer_id is None:
        raise invalid("listener_id", "give listener_id or loadbalancer_id")
    listener: Any = None if listener_id is None else balancing.there("listener", listener_id, draft)
    if listener is not None and balancer_id not in (None, listener.loadbalancer_id):
        raise invalid("loadbalancer_id", f"listener {listener_id} belongs to {listener.loadbalancer_id}")
    balancer = balancing.there("loadbalancer", balancer_id or listener.loadbalancer_id, draft)
    given = POOLS.as_fields(balancing.stored(values, UNSTORED))
    made = ServerPool(
        id=id,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
        **{**given, **_kept(values), "loadbalancer_id": balancer.id, "project_id": balancer.project_id},
    )
    if listener is not None:
        _is_the_first(made, listener)
        listeners.lead(listener, id, draft)
    draft.balancing.append(made)
    return made


def update(old: Any, values: Values, draft: Draft) -> ServerPool:
    given = POOLS.as_fields(balancing.stored(values, UNSTORED))
    changed: ServerPool = replace(old, **given, **_kept(values))
    return changed


def delete(pool: Any, draft: Draft) -> tuple[Any, ...]:
    """With its members and its monitor; its listeners lead nowhere then."""
    gone = (*draft.below(pool.id, Member), *draft.below(pool.id, HealthMonitor), pool)
    draft.gone.update(row.id for row in gone)
    for listener in draft.below(pool.loadbalancer_id, Listener):
        if listener.default_pool_id == pool.id:
            listeners.lead(listener, None, draft)
    health_ports.settle(draft)
    return gone


def _kept(values: Values) -> Values:
    """What the model has of session_persistence."""
    if "session_persistence" not in values:
        return {}
    kind, timeout = values["session_persistence"] or ("", 0)
    return {"persistence": kind, "persistence_timeout": timeout}


def _is_the_first(pool: ServerPool, listener: Listener) -> None:
    if listener.default_pool_id is not None:
        raise taken(f"listener_id {listener.id} has the pool {listener.default_pool_id} already")
    if listener.protocol != pool.protocol:
        raise invalid(
            "protocol", f"listener {listener.id} is for {listener.protocol}, not for {pool.protocol}"
        )
