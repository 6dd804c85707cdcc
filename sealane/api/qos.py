"""Quality of service: policies, their rules, and what a port, a network or a floating IP says of one.

A policy has at most one limit for each direction and one mark.  Which of a port's own policy and its
network's holds is for the translation (translate/qos.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sealane.api import convert
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import BOOLEAN, Type, nullable, one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import BadRequest, Conflict
from sealane.model import BandwidthLimitRule, DscpMarkingRule, QosPolicy, Resource, State

MAX = 2**31 - 1
LEAST_BURST = 72
"""Kilobits of the largest packet, 9000 bytes: with less it would never pass."""
MARKS = (0, *range(8, 40, 2), 40, 46, 48, 56)
"""Those that Neutron knows: RFC 2474, 2597, 3246."""


def _mark(value: Any) -> int:
    found = int(convert.integer(0, 63).convert(value))
    if found not in MARKS:
        raise ValueError(f"'{value}' is no DSCP mark; give one of {', '.join(map(str, MARKS))}")
    return found


DIRECTION = Type(one_of("ingress", "egress").convert, {"type": "string", "enum": ["ingress", "egress"]})
LIMITS = Kind(
    singular="bandwidth_limit_rule",
    plural="bandwidth_limit_rules",
    words="Qos Rule",
    collection=lambda state: state.bandwidth_limit_rules,
    attributes=(
        Attribute(name="id", type=convert.ID),
        Attribute(name="qos_policy_id", type=convert.ID),
        Attribute(name="max_kbps", type=convert.integer(1, MAX), default=REQUIRED, post=True, put=True),
        Attribute(name="max_burst_kbps", type=convert.integer(0, MAX), default=0, post=True, put=True),
        Attribute(name="direction", type=DIRECTION, default="egress", post=True, put=True),
    ),
)
MARKINGS = Kind(
    singular="dscp_marking_rule",
    plural="dscp_marking_rules",
    words="Qos Rule",
    collection=lambda state: state.dscp_marking_rules,
    attributes=(
        Attribute(name="id", type=convert.ID),
        Attribute(name="qos_policy_id", type=convert.ID),
        Attribute(
            name="dscp_mark",
            type=Type(_mark, {"type": "integer", "enum": list(MARKS)}),
            default=REQUIRED,
            post=True,
            put=True,
        ),
    ),
)
TYPES = {LIMITS.singular.removesuffix("_rule"): LIMITS, MARKINGS.singular.removesuffix("_rule"): MARKINGS}


def rules_of(policy_id: str, state: State) -> Iterator[BandwidthLimitRule | DscpMarkingRule]:
    tables: tuple[Mapping[str, Any], ...] = (state.bandwidth_limit_rules, state.dscp_marking_rules)
    for table in tables:
        yield from sorted(
            (rule for rule in table.values() if rule.qos_policy_id == policy_id),
            key=lambda rule: getattr(rule, "direction", ""),  # of which a policy has one of each
        )


def _shown(policy: QosPolicy, look: Look) -> list[Values]:
    kinds = {BandwidthLimitRule: "bandwidth_limit", DscpMarkingRule: "dscp_marking"}
    named = ((kinds[type(rule)], rule) for rule in rules_of(policy.id, look.state))
    return [{**TYPES[name].show(rule, look), "type": name} for name, rule in named]


POLICIES = Kind(
    singular="policy",
    plural="policies",
    place="qos/policies",
    words="Qos Policy",
    collection=lambda state: state.policies,
    attributes=(
        *standard(),
        Attribute(
            name="shared",
            type=BOOLEAN,
            read=lambda policy, look: policy.shared or look.is_shared(policy.id),
            default=False,
            post=True,
            put=True,
        ),
        Attribute(
            name="is_default",
            type=convert.FALSE_YET,
            read=lambda policy, look: False,
            post=True,
            put=True,
        ),
        Attribute(
            name="rules",
            type=Type(lambda value: value, {"type": "array", "items": {"type": "object"}}),
            read=_shown,
            filter=False,
        ),
    ),
)
UNSTORED = frozenset({"is_default"})
POLICY = Attribute(name="qos_policy_id", type=nullable(convert.ID), default=None, post=True, put=True)
"""Of what a policy can be for."""


def create(id: str, values: Values, draft: Draft) -> QosPolicy:
    given = {key: value for key, value in values.items() if key not in UNSTORED}
    return QosPolicy(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)


def update(old: Any, values: Values, draft: Draft) -> QosPolicy:
    changed: QosPolicy = replace(old, **{k: v for k, v in values.items() if k not in UNSTORED})
    return changed


def delete(policy: Any, draft: Draft) -> Sequence[Resource]:
    """Its rules go with it."""
    state = draft.look.state
    held: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("port", state.ports),
        ("network", state.networks),
        ("floating IP", state.floatingips),
    )
    for what, rows in held:
        user = next((row for row in rows.values() if row.qos_policy_id == policy.id), None)
        if user is not None:
            raise Conflict(f"QoS Policy {policy.id} is used by {what} {user.id}.", type="QosPolicyInUse")
    return (*rules_of(policy.id, state), policy)


def create_limit(id: str, values: Values, policy: QosPolicy, draft: Draft) -> BandwidthLimitRule:
    made = BandwidthLimitRule(**_standard(id, policy, draft), **values)
    _check_limit(made, draft)
    return made


def update_limit(old: Any, values: Values, draft: Draft) -> BandwidthLimitRule:
    changed: BandwidthLimitRule = replace(old, **values)
    _check_limit(changed, draft)
    return changed


def create_marking(id: str, values: Values, policy: QosPolicy, draft: Draft) -> DscpMarkingRule:
    made = DscpMarkingRule(**_standard(id, policy, draft), **values)
    _is_new(made, draft.look.state.dscp_marking_rules, draft)
    return made


def update_marking(old: Any, values: Values, draft: Draft) -> DscpMarkingRule:
    changed: DscpMarkingRule = replace(old, **values)
    return changed


def delete_rule(rule: Any, draft: Draft) -> Sequence[Resource]:
    return (rule,)


def _standard(id: str, policy: QosPolicy, draft: Draft) -> dict[str, Any]:
    return {
        "id": id,
        "project_id": policy.project_id,
        "qos_policy_id": policy.id,
        "revision_number": 1,
        "created_at": draft.now,
        "updated_at": draft.now,
    }


def _check_limit(rule: BandwidthLimitRule, draft: Draft) -> None:
    if 0 < rule.max_burst_kbps < LEAST_BURST:
        raise BadRequest(
            f"Invalid input for max_burst_kbps. Reason: {rule.max_burst_kbps} kilobits hold no packet of "
            f"9000 bytes, which would never pass; give {LEAST_BURST} or more, or 0 for what fits max_kbps.",
            type="HTTPBadRequest",
        )
    there = draft.look.state.bandwidth_limit_rules.items()
    _is_new(rule, {id: other for id, other in there if other.direction == rule.direction}, draft)


def _is_new(rule: BandwidthLimitRule | DscpMarkingRule, others: Mapping[str, Any], draft: Draft) -> None:
    """Of its kind in the policy. Of several that come at once the store refuses all but one."""
    for other in others.values():
        if other.qos_policy_id == rule.qos_policy_id and other.id not in (rule.id, *draft.gone):
            kind = "bandwidth_limit" if isinstance(rule, BandwidthLimitRule) else "dscp_marking"
            raise Conflict(
                f"Rule {kind} conflicts with rule {other.id} which already exists in QoS Policy "
                f"{rule.qos_policy_id}: change that one.",
                type="QoSRulesConflict",
            )
