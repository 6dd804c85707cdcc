"""One visit to the kernel: look, compare, change. All run in a worker thread, on a socket of the host's."""

from collections.abc import Iterable

from sealane import names
from sealane.agent import apply, found
from sealane.agent.diff import Plan, diff
from sealane.agent.facts import Fact, Gateway, Pair
from sealane.agent.gateway import Where
from sealane.host.netlink import Socket
from sealane.host.values import SwitchPort


def begin(asked: set[Fact], ports: set[Fact], where: Where, host: Socket) -> tuple[Plan, list[Fact] | None]:
    """The plan, given the `ports` that the switch has, and what is left for apply.ensure; None: not begun.

    If so, what is to be removed is gone, and what new switch ports need is there; without new ports all is.
    If not, a switch port has to be taken out first, then `carry_out` does it all.
    """
    plan = diff(asked, found.of(asked, where, host) | ports)
    if any(isinstance(fact, SwitchPort) for fact in plan.remove):
        return plan, None
    apply.remove(plan.remove, where, host)
    facts = [fact for fact in plan.ensure if not isinstance(fact, SwitchPort)]
    first = [fact for fact in facts if len(facts) == len(plan.ensure) or _has_a_new_port(fact, plan)]
    apply.ensure(first, where, host)
    return plan, [fact for fact in facts if fact not in first]


def carry_out(plan: Plan, where: Where, host: Socket) -> None:
    apply.remove(plan.remove, where, host)
    apply.ensure(plan.ensure, where, host)


def clear(facts: Iterable[Fact], where: Where, host: Socket) -> None:
    """Remove those that are there."""
    apply.remove(diff((), found.of(facts, where, host)).remove, where, host)


def _has_a_new_port(fact: Fact, plan: Plan) -> bool:
    """Has it the device of a switch port that is to be added?"""
    if isinstance(fact, Gateway):
        device = names.gateway_ovs_port(fact.network_id)
    elif isinstance(fact, Pair):
        device = fact.device
    else:
        return False
    return any(isinstance(port, SwitchPort) and port.name == device for port in plan.ensure)
