"""Metering: labels, and the rules that say what of a router's traffic to and from outside a label counts.

Names, paths and meanings are Neutron's (neutron-lib `metering`, `metering_source_and_destination_fields`):
labels are an admin's to make, nothing of them is changed afterwards, and `remote_ip_prefix` is, against its
name, the prefix of the project's own machines: the source of what leaves, the destination of what comes.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sealane.api import convert
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import BOOLEAN, Type, nullable, one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.model import MeteringLabel, MeteringLabelRule, State
from sealane.translate import metering

MOST = 100
"""Rules of a label: the policies of a router grow with sources times destinations."""
PREFIXES = ("remote_ip_prefix", "source_ip_prefix", "destination_ip_prefix")
DIRECTION = Type(one_of("ingress", "egress").convert, {"type": "string", "enum": ["ingress", "egress"]})
NUMBER = Type(lambda value: value, {"type": "integer", "nullable": True, "minimum": 0})
MOST_NAMES = 16
"""Metering labels that one port names."""
FIXED = tuple(replace(attribute, put=False) for attribute in standard())


def to_name(value: Any) -> str:
    """Of a label, or its id. Raises ValueError."""
    if not isinstance(value, str) or not value or len(value) > 255:
        raise ValueError(f"'{value}' is no name of a metering label")
    return value


NAMES: Type = convert.listing(to_name, {"type": "string", "minLength": 1, "maxLength": 255}, MOST_NAMES)


def _counted(which: int) -> Any:
    def read(label: MeteringLabel, look: Look) -> int | None:
        found = look.meters.of(label.id)
        return None if found is None else found[which]

    return read


LABELS = Kind(
    singular="metering_label",
    plural="metering_labels",
    place="metering/metering-labels",
    collection=lambda state: state.metering_labels,
    attributes=(
        *FIXED,
        Attribute(name="shared", type=BOOLEAN, default=False, post=True),
        Attribute(name="sealane:packets", type=NUMBER, read=_counted(0), filter=False),
        Attribute(name="sealane:bytes", type=NUMBER, read=_counted(1), filter=False),
    ),
)
RULES = Kind(
    singular="metering_label_rule",
    plural="metering_label_rules",
    place="metering/metering-label-rules",
    collection=lambda state: state.metering_label_rules,
    attributes=(
        *FIXED,
        Attribute(name="metering_label_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(name="direction", type=DIRECTION, default="ingress", post=True),
        Attribute(name="excluded", type=BOOLEAN, default=False, post=True),
        *(Attribute(name=name, type=nullable(convert.PREFIX), default=None, post=True) for name in PREFIXES),
    ),
)


def create_label(id: str, values: Values, draft: Draft) -> MeteringLabel:
    return MeteringLabel(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **values)


def create_rule(id: str, values: Values, draft: Draft) -> MeteringLabelRule:
    state = draft.look.state
    label = state.metering_labels.get(values["metering_label_id"])
    if label is None:
        raise NotFound(
            f"Metering label {values['metering_label_id']} does not exist.", type="MeteringLabelNotFound"
        )
    own = {**values, "project_id": label.project_id}
    made = MeteringLabelRule(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **own)
    _check(made)
    _is_apart(made, state, draft)
    draft.meter_rules.append(made)
    return made


def update(old: Any, values: Values, draft: Draft) -> Any:
    return replace(old, **values)


def delete_label(label: Any, draft: Draft) -> Sequence[MeteringLabel | MeteringLabelRule]:
    """Its rules go with it, as in Neutron."""
    return (*_rules_of(label.id, draft.look.state), label)


def delete_rule(rule: Any, draft: Draft) -> Sequence[MeteringLabelRule]:
    return (rule,)


def _rules_of(label: str, state: State) -> list[MeteringLabelRule]:
    return [rule for rule in state.metering_label_rules.values() if rule.metering_label_id == label]


def _check(rule: MeteringLabelRule) -> None:
    """Raises BadRequest."""
    both = [name for name in PREFIXES[1:] if getattr(rule, name) is not None]
    if rule.remote_ip_prefix is not None and both:
        raise _bad(
            "remote_ip_prefix",
            f"it can't be given together with {both[0]}; it is of the project's own machines: give "
            f"{'source_ip_prefix' if rule.direction == 'egress' else 'destination_ip_prefix'} instead",
        )
    if rule.remote_ip_prefix is None and not both:
        raise _bad(
            "source_ip_prefix",
            "give source_ip_prefix, destination_ip_prefix or both; 0.0.0.0/0 is all of IPv4",
        )
    try:
        metering.pair(rule)
    except ValueError:
        raise _bad(
            "destination_ip_prefix", "source_ip_prefix and destination_ip_prefix are to be of one family"
        ) from None


def _is_apart(rule: MeteringLabelRule, state: State, draft: Draft) -> None:
    """From the others of its label and direction that count, or that exclude, as it does. Raises Conflict."""
    wanted = metering.pair(rule)
    others = [
        *_rules_of(rule.metering_label_id, state),
        *(one for one in draft.meter_rules if one.metering_label_id == rule.metering_label_id),
    ]
    if len(others) >= MOST:
        raise Conflict(
            f"Metering label {rule.metering_label_id} has {MOST} rules, the most there can be.",
            type="MeteringLabelRuleLimit",
        )
    for other in others:
        if (other.direction, other.excluded) != (rule.direction, rule.excluded):
            continue
        there = metering.pair(other)
        if there.source.version == wanted.source.version and (
            there.source.overlaps(wanted.source) and there.destination.overlaps(wanted.destination)
        ):
            given = next(value for name in PREFIXES if (value := getattr(rule, name)) is not None)
            raise Conflict(
                f"Metering label rule with prefix '{given}' overlaps another, {other.id}: delete that one "
                "first, or give another prefix.",
                type="MeteringLabelRuleOverlaps",
            )


def _bad(name: str, why: str) -> BadRequest:
    return BadRequest(f"Invalid input for {name}. Reason: {why}.", type="HTTPBadRequest")
