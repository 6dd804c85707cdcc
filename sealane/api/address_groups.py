"""Address groups: the table of attributes, and the two calls that add addresses and take some away."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api import convert
from sealane.api.answers import answer
from sealane.api.attributes import Attribute, Kind, Values, standard
from sealane.api.body import read_object
from sealane.api.convert import BOOLEAN
from sealane.api.draft import Draft
from sealane.api.resources import Handlers
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.model import AddressGroup

MAX = 10_000
ADDRESSES = convert.listing(convert.to_prefix, convert.NETWORK_SCHEMA, MAX)

ADDRESS_GROUPS = Kind(
    singular="address_group",
    plural="address_groups",
    collection=lambda state: state.address_groups,
    attributes=(
        *standard(),
        Attribute(
            name="addresses",
            type=ADDRESSES,
            read=lambda group, look: list(group.addresses),
            default=(),
            post=True,
            filter=False,
        ),
        Attribute(
            name="shared",
            type=BOOLEAN,
            read=lambda group, look: group.shared or look.is_shared(group.id),
        ),
    ),
)

Addresses = tuple[str, ...]


def create(id: str, values: Values, draft: Draft) -> AddressGroup:
    given = ADDRESS_GROUPS.as_fields(values)
    return AddressGroup(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)


def update(old: Any, values: Values, draft: Draft) -> AddressGroup:
    changed: AddressGroup = replace(old, **ADDRESS_GROUPS.as_fields(values))
    return changed


def delete(group: Any, draft: Draft) -> tuple[AddressGroup, ...]:
    rules = draft.look.state.security_group_rules.values()
    if any(rule.remote_address_group_id == group.id for rule in rules):
        raise Conflict(
            f"Address group {group.id} is in use on one or more security group rules.",
            type="AddressGroupInUse",
        )
    return (group,)


def with_more(group: AddressGroup, given: Addresses) -> Addresses:
    if known := [a for a in given if a in group.addresses]:
        raise BadRequest(
            f"Addresses {', '.join(known)} already exist in the address group {group.id}",
            type="AddressesAlreadyExist",
        )
    if len(group.addresses) + len(given) > MAX:
        raise BadRequest(f"Invalid input for addresses. Reason: more than {MAX} members.")
    return (*group.addresses, *given)


def with_fewer(group: AddressGroup, given: Addresses) -> Addresses:
    if unknown := [a for a in given if a not in group.addresses]:
        raise NotFound(
            f"Addresses {', '.join(unknown)} not found in the address group {group.id}",
            type="AddressesNotFound",
        )
    return tuple(a for a in group.addresses if a not in given)


def routes(handlers: Handlers) -> tuple[Route, ...]:
    """PUT …/address-groups/ID/add_addresses {"addresses": […]}, and the opposite."""

    def changing(change: Callable[[AddressGroup, Addresses], Addresses]) -> Any:
        async def handler(request: Request) -> Response:
            given = _given(await read_object(request))
            shown = await handlers.change(
                request, lambda old, draft: replace(old, addresses=change(old, given))
            )
            return answer({"address_group": shown})

        return handler

    base = f"/v2.0/{ADDRESS_GROUPS.path}/{{id}}"
    return (
        Route(f"{base}/add_addresses", changing(with_more), methods=["PUT"]),
        Route(f"{base}/remove_addresses", changing(with_fewer), methods=["PUT"]),
    )


def _given(body: Any) -> Addresses:
    """Clients send the list itself or a group with nothing but the list."""
    inner = body.get("address_group", body)
    if not isinstance(inner, dict) or set(inner) != {"addresses"}:
        raise BadRequest("Unable to find 'addresses' in request body", type="HTTPBadRequest")
    try:
        found: Addresses = ADDRESSES.convert(inner["addresses"])
    except ValueError as exc:
        raise BadRequest(f"Invalid input for addresses. Reason: {exc}.", type="HTTPBadRequest") from exc
    return found
