"""What an attribute and a resource of the API are: data, and the checks that follow from it.

A resource is a table of attributes (networks.py, subnets.py, ports.py) and its rules (rules.py).
Everything generic reads the tables: bodies are checked, rows shown, filters and sorting allowed,
and /openapi.json written by them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Any

from sealane.api import convert
from sealane.api.convert import Type
from sealane.api.look import Look
from sealane.errors import BadRequest, NotFound
from sealane.model import Resource, State

Read = Callable[[Any, Look], Any]
Values = dict[str, Any]


class _Mark:
    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


REQUIRED = _Mark("REQUIRED")
"""Default of an attribute that POST must give."""
CHOSEN = _Mark("CHOSEN")
"""Default of an attribute that a rule chooses: it is absent from the values when not given."""


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute. Its value is called `field` in the model and shown by `read`."""

    name: str
    type: Type
    field: str = ""
    read: Read | None = None
    default: object = CHOSEN
    post: bool = False
    put: bool = False
    filter: bool = True
    visible: bool = True

    @cached_property
    def key(self) -> str:
        return self.field or self.name

    @cached_property
    def reader(self) -> Read:
        if self.read is not None:
            return self.read
        get = attrgetter(self.key)
        return lambda resource, look: get(resource)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One resource of the API. `collection` picks its rows out of a State.

    followed: its list can tell what has changed since (touched.py); for kinds whose rows a caller sees or
    not by the row alone.
    """

    singular: str
    plural: str
    attributes: tuple[Attribute, ...]
    collection: Callable[[State], Mapping[str, Any]]
    followed: bool = False
    place: str = ""
    """Where it is below /v2.0, where that is not the plural."""
    words: str = ""
    """What it is called in messages and types of errors, where that is not the singular."""

    @cached_property
    def by_name(self) -> Mapping[str, Attribute]:
        return {a.name: a for a in self.attributes}

    @cached_property
    def readers(self) -> tuple[tuple[str, Read], ...]:
        return tuple((a.name, a.reader) for a in self.attributes if a.visible)

    @property
    def path(self) -> str:
        """What it is called in URLs."""
        return self.place or self.plural.replace("_", "-")

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return self.words or self.singular.capitalize().replace("_", " ")

    def without(self, names: Collection[str]) -> "Kind":
        """The same for those from whom some attributes are hidden: not shown, no filter, no sort key."""
        hide = (replace(a, visible=False, filter=False) if a.name in names else a for a in self.attributes)
        return replace(self, attributes=tuple(hide)) if names else self

    def find(self, state: State, id: str) -> Any:
        """Raises NotFound, which clients take as the hint to look for a name instead."""
        found = self.collection(state).get(id)
        if found is None:
            raise self.missing(id)
        return found

    def missing(self, id: str) -> NotFound:
        name = self.words.replace(" ", "") or "".join(w.capitalize() for w in self.singular.split("_"))
        return NotFound(f"{self.title} {id} could not be found.", type=f"{name}NotFound")

    def show(self, resource: Resource, look: Look, fields: Sequence[str] = ()) -> Values:
        """The resource as clients see it; with `fields`, those of them that exist."""
        readers = self.chosen(fields) if fields else self.readers
        return {name: read(resource, look) for name, read in readers}

    def chosen(self, fields: Iterable[str]) -> tuple[tuple[str, Read], ...]:
        """Readers of those of the fields that exist."""
        wanted = set(fields)
        return tuple(reader for reader in self.readers if reader[0] in wanted)

    def accept_new(self, body: Any) -> Values:
        """Values of a POST's body by attribute, with defaults. Raises BadRequest."""
        given = self._known(body, "POST")
        values = {}
        for attribute in self.attributes:
            if attribute.name in given:
                values[attribute.name] = _converted(attribute, given[attribute.name])
            elif attribute.default is REQUIRED:
                raise _bad(f"Failed to parse request. Required attribute '{attribute.name}' not specified")
            elif attribute.post and attribute.default is not CHOSEN:
                values[attribute.name] = attribute.default
        return values

    def accept_changes(self, body: Any) -> Values:
        """Values of a PUT's body by attribute. Raises BadRequest."""
        given = self._known(body, "PUT")
        return {name: _converted(self.by_name[name], value) for name, value in given.items()}

    def _known(self, body: Any, method: str) -> Values:
        if not isinstance(body, dict):
            raise _bad(f"Unable to find '{self.singular}' in request body")
        given = _one_project(body)
        if unknown := sorted(set(given) - set(self.by_name)):
            raise _bad(f"Unrecognized attribute(s) '{', '.join(unknown)}'")
        for name in given:
            attribute = self.by_name[name]
            if not (attribute.post if method == "POST" else attribute.put):
                raise _bad(f"Attribute '{name}' not allowed in {method}")
        return given

    def as_fields(self, values: Values) -> Values:
        """The same values by the model's names."""
        return {self.by_name[name].key: value for name, value in values.items()}


def _one_project(body: Values) -> Values:
    """tenant_id is the older name of project_id; both may be given when they agree."""
    given = dict(body)
    if "tenant_id" in given:
        tenant = given.pop("tenant_id")
        if given.setdefault("project_id", tenant) != tenant:
            raise _bad("'project_id' and 'tenant_id' are given and differ")
    return given


def _converted(attribute: Attribute, value: Any) -> Any:
    try:
        return attribute.type.convert(value)
    except ValueError as exc:
        raise _bad(f"Invalid input for {attribute.name}. Reason: {exc}.") from exc


def _bad(message: str) -> BadRequest:
    return BadRequest(message, type="HTTPBadRequest")


DEFAULT_PROJECT = "default"


def standard(limit_name: Type = convert.NAME) -> tuple[Attribute, ...]:
    """What every resource has (neutron-lib's "standard attributes")."""
    return (
        Attribute(name="id", type=convert.ID),
        Attribute(name="name", type=limit_name, default="", post=True, put=True),
        Attribute(name="tenant_id", type=convert.NAME, field="project_id"),
        Attribute(name="project_id", type=convert.text(255), default=DEFAULT_PROJECT, post=True),
        Attribute(name="description", type=convert.NAME, default="", post=True, put=True),
        Attribute(name="tags", type=convert.TAGS, default=(), post=True, filter=False),
        Attribute(name="created_at", type=convert.NAME),
        Attribute(name="updated_at", type=convert.NAME),
        Attribute(name="revision_number", type=convert.INTEGER),
    )


def constant(name: str, value: object, type: Type = convert.ANY, *, filter: bool = False) -> Attribute:
    """An attribute that clients expect and that has but one value here."""
    return Attribute(name=name, type=type, read=lambda resource, look: value, filter=filter)
