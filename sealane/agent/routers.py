"""Where OVN's routers are on networks and what they lead to: read from the rules of br-int.

The number of a router's datapath and what it is called there are OVN's alone, and what br-int does is what
counts.  Three kinds of rules tell it (ovn-northd(8), "Logical Router Datapaths"; ovn-architecture(7)):

    table=21, ip,metadata=0x2b,nw_dst=10.52.0.0/24    actions=dec_ttl(),move:NXM_OF_IP_DST[]->…,
                                  set_field:0a:67:76:e5:6c:ae->eth_src,set_field:0x2->reg15,…
        a router's route: whoever has such an address is on the network at the router's port 2 itself; where
        the next hop is another, it is put into a register instead
    table=65, reg15=0x2,metadata=0x2b    actions=clone(…,set_field:0x20->metadata,set_field:0x28->reg14,…
        what leaves the router there enters the network 0x20, by the network's port 0x28
    table=24, reg15=0x3,metadata=0x2b    actions=set_field:0x4->reg15,…
        what would leave there goes on to the host that is the gateway
    table=26, reg15=0x2,metadata=0x2b    actions=check_pkt_larger(1318)->NXM_NX_REG9[1],…
        who sends more than the network there takes is told so; a fast packet to another host would vanish

Routes that lead to none who could be fast are told without a leg; those to a physical network say so, for
floating IPs (floating.py).  A router is left out altogether when its
rules choose a way by more than the receiver's address (a policy, another table of routes).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from sealane.agent import floating, shaped
from sealane.fastpath.rows import Leg, Route

_DATAPATH = re.compile(r"\bmetadata=(0x[0-9a-f]+)")
_OUT = re.compile(r"\breg15=(0x[0-9a-f]+)")
_TARGET = re.compile(r"\b(?:nw|ipv6)_dst=([0-9a-f.:/]+)")
_SET_OUT = re.compile(r"\bset_field:(0x[0-9a-f]+)->reg15\b")
_SET_MAC = re.compile(r"\bset_field:((?:[0-9a-f]{2}:){5}[0-9a-f]{2})->eth_src\b")
_ENTERS = re.compile(r"^clone\(.*?set_field:(0x[0-9a-f]+)->metadata,set_field:(0x[0-9a-f]+)->reg14\b")
_ITSELF = re.compile(r"\bmove:NXM_(?:OF_IP|NX_IPV6)_DST\[\]->")
_TABLE = re.compile(r"\btable=(\d+)")
_KNOWN = {"cookie", "table", "priority", "ip", "ipv6", "metadata", "reg7", "nw_dst", "ipv6_dst"}
_MAIN = "reg7=0"  # OVN's main table of routes
_EVERYTHING = {"ip": "0.0.0.0/0", "ipv6": "::/0"}


@dataclass(frozen=True)
class _Rule:
    match: str
    actions: str

    @property
    def router(self) -> str:
        found = _DATAPATH.search(self.match)
        return found[1] if found else ""

    @property
    def words(self) -> set[str]:
        """Of its match: "ip", "nw_dst=10.52.0.0/24"."""
        return {word.strip() for word in self.match.split(",")} - {""}

    @property
    def fields(self) -> set[str]:
        return {word.partition("=")[0] for word in self.words}

    @property
    def table(self) -> int:
        found = _TABLE.search(self.match)
        return int(found[1]) if found else 0

    @property
    def is_route(self) -> bool:
        return "dec_ttl" in self.actions

    @property
    def chooses(self) -> bool:
        """A way, and not only a port."""
        return bool(_SET_MAC.search(self.actions) and _SET_OUT.search(self.actions))


def routes(flows: str) -> tuple[Route, ...]:
    """`flows`: what ovs-ofctl dump-flows says with -O OpenFlow15."""
    rules = [_Rule(*line.split(" actions=", 1)) for line in flows.splitlines() if _may_count(line)]
    rules = [rule for rule in rules if rule.router]
    unclear = set(_unclear(rules))
    entrances, outside = dict(_entrances(rules)), floating.ways(flows)
    slow = {(rule.router, out) for rule in rules if not rule.chooses for out in _sent_on(rule)}
    slow |= set(_measured(flows))
    limited = shaped.limits(flows)
    found: dict[tuple[int, IPv4Network | IPv6Network], tuple[Leg | None, int]] = {}
    for rule in rules:
        subnet = _subnet(rule)
        if not rule.is_route or rule.router in unclear or not subnet or _is_aside(subnet):
            continue
        place = int(rule.router, 16), subnet
        way = _leg(rule, entrances, slow, limited), _outside(rule, entrances, outside)
        found[place] = way if found.get(place, way) == way else (None, 0)
    return tuple(Route(router, subnet, *way) for (router, subnet), way in found.items())


def entrances(flows: str) -> Mapping[tuple[str, str], tuple[str, str]]:
    """What leaves a datapath by a port enters another one by a port; keys as rules have them."""
    rules = (_Rule(*line.split(" actions=", 1)) for line in flows.splitlines() if "clone(" in line)
    return dict(_entrances(rules))


def _may_count(line: str) -> bool:
    return "->reg15" in line or "dec_ttl" in line or "clone(" in line


def _entrances(rules: Iterable[_Rule]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    """What leaves a datapath by a port enters another one by a port."""
    for rule in rules:
        out, entered = _OUT.search(rule.match), _ENTERS.search(rule.actions)
        if out and entered:
            yield (rule.router, out[1]), (entered[1], entered[2])


def _sent_on(rule: _Rule) -> Iterator[str]:
    """The port, of a rule by which what would leave there leaves elsewhere."""
    out, instead = _OUT.search(rule.match), _SET_OUT.search(rule.actions)
    if out and instead and out[1] != instead[1]:
        yield out[1]


def _measured(flows: str) -> Iterator[tuple[str, str]]:
    """Ports by which only what is short enough leaves a router."""
    for line in flows.splitlines():
        match, _, actions = line.partition(" actions=")
        datapath, out = _DATAPATH.search(match), _OUT.search(match)
        if datapath and out and "check_pkt_larger" in actions:
            yield datapath[1], out[1]


def _unclear(rules: Iterable[_Rule]) -> Iterator[str]:
    """Routers with a rule that chooses a way, and not by the receiver's address alone."""
    tables = {rule.router: rule.table for rule in rules if rule.is_route}
    for rule in rules:
        if rule.is_route:
            subnet = _subnet(rule)
            clear = subnet is not None and (_is_aside(subnet) or rule.fields <= _KNOWN)
        else:  # one of several next hops of a route that is told
            clear = "reg8" in rule.fields and rule.table == tables.get(rule.router, 0) + 1
        if not clear and (rule.chooses or rule.is_route):
            yield rule.router


def _is_aside(subnet: IPv4Network | IPv6Network) -> bool:
    """Nobody who could be fast has such an address."""
    return subnet.is_link_local or subnet.is_multicast


def _subnet(rule: _Rule) -> IPv4Network | IPv6Network | None:
    """None: none that could be told so; or of another table of routes than the main one."""
    if any(word.startswith("reg7=") and word != _MAIN for word in rule.words):
        return None
    target = _TARGET.search(rule.match)
    family = next((word for word in ("ipv6", "ip") if word in rule.words), None)
    if target is None:
        return ip_network(_EVERYTHING[family]) if family else None
    try:
        return ip_network(target[1])
    except ValueError:  # another mask than a prefix
        return None


def _outside(
    rule: _Rule, entrances: Mapping[tuple[str, str], tuple[str, str]], ways: Mapping[int, int]
) -> int:
    """The network with a way to a physical one, by whichever hop; 0: the route leads to none."""
    out = _SET_OUT.search(rule.actions)
    network = entrances.get((rule.router, out[1])) if out else None
    found = int(network[0], 16) if network else 0
    return found if found in ways else 0


def _leg(
    rule: _Rule,
    entrances: Mapping[tuple[str, str], tuple[str, str]],
    slow: set[tuple[str, str]],
    limited: shaped.Limits,
) -> Leg | None:
    out, mac = _SET_OUT.search(rule.actions), _SET_MAC.search(rule.actions)
    if not out or not mac or not _ITSELF.search(rule.actions):
        return None
    port = (rule.router, out[1])
    network = entrances.get(port)
    if network is None or entrances.get(network) != port or port in slow:
        return None
    if limited(port) or limited(network):
        return None
    return Leg(int(network[0], 16), int(network[1], 16), mac[1])
