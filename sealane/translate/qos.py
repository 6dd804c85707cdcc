"""Quality of service -> rules of OVN's table QoS, on the switch of the port or of the floating IP.

    egress   what the port sends        from-lport, inport    limit and mark in one row
    ingress  what the port is sent      to-lport, outport

A port's own policy holds, else its network's, for each port by itself; a router's ports have none from the
network.  A floating IP is met in its external network, at the router's port there, by its address.  OVN makes
a meter of each limit (ovn-nb(5), QoS), which lets the burst pass and drops what is above it.
"""

from collections.abc import Iterator, Mapping

from sealane import names
from sealane.model import BandwidthLimitRule, Direction, DscpMarkingRule, FloatingIP, Port, State
from sealane.translate.floatingips import gateway
from sealane.translate.memo import Memo
from sealane.translate.rows import Parent, Ref, Row, Value, row

PRIORITY = 2002
"""As in Neutron's ML2/OVN driver."""
SHARE = 0.8
"""Of a second's worth: the burst where none is given, as in Neutron."""
LEAST = 600
"""Kilobits: a bundle of segments of 64 KiB, which the kernel's datapath meets as one packet."""

Rule = BandwidthLimitRule | DscpMarkingRule
SIDES: Mapping[Direction, tuple[str, str, str]] = {
    "egress": ("from-lport", "inport", "src"),
    "ingress": ("to-lport", "outport", "dst"),
}


def rows(state: State, memo: Memo) -> Iterator[Row]:
    rules = _by_policy(state)
    if rules:
        yield from _of_ports(state, memo, rules)
        yield from _of_floating_ips(state, memo, rules)


def _by_policy(state: State) -> Mapping[str, tuple[Rule, ...]]:
    found: dict[str, list[Rule]] = {}
    for limit in state.bandwidth_limit_rules.values():
        found.setdefault(limit.qos_policy_id, []).append(limit)
    for marking in state.dscp_marking_rules.values():
        found.setdefault(marking.qos_policy_id, []).append(marking)
    return {policy: tuple(sorted(some, key=lambda rule: rule.id)) for policy, some in found.items()}


def _of_ports(state: State, memo: Memo, rules: Mapping[str, tuple[Rule, ...]]) -> list[Row]:
    networks = state.networks

    def given(port: Port) -> tuple[str, str, *tuple[Rule, ...]] | None:
        network = networks.get(port.network_id)
        if network is None or port.device_owner == names.FLOATING_PORT:
            return None
        service = port.device_owner.startswith("network:")
        policy = port.qos_policy_id or (None if service else network.qos_policy_id)
        return (port.id, network.id, *rules[policy]) if policy and policy in rules else None

    return memo.each(
        _port, state.ports, given, (networks, state.bandwidth_limit_rules, state.dscp_marking_rules)
    )


def _of_floating_ips(state: State, memo: Memo, rules: Mapping[str, tuple[Rule, ...]]) -> list[Row]:
    ports, routers = state.ports, state.routers

    def given(floating: FloatingIP) -> tuple[FloatingIP, str, *tuple[Rule, ...]] | None:
        router = routers.get(floating.router_id or "")
        policy = floating.qos_policy_id or ""
        if router is None or policy not in rules:
            return None
        place = gateway(router, floating, ports)
        return (floating, place, *rules[policy]) if place else None

    beside = (ports, routers, state.bandwidth_limit_rules, state.dscp_marking_rules)
    return memo.each(_floating_ip, state.floatingips, given, beside)


def _port(port_id: str, network_id: str, *rules: Rule) -> tuple[Row, ...]:
    ids = {"neutron:port_id": port_id}
    return tuple(
        _row(port_id, network_id, direction, f'{side} == "{names.logical_port(port_id)}"', rules, ids)
        for direction, (_, side, _) in SIDES.items()
        if _has(rules, direction)
    )


def _floating_ip(floating: FloatingIP, place: str, *rules: Rule) -> tuple[Row, ...]:
    """place: the router's port in the external network."""
    ids = {"neutron:fip_id": floating.id}
    network, address = floating.floating_network_id, floating.floating_ip_address
    return tuple(
        _row(
            floating.id,
            network,
            direction,
            f'{side} == "{names.logical_port(place)}" && ip4.{end} == {address}',
            rules,
            ids,
        )
        for direction, (_, side, end) in SIDES.items()
        if _has(rules, direction)
    )


def _has(rules: tuple[Rule, ...], direction: Direction) -> bool:
    return any(isinstance(r, DscpMarkingRule) or r.direction == direction for r in _of(rules, direction))


def _of(rules: tuple[Rule, ...], direction: Direction) -> tuple[Rule, ...]:
    """Marks are for what a port sends."""
    return tuple(
        rule
        for rule in rules
        if (direction == "egress" if isinstance(rule, DscpMarkingRule) else rule.direction == direction)
    )


def _row(
    owner: str,
    network_id: str,
    direction: Direction,
    match: str,
    rules: tuple[Rule, ...],
    ids: Mapping[str, str],
) -> Row:
    bandwidth: dict[str, int] = {}
    action: dict[str, int] = {}
    for rule in _of(rules, direction):
        if isinstance(rule, DscpMarkingRule):
            action["dscp"] = rule.dscp_mark
        else:
            bandwidth = {"rate": rule.max_kbps, "burst": rule.max_burst_kbps or _burst(rule.max_kbps)}
    columns: dict[str, Value] = {
        "priority": PRIORITY,
        "direction": SIDES[direction][0],
        "match": match,
        "bandwidth": bandwidth,
        "action": action,
        "external_ids": ids,
    }
    switch = Parent(Ref("Logical_Switch", names.logical_switch(network_id)), "qos_rules")
    return row("QoS", f"{owner}-{direction}", columns, switch)


def _burst(rate: int) -> int:
    return max(LEAST, int(rate * SHARE))
