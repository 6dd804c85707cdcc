"""Load balancers -> load balancers of OVN, one a listener, and a router behind each address.

    LoadBalancer ── Logical_Router "lb-<id>" ── Logical_Router_Port "lrp-<port id>", the address
                         └─ Logical_Router_Static_Route     to members in networks beside, by the router there
    Listener     ── Load_Balancer "listener-<id>"  ·· Logical_Switch of every network that reaches the address
                         │                         ·· Logical_Router that has an interface in its network
                         └─ Load_Balancer_Health_Check      of a pool with a monitor

Who sends to the address has it translated on his own switch, so the server sees the client, and the group of
its port decides.  A load balancer of a switch leaves the Ethernet address as it is (ovn-northd(8)), and that
is the address' own: the router behind it answers ARP and neighbour solicitations, and brings what was
translated to the server.  It is on every host, so nothing takes a detour.

A floating IP of the address is one more VIP: its router's gateway translates it, as forwarded ports.

A server's weight is how often it stands in the list; OVN has no other (ovn-nb(5), vips).

A gateway without SNAT turns back the answers of those alone who stand in some list (ovn-northd(8),
lr_out_undnat).  So with a floating IP those who get no new connections stand in a list of their own, at an
address that nobody can ask: what they have begun goes on.

A health monitor's checks tell of servers on hosts that are away, too (api/absence.py); without one they are
left out here, unless nobody else is left: then it may be us who are cut off.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import gcd
from typing import NamedTuple

from sealane import names
from sealane.model import (
    FloatingIP,
    HealthMonitor,
    Listener,
    LoadBalancer,
    Member,
    Network,
    Port,
    ServerPool,
    State,
    Subnet,
)
from sealane.translate.memo import Memo
from sealane.translate.rows import Parent, Ref, Row, Value, row
from sealane.translate.switches import prefix_length

SHARES = 64
"""Members of a list at most: weights are brought down to that."""


NOWHERE = {4: "192.0.0.8", 6: "100:0:0:1::8"}
"""Dummy addresses, to which nothing is forwarded (RFC 7600 and RFC 9780)."""


class Way(NamedTuple):
    """From the address' network to another: its router's port there, and the subnets beyond."""

    hop: str
    cidr: str


class Reach(NamedTuple):
    """Who reaches the address: networks and routers, by id; and the ways out of its own network."""

    networks: tuple[str, ...]
    routers: tuple[str, ...]
    ways: tuple[Way, ...]


class Server(NamedTuple):
    member: Member
    port: str
    """Id of the port that has the address; "" for none."""
    asked_from: str
    """The address that health is asked from."""
    away: bool = False
    """Whether its host is."""


def rows(state: State, memo: Memo) -> Iterator[Row]:
    if not state.loadbalancers:
        return
    reach, floating = _reaches(state), _floating(state.floatingips.values())
    listeners, servers = _listeners(state), _servers(state)
    monitors = {monitor.pool_id: monitor for monitor in state.healthmonitors.values()}
    behind, balance = memo.of(_behind), memo.of(_balancer)
    for balancer in state.loadbalancers.values():
        port = state.ports.get(balancer.vip_port_id)
        network = state.networks.get(port.network_id) if port else None
        if port is None or network is None or network.id not in reach:
            continue
        subnets = tuple(s for f in port.fixed_ips if (s := state.subnets.get(f.subnet_id)))
        if len(subnets) != len(port.fixed_ips):
            continue
        there, addresses = reach[network.id], floating.get(port.id, ())
        yield from behind(balancer.id, balancer, port, network, subnets, there.ways)
        for listener in listeners.get(balancer.id, ()):
            pool = state.pools.get(listener.default_pool_id or "")
            monitor = monitors.get(pool.id) if pool else None
            members = servers.get(pool.id, ()) if pool else ()
            yield from balance(listener.id, balancer, listener, pool, monitor, there, addresses, *members)


def _listeners(state: State) -> Mapping[str, list[Listener]]:
    found: dict[str, list[Listener]] = {}
    for listener in state.listeners.values():
        found.setdefault(listener.loadbalancer_id, []).append(listener)
    return found


def _floating(floating: Iterable[FloatingIP]) -> Mapping[str, tuple[str, ...]]:
    """Addresses that lead to a port, in ascending order."""
    found: dict[str, list[str]] = {}
    for each in floating:
        if each.port_id is not None:
            found.setdefault(each.port_id, []).append(each.floating_ip_address)
    return {port: tuple(sorted(addresses)) for port, addresses in found.items()}


def _servers(state: State) -> Mapping[str, tuple[Server, ...]]:
    """Members by pool, in the order of their ids."""
    held = {
        (fixed.subnet_id, fixed.ip_address): port for port in state.ports.values() for fixed in port.fixed_ips
    }
    asking = {
        subnet: address for (subnet, address), port in held.items() if port.device_owner == names.HEALTH_PORT
    }
    away = {node.name for node in state.nodes.values() if node.away}
    found: dict[str, list[Server]] = {}
    for member in sorted(state.members.values(), key=lambda member: member.id):
        port = held.get((member.subnet_id, member.address))
        lost = port is not None and port.host in away
        server = Server(member, port.id if port else "", asking.get(member.subnet_id, ""), lost)
        found.setdefault(member.pool_id, []).append(server)
    return {pool: tuple(servers) for pool, servers in found.items()}


def _reaches(state: State) -> Mapping[str, Reach]:
    """By network that has an address of a load balancer."""
    ports = (state.ports.get(balancer.vip_port_id) for balancer in state.loadbalancers.values())
    legs: dict[str, list[Port]] = {}
    beside: dict[str, list[Port]] = {}
    for port in sorted(state.ports.values(), key=lambda port: port.id):
        if port.device_owner == names.ROUTER_INTERFACE:
            legs.setdefault(port.device_id, []).append(port)
            beside.setdefault(port.network_id, []).append(port)
    return {
        network: _reach(state, network, legs, beside)
        for network in {port.network_id for port in ports if port}
    }


def _reach(
    state: State, network: str, legs: Mapping[str, list[Port]], beside: Mapping[str, list[Port]]
) -> Reach:
    here = beside.get(network, ())
    routers = {port.device_id for port in here}
    networks = {network} | {leg.network_id for router in routers for leg in legs[router]}
    ways = {
        Way(hop.ip_address, subnet.cidr)
        for port in here
        for hop in port.fixed_ips
        for leg in legs[port.device_id]
        if leg.network_id != network
        for fixed in leg.fixed_ips
        if (subnet := state.subnets.get(fixed.subnet_id))
        and (":" in hop.ip_address) == (subnet.ip_version == 6)
    }
    return Reach(tuple(sorted(networks)), tuple(sorted(routers)), tuple(sorted(ways)))


def _behind(
    balancer: LoadBalancer, port: Port, network: Network, subnets: tuple[Subnet, ...], ways: tuple[Way, ...]
) -> tuple[Row, ...]:
    name = names.balancer_router(balancer.id)
    cidrs = [
        f"{fixed.ip_address}/{prefix_length(subnet)}"
        for fixed, subnet in zip(port.fixed_ips, subnets, strict=True)
    ]
    ids = {"neutron:revision_number": str(balancer.revision_number)}
    router = row(
        "Logical_Router",
        name,
        {
            "enabled": balancer.admin_state_up,
            "external_ids": {**ids, "neutron:router_name": balancer.name},
            "options": {"always_learn_from_arp_request": "false"},
        },
    )
    columns: dict[str, Value] = {
        "mac": port.mac_address,
        "networks": frozenset(cidrs),
        "enabled": balancer.admin_state_up and port.admin_state_up,
        "ipv6_ra_configs": {},
        "options": {},
        "external_ids": {**ids, "neutron:network_name": names.logical_switch(network.id)},
    }
    leg = row("Logical_Router_Port", names.router_port(port.id), columns, Parent(router.ref, "ports"))
    families = {subnet.ip_version for subnet in subnets}
    routes = (_route(router, way) for way in ways if (6 if ":" in way.hop else 4) in families)
    return (router, leg, *routes)


def _route(router: Row, way: Way) -> Row:
    columns: dict[str, Value] = {
        "ip_prefix": way.cidr,
        "nexthop": way.hop,
        "output_port": None,
        "policy": None,
    }
    key = f"{router.key} {way.cidr} {way.hop}"
    return row("Logical_Router_Static_Route", key, columns, Parent(router.ref, "static_routes"))


def _balancer(
    balancer: LoadBalancer,
    listener: Listener,
    pool: ServerPool | None,
    monitor: HealthMonitor | None,
    reach: Reach,
    floating: tuple[str, ...],
    *servers: Server,
) -> tuple[Row, ...]:
    """Nothing where somebody has switched it off: the address is there, and nothing answers."""
    if not (balancer.admin_state_up and listener.admin_state_up and pool and pool.admin_state_up):
        return ()
    watched = monitor if monitor is not None and monitor.admin_state_up else None
    chosen = _chosen(servers, watched)
    backends = ",".join(_listed(chosen))
    vips = {_at(address, listener.protocol_port): backends for address in (balancer.vip_address, *floating)}
    resting = [s for s in servers if s not in chosen] if floating else []
    columns: dict[str, Value] = {
        "vips": {**vips, **_aside(resting, listener.protocol_port)},
        "protocol": listener.protocol.lower(),
        "selection_fields": _selection(pool),
        "ip_port_mappings": {} if watched is None else {_bare(s.member.address): _asked(s) for s in chosen},
        "external_ids": {
            "neutron:vip": balancer.vip_address,
            "neutron:vip_port_id": balancer.vip_port_id,
            "sealane:loadbalancer": balancer.id,
            "sealane:project": balancer.project_id,
        },
        "options": {"neighbor_responder": "none", **_affinity(pool)},
    }
    places = (
        *(Parent(Ref("Logical_Switch", names.logical_switch(id)), "load_balancer") for id in reach.networks),
        *(Parent(Ref("Logical_Router", names.logical_router(id)), "load_balancer") for id in reach.routers),
    )
    made = row("Load_Balancer", names.balancer(listener.id), columns, *places)
    return (made, *(_check(made, vip, watched) for vip in vips if watched is not None))


def _chosen(servers: Iterable[Server], watched: HealthMonitor | None) -> list[Server]:
    """Who gets new connections."""
    serving = [server for server in servers if _serves(server.member)]
    if watched is not None:
        return [server for server in serving if server.port and server.asked_from]
    return [server for server in serving if not server.away] or serving


def _serves(member: Member) -> bool:
    return member.admin_state_up and member.weight > 0


def _listed(servers: Iterable[Server]) -> Iterator[str]:
    """Each as often as its weight says, in lowest terms."""
    servers = tuple(servers)
    weights = [server.member.weight for server in servers]
    if len(weights) * max(weights, default=0) > SHARES:
        most = max(SHARES // len(weights), 1)
        weights = [max(round(weight * most / max(weights)), 1) for weight in weights]
    common = gcd(*weights) or 1
    for server, weight in zip(servers, weights, strict=True):
        yield from [_at(server.member.address, server.member.protocol_port)] * (weight // common)


def _aside(servers: list[Server], port: int) -> dict[str, str]:
    """For connections that these have already."""
    at = (_at(server.member.address, server.member.protocol_port) for server in servers)
    listed = ",".join(dict.fromkeys(at))
    return {_at(NOWHERE[6 if "[" in listed else 4], port): listed} if listed else {}


def _at(address: str, port: int) -> str:
    return f"{_bare(address)}:{port}"


def _bare(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _asked(server: Server) -> str:
    return f"{names.logical_port(server.port)}:{_bare(server.asked_from)}"


def _selection(pool: ServerPool) -> frozenset[str]:
    """Chosen by the client alone, or by all of the connection; so is one that is then remembered."""
    stays = pool.persistence == "SOURCE_IP" and not pool.persistence_timeout
    return frozenset({"ip_src", "ip_dst"} if stays else {"ip_src", "ip_dst", "tp_src", "tp_dst"})


def _affinity(pool: ServerPool) -> dict[str, str]:
    return {"affinity_timeout": str(pool.persistence_timeout)} if pool.persistence_timeout else {}


def _check(balancer: Row, vip: str, monitor: HealthMonitor) -> Row:
    columns: dict[str, Value] = {
        "vip": vip,
        "options": {
            "interval": str(_interval(monitor)),
            "timeout": str(monitor.timeout),
            "success_count": str(monitor.max_retries),
            "failure_count": str(monitor.max_retries_down),
        },
    }
    key = f"{balancer.key} {vip}"
    return row("Load_Balancer_Health_Check", key, columns, Parent(balancer.ref, "health_check"))


def _interval(monitor: HealthMonitor) -> int:
    """Seconds from the end of one question to the next: OVN counts from the answer, or from its missing after
    `timeout`, where Octavia's `delay` is from question to question.

    So that a server that is silent is asked every `delay` seconds; one that answers is asked at most twice as
    often as was wished.
    """
    return max(monitor.delay - monitor.timeout, (monitor.delay + 1) // 2)
