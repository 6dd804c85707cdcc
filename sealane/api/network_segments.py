"""A network's `segments` (Neutron's extension multi-provider): the first is told by its provider:… attributes
as well, further ones are made with it."""

import uuid
from typing import Any

from sealane.api import convert, segments
from sealane.api.attributes import Kind, Values
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import BadRequest
from sealane.model import Network
from sealane.store import segmenting
from sealane.store.changes import Create

OF_SEGMENT = {
    "provider:network_type": "network_type",
    "provider:physical_network": "physical_network",
    "provider:segmentation_id": "segmentation_id",
}
MEMBER = tuple(OF_SEGMENT)
MOST = 65
"""Of a network (store/claims.py, SEGMENT_KEYS, and its own)."""


def _members(value: Any) -> tuple[Values, ...]:
    if value is None or value == []:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("it is to be a list of objects")
    if len(value) > MOST:
        raise ValueError(f"it has {len(value)} members; a network has {MOST} segments at most")
    return tuple(convert.record(one, *MEMBER, required=MEMBER[:1]) for one in value)


WISH = convert.Type(
    _members,
    {
        "type": "array",
        "nullable": True,
        "maxItems": MOST,
        "items": {"type": "object", "properties": {name: {"nullable": True} for name in MEMBER}},
    },
)


def as_provider(values: Values, kind: Kind) -> Values:
    """A new network's values, with its own segment told by provider:… attributes. Raises BadRequest."""
    wish = values.get("segments")
    if not wish:
        return values
    if given := [name for name in MEMBER if values.get(name) is not None]:
        raise BadRequest(
            f"Invalid input for operation: segments and {given[0]} say the same: leave one out.",
            type="SegmentsSetInConjunctionWithProviders",
        )
    return {**values, **_converted(wish[0], kind)}


def further_physical_networks(values: Values) -> list[str]:
    """Of what a new network's segments beside its own are asked to be on, as it is asked for."""
    names = (wish.get("provider:physical_network") for wish in (values.get("segments") or ())[1:])
    return [name for name in names if isinstance(name, str)]


def make(network: Network, values: Values, kind: Kind, draft: Draft) -> None:
    """The further ones of a new network. Raises BadRequest, Conflict."""
    for wish in (values.get("segments") or ())[1:]:
        found = {OF_SEGMENT[name]: value for name, value in _converted(wish, kind).items()}
        draft.last.append(Create(segments.made(str(uuid.uuid4()), network, found, draft), counted=False))


def _converted(wish: Values, kind: Kind) -> Values:
    try:
        return {name: kind.by_name[name].type.convert(value) for name, value in wish.items()}
    except ValueError as exc:
        raise BadRequest(f"Invalid input for segments. Reason: {exc}.", type="HTTPBadRequest") from exc


def shown(network: Network, look: Look) -> list[Values] | None:
    """Of a network that has several; None: its provider:… attributes tell all."""
    further = look.segments_of(network.id)
    if not further:
        return None
    rows = (segmenting.own(network), *further)
    return [{name: getattr(row, field) for name, field in OF_SEGMENT.items()} for row in rows]
