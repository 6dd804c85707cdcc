"""operating_status of load balancers and what belongs to them, and the tree of all of it.

member        ONLINE, ERROR by its checks, OFFLINE before the first one; NO_MONITOR without checks;
              ERROR while its host is away;
              DRAINING with weight 0; OFFLINE when switched off
pool          ONLINE; DEGRADED with some members in ERROR, ERROR with all of them
listener      that of its pool; OFFLINE when switched off, or without one
loadbalancer  the worst of its listeners'
"""

from collections.abc import Iterable
from typing import Any

from sealane.api.attributes import Values
from sealane.api.look import Look
from sealane.model import HealthMonitor, Listener, LoadBalancer, Member, ServerPool

ONLINE, OFFLINE, DEGRADED, ERROR = "ONLINE", "OFFLINE", "DEGRADED", "ERROR"
_BY_CHECK = {"online": ONLINE, "offline": ERROR, "error": ERROR}


def of_member(member: Member, look: Look) -> str:
    pool = look.state.pools.get(member.pool_id)
    if not member.admin_state_up or pool is None:
        return OFFLINE
    if member.weight == 0:
        return "DRAINING"
    port = look.holders.get((member.subnet_id, member.address))
    if port is not None and port.host in look.away:
        return ERROR
    monitors = look.below(pool.id, HealthMonitor)
    if not any(monitor.admin_state_up for monitor in monitors):
        return "NO_MONITOR"
    if port is None:
        return ERROR
    said = look.bindings.health(port.id, pool.protocol.lower(), member.protocol_port)
    return _BY_CHECK.get(said, OFFLINE)


def of_pool(pool: ServerPool, look: Look) -> str:
    if not pool.admin_state_up:
        return OFFLINE
    serving = [of_member(m, look) for m in look.below(pool.id, Member) if m.admin_state_up and m.weight]
    if not serving:
        return OFFLINE
    bad = serving.count(ERROR)
    return ERROR if bad == len(serving) else DEGRADED if bad else ONLINE


def of_listener(listener: Listener, look: Look) -> str:
    pool = look.state.pools.get(listener.default_pool_id or "")
    return OFFLINE if pool is None or not listener.admin_state_up else of_pool(pool, look)


def of_balancer(balancer: LoadBalancer, look: Look) -> str:
    if not balancer.admin_state_up:
        return OFFLINE
    found = {of_listener(one, look) for one in look.below(balancer.id, Listener) if one.admin_state_up}
    if not found or found == {OFFLINE}:
        return OFFLINE
    return ONLINE if found == {ONLINE} else ERROR if found <= {ERROR, OFFLINE} else DEGRADED


def of_monitor(monitor: HealthMonitor, look: Look) -> str:
    return ONLINE if monitor.admin_state_up else OFFLINE


def tree(balancer: LoadBalancer, look: Look) -> Values:
    """As GET …/loadbalancers/ID/status has it."""
    listeners = [
        _one(one, of_listener(one, look), pools=_pools(_pool_of(one, look), look))
        for one in look.below(balancer.id, Listener)
    ]
    pools = _pools(look.below(balancer.id, ServerPool), look)
    return {"loadbalancer": _one(balancer, of_balancer(balancer, look), listeners=listeners, pools=pools)}


def _pool_of(listener: Listener, look: Look) -> list[ServerPool]:
    pool = look.state.pools.get(listener.default_pool_id or "")
    return [pool] if pool else []


def _pools(pools: Iterable[ServerPool], look: Look) -> list[Values]:
    return [
        _one(
            pool,
            of_pool(pool, look),
            members=[
                _one(m, of_member(m, look), address=m.address, protocol_port=m.protocol_port)
                for m in look.below(pool.id, Member)
            ],
            health_monitor=_monitor(pool, look),
        )
        for pool in pools
    ]


def _monitor(pool: ServerPool, look: Look) -> Values:
    for monitor in look.below(pool.id, HealthMonitor):
        return _one(monitor, of_monitor(monitor, look), type=monitor.type)
    return {}


def _one(row: Any, operating: str, **more: Any) -> Values:
    shown = {"id": row.id, "name": row.name, "provisioning_status": "ACTIVE", "operating_status": operating}
    return {**shown, **more}
