"""Floating IPs -> NAT of their router; port forwardings -> load balancers of it.

    FloatingIP with a port ── NAT <floating ip id>, dnat_and_snat ──nat── Logical_Router
    PortForwarding         ── Load_Balancer pf-floatingip-<id>-<protocol> ·· Logical_Router
                                                                          ·· Logical_Switch of its interfaces

The address of a port is translated on its own host, if that has a bridge to the outside: `logical_port`
tells where, and `external_mac` is what the outside finds it at, the same wherever the port is (ovn-nb(5),
NAT).  Else it is translated where the router's gateway is; so are forwarded ports, as a load balancer of a
router always is.  A server of a load balancer that itself has a floating IP is translated there as well: from
its own host its answers to the load balancer's clients would leave as its own (ovn-northd(8), Gateway
Redirect), past the gateway that has to translate them back.
Machines inside meet a load balancer on their own switch: what they send to it never is the gateway's.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle

from sealane import names
from sealane.model import FloatingIP, Network, Node, Port, PortForwarding, Router, State
from sealane.translate.memo import Memo
from sealane.translate.rows import Parent, Ref, Row, Value, row


def rows(state: State, memo: Memo) -> Iterator[Row]:
    yield from _addresses(state, memo)
    yield from _forwardings(state, memo)


def _addresses(state: State, memo: Memo) -> list[Row]:
    ports, routers, networks = state.ports, state.routers, state.networks
    nodes = {node.name: node for node in state.nodes.values()}
    answering = servers(state)

    def given(floating: FloatingIP) -> tuple[FloatingIP, Port, Port, str | None, bool] | None:
        inner, outer = ports.get(floating.port_id or ""), ports.get(floating.floating_port_id)
        router, network = routers.get(floating.router_id or ""), networks.get(floating.floating_network_id)
        if inner is None or outer is None or router is None or network is None:
            return None
        there = inner.id not in answering and is_out_there(inner, nodes.get(inner.host), network)
        return floating, inner, outer, gateway(router, floating, ports), there

    balancing = (state.loadbalancers, state.pools, state.members, state.floatingips) if answering else ()
    return memo.each(_nat, state.floatingips, given, (ports, routers, networks, state.nodes, *balancing))


def servers(state: State) -> frozenset[str]:
    """Ids of the ports to which load balancers lead that have a floating IP."""
    led_to = {floating.port_id for floating in state.floatingips.values()} if state.loadbalancers else ()
    balancers = {each.id for each in state.loadbalancers.values() if each.vip_port_id in led_to}
    pools = {pool.id for pool in state.pools.values() if pool.loadbalancer_id in balancers}
    places = {(each.subnet_id, each.address) for each in state.members.values() if each.pool_id in pools}
    if not places:
        return frozenset()
    held = ((port.id, f.subnet_id, f.ip_address) for port in state.ports.values() for f in port.fixed_ips)
    return frozenset(id for id, *place in held if tuple(place) in places)


def is_out_there(port: Port, host: Node | None, network: Network) -> bool:
    """Whether the port is a machine's, on a host that the external network reaches by itself."""
    if host is None or port.device_owner.startswith("network:"):
        return False
    return network.physical_network in (None, *host.physical_networks)


def gateway(router: Router, floating: FloatingIP, ports: Mapping[str, Port]) -> str | None:
    """The router's port in the floating IP's network."""
    there = (ports[id] for id in router.gateway_ports if id in ports)
    return next((port.id for port in there if port.network_id == floating.floating_network_id), None)


def _nat(floating: FloatingIP, inner: Port, outer: Port, gateway: str | None, there: bool) -> Row:
    columns: dict[str, Value] = {
        "type": "dnat_and_snat",
        "external_ip": floating.floating_ip_address,
        "logical_ip": floating.fixed_ip_address,
        "external_mac": outer.mac_address if there else None,
        "logical_port": names.logical_port(inner.id) if there else None,
        "gateway_port": Ref("Logical_Router_Port", names.router_port(gateway)) if gateway else None,
        "external_ids": {
            "neutron:fip_external_mac": outer.mac_address,
            "neutron:fip_id": floating.id,
            "neutron:fip_network_id": floating.floating_network_id,
            "neutron:fip_port_id": inner.id,
            "neutron:revision_number": str(floating.revision_number),
            "neutron:router_name": names.logical_router(str(floating.router_id)),
        },
    }
    return row("NAT", floating.id, columns, _on(str(floating.router_id), "nat"))


def _on(router_id: str, column: str) -> Parent:
    return Parent(Ref("Logical_Router", names.logical_router(router_id)), column)


def _forwardings(state: State, memo: Memo) -> Iterator[Row]:
    make, inside = memo.of(_balancer), _inside(state) if state.port_forwardings else {}
    for (floating_id, protocol), forwardings in _grouped(state.port_forwardings.values()).items():
        floating = state.floatingips.get(floating_id)
        if floating is not None and floating.router_id is not None:
            switches = inside.get(floating.router_id, ())
            yield make(f"{floating_id}-{protocol}", floating, protocol, switches, *forwardings)


def _grouped(forwardings: Iterable[PortForwarding]) -> dict[tuple[str, str], list[PortForwarding]]:
    found: dict[tuple[str, str], list[PortForwarding]] = {}
    for each in sorted(forwardings, key=lambda f: (f.external_port, f.id)):
        found.setdefault((each.floatingip_id, each.protocol), []).append(each)
    return found


def _inside(state: State) -> dict[str, tuple[str, ...]]:
    """Networks that a router has an interface in, by router."""
    found: dict[str, set[str]] = {}
    for port in state.ports.values():
        if port.device_owner == names.ROUTER_INTERFACE:
            found.setdefault(port.device_id, set()).add(port.network_id)
    return {router: tuple(sorted(networks)) for router, networks in found.items()}


def _pairs(forwarding: PortForwarding) -> Iterator[tuple[int, int]]:
    """Port by port, or all to one: a load balancer of OVN knows no ranges (ovn-nb(5), vips)."""
    return zip(forwarding.external_ports, cycle(forwarding.internal_ports), strict=False)


def _balancer(
    floating: FloatingIP, protocol: str, inside: tuple[str, ...], *forwardings: PortForwarding
) -> Row:
    address = floating.floating_ip_address
    columns: dict[str, Value] = {
        "vips": {
            f"{address}:{port}": f"{f.internal_ip_address}:{inner}"
            for f in forwardings
            for port, inner in _pairs(f)
        },
        "protocol": protocol,
        "external_ids": {
            "neutron:device_owner": "port_forwarding_plugin",
            "neutron:fip_id": floating.id,
            "neutron:router_name": names.logical_router(str(floating.router_id)),
        },
    }
    switches = (Parent(Ref("Logical_Switch", names.logical_switch(id)), "load_balancer") for id in inside)
    name = f"pf-floatingip-{floating.id}-{protocol}"
    return row("Load_Balancer", name, columns, _on(str(floating.router_id), "load_balancer"), *switches)
