"""Policies of quality of service as OpenDaylight has them: with their rules in them.

A list that is sent is what there is from then on; one that is not sent leaves the rules of its type alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sealane.api import convert, qos
from sealane.api.attributes import Attribute, Kind, Values
from sealane.api.convert import Type
from sealane.api.draft import Draft
from sealane.api.qos import LIMITS, MARKINGS, POLICIES
from sealane.api.resources import Resource, updates
from sealane.errors import BadRequest
from sealane.model import QosPolicy
from sealane.store.changes import Change, Create, Delete

Rules = tuple[Values, ...]
OF_POLICY = ("tenant_id", "project_id", "qos_policy_id", "type")
"""What a rule says of its policy."""
MAKERS: tuple[tuple[Kind, Callable[[str, Values, QosPolicy, Draft], Any], Callable[..., Any]], ...] = (
    (LIMITS, qos.create_limit, qos.update_limit),
    (MARKINGS, qos.create_marking, qos.update_marking),
)
NOT_HERE = "minimum_bandwidth_rules"


def _rules(value: Any) -> Rules:
    if not isinstance(value, list | tuple) or not all(isinstance(one, dict) for one in value):
        raise ValueError("it is to be a list of rules")
    return tuple({k: v for k, v in one.items() if v is not None and k not in OF_POLICY} for one in value)


def _no_rules(value: Any) -> Rules:
    if _rules(value):
        raise ValueError("no bandwidth can be set apart for a port by the engine; leave the list empty")
    return ()


def _attribute(name: str, convert_: Callable[[Any], Rules], kind: Kind | None) -> Attribute:
    def read(policy: Any, look: Any) -> list[Values]:
        if kind is None:
            return []
        rows = kind.collection(look.state).values()
        return [kind.show(rule, look) for rule in rows if getattr(rule, "qos_policy_id", "") == policy.id]

    type = Type(convert_, {"type": "array", "items": {"type": "object"}})
    return Attribute(name=name, type=type, read=read, post=True, put=True, filter=False)


KIND = replace(
    POLICIES,
    attributes=(
        *POLICIES.attributes,
        *(_attribute(kind.plural, _rules, kind) for kind, _, _ in MAKERS),
        _attribute(NOT_HERE, _no_rules, None),
    ),
)
LISTS = frozenset({NOT_HERE, *(kind.plural for kind, _, _ in MAKERS)})


def create(id: str, values: Values, draft: Draft) -> QosPolicy:
    made = qos.create(id, {k: v for k, v in values.items() if k not in LISTS}, draft)
    draft.also += _settled(made, values, draft)
    return made


def update(old: Any, values: Values, draft: Draft) -> QosPolicy:
    changed = qos.update(old, {k: v for k, v in values.items() if k not in LISTS}, draft)
    draft.also += _settled(changed, values, draft)
    return changed


RESOURCE = Resource(KIND, create, update, qos.delete)


def _settled(policy: QosPolicy, values: Values, draft: Draft) -> list[Change]:
    """The changes after which the policy has just the rules that are listed."""
    changes: list[Change] = []
    for kind, make, change in MAKERS:
        listed = values.get(kind.plural)
        if listed is None:
            continue
        rows = kind.collection(draft.look.state).values()
        there = {row.id: row for row in rows if getattr(row, "qos_policy_id", "") == policy.id}
        wanted = dict(_identified(listed, kind))
        gone = [row for id, row in there.items() if id not in wanted]
        draft.gone.update(row.id for row in gone)
        changes += [Delete(row, guarded=True) for row in gone]
        for id, given in wanted.items():
            if id in there:
                changes += _changed(there[id], kind.accept_changes(given), change, draft)
            else:
                changes.append(Create(make(id, kind.accept_new(given), policy, draft)))
    return changes


def _changed(old: Any, values: Values, change: Callable[..., Any], draft: Draft) -> Sequence[Change]:
    return updates(old, change(old, values, draft), draft.now)


def _identified(listed: Rules, kind: Kind) -> Iterator[tuple[str, Values]]:
    """Raises BadRequest."""
    for index, given in enumerate(listed):
        try:
            id = str(convert.ID.convert(given.get("id")))
        except ValueError as exc:
            raise BadRequest(
                f"Invalid input for {kind.plural}. Reason: id of element {index}: {exc}.",
                type="HTTPBadRequest",
            ) from exc
        yield id, {key: value for key, value in given.items() if key != "id" and key in kind.by_name}
