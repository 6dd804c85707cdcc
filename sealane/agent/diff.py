"""From what is wanted and what was found to what is to be done; pure.

Order: a switch port goes before its link, a gateway comes before its rules.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sealane.agent.facts import Fact, Gateway, Inside, Pair, Redirect, Rules
from sealane.host.values import SwitchPort

_ORDER = {kind: rank for rank, kind in enumerate((Pair, Redirect, Gateway, SwitchPort, Inside, Rules))}


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
    return Plan(
        remove=tuple(sorted((f for k, f in there.items() if k not in asked), key=_rank, reverse=True)),
        ensure=tuple(sorted((f for k, f in asked.items() if there.get(k) != f), key=_rank)),
    )


def _rank(fact: Fact) -> tuple[int, str]:
    return _ORDER[type(fact)], fact.key[1]
