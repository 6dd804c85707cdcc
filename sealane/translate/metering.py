"""Rules of metering labels -> policies of logical routers that let pass, and whose packets are counted.

    egress     what a machine behind a router sends out by a gateway, with the machine's own address
    ingress    what comes in by a gateway for a machine, with the machine's own address

ovn-northd asks policies once it has routed, after it has translated what comes in and before it translates
what goes out (ovn-northd(8), Router Ingress: Policy).  So each packet meets them once, on one host, and shows
the addresses of both ends as a machine and the outside know them.

Of the policies that a packet fits one counts alone, the one of the highest priority.  Several labels may want
the same packet, and a label may leave out part of what it wants.  So there is one policy for each pair of a
source and a destination that rules name, the narrower above the wider:

    rules   a: to 192.0.2.0/24      b: from 10.0.0.0/8      a: not to 192.0.2.7
    policies, by falling priority   10.0.0.0/8 -> 192.0.2.7      b
                                    10.0.0.0/8 -> 192.0.2.0/24   a b
                                    10.0.0.0/8 -> anywhere       b
                                    anywhere -> 192.0.2.7        nobody
                                    anywhere -> 192.0.2.0/24     a

The priority is the sum of both lengths.  Where a packet fits two of which none is within the other, the pair
of their narrower ends is there as well, and longer.  So the first that fits is the narrowest, and which
labels want such a packet is known from the prefixes alone.  Which policy belongs to which labels is nowhere
written: it follows from the state (`who`), and where labels alone change, no rule does.  Neither does one
where others come and go: a rule that is made anew counts from 0, and what it had counted last may never be
read.

Networks and ports can name labels themselves (`sealane.metering`): these count what has their addresses.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Protocol

from sealane import names
from sealane.model import MeteringLabelRule, Port, Router, State
from sealane.translate import scopes
from sealane.translate.rows import Parent, Ref, Row, Value, row

Prefix = IPv4Network | IPv6Network
EVERYTHING: Mapping[int, Prefix] = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
KEY = "metered "
"""Begins the keys of policies that count."""
_ENDS = re.compile(r" && ip([46])(?: && ip[46]\.src == (\S+))?(?: && ip[46]\.dst == (\S+))?$")
LOWEST = 1
"""Priority; what may not pass between scopes (scopes.py) is above it, and what may after all above that."""


class Leg(Protocol):
    """See routers.py."""

    @property
    def port(self) -> Port: ...
    @property
    def is_gateway(self) -> bool: ...
    @property
    def named(self) -> "tuple[Pair, ...]": ...


@dataclass(frozen=True)
class Pair:
    """The rules of one label, as pairs of prefixes."""

    label: str
    source: Prefix
    destination: Prefix
    excluded: bool


@dataclass(frozen=True)
class Count:
    """A policy: its match, its priority, and the ids of the labels that count what it lets pass."""

    match: str
    priority: int
    labels: frozenset[str]


Rules = tuple[MeteringLabelRule, ...]


def pair(rule: MeteringLabelRule) -> Pair:
    """Raises ValueError where its prefixes are of two families, or none is given."""
    source, destination = rule.source_ip_prefix, rule.destination_ip_prefix
    if rule.remote_ip_prefix is not None:  # the machine's end, for all its name
        source, destination = (
            (rule.remote_ip_prefix, None) if rule.direction == "egress" else (None, rule.remote_ip_prefix)
        )
    given = [ip_network(text) for text in (source, destination) if text is not None]
    if len({one.version for one in given}) != 1:
        raise ValueError("prefixes are to be given, and of one family")
    everything = EVERYTHING[given[0].version]
    one, other = (everything if text is None else ip_network(text) for text in (source, destination))
    return Pair(rule.metering_label_id, one, other, rule.excluded)


def of_projects(state: State) -> Mapping[str, Rules]:
    """Project -> the rules of its labels and of those that are shared; "" of the latter alone."""
    found: dict[str, list[MeteringLabelRule]] = {}
    for rule in sorted(state.metering_label_rules.values(), key=lambda rule: rule.id):
        label = state.metering_labels.get(rule.metering_label_id)
        if label is not None:
            found.setdefault("" if label.shared else label.project_id, []).append(rule)
    shared = found.pop("", [])
    return {"": tuple(shared)} | {project: (*rules, *shared) for project, rules in found.items()}


def named(state: State) -> Mapping[str, tuple[Pair, ...]]:
    """Network -> the addresses whose packets labels count that it or its ports name, as pairs of egress."""
    found: dict[str, set[Pair]] = {}
    if not state.metering_labels:
        return {}
    whole = {
        id: tuple(_named(words(network.labels[names.METERING]), network.project_id, state))
        for id, network in state.networks.items()
        if names.METERING in network.labels
    }
    for subnet in state.subnets.values():
        for label in whole.get(subnet.network_id, ()):
            found.setdefault(subnet.network_id, set()).add(_inside(label, subnet.cidr))
    for port in state.ports.values():
        for label in _named(port.meters, port.project_id, state) if port.meters else ():
            pairs = found.setdefault(port.network_id, set())
            pairs |= {_inside(label, fixed.ip_address) for fixed in port.fixed_ips}
    return {id: tuple(sorted(pairs, key=str)) for id, pairs in found.items() if pairs}


def words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _named(wanted: Iterable[str], project: str, state: State) -> Iterator[str]:
    """Ids of labels by name or id: the project's own before shared ones."""
    for word in wanted:
        meant = [label for label in state.metering_labels.values() if word in (label.id, label.name)]
        own = [label.id for label in meant if label.project_id == project]
        yield from own or [label.id for label in meant if label.shared]


def _inside(label: str, prefix: str) -> Pair:
    source = ip_network(prefix)
    return Pair(label, source, EVERYTHING[source.version], False)


def rows(router: Router, rules: Rules, legs: tuple[Leg, ...], apart: Iterable[Row]) -> Iterator[Row]:
    """`apart`: the policies that keep scopes apart."""
    parent = Parent(Ref("Logical_Router", names.logical_router(router.id)), "policies")
    for count in counts(rules, legs, apart):
        columns: dict[str, Value] = {
            "priority": count.priority,
            "match": count.match,
            "action": "allow",
            "external_ids": {"neutron:router_name": router.id},
        }
        yield row("Logical_Router_Policy", f"{KEY}{router.id} {count.match}", columns, parent)


@dataclass(frozen=True)
class Way:
    """Between two ports of a router, perhaps only what may pass between scopes; and what is wanted there."""

    match: str
    wanted: tuple[Pair, ...]
    lowest: int


def ways(rules: Rules, legs: Iterable[Leg], apart: Iterable[Row] = ()) -> Iterator[Way]:
    inner = [leg for leg in legs if not leg.is_gateway]
    outer = [leg for leg in legs if leg.is_gateway]
    lets = [str(r.columns["match"]) for r in apart if r.columns["action"] == "allow"]
    for direction in ("ingress", "egress"):
        ruled = tuple(pair(rule) for rule in rules if rule.direction == direction)
        for one in inner:
            mine = one.named if direction == "egress" else tuple(map(_turned, one.named))
            wanted = (*ruled, *mine)
            for leg in outer if wanted else ():
                way = _way(direction, leg, one)
                yield Way(way, wanted, LOWEST)
                for let in lets:
                    if ("ct.dnat" in let) == (direction == "ingress"):
                        yield Way(f"{let} && {way}", wanted, scopes.LET + 1)


def counts(rules: Rules, legs: Iterable[Leg], apart: Iterable[Row] = ()) -> Iterator[Count]:
    known: dict[tuple[Pair, ...], tuple[Atom, ...]] = {}
    for way in ways(rules, legs, apart):
        if way.wanted not in known:
            known[way.wanted] = tuple(
                atom
                for version in (4, 6)
                for atom in _atoms([one for one in way.wanted if one.source.version == version], version)
            )
        for source, destination, labels in known[way.wanted]:
            priority = way.lowest + source.prefixlen + destination.prefixlen
            yield Count(f"{way.match} && {_ends(source, destination)}", priority, labels)


def who(match: str, known: Mapping[str, Way], there: Container[str] = ()) -> frozenset[str] | None:
    """The labels that count by a policy, perhaps one that is no longer wanted; None where that can't be said.

    `known`: ways by their match; `there`: matches of policies.  It can't be said of a policy on no way, nor
    where a pair that is wanted has a part of its packets and others besides, and none is there for that part:
    then a policy that is wanted and this one dispute packets.
    """
    ends = _ENDS.search(match)
    way = known.get(match[: ends.start()]) if ends else None
    if ends is None or way is None:
        return None
    version = int(ends[1])
    source, destination = (ip_network(text) if text else EVERYTHING[version] for text in ends.groups()[1:])
    yes, no = set[str](), set[str]()
    for one in way.wanted:
        if one.source.version != version:
            continue
        if _within(source, one.source) and _within(destination, one.destination):
            (no if one.excluded else yes).add(one.label)
        elif _overlap(one.source, source) and _overlap(one.destination, destination):
            part = _narrower(one.source, source), _narrower(one.destination, destination)
            if part != (one.source, one.destination) and f"{way.match} && {_ends(*part)}" not in there:
                return None
    return frozenset(yes - no)


def _narrower(one: Prefix, other: Prefix) -> Prefix:
    return one if one.prefixlen >= other.prefixlen else other


def _overlap(one: Prefix, other: Prefix) -> bool:
    return _within(one, other) or _within(other, one)


def _turned(one: Pair) -> Pair:
    """The same of what comes."""
    return Pair(one.label, one.destination, one.source, one.excluded)


Atom = tuple[Prefix, Prefix, frozenset[str]]


def _atoms(wanted: list[Pair], version: int) -> Iterator[Atom]:
    """Pairs of a source and a destination, and who counts what fits none narrower."""
    everything = EVERYTHING[version]
    sources = sorted({everything, *(one.source for one in wanted)}, key=_narrowness)
    destinations = sorted({everything, *(one.destination for one in wanted)}, key=_narrowness)
    if not wanted:
        return
    for source in sources:
        for destination in destinations:
            yes, no = set[str](), set[str]()
            for one in wanted:
                if _within(source, one.source) and _within(destination, one.destination):
                    (no if one.excluded else yes).add(one.label)
            if yes:
                yield source, destination, frozenset(yes - no)


def _narrowness(prefix: Prefix) -> tuple[int, int]:
    return prefix.prefixlen, int(prefix.network_address)


def _within(inner: Prefix, outer: Prefix) -> bool:
    shift = outer.max_prefixlen - outer.prefixlen
    return (
        inner.prefixlen >= outer.prefixlen
        and int(inner.network_address) >> shift == int(outer.network_address) >> shift
    )


def _way(direction: str, leg: Leg, inner: Leg) -> str:
    within, gateway = (f'"{names.router_port(one.port.id)}"' for one in (inner, leg))
    if direction == "ingress":
        return f"inport == {gateway} && outport == {within}"
    return f"inport == {within} && outport == {gateway}"


def _ends(source: Prefix, destination: Prefix) -> str:
    found = [f"ip{source.version}"]
    for side, prefix in (("src", source), ("dst", destination)):
        if prefix.prefixlen:
            found.append(f"ip{prefix.version}.{side} == {prefix}")
    return " && ".join(found)
