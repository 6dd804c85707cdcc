"""Security groups -> port groups and ACLs.

    neutron_pg_drop      every port with port security     drops all IP that nobody lets pass   1000
                                                           and what only a server may say       1004
    sealane_pg_awaiting  those on a LAN without an IPv4    what a DHCP server says              1002
                         address yet
    pg_<group>           the ports of a security group     an ACL for each rule                 1002
    pg_net_<network>     containers in no group            what Docker's users expect           1002

OVN itself makes the address sets of a port group's members, `$pg_<group>_ip4` and `_ip6` (ovn-nb(5)), so a
member that comes or goes changes no ACL.  It lets neighbour discovery, router solicitations and
advertisements pass where connections are tracked; where they are not, the drop group's ACLs do so, but for
advertisements of who is no router.  Likewise anybody may say which groups he listens to (IGMP, MLD) and be
asked by the network itself; what is sent to a group is let in by a rule or not at all.

Everything in a match is a number, an address or a name that is made of an id; text of a caller's never is.
A port of a router is in no group: what passes through it is others'.
"""

from collections.abc import Iterator

from sealane import names, protocols
from sealane.model import AddressGroup, Network, Port, SecurityGroup, SecurityGroupRule, State, Subnet
from sealane.translate.memo import Memo
from sealane.translate.rows import Parent, Ref, Row, Value, row
from sealane.translate.switches import by_network

DROP, ALLOW, GUARD = 1000, 1002, 1004
"""Above each there is room for the same with a log (logs.py)."""
FIELDS = {6: "tcp", 17: "udp", 132: "sctp"}
"""Protocols whose ports OVN can look at, by the names that it has for them."""
LINK_LOCAL = "fe80::/10"
NEIGHBOURS = "(nd || nd_rs || mldv1 || mldv2)"
TO_CLIENTS = "((ip4 && udp.src == 67 && udp.dst == 68) || (ip6 && udp.src == 547 && udp.dst == 546))"
TO_SERVERS = (
    "((ip4 && ip4.dst == 255.255.255.255 && udp.src == 68 && udp.dst == 67)"
    " || (ip6 && ip6.dst == ff02::1:2 && udp.src == 546 && udp.dst == 547))"
)
UNGROUPED = frozenset({*names.ROUTER_PORTS, names.FLOATING_PORT})


def parents(port: Port, network: Network) -> Iterator[Parent]:
    """The port groups of a port."""
    if not is_held(port):
        return
    yield _member(names.DROP_GROUP)
    if awaits(port, network):
        yield _member(names.AWAITING_GROUP)
    if port.quarantine:
        return
    yield from (_member(names.port_group(id)) for id in port.security_groups)
    if is_as_docker_has_it(port):
        yield _member(names.network_group(port.network_id))


def rows(state: State, memo: Memo) -> Iterator[Row]:
    if any(is_held(port) for port in state.ports.values()):
        yield from DROPPING
    lans = {id: network for id, network in state.networks.items() if network.network_type != "geneve"}
    if lans and any(p.network_id in lans and awaits(p, lans[p.network_id]) for p in state.ports.values()):
        yield from AWAITING
    group, rule, sets, network = memo.of(_group), memo.of(rule_row), memo.of(_sets), memo.of(network_rows)
    for each in state.security_groups.values():
        yield group(each.id, each)
    for one in state.security_group_rules.values():
        owner = state.security_groups.get(one.security_group_id)
        if owner is not None and (acl := rule(one.id, one, owner)) is not None:
            yield acl
    for addresses in state.address_groups.values():
        yield from sets(addresses.id, addresses)
    subnets = by_network(state)
    for id in sorted({p.network_id for p in state.ports.values() if is_as_docker_has_it(p)}):
        if (there := state.networks.get(id)) is not None:
            yield from network(id, there, *subnets.get(id, ()))


def is_held(port: Port) -> bool:
    """By groups at all."""
    return port.port_security_enabled and port.device_owner not in UNGROUPED


def awaits(port: Port, network: Network) -> bool:
    """Does a DHCP server outside tell it its address?  An answer to everybody answers no tracked question."""
    lan = network.network_type != "geneve"
    return lan and is_held(port) and not any(":" not in fixed.ip_address for fixed in port.fixed_ips)


def is_as_docker_has_it(port: Port) -> bool:
    """In no group that anybody has chosen."""
    chosen = port.security_groups or port.quarantine
    return port.device_owner in names.CONTAINER_PORTS and port.port_security_enabled and not chosen


def _member(port_group: str) -> Parent:
    return Parent(Ref("Port_Group", port_group), "ports")


def _acl(port_group: str, key: str, direction: str, priority: int, match: str, action: str) -> Row:
    """`match` comes after the words that name the group."""
    side = "inport" if direction == "from-lport" else "outport"
    columns: dict[str, Value] = {
        "direction": direction,
        "priority": priority,
        "match": f"{side} == @{port_group} && {match}",
        "action": action,
    }
    return row("ACL", key, columns, Parent(Ref("Port_Group", port_group), "acls"))


def _drop(key: str, direction: str, priority: int, match: str, action: str) -> Row:
    return _acl(names.DROP_GROUP, f"drop-{key}", direction, priority, match, action)


DROPPING = (
    row("Port_Group", names.DROP_GROUP, {}),
    _drop("out", "from-lport", DROP, "ip", "drop"),
    _drop("in", "to-lport", DROP, "ip", "drop"),
    _drop("neighbours-out", "from-lport", ALLOW, NEIGHBOURS, "allow"),
    _drop("neighbours-in", "to-lport", ALLOW, f"{NEIGHBOURS[:-1]} || nd_ra)", "allow"),
    _drop("listeners-out", "from-lport", ALLOW, "igmp", "allow"),
    _drop("listeners-in", "to-lport", ALLOW, f"igmp && ip4.src == {names.QUERIER}", "allow"),
    _drop("dhcp-client", "from-lport", ALLOW, TO_SERVERS, "allow"),
    _drop("dhcp-server", "from-lport", GUARD, TO_CLIENTS, "drop"),
)
AWAITING = (
    row("Port_Group", names.AWAITING_GROUP, {}),
    _acl(
        *(names.AWAITING_GROUP, "awaiting-dhcp", "to-lport", ALLOW),
        *("ip4 && udp.src == 67 && udp.dst == 68", "allow"),
    ),
)
DROPS = tuple(one for one in DROPPING if one.columns.get("action") == "drop")


def _group(group: SecurityGroup) -> Row:
    ids = {
        "neutron:security_group_id": group.id,
        "neutron:revision_number": str(group.revision_number),
    }
    return row("Port_Group", names.port_group(group.id), {"external_ids": ids})


def rule_row(rule: SecurityGroupRule, group: SecurityGroup) -> Row | None:
    """None where OVN can't tell apart what the rule does: then it lets nothing pass."""
    words = [*_family(rule), *_remote(rule)]
    if rule.protocol is not None:
        if (protocol := _protocol(rule)) is None:
            return None
        words += protocol
    return _acl(
        names.port_group(group.id),
        rule.id,
        "to-lport" if rule.direction == "ingress" else "from-lport",
        ALLOW,
        " && ".join(words),
        "allow-related" if group.stateful else "allow-stateless",
    )


def _family(rule: SecurityGroupRule) -> Iterator[str]:
    yield "ip4" if rule.ethertype == "IPv4" else "ip6"


def _remote(rule: SecurityGroupRule) -> Iterator[str]:
    """Of whom; nothing where it is everybody."""
    family = 4 if rule.ethertype == "IPv4" else 6
    field = f"ip{family}.{'src' if rule.direction == 'ingress' else 'dst'}"
    if rule.remote_group_id is not None:
        yield f"{field} == ${names.member_addresses(names.port_group(rule.remote_group_id), family)}"
    if rule.remote_address_group_id is not None:
        yield f"{field} == ${names.address_set(rule.remote_address_group_id, family)}"
    if rule.remote_ip_prefix is not None and not rule.remote_ip_prefix.endswith("/0"):
        yield f"{field} == {rule.remote_ip_prefix}"


def _protocol(rule: SecurityGroupRule) -> list[str] | None:
    """OVN sees no ports but those of tcp, udp and sctp."""
    number = protocols.number(rule.protocol or "", rule.ethertype)
    low, high = rule.port_range_min, rule.port_range_max
    if number in (protocols.ICMP, protocols.ICMP6):
        field = "icmp4" if number == protocols.ICMP else "icmp6"
        given = ((f"{field}.type", low), (f"{field}.code", high))
        return [field, *(f"{name} == {value}" for name, value in given if value is not None)]
    if low is None or high is None:
        return [FIELDS.get(number, f"ip.proto == {number}")]
    if number not in FIELDS:
        return None
    field = f"{FIELDS[number]}.dst"
    span = [f"{field} == {low}"] if low == high else [f"{field} >= {low}", f"{field} <= {high}"]
    return [FIELDS[number], *span]


def _sets(group: AddressGroup) -> tuple[Row, ...]:
    """One a family, also where it is empty: a match that names a set that is not there is none."""
    return tuple(
        row(
            "Address_Set",
            names.address_set(group.id, family),
            {
                "addresses": frozenset(a for a in group.addresses if (":" in a) == (family == 6)),
                "external_ids": {"neutron:address_group_id": group.id},
            },
        )
        for family in (4, 6)
    )


def network_rows(network: Network, *subnets: Subnet) -> tuple[Row, ...]:
    """Docker's own expectations, as a group of the network's.

    Containers of one network reach each other; what the host lets in by the localport are answers and
    published ports, also where a router is the gateway; nothing else comes in, by a router least of all.
    """
    name = names.network_group(network.id)
    inside = [s.cidr for s in subnets]
    v4, v6 = [c for c in inside if ":" not in c], [*(c for c in inside if ":" in c), LINK_LOCAL]
    acls = [_acl(name, f"{name}-out", "from-lport", ALLOW, "ip", "allow-related")]
    for family, cidrs in ((4, v4), (6, v6)):
        if cidrs:
            match = f"ip{family}.src == {{{', '.join(cidrs)}}}"
            acls.append(_acl(name, f"{name}-in{family}", "to-lport", ALLOW, match, "allow-related"))
    if network.gateway in ("host", "router"):
        match = f'inport == "{names.gateway_port(network.id)}" && ip'
        acls.append(_acl(name, f"{name}-gateway", "to-lport", ALLOW, match, "allow-related"))
    return (row("Port_Group", name, {"external_ids": {"neutron:network_id": network.id}}), *acls)
