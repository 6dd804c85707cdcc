"""From what is wanted and what was found to what is to be done; pure.

Order: a switch port goes before its link, a gateway comes before its rules.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sealane import names
from sealane.agent.facts import (
    Answers,
    Bridge,
    Copies,
    Fact,
    Gateway,
    Guard,
    Inside,
    Key,
    Lent,
    Pair,
    Redirect,
    Rules,
    TapEntry,
    TapExit,
)
from sealane.host.values import SwitchPort

_ORDER = {
    kind: rank
    for rank, kind in enumerate(
        (
            Pair,
            Lent,
            Guard,
            Answers,
            TapEntry,
            TapExit,
            Copies,
            Bridge,
            Redirect,
            Gateway,
            SwitchPort,
            Inside,
            Rules,
        )
    )
}


@dataclass(frozen=True)
class Plan:
    remove: tuple[Fact, ...] = ()  # in this order
    ensure: tuple[Fact, ...] = ()  # missing or different: to be made so

    def __bool__(self) -> bool:
        return bool(self.remove or self.ensure)


def diff(wanted: Iterable[Fact], found: Iterable[Fact]) -> Plan:
    """Remove what is found under a key that nobody wants, ensure what is not found as wanted."""
    there = {fact.key: fact for fact in found}
    asked = {fact.key: fact for fact in wanted}
    for key in _lost_with(asked, there):
        there.pop(key, None)
    renewed = _renewed(asked, there)
    remove = [f for k, f in there.items() if k not in asked or k in renewed]
    ensure = [f for k, f in asked.items() if there.get(k) != f or k in renewed]
    return Plan(tuple(sorted(remove, key=_rank, reverse=True)), tuple(sorted(ensure, key=_rank)))


def _lost_with(asked: Mapping[Key, Fact], there: Mapping[Key, Fact]) -> Iterator[Key]:
    """A gateway that is made anew loses the rules that were found in its namespace."""
    for fact in asked.values():
        if isinstance(fact, Gateway) and there.get(fact.key) != fact:
            yield ("rules", names.gateway_namespace(fact.network_id))


def _renewed(asked: Mapping[Key, Fact], there: Mapping[Key, Fact]) -> set[Key]:
    """Switch ports whose device is made anew: OVS would go on with the old one's socket."""
    devices = set()
    for fact in asked.values():
        old = there.get(fact.key)
        if isinstance(fact, Pair) and not (isinstance(old, Pair) and old.mark == fact.mark):
            devices.add(fact.device)
        elif isinstance(fact, Gateway) and not (isinstance(old, Gateway) and old.stays(fact)):
            devices.add(names.gateway_ovs_port(fact.network_id))
    return {("switch-port", device) for device in devices}


def _rank(fact: Fact) -> tuple[int, str]:
    return _ORDER[type(fact)], fact.key[1]
