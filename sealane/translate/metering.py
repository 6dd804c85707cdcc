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

The first whose source fits has the narrowest source there is, and of these the narrowest destination.  Which
labels want such a packet is known, then, from the prefixes alone.  Which policy belongs to which labels is
nowhere written: it follows from the state (`labels`), and where labels alone change, no rule does.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Protocol

from sealane import names
from sealane.model import MeteringLabelRule, Port, Router, State
from sealane.translate import scopes
from sealane.translate.rows import Parent, Ref, Row, Value, row

Prefix = IPv4Network | IPv6Network
EVERYTHING: Mapping[int, Prefix] = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
LOWEST = 1
"""Priority; what may not pass between scopes (scopes.py) is above it, and what may after all above that."""


class Leg(Protocol):
    """See routers.py."""

    @property
    def port(self) -> Port: ...
    @property
    def is_gateway(self) -> bool: ...


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
        yield row("Logical_Router_Policy", f"metered {router.id} {count.match}", columns, parent)


def counts(rules: Rules, legs: Iterable[Leg], apart: Iterable[Row] = ()) -> Iterator[Count]:
    inner = [leg for leg in legs if not leg.is_gateway]
    outer = [leg for leg in legs if leg.is_gateway]
    if not rules or not inner:
        return
    lets = [str(r.columns["match"]) for r in apart if r.columns["action"] == "allow"]
    for direction in ("ingress", "egress"):
        wanted = [pair(rule) for rule in rules if rule.direction == direction]
        for version in (4, 6):
            atoms = tuple(_atoms([one for one in wanted if one.source.version == version], version))
            for leg in outer if atoms else ():
                way = _way(direction, leg, inner)
                yield from _counts(way, atoms, LOWEST)
                for let in lets:
                    if ("ct.dnat" in let) == (direction == "ingress"):
                        yield from _counts(f"{let} && {way}", atoms, scopes.LET + 1)


Atom = tuple[Prefix, Prefix, frozenset[str]]


def _counts(way: str, atoms: tuple[Atom, ...], lowest: int) -> Iterator[Count]:
    lengths = sorted({(source.prefixlen, destination.prefixlen) for source, destination, _ in atoms})
    for source, destination, labels in atoms:
        rank = lengths.index((source.prefixlen, destination.prefixlen))
        match = f"{way} && {_ends(source, destination)}"
        yield Count(match, lowest + rank, labels)


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


def _way(direction: str, leg: Leg, inner: Iterable[Leg]) -> str:
    within = "{" + ", ".join(f'"{names.router_port(one.port.id)}"' for one in inner) + "}"
    gateway = f'"{names.router_port(leg.port.id)}"'
    if direction == "ingress":
        return f"inport == {gateway} && outport == {within}"
    return f"inport == {within} && outport == {gateway}"


def _ends(source: Prefix, destination: Prefix) -> str:
    found = [f"ip{source.version}"]
    for side, prefix in (("src", source), ("dst", destination)):
        if prefix.prefixlen:
            found.append(f"ip{prefix.version}.{side} == {prefix}")
    return " && ".join(found)
