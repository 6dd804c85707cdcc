"""Resources as the bytes that clients get, encoded once for each object of the model.

An object is immutable, so an attribute that is read from it alone never changes.  Which attributes look
further, at bindings or at other resources, is found out by showing them nothing: only those are read
anew.  A port of which nobody has set a DNS name does not look further for its dns_assignment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec

from sealane.api.attributes import Kind, Read
from sealane.api.look import Look
from sealane.model import Resource

_encode = msgspec.json.Encoder().encode
SLACK = 1000
"""Objects that are gone may be kept until they are so many more than those that are there."""


class _Looks(Exception):
    """An attribute looks at something else than its resource."""


class _Nothing:
    def __getattr__(self, name: str) -> Any:
        raise _Looks


NOTHING = cast(Look, _Nothing())


@dataclass(slots=True)
class _Kept:
    resource: Resource
    still: bytes
    """The object without its closing brace."""
    moving: tuple[tuple[str, Read], ...]
    values: tuple[Any, ...] | None = None
    raw: msgspec.Raw = field(default_factory=msgspec.Raw)


class Encoder:
    """For the resources of one kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self._kept: dict[str, _Kept] = {}

    def raw(self, resource: Resource, look: Look) -> msgspec.Raw:
        """All that is visible of it; as Kind.show, encoded."""
        kept = self._kept.get(resource.id)
        if kept is None or kept.resource is not resource:
            kept = self._kept[resource.id] = self._apart(resource)
            self._forget(look)
        values = tuple([read(resource, look) for _, read in kept.moving])
        if kept.values != values:
            names = (name for name, _ in kept.moving)
            kept.values, kept.raw = values, _joined(kept.still, dict(zip(names, values, strict=True)))
        return kept.raw

    def _apart(self, resource: Resource) -> _Kept:
        """What is read from the resource alone, and what looks further."""
        still: dict[str, Any] = {}
        moving: list[tuple[str, Read]] = []
        for name, read in self.kind.readers:
            try:
                still[name] = read(resource, NOTHING)
            except _Looks:
                moving.append((name, read))
        return _Kept(resource, _encode(still)[:-1], tuple(moving))

    def _forget(self, look: Look) -> None:
        there = self.kind.collection(look.state)
        if len(self._kept) > 2 * len(there) + SLACK:
            self._kept = {id: kept for id, kept in self._kept.items() if id in there}


def _joined(still: bytes, moving: Mapping[str, Any]) -> msgspec.Raw:
    """Every resource has an id, which is still."""
    return msgspec.Raw(b"%b,%b" % (still, _encode(moving)[1:]) if moving else still + b"}")
