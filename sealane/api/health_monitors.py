"""Health monitors: how a pool's servers are asked whether they are there.

OVN asks from the host of each server, by a TCP connection or a UDP datagram (ovn-sb(5), Service_Monitor).
"""

from dataclasses import replace
from typing import Any

from sealane.api import balancing, balancing_status, convert, health_ports
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values
from sealane.api.balancing import common, invalid, taken, unserved
from sealane.api.convert import one_of
from sealane.api.draft import Draft
from sealane.api.pool_members import can_be_asked
from sealane.model import HealthMonitor, Member

SECONDS = convert.integer(1, 3600)
TIMES = convert.integer(1, 10)
OF_HTTP = ("http_method", "http_version", "url_path", "expected_codes", "domain_name")
UNSTORED = frozenset(OF_HTTP)
TYPES = {"TCP": "TCP", "UDP": "UDP-CONNECT"}
"""By protocol of the pool."""

HEALTHMONITORS = Kind(
    singular="healthmonitor",
    plural="healthmonitors",
    words="Health monitor",
    collection=lambda state: state.healthmonitors,
    attributes=(
        *common(balancing_status.of_monitor),
        Attribute(name="pool_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(
            name="pools",
            type=convert.ANY,
            read=lambda monitor, look: [{"id": monitor.pool_id}],
            filter=False,
        ),
        Attribute(name="type", type=one_of(*TYPES.values()), default=REQUIRED, post=True),
        Attribute(name="delay", type=SECONDS, default=REQUIRED, post=True, put=True),
        Attribute(name="timeout", type=SECONDS, default=REQUIRED, post=True, put=True),
        Attribute(name="max_retries", type=TIMES, default=REQUIRED, post=True, put=True),
        Attribute(name="max_retries_down", type=TIMES, default=3, post=True, put=True),
        *unserved(*OF_HTTP),
    ),
)


def create(id: str, values: Values, draft: Draft) -> HealthMonitor:
    pool = balancing.there("pool", values["pool_id"], draft)
    given = HEALTHMONITORS.as_fields(balancing.stored(values, UNSTORED))
    made = HealthMonitor(
        id=id,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
        **{**given, "project_id": pool.project_id},
    )
    for other in draft.below(pool.id, HealthMonitor):
        raise taken(f"pool_id {pool.id} has the health monitor {other.id} already")
    if TYPES.get(pool.protocol) != made.type:
        can = f"give {TYPES[pool.protocol]}" if pool.protocol in TYPES else "it can have none"
        raise invalid("type", f"{made.type} can't ask servers of a pool for {pool.protocol}; {can}")
    _is_in_time(made)
    for member in draft.below(pool.id, Member):
        can_be_asked(member, "pool_id", draft)
    draft.balancing.append(made)
    health_ports.settle(draft)
    return made


def update(old: Any, values: Values, draft: Draft) -> HealthMonitor:
    changed: HealthMonitor = replace(old, **HEALTHMONITORS.as_fields(balancing.stored(values, UNSTORED)))
    _is_in_time(changed)
    return changed


def delete(monitor: Any, draft: Draft) -> tuple[HealthMonitor, ...]:
    draft.gone.add(monitor.id)
    health_ports.settle(draft)
    return (monitor,)


def _is_in_time(monitor: HealthMonitor) -> None:
    if monitor.timeout > monitor.delay:
        raise invalid("timeout", f"{monitor.timeout} is more than the delay of {monitor.delay}")
