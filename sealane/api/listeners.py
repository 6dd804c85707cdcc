"""Listeners: a protocol and a port of a load balancer's address, and the pool that it leads to."""

from dataclasses import replace
from typing import Any

from sealane.api import balancing, balancing_status, convert
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values
from sealane.api.balancing import common, invalid, taken, unserved
from sealane.api.convert import NOTHING_YET, nullable, one_of
from sealane.api.draft import Draft
from sealane.model import Listener
from sealane.store.changes import Update

TIMEOUTS = ("timeout_client_data", "timeout_member_connect", "timeout_member_data", "timeout_tcp_inspect")
OF_OTHERS = (
    *TIMEOUTS,
    *("default_tls_container_ref", "client_ca_tls_container_ref", "client_crl_container_ref"),
    *("client_authentication", "tls_ciphers", "insert_headers", "default_pool", "hsts_max_age"),
    *("hsts_include_subdomains", "hsts_preload"),
)
LISTS = ("sni_container_refs", "l7policies", "allowed_cidrs", "tls_versions", "alpn_protocols")
UNSTORED = frozenset({*OF_OTHERS, *LISTS, "connection_limit"})


LISTENERS = Kind(
    singular="listener",
    plural="listeners",
    collection=lambda state: state.listeners,
    attributes=(
        *common(balancing_status.of_listener),
        Attribute(name="loadbalancer_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(
            name="loadbalancers",
            type=convert.ANY,
            read=lambda listener, look: [{"id": listener.loadbalancer_id}],
            filter=False,
        ),
        Attribute(name="protocol", type=balancing.PROTOCOL, default=REQUIRED, post=True),
        Attribute(name="protocol_port", type=balancing.PORT_NUMBER, default=REQUIRED, post=True),
        Attribute(name="default_pool_id", type=nullable(convert.ID), default=None, post=True, put=True),
        Attribute(
            name="connection_limit",
            type=nullable(one_of(-1)),
            read=lambda listener, look: -1,
            post=True,
            put=True,
            filter=False,
        ),
        *unserved(*OF_OTHERS),
        *unserved(*LISTS, type=NOTHING_YET, value=[]),
    ),
)


def create(id: str, values: Values, draft: Draft) -> Listener:
    balancer = balancing.there("loadbalancer", values["loadbalancer_id"], draft)
    given = LISTENERS.as_fields(balancing.stored(values, UNSTORED))
    made = Listener(
        id=id,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
        **{**given, "project_id": balancer.project_id},
    )
    _can_be_served(made, draft)
    _is_alone(made, draft)
    _leads_to(made, draft)
    draft.balancing.append(made)
    return made


def update(old: Any, values: Values, draft: Draft) -> Listener:
    changed: Listener = replace(old, **LISTENERS.as_fields(balancing.stored(values, UNSTORED)))
    if changed.default_pool_id != old.default_pool_id:
        _leads_to(changed, draft)
    return changed


def delete(listener: Any, draft: Draft) -> tuple[Listener, ...]:
    draft.gone.add(listener.id)
    return (listener,)


def lead(listener: Listener, pool_id: str | None, draft: Draft) -> None:
    """From now on to that pool; one that is made here is not there yet to be changed."""
    changed = replace(listener, default_pool_id=pool_id, updated_at=draft.now)
    if listener in draft.balancing:
        draft.balancing[draft.balancing.index(listener)] = replace(changed, updated_at=listener.updated_at)
    else:
        draft.also.append(Update(listener, changed))


def _can_be_served(listener: Listener, draft: Draft) -> None:
    """Open vSwitch's own connection tracking, in user space, sees no ports of SCTP and translates none."""
    if listener.protocol == "SCTP" and "netdev" in draft.look.datapaths.values():
        raise invalid(
            "protocol",
            "SCTP needs the kernel's datapath on every host, and there are hosts with the one in user space; "
            "use TCP or UDP",
        )


def _is_alone(listener: Listener, draft: Draft) -> None:
    for other in draft.below(listener.loadbalancer_id, Listener):
        if (other.protocol, other.protocol_port) == (listener.protocol, listener.protocol_port):
            raise taken(
                f"protocol_port {listener.protocol_port} of load balancer {listener.loadbalancer_id} is "
                f"taken for {listener.protocol} by listener {other.id}"
            )


def _leads_to(listener: Listener, draft: Draft) -> None:
    if listener.default_pool_id is None:
        return
    pool = balancing.there("pool", listener.default_pool_id, draft)
    if pool.loadbalancer_id != listener.loadbalancer_id:
        raise invalid("default_pool_id", f"pool {pool.id} belongs to load balancer {pool.loadbalancer_id}")
    if pool.protocol != listener.protocol:
        raise invalid(
            "default_pool_id", f"pool {pool.id} is for {pool.protocol}, not for {listener.protocol}"
        )
