"""What rows of the northbound database are to say, told from the state a second time and by other words.

The translator can be compared with itself only so far: one that is wrong the same way with memory and without
it agrees with itself.  So what users have asked for is put into facts here, the rows are read into facts, and
both sets are to be the same.  A fact is a tuple; its first word is its kind.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sealane.model import Port, Router, State
from sealane.translate.rows import Row

Fact = tuple[Any, ...]
AT_ROUTERS = ("network:router_interface", "network:router_gateway")
UNSEEN = ("network:floatingip", "ovn-lb-hm:distributed")
"""Owners of ports that have no row."""


def meant(state: State) -> set[Fact]:
    """Of one state."""
    kinds = (
        *(_switches, _ports, _routers, _routes, _snat, _floating, _forwarded),
        *(_balanced, _limits, _logged, _mirrored),
    )
    return {fact for kind in kinds for fact in kind(state)}


def differences(state: State, rows: Iterable[Row]) -> tuple[set[Fact], set[Fact]]:
    """What rows say that nobody has asked for, and what they do not say.

    Where some pool is in an address scope, who is translated is told by test_address_scopes.py.
    """
    found, wanted = said(rows), meant(state)
    if any(pool.address_scope_id for pool in state.subnetpools.values()):
        found, wanted = ({fact for fact in facts if fact[0] != "snat"} for facts in (found, wanted))
    return found - wanted, wanted - found


def said(rows: Iterable[Row]) -> set[Fact]:
    """Of rows; a row of ours of which no fact is made is not looked at."""
    rows = list(rows)
    watched = {p.ref.key for row in rows if row.table == "Load_Balancer_Health_Check" for p in row.parents}
    found = {fact for row in rows if row.table in READ for fact in READ[row.table](row)}
    balancers = (row for row in rows if row.table == "Load_Balancer")
    return found | {fact for row in balancers for fact in _read_balancer(row, row.key in watched)}


# what is meant


def _switches(state: State) -> Iterator[Fact]:
    for network in state.networks.values():
        yield "switch", network.id


def _ports(state: State) -> Iterator[Fact]:
    within = {place.port_id: place for place in state.sub_ports.values() if place.trunk_id in state.trunks}
    for port in state.ports.values():
        network = state.networks.get(port.network_id)
        if network is None or port.device_owner in UNSEEN:
            continue
        up = port.admin_state_up and network.admin_state_up
        if port.device_owner in (*AT_ROUTERS, "Octavia"):
            yield "router's port", port.id, network.id
            continue
        place = within.get(port.id)
        carrier = (state.trunks[place.trunk_id].port_id, place.segmentation_id) if place else None
        own = frozenset(f.ip_address for f in port.fixed_ips)
        yield "port", port.id, network.id, up, port.mac_address, own, port.host, carrier


def _legs(state: State, router: Router, owner: str) -> list[Port]:
    return [p for p in state.ports.values() if p.device_owner == owner and p.device_id == router.id]


def _routers(state: State) -> Iterator[Fact]:
    for router in state.routers.values():
        yield "router", router.id, router.admin_state_up
        for owner in AT_ROUTERS:
            for port in _legs(state, router, owner):
                cidrs = (
                    f"{fixed.ip_address}/{state.subnets[fixed.subnet_id].cidr.partition('/')[2]}"
                    for fixed in port.fixed_ips
                )
                yield "leg", port.id, router.id, port.mac_address, frozenset(cidrs)


def _routes(state: State) -> Iterator[Fact]:
    for router in state.routers.values():
        for route in router.routes:
            yield "route", router.id, route.destination, route.nexthop
        families: set[int] = set()
        for id in router.gateway_ports:
            subnets = [state.subnets[f.subnet_id] for f in state.ports[id].fixed_ips]
            mine = [s for s in subnets if s.gateway_ip and s.ip_version not in families]
            for subnet in {s.id: s for s in mine}.values():
                prefix = "0.0.0.0/0" if subnet.ip_version == 4 else "::/0"
                yield "route", router.id, prefix, subnet.gateway_ip
            if not router.enable_default_route_ecmp:
                families |= {s.ip_version for s in mine}


def _snat(state: State) -> Iterator[Fact]:
    for router in state.routers.values():
        if not router.enable_snat:
            continue
        inside = {
            state.subnets[f.subnet_id].cidr
            for port in _legs(state, router, AT_ROUTERS[0])
            for f in port.fixed_ips
            if "." in f.ip_address
        }
        for id in router.gateway_ports:
            outside = next((f.ip_address for f in state.ports[id].fixed_ips if "." in f.ip_address), None)
            for cidr in inside if outside else ():
                yield "snat", router.id, outside, cidr


def _floating(state: State) -> Iterator[Fact]:
    for floating in state.floatingips.values():
        if floating.port_id and floating.router_id:
            inner = floating.fixed_ip_address
            yield "floating", floating.router_id, floating.floating_ip_address, inner


def _forwarded(state: State) -> Iterator[Fact]:
    for one in state.port_forwardings.values():
        floating = state.floatingips[one.floatingip_id]
        inner = list(one.internal_ports)
        for index, port in enumerate(one.external_ports if floating.router_id else ()):
            target = f"{one.internal_ip_address}:{inner[index % len(inner)]}"
            yield "forwarded", one.protocol, f"{floating.floating_ip_address}:{port}", target


def _balanced(state: State) -> Iterator[Fact]:
    """Who is there to be chosen at each address of a listener that answers; how often is weight's matter."""
    away = {node.name for node in state.nodes.values() if node.away}
    held = {(f.subnet_id, f.ip_address): port for port in state.ports.values() for f in port.fixed_ips}
    lost = {place for place, port in held.items() if port.host in away}
    asking = {subnet for (subnet, _), port in held.items() if port.device_owner == "ovn-lb-hm:distributed"}
    for listener in state.listeners.values():
        balancer, pool = (
            state.loadbalancers[listener.loadbalancer_id],
            state.pools.get(listener.default_pool_id or ""),
        )
        if pool is None or not all(each.admin_state_up for each in (balancer, listener, pool)):
            continue
        watched = any(m.pool_id == pool.id and m.admin_state_up for m in state.healthmonitors.values())
        serving = {
            m for m in state.members.values() if m.pool_id == pool.id and m.admin_state_up and m.weight
        }
        near = {m for m in serving if (m.subnet_id, m.address) not in lost}
        if watched:  # who can be asked; hosts that are away are told of by their checks
            near = serving = {
                m for m in serving if (m.subnet_id, m.address) in held and m.subnet_id in asking
            }
        chosen = {f"{_bare(m.address)}:{m.protocol_port}" for m in near or serving}
        floating = {
            f.floating_ip_address for f in state.floatingips.values() if f.port_id == balancer.vip_port_id
        }
        for address in {balancer.vip_address, *floating}:
            at = f"{_bare(address)}:{listener.protocol_port}"
            yield "balanced", listener.protocol.lower(), at, frozenset(chosen), watched


def _bare(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _limits(state: State) -> Iterator[Fact]:
    for port in state.ports.values():
        network = state.networks.get(port.network_id)
        if network is None or port.device_owner == "network:floatingip":
            continue
        inherited = None if port.device_owner.startswith("network:") else network.qos_policy_id
        yield from _shaped(port.id, port.qos_policy_id or inherited, state)
    for floating in state.floatingips.values():
        router = state.routers.get(floating.router_id or "")
        ways = [state.ports[id].network_id for id in router.gateway_ports] if router else []
        if floating.floating_network_id in ways:
            yield from _shaped(floating.id, floating.qos_policy_id, state)


def _shaped(what: str, policy: str | None, state: State) -> Iterator[Fact]:
    limits = {
        r.direction: r.max_kbps for r in state.bandwidth_limit_rules.values() if r.qos_policy_id == policy
    }
    marks = [r.dscp_mark for r in state.dscp_marking_rules.values() if r.qos_policy_id == policy]
    for direction, rate in limits.items():
        yield "limit", what, direction, rate
    for mark in marks:
        yield "mark", what, mark


def _logged(state: State) -> Iterator[Fact]:
    """Rules and groups that a log without a port is about; those of ports are in test_logs.py."""
    for log in state.logs.values():
        if not log.enabled or log.target_id is not None:
            continue
        groups = {
            group.id
            for group in state.security_groups.values()
            if group.id == log.resource_id or (log.resource_id is None and group.project_id == log.project_id)
        }
        for rule in state.security_group_rules.values():
            if rule.security_group_id in groups and log.event != "DROP":
                yield "logged", rule.id
        for group in groups if log.event != "ACCEPT" else ():
            yield "logged", f"drop-{group}"


def _mirrored(state: State) -> Iterator[Fact]:
    taken: set[tuple[str, int | None]] = {("", None)}
    for mirror in sorted(state.tap_mirrors.values(), key=lambda m: (m.created_at, m.id)):
        tunnels = {(mirror.remote_ip, n) for n in (mirror.in_number, mirror.out_number) if n is not None}
        if tunnels & taken:
            continue  # two that came at once
        taken |= tunnels
        for way, number in (("to-lport", mirror.in_number), ("from-lport", mirror.out_number)):
            if number is not None:
                yield "mirror", mirror.port_id, way, mirror.remote_ip, number


# what rows say


def _read_switch(row: Row) -> Iterator[Fact]:
    if row.key.startswith("neutron-"):
        yield "switch", row.key.removeprefix("neutron-")


def _parent(row: Row, column: str, prefix: str = "neutron-") -> str:
    return next(p.ref.key.removeprefix(prefix) for p in row.parents if p.column == column)


def _read_port(row: Row) -> Iterator[Fact]:
    columns: Any = row.columns
    kind = columns["type"]
    switch = next(
        (p.ref.key for p in row.parents if p.column == "ports" and p.ref.table == "Logical_Switch"), ""
    )
    if not switch.startswith("neutron-") or kind in ("localport", "localnet"):
        return
    if kind == "router":
        yield "router's port", row.key, switch.removeprefix("neutron-")
        return
    mac, *addresses = max(columns["addresses"] - {"unknown"}, key=len).split()
    host = columns["options"]["requested-chassis"].replace("(unbound)", "")
    carrier = (columns["parent_name"], columns["tag"]) if columns["parent_name"] else None
    place = switch.removeprefix("neutron-")
    yield "port", row.key, place, columns["enabled"], mac, frozenset(addresses), host, carrier


def _read_router(row: Row) -> Iterator[Fact]:
    if row.key.startswith("neutron-"):
        yield "router", row.key.removeprefix("neutron-"), row.columns["enabled"]


def _read_leg(row: Row) -> Iterator[Fact]:
    router = _parent(row, "ports")
    if not router.startswith("lb-"):
        id = row.key.removeprefix("lrp-")
        yield "leg", id, router, row.columns["mac"], row.columns["networks"]


def _read_route(row: Row) -> Iterator[Fact]:
    router = _parent(row, "static_routes")
    if not router.startswith("lb-"):
        yield "route", router, row.columns["ip_prefix"], row.columns["nexthop"]


def _read_nat(row: Row) -> Iterator[Fact]:
    kind = {"snat": "snat", "dnat_and_snat": "floating"}[str(row.columns["type"])]
    yield kind, _parent(row, "nat"), row.columns["external_ip"], row.columns["logical_ip"]


def _read_balancer(row: Row, watched: bool) -> Iterator[Fact]:
    columns: Any = row.columns
    if row.key.startswith("pf-floatingip-"):
        for at, target in columns["vips"].items():
            yield "forwarded", columns["protocol"], at, target
        return
    for at, backends in columns["vips"].items():
        if not at.startswith(("192.0.0.8:", "[100:0:0:1::8]:")):
            chosen = frozenset(filter(None, backends.split(",")))
            yield "balanced", columns["protocol"], at, chosen, watched


def _read_qos(row: Row) -> Iterator[Fact]:
    columns: Any = row.columns
    what, _, direction = row.key.rpartition("-")
    if columns["bandwidth"]:
        yield "limit", what, direction, columns["bandwidth"]["rate"]
    if columns["action"]:
        yield "mark", what, columns["action"]["dscp"]


def _read_acl(row: Row) -> Iterator[Fact]:
    columns: Any = row.columns
    if columns.get("log") and "{" not in columns["match"].partition(" && ")[0]:
        yield "logged", columns["name"]


def _read_mirror(row: Row) -> Iterator[Fact]:
    columns: Any = row.columns
    yield "mirror", row.parents[0].ref.key, columns["filter"], columns["sink"], columns["index"]


READ: dict[str, Callable[[Row], Iterator[Fact]]] = {
    "Logical_Switch": _read_switch,
    "Logical_Switch_Port": _read_port,
    "Logical_Router": _read_router,
    "Logical_Router_Port": _read_leg,
    "Logical_Router_Static_Route": _read_route,
    "NAT": _read_nat,
    "Mirror": _read_mirror,
    "QoS": _read_qos,
    "ACL": _read_acl,
}
