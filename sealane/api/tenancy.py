"""Judges what users who are no admins do, by the table in tenants.py."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from sealane import names
from sealane.api.attributes import Kind, Values
from sealane.api.caller import Caller
from sealane.api.look import Look
from sealane.api.tenants import COLLECTION_OF, TENANTS, Given, title_of
from sealane.errors import BadRequest, Forbidden, NotFound
from sealane.model import Port
from sealane.store.changes import Change, Create, Delete, Stored, Update
from sealane.store.rows import COLLECTIONS, RESOURCES

OPEN = frozenset(
    {
        *("/", "/v2.0", "/v2.0/", "/healthz", "/openapi.json", "/v2.0/availability_zones"),
        *("/v2.0/service-providers", "/v2.0/flavors"),
    }
)
PROVIDERS = ["lbaas", "providers"]
"""Beside /v3, extensions, the quotas of one's own project and the paths of the kinds in TENANTS."""
PATHS = frozenset(
    {*(COLLECTION_OF[singular].replace("_", "-") for singular in TENANTS), "qos", "log", "taas", "metering"}
)
"""What follows /v2.0/ in those."""


def check_call(caller: Caller, method: str, path: str) -> None:
    """Raises Forbidden; NotFound for what names another project."""
    reads, place = method in ("GET", "HEAD"), path.split("/")[2:]
    if path.startswith("/v3/") or path in OPEN or (reads and place[:1] == ["extensions"]):
        return
    if caller.role == "unscoped":
        raise Forbidden("You have logged in to no project: log in to one.")
    if reads and place == PROVIDERS:
        return
    place = place[place[:1] == ["lbaas"] :]
    if place[:1] == ["quotas"] and place[1:]:
        if place[1] != caller.project:
            raise NotFound(f"Project {place[1][:255]} could not be found.", type="ProjectNotFound")
        if reads:
            return
    elif place and place[0] in PATHS and (reads or caller.role == "member"):
        return
    raise _disallowed(caller, f"{method} {path}")


def _disallowed(caller: Caller, what: str) -> Forbidden:
    return Forbidden(f"{what} is disallowed by policy: it is not for the role '{caller.role}'.")


def sees(caller: Caller, row: Any, look: Look) -> bool:
    """Whether the row is there for the tenant; a port that only waits is there for nobody."""
    if isinstance(row, Port) and names.waits(row):
        return False
    tenancy = TENANTS.get(RESOURCES[type(row)])
    return tenancy is not None and any(holds(caller, row, look) for holds in tenancy.sees)


def check_sees(caller: Caller, singular: str, id: object, look: Look) -> None:
    """Of what a row is to refer to. Raises NotFound, also where there is none."""
    rows = getattr(look.state, COLLECTION_OF[singular])
    row = rows.get(str(id))
    if row is None or not sees(caller, row, look):
        title = title_of(singular)
        raise NotFound(f"{title} {id} could not be found.", type=f"{title}NotFound")


def hidden(singular: str) -> frozenset[str]:
    """Attributes that are not there for tenants."""
    tenancy = TENANTS.get(singular)
    return tenancy.hidden if tenancy is not None else frozenset()


def placed(caller: Caller, body: Any, kind: Kind) -> Any:
    """The body of a POST, in the project that was logged in to. Raises BadRequest for somebody else's."""
    if not caller.project or not isinstance(body, dict) or "project_id" not in kind.by_name:
        return body
    given = [body[name] for name in ("project_id", "tenant_id") if name in body]
    if not given:
        return {**body, "project_id": caller.project}
    if caller.is_tenant and any(project != caller.project for project in given):
        raise BadRequest(
            "Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires"
            " admin privileges",
            type="HTTPBadRequest",
        )
    return body


def check_given(caller: Caller, kind: Kind, values: Values, row: Any, look: Look) -> None:
    """What a tenant gives in a POST (`row` is None) or a PUT. Raises Forbidden, NotFound."""
    tenancy = TENANTS.get(kind.singular)
    if tenancy is None:
        raise _disallowed(caller, f"To write a {kind.singular}")
    for name, singular in tenancy.refers.items():
        for id in _ids(values.get(name)):
            check_sees(caller, singular, id, look)
    for name, grant in tenancy.fields.items():
        if _is_given(kind, name, values, row, look) and not grant(
            Given(caller, values[name], values, row, look)
        ):
            raise _disallowed(caller, f"'{name}' of this {kind.singular}")


def _ids(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _is_given(kind: Kind, name: str, values: Values, row: Any, look: Look) -> bool:
    """With another value than it would have, or has, without being given."""
    if name not in values or (row is None and values[name] is None):
        return False
    attribute = kind.by_name[name]
    now = attribute.default if row is None else getattr(row, attribute.key, attribute.default)
    if row is not None and now is None and not hasattr(row, attribute.key):
        now = attribute.reader(row, look)  # it follows from others
    return bool(values[name] != now)


def check_may(caller: Caller, verb: str, row: Any, look: Look) -> None:
    """Of a row that the caller sees, before anything else is said of the request. Raises Forbidden."""
    if caller.is_tenant and not _tenant_may(caller, verb, row, look):
        raise _disallowed(caller, f"To {verb} this {RESOURCES[type(row)]}")


def _tenant_may(caller: Caller, verb: str, row: Any, look: Look) -> bool:
    tenancy = TENANTS.get(RESOURCES[type(row)])
    if tenancy is None or caller.role != "member":
        return False
    return any(holds(caller, row, look) for holds in tenancy.conditions(verb))


def check_changes(caller: Caller, changes: Iterable[Change], look: Look) -> None:
    """Rows that are made together see each other."""
    changes = tuple(changes)
    look = _with_new(look, [change.obj for change in changes if isinstance(change, Create)])
    for change in changes:
        match change:
            case Create(obj=obj):
                check_may(caller, "create", obj, look)
            case Update(old, new) if not _is_touch(old, new):
                check_may(caller, "update", old, look)
                check_may(caller, "update", new, look)
            case Delete(obj):
                check_may(caller, "delete", obj, look)


def _is_touch(old: Any, new: Any) -> bool:
    """Only says that something has changed: of another's group, whose rule has gone with one's own."""
    return bool(
        replace(old, updated_at="", revision_number=0) == replace(new, updated_at="", revision_number=0)
    )


def _with_new(look: Look, made: Sequence[Stored]) -> Look:
    """Only where something can be within what is made with it."""
    if len({type(obj) for obj in made}) < 2:
        return look
    state = look.state
    for kind in {type(obj) for obj in made}:
        name = COLLECTIONS[kind]
        new = {obj.id: obj for obj in made if type(obj) is kind}
        state = replace(state, **{name: {**getattr(state, name), **new}})  # type: ignore[arg-type]
    return Look(state, look.bindings)
