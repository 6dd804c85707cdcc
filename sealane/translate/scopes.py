"""Address scopes -> policies of a logical router: between two scopes nothing is routed as it is.

            to      inner, same scope   inner, another   gateway, same    gateway, another
    from inner      routed              dropped          routed, no SNAT  SNAT; without it, and IPv6: dropped
    from gateway    routed              dropped, unless an address was translated (a floating IP, an answer)

A network without a scope is in another than all that have one.  Routers that know no scope have no policies.

ovn-northd asks policies after it has routed, so `outport` is known, and after it has translated what comes
in by a gateway, so conntrack's marks tell whether it has (ovn-northd(8), Router Ingress: Policy).  What goes
out by a gateway is translated later: where there is no SNAT, the addresses that have a floating IP, and
the ports that are forwarded, are let through by name.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from sealane import names
from sealane.model import FloatingIP, Port, PortForwarding, Router, State
from sealane.translate.rows import Parent, Ref, Row, Value, row

LET, DROP = 1010, 1000
"""Priorities; of what a packet fits, the highest counts."""
Scopes = tuple[str | None, str | None]
"""Of a network, for IPv4 and for IPv6."""
NOWHERE: Scopes = (None, None)


class Leg(Protocol):
    """See routers.py."""

    @property
    def port(self) -> Port: ...
    @property
    def scopes(self) -> Scopes: ...
    @property
    def is_gateway(self) -> bool: ...


def by_network(state: State) -> Mapping[str, Scopes]:
    """Of networks that have any: a network's subnets of a family are in one scope.

    Of the network, not of a port's addresses: what a machine sends in IPv4 to a port with an address of
    IPv6 alone is routed, too.
    """
    found: dict[str, Scopes] = {}
    if not state.address_scopes:
        return found
    for subnet in state.subnets.values():
        pool = state.subnetpools.get(subnet.subnetpool_id or "")
        if pool is not None and pool.address_scope_id is not None:
            low, high = found.get(subnet.network_id, NOWHERE)
            mine = pool.address_scope_id
            found[subnet.network_id] = (mine, high) if subnet.ip_version == 4 else (low, mine)
    return found


def translated(state: State) -> Mapping[str, tuple[str, ...]]:
    """By router: what leaves it for the outside with another address, as matches of what it is before."""
    if not state.address_scopes:
        return {}
    found: dict[str, set[str]] = {}
    for floating in state.floatingips.values():
        if floating.router_id and floating.fixed_ip_address:
            found.setdefault(floating.router_id, set()).add(f"ip4.src == {floating.fixed_ip_address}")
    for forwarding in state.port_forwardings.values():
        router = _router_of(forwarding, state.floatingips)
        if router:
            ports = forwarding.internal_ports
            found.setdefault(router, set()).add(
                f"ip4.src == {forwarding.internal_ip_address} && "
                f"{ports.start} <= {forwarding.protocol}.src <= {ports.stop - 1}"
            )
    return {router: tuple(sorted(matches)) for router, matches in found.items()}


def _router_of(forwarding: PortForwarding, floatingips: Mapping[str, FloatingIP]) -> str | None:
    floating = floatingips.get(forwarding.floatingip_id)
    return floating.router_id if floating is not None else None


def policies(router: Router, lets: Iterable[str], legs: tuple[Leg, ...]) -> Iterator[Row]:
    """`lets`: of translated()."""
    apart = False
    for leg in legs:
        for version, snat in ((4, router.enable_snat), (6, False)):
            others = [other for other in legs if _is_apart(leg, other, version, snat)]
            if others:
                apart = True
                match = f"{_in(leg)} && outport == {_ports(others)} && ip{version}"
                yield _policy(router, f"apart {leg.port.id} {version}", DROP, match, "drop")
    if not apart:
        return
    outer = [leg for leg in legs if leg.is_gateway]
    for leg in outer:
        match = f"{_in(leg)} && (ct.dnat || ct.snat)"
        yield _policy(router, f"answered {leg.port.id}", LET, match, "allow")
    if outer and not router.enable_snat:
        for let in lets:
            yield _policy(
                router, f"translated {router.id} {let}", LET, f"outport == {_ports(outer)} && {let}", "allow"
            )


def _is_apart(leg: Leg, other: Leg, version: int, snat: bool) -> bool:
    """Whether nothing may pass from the one to the other as it is."""
    mine, its = leg.scopes[version == 6], other.scopes[version == 6]
    return leg is not other and mine != its and not (snat and other.is_gateway and not leg.is_gateway)


def _in(leg: Leg) -> str:
    return f'inport == "{names.router_port(leg.port.id)}"'


def _ports(legs: Iterable[Leg]) -> str:
    return "{" + ", ".join(f'"{names.router_port(leg.port.id)}"' for leg in legs) + "}"


def _policy(router: Router, key: str, priority: int, match: str, action: str) -> Row:
    columns: dict[str, Value] = {
        "priority": priority,
        "match": match,
        "action": action,
        "external_ids": {"neutron:router_name": router.id},
    }
    parent = Parent(Ref("Logical_Router", names.logical_router(router.id)), "policies")
    return row("Logical_Router_Policy", key, columns, parent)
