"""Bodies of OpenDaylight's resources as Neutron's drivers send them -> attributes as they are called here.

What is above a row is sent as a list of one (`"loadbalancers": [{"id": …}]`), what is below it as well; the
rules of a policy stand in it, a list for each type.  neutron_lbaas/services/loadbalancer/data_models.py,
networking-odl qos/qos_utils.py.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sealane.api.attributes import Values

Shape = Callable[[Values], Values]
AS_STREAM = {"HTTP": "TCP", "HTTPS": "TCP"}
"""Protocols of Neutron's load balancers that pass through OVN unread."""
ALGORITHM = {"ROUND_ROBIN": "SOURCE_IP_PORT"}
"""Neutron's default: clients are spread evenly, by their addresses and ports."""


def _balancer(body: Values) -> Values:
    return _without(body, "listeners", "pools", "provider")


def _listener(body: Values) -> Values:
    return _above(_as_stream(body), "loadbalancer_id", "loadbalancers")


def _pool(body: Values) -> Values:
    found = _above(_as_stream(body), "loadbalancer_id", "loadbalancers")
    found = _without(_above(found, "listener_id", "listeners"), "members")
    if "lb_algorithm" in found:
        found["lb_algorithm"] = ALGORITHM.get(str(found["lb_algorithm"]), found["lb_algorithm"])
    return found


def _monitor(body: Values) -> Values:
    return _above(body, "pool_id", "pools")


def _policy(body: Values) -> Values:
    return _without(body, "rules")


def _trunk(body: Values) -> Values:
    rows = body.get("sub_ports")
    if not isinstance(rows, list):
        return body
    kept = ("port_id", "segmentation_type", "segmentation_id")
    return {**body, "sub_ports": [_only(row, kept) if isinstance(row, dict) else row for row in rows]}


SHAPES: Mapping[str, Shape] = {
    "loadbalancer": _balancer,
    "listener": _listener,
    "pool": _pool,
    "healthmonitor": _monitor,
    "policy": _policy,
    "trunk": _trunk,
}
"""By the singular; all others are sent as they are."""


def shaped(singular: str, body: Values) -> Values:
    return SHAPES[singular](body) if singular in SHAPES else body


def _as_stream(body: Values) -> Values:
    if "protocol" not in body:
        return dict(body)
    return {**body, "protocol": AS_STREAM.get(str(body["protocol"]), body["protocol"])}


def _above(body: Values, name: str, listed: str) -> Values:
    """`name`: the id of the first that is listed, where it isn't given itself."""
    found, rows = _without(body, listed), body.get(listed)
    first: Any = rows[0] if isinstance(rows, list) and rows else None
    if isinstance(first, dict) and found.get(name) is None:
        found[name] = first.get("id")
    return found


def _only(row: Values, names: tuple[str, ...]) -> Values:
    return {key: value for key, value in row.items() if key in names}


def _without(body: Values, *names: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in names}
