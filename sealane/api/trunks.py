"""Trunks: the table of attributes, and the calls by which sub-ports come and go.

trunk ── port_id ── the parent, whose link carries all: what has no tag is its own
  └─ sub_ports ──── (port, vlan) …: each in its own network, with its own MAC, addresses and groups
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane import names
from sealane.api import convert, policy, rules, taps, trunk_places
from sealane.api.answers import answer
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.body import read_object
from sealane.api.caller import caller_of
from sealane.api.convert import BOOLEAN, Type
from sealane.api.draft import Draft
from sealane.api.resources import Handlers
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.model import Port, SubPort, Trunk
from sealane.store.changes import Create

LAST = 4094
"""VLANs are 1 to 4094 (IEEE 802.1Q)."""
VLAN = convert.integer(1, LAST)


@dataclass(frozen=True)
class Wish:
    """A sub-port as it was asked for; vlan None: that of its network (inherit)."""

    port_id: str
    vlan: int | None


def _record(value: Any) -> dict[str, Any]:
    return convert.record(value, "port_id", "segmentation_type", "segmentation_id", required=("port_id",))


def _wish(value: Any) -> Wish:
    given = _record(value)
    kind, number = given.get("segmentation_type"), given.get("segmentation_id")
    if kind == "inherit":
        return Wish(convert.to_uuid(given["port_id"]), None)
    if kind != "vlan":
        raise ValueError(f"segmentation_type '{kind}' is not in ['vlan', 'inherit']")
    try:
        return Wish(convert.to_uuid(given["port_id"]), VLAN.convert(number))
    except ValueError as exc:
        raise ValueError(f"segmentation_id: {exc}" if "UUID" not in str(exc) else str(exc)) from exc


_MEMBER: convert.Schema = {
    "type": "object",
    "properties": {
        "port_id": dict(convert.ID.schema),
        "segmentation_type": {"type": "string", "enum": ["vlan", "inherit"]},
        "segmentation_id": dict(VLAN.schema),
    },
    "required": ["port_id"],
}
WISHES = convert.listing(_wish, _MEMBER, LAST)
NAMED = convert.listing(lambda value: convert.to_uuid(_record(value)["port_id"]), _MEMBER, LAST)

TRUNKS = Kind(
    singular="trunk",
    plural="trunks",
    collection=lambda state: state.trunks,
    attributes=(
        *standard(),
        Attribute(name="port_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(name="admin_state_up", type=BOOLEAN, default=True, post=True, put=True),
        Attribute(name="status", type=convert.NAME, read=trunk_places.status),
        Attribute(
            name="sub_ports",
            type=WISHES,
            read=lambda trunk, look: [trunk_places.as_shown(p) for p in look.sub_ports_of(trunk.id)],
            default=(),
            post=True,
            filter=False,
        ),
    ),
)


def create(id: str, values: Values, draft: Draft) -> Trunk:
    wishes = values["sub_ports"]
    given = {key: value for key, value in values.items() if key != "sub_ports"}
    parent = _port(given["port_id"], draft)
    _may_be_parent(parent, draft)
    trunk = Trunk(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)
    draft.trunks.append(trunk)
    add(trunk, parent, wishes, (), draft)
    trunk_places.touch(parent, draft)
    return trunk


def update(old: Any, values: Values, draft: Draft) -> Trunk:
    changed: Trunk = replace(old, **values)
    return changed


def delete(trunk: Any, draft: Draft) -> Sequence[Trunk]:
    """Its sub-ports are ports as before."""
    trunk_places.free(draft.look.sub_ports_of(trunk.id), draft)
    trunk_places.touch(draft.look.state.ports[trunk.port_id], draft)
    return (trunk,)


def routes(handlers: Handlers) -> tuple[Route, ...]:
    """PUT …/trunks/ID/add_subports {"sub_ports": […]}, the opposite, and who they are."""

    def changing(change: Callable[[Trunk, Any, Draft], None], kind: Type) -> Any:
        async def handler(request: Request) -> Response:
            given = _given(await read_object(request), kind)

            def update(old: Any, draft: Draft) -> Any:
                if kind is WISHES:
                    policy.check_given(caller_of(request), TRUNKS, {"sub_ports": given}, old, draft.look)
                _is_on(old)
                change(old, given, draft)
                if given:
                    trunk_places.touch(old, draft)
                    trunk_places.touch(draft.look.state.ports[old.port_id], draft)
                return old

            return answer(await handlers.change(request, update))

        return handler

    async def members(request: Request) -> Response:
        look = handlers.desk.look()
        trunk = handlers.find(request, look)
        return answer({"sub_ports": [trunk_places.as_shown(p) for p in look.sub_ports_of(trunk.id)]})

    base = f"/v2.0/{TRUNKS.path}/{{id}}"
    return (
        Route(f"{base}/add_subports", changing(_more, WISHES), methods=["PUT"]),
        Route(f"{base}/remove_subports", changing(_fewer, NAMED), methods=["PUT"]),
        Route(f"{base}/get_subports", members, methods=["GET"]),
    )


def _more(trunk: Trunk, wishes: tuple[Wish, ...], draft: Draft) -> None:
    there = draft.look.sub_ports_of(trunk.id)
    used = (each.segmentation_id for each in there)
    add(trunk, draft.look.state.ports[trunk.port_id], wishes, used, draft)


def _fewer(trunk: Trunk, ports: tuple[str, ...], draft: Draft) -> None:
    there = {each.port_id: each for each in draft.look.sub_ports_of(trunk.id)}
    for id in ports:
        if id not in there:
            raise NotFound(
                f"SubPort on trunk {trunk.id} with parent port {trunk.port_id} could not be found: {id} is "
                "none of its sub-ports.",
                type="SubPortNotFound",
            )
    trunk_places.free((there[id] for id in ports), draft)


def _is_on(trunk: Trunk) -> None:
    if not trunk.admin_state_up:
        raise Conflict(
            f"Trunk {trunk.id} is currently disabled: set its admin_state_up to true first.",
            type="TrunkDisabled",
        )


def _given(body: Any, kind: Type) -> Any:
    if set(body) != {"sub_ports"}:
        raise BadRequest("Unable to find 'sub_ports' in request body", type="HTTPBadRequest")
    try:
        return kind.convert(body["sub_ports"])
    except ValueError as exc:
        raise BadRequest(f"Invalid input for sub_ports. Reason: {exc}.", type="HTTPBadRequest") from exc


def add(trunk: Trunk, parent: Port, wishes: Sequence[Wish], used: Iterable[int], draft: Draft) -> None:
    """used: VLANs that others have. Raises Conflict, BadRequest, NotFound."""
    taken = set(used)
    for wish in wishes:
        port = _port(wish.port_id, draft)
        _may_be_sub_port(port, parent, draft)
        number = wish.vlan or inherited(port, draft)
        if number in taken:
            raise Conflict(
                f"segmentation_type vlan and segmentation_id {number} already in use on trunk {trunk.id}.",
                type="DuplicateSubPort",
            )
        taken.add(number)
        make_place(trunk, port, number, draft)
        trunk_places.put(port, parent.host, draft)


def make_place(trunk: Trunk, port: Port, number: int, draft: Draft) -> None:
    """Its port is in it from now on, under that VLAN."""
    place = SubPort(
        id=str(uuid.uuid4()),
        project_id=trunk.project_id,
        trunk_id=trunk.id,
        port_id=port.id,
        segmentation_id=number,
        revision_number=1,
        created_at=draft.now,
        updated_at=draft.now,
    )
    draft.sub_ports.append(place)
    draft.also.append(Create(place, counted=False))


def _port(id: str, draft: Draft) -> Port:
    port = draft.look.state.ports.get(id)
    if port is None:
        raise NotFound(f"Port {id} could not be found.", type="PortNotFound")
    return port


def _may_be_parent(port: Port, draft: Draft) -> None:
    trunk_places.is_free(port.id, draft)
    owner = port.device_owner
    if owner in rules.SERVICE_PORTS or owner.startswith("network:") or owner == names.AUXILIARY_PORT:
        raise Conflict(
            f"Port {port.id} is currently in use and is not eligible for use as a parent port: it is of "
            f"{owner}.",
            type="ParentPortInUse",
        )


def _may_be_sub_port(port: Port, parent: Port, draft: Draft) -> None:
    trunk_places.is_free(port.id, draft)
    ours = port.device_owner in rules.SERVICE_PORTS or port.device_owner.startswith(("network:", "sealane:"))
    if port.host or port.device_id or ours:
        device = port.device_id or port.device_owner or f"on host {port.host}"
        raise Conflict(
            f"Unable to complete operation on port {port.id} for network {port.network_id}. "
            f"Port already has an attached device {device}.",
            type="PortInUse",
        )
    taps.is_out_of_taps(port, draft.look.state)
    own, most = draft.network(port.network_id), draft.network(parent.network_id)
    if own is not None and most is not None and own.mtu > most.mtu:
        raise Conflict(
            f"MTU {own.mtu} of subport {port.id} cannot be greater than MTU {most.mtu} of the parent port "
            f"{parent.id}: set that of a network.",
            type="SubPortMtuGreaterThanTrunkPortMtu",
        )


def inherited(port: Port, draft: Draft) -> int:
    """The VLAN of its network. Raises BadRequest."""
    network = rules.network_exists(port.network_id, draft)
    if network.network_type != "vlan" or network.segmentation_id is None:
        raise BadRequest(
            f"Invalid input for sub_ports. Reason: segmentation_type 'inherit' of port {port.id}: its "
            f"network {network.id} has no VLAN; give segmentation_type 'vlan' and a segmentation_id.",
            type="HTTPBadRequest",
        )
    return network.segmentation_id
