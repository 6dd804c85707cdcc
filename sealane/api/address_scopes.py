"""Address scopes: the table of attributes. What a scope means to routers is in translate/scopes.py."""

from dataclasses import replace
from typing import Any

from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import BOOLEAN, Type, integer
from sealane.api.draft import Draft
from sealane.errors import BadRequest, Conflict
from sealane.model import AddressScope


def _family(value: Any) -> int:
    found = int(integer(4, 6).convert(value))
    if found == 5:
        raise ValueError("'5' is not in [4, 6]")
    return found


FAMILY = Type(_family, {"type": "integer", "enum": [4, 6]})
ADDRESS_SCOPES = Kind(
    singular="address_scope",
    plural="address_scopes",
    collection=lambda state: state.address_scopes,
    attributes=(
        *(a for a in standard() if a.name != "description"),
        Attribute(name="ip_version", type=FAMILY, default=REQUIRED, post=True),
        Attribute(
            name="shared",
            type=BOOLEAN,
            read=lambda scope, look: scope.shared or look.is_shared(scope.id),
            default=False,
            post=True,
            put=True,
        ),
    ),
)


def create(id: str, values: Values, draft: Draft) -> AddressScope:
    return AddressScope(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **values)


def update(old: Any, values: Values, draft: Draft) -> AddressScope:
    if old.shared and not values.get("shared", True):
        raise BadRequest(
            f"Unable to update address scope {old.id} : Shared address scope can't be unshared.",
            type="AddressScopeUpdateError",
        )
    changed: AddressScope = replace(old, **values)
    return changed


def delete(scope: Any, draft: Draft) -> tuple[AddressScope, ...]:
    if any(pool.address_scope_id == scope.id for pool in draft.look.state.subnetpools.values()):
        raise Conflict(
            f"Unable to complete operation on address scope {scope.id}. There are one or more subnet pools "
            "in use on the address scope.",
            type="AddressScopeInUse",
        )
    return (scope,)
