"""A load balancer with all that belongs to it, in one POST ("fully populated").

    loadbalancer: {…, pools: [pool], listeners: [{…, default_pool: pool or {"name": of one in pools}}]}
    pool: {…, members: [member], healthmonitor: {…}}

Made in one transaction, or not at all.  What is below has the load balancer's project.
"""

import uuid
from collections.abc import Callable
from typing import Any

from sealane.api import health_monitors, listeners, policy, pool_members, pools
from sealane.api.attributes import Kind, Values
from sealane.api.balancing import invalid
from sealane.api.caller import Caller
from sealane.api.draft import Draft
from sealane.errors import BadRequest
from sealane.model import Listener, LoadBalancer, ServerPool
from sealane.store.changes import Create

Make = Callable[[str, Values, Draft], Any]


class Tree:
    def __init__(self, balancer: LoadBalancer, caller: Caller, draft: Draft) -> None:
        self._balancer = balancer
        self._caller = caller
        self._draft = draft
        self._made: list[str] = []
        self._pools: dict[str, ServerPool] = {}
        """By name."""

    def plant(self, values: Values) -> None:
        """Into the draft. Raises what its parts raise."""
        for body in values["pools"]:
            self._pool(body, "pools")
        for body in values["listeners"]:
            self._listener(body)
        rows = {row.id: row for row in self._draft.balancing}
        self._draft.also += [Create(rows[id]) for id in self._made]

    def _listener(self, body: Any) -> None:
        body, pool = _without(body, "listeners", "default_pool")
        if "loadbalancer_id" in body:
            raise invalid("listeners", "loadbalancer_id is not for a listener within its load balancer")
        made: Listener = self._one(
            listeners.LISTENERS, listeners.create, {**body, "loadbalancer_id": self._balancer.id}
        )
        if pool["default_pool"] is None:
            return
        if isinstance(pool["default_pool"], dict) and set(pool["default_pool"]) == {"name"}:
            name = pool["default_pool"]["name"]
            if name not in self._pools:
                raise invalid("default_pool", f"there is no pool called '{name}' in 'pools'")
            led = self._pools[name]
        else:
            led = self._pool(pool["default_pool"], "default_pool")
        if led.protocol != made.protocol:
            raise invalid("default_pool", f"it is for {led.protocol}, the listener for {made.protocol}")
        listeners.lead(made, led.id, self._draft)

    def _pool(self, body: Any, field: str) -> ServerPool:
        body, parts = _without(body, field, "members", "healthmonitor")
        made: ServerPool = self._one(
            pools.POOLS, pools.create, {**body, "loadbalancer_id": self._balancer.id}
        )
        self._pools[made.name] = made
        for member in _listed(parts["members"], "members"):
            values = pool_members.MEMBERS.accept_new(_placed(member))
            policy.check_given(self._caller, pool_members.MEMBERS, values, None, self._draft.look)
            self._made.append(pool_members.create(str(uuid.uuid4()), values, made, self._draft).id)
        if parts["healthmonitor"] is not None:
            monitor, _ = _without(parts["healthmonitor"], "healthmonitor")
            self._one(health_monitors.HEALTHMONITORS, health_monitors.create, {**monitor, "pool_id": made.id})
        return made

    def _one(self, kind: Kind, make: Make, body: Values) -> Any:
        row = make(str(uuid.uuid4()), kind.accept_new(_placed(body)), self._draft)
        self._made.append(row.id)
        return row


def bodies(value: Any) -> tuple[Any, ...]:
    """Of `listeners` and `pools` in a POST. Raises ValueError."""
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > pool_members.MANY:
        raise ValueError(f"it is to be a list of {pool_members.MANY} members at most")
    return tuple(value)


def _placed(body: Any) -> Any:
    """Who gives a project within a load balancer gives nothing: it has that one's."""
    return (
        {k: v for k, v in body.items() if k not in ("project_id", "tenant_id")}
        if isinstance(body, dict)
        else body
    )


def _without(body: Any, field: str, *parts: str) -> tuple[Values, Values]:
    if not isinstance(body, dict):
        raise invalid(field, f"'{str(body)[:40]}' is not a dictionary")
    rest = {key: value for key, value in body.items() if key not in parts}
    return rest, {part: body.get(part) for part in parts}


def _listed(value: Any, field: str) -> tuple[Any, ...]:
    try:
        return bodies(value)
    except ValueError as exc:
        raise BadRequest(f"Invalid input for {field}. Reason: {exc}.", type="HTTPBadRequest") from exc
