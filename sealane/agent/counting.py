"""Sums of what rules and counters say that begin at 0 whenever they are made anew; pure.

A rule of br-int that is younger than the last look counts as a whole, any other by what it has grown since.
What a rule has grown belongs to those who were to be told of it at the last look: a label that comes or goes
meanwhile begins, or ends, with this one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_RULE = re.compile(
    r"cookie=(0x[0-9a-f]+), duration=([0-9.]+)s, table=\d+, n_packets=(\d+), n_bytes=(\d+),"
    r"(?: \w+_age=\d+,)* (\S+) actions="
)
Counts = tuple[int, int]
"""Packets, bytes."""
Owners = Mapping[str, Iterable[str]]
"""Cookie -> labels."""


@dataclass(frozen=True)
class Rule:
    """duration: seconds for which it has been there."""

    cookie: str
    match: str
    duration: float
    counts: Counts

    @property
    def key(self) -> str:
        return f"{self.cookie} {self.match}"


@dataclass(frozen=True)
class Sums:
    """totals: by label. seen: what rules and counters said at the last look, `at` seconds after the host's
    start; owners: the labels of each cookie then."""

    totals: Mapping[str, Counts] = field(default_factory=dict)
    seen: Mapping[str, Counts] = field(default_factory=dict)
    at: float = 0.0
    owners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def parse(flows: str) -> Iterator[Rule]:
    """Of what `ovs-ofctl dump-flows` says."""
    for found in _RULE.finditer(flows):
        cookie, duration, packets, octets, match = found.groups()
        yield Rule(f"{int(cookie, 16):08x}", match, float(duration), (int(packets), int(octets)))


def after(
    sums: Sums,
    rules: Iterable[Rule],
    labels: Owners,
    at: float,
    counters: Mapping[str, tuple[str, Counts]] | None = None,
) -> Sums:
    """`labels`: of all rules that may count; one that is not among them yet is looked at when it is.

    `counters`: by what tells them apart, each with its only label.
    """
    totals, seen = dict(sums.totals), dict[str, Counts]()
    owners: dict[str, tuple[str, ...]] = {}
    for rule in rules:
        known = rule.key in sums.seen
        if not known and rule.cookie not in labels:
            continue
        seen[rule.key] = rule.counts
        owners[rule.cookie] = tuple(labels.get(rule.cookie, ()))
        young = (
            not known
            or at < sums.at
            or rule.duration < at - sums.at
            or _fell(rule.counts, sums.seen[rule.key])
        )
        before = (0, 0) if young else sums.seen[rule.key]
        whose = owners[rule.cookie] if young else sums.owners.get(rule.cookie, owners[rule.cookie])
        _add(totals, whose, before, rule.counts)
    for key, (label, counts) in (counters or {}).items():
        before = sums.seen.get(key, (0, 0))
        _add(totals, (label,), (0, 0) if _fell(counts, before) else before, counts)
        seen[key] = counts
    return Sums(totals, seen, at, owners)


def _fell(now: Counts, before: Counts) -> bool:
    return now[0] < before[0] or now[1] < before[1]


def _add(totals: dict[str, Counts], labels: Iterable[str], before: Counts, now: Counts) -> None:
    for label in labels:
        packets, octets = totals.get(label, (0, 0))
        totals[label] = packets + now[0] - before[0], octets + now[1] - before[1]
