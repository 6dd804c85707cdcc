"""Taps: the tables of attributes of tap services and tap flows, what may be copied to whom, and what goes
with a port.

    a flow  = a source port, a direction, and the service whose port sees the copies

Names and paths are those of Neutron's tap-as-a-service (neutron-tap, "taas").  Besides, a port can say itself
by which services of its project it is seen (`sealane:taps`): containers by their label.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from sealane import names
from sealane.api import convert
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import Type, listing, one_of
from sealane.api.draft import Draft
from sealane.api.look import Look
from sealane.errors import BadRequest, Conflict, Forbidden, NotFound
from sealane.model import Port, State, TapFlow, TapService
from sealane.store.changes import Delete
from sealane.translate.taps import MOST, taps

DIRECTIONS = ("IN", "OUT", "BOTH")
LONGEST = 255


def to_tap(value: Any) -> str:
    """NAME[:in|:out|:both], with the direction in full. Raises ValueError."""
    text = value if isinstance(value, str) else ""
    name, colon, direction = text.rpartition(":")
    if not colon:
        name, direction = text, "both"
    if not name or len(name) > LONGEST or direction.upper() not in DIRECTIONS:
        raise ValueError(f"'{value}' is no tap: give NAME, NAME:in or NAME:out")
    return f"{name}:{direction.upper()}"


TAPS: Type = listing(to_tap, {"type": "string", "minLength": 1, "maxLength": LONGEST}, MOST)
DIRECTION = Type(one_of(*DIRECTIONS).convert, {"type": "string", "enum": list(DIRECTIONS)})


def carries(port_id: str, look: Look) -> bool:
    port = look.state.ports.get(port_id)
    return port is not None and port.admin_state_up and look.bindings.up(port_id)


def _sources(service: TapService, look: Look) -> list[Values]:
    """By flows and by what ports say themselves."""
    told = {(True, True): "BOTH", (True, False): "OUT", (False, True): "IN"}
    found = next((tap for tap in taps(look.state) if tap.id == service.id), None)
    return [
        {"port_id": source.port_id, "direction": told[source.outward, source.inward]}
        for source in (found.sources if found else ())
    ]


SERVICES = Kind(
    singular="tap_service",
    plural="tap_services",
    place="taas/tap_services",
    collection=lambda state: state.tap_services,
    attributes=(
        *standard(),
        Attribute(name="port_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(
            name="status",
            type=convert.NAME,
            read=lambda service, look: "ACTIVE" if carries(service.port_id, look) else "DOWN",
        ),
        Attribute(
            name="sealane:sources",
            type=Type(lambda value: value, {"type": "array", "items": {"type": "object"}}),
            read=_sources,
            filter=False,
        ),
    ),
)
FLOWS = Kind(
    singular="tap_flow",
    plural="tap_flows",
    place="taas/tap_flows",
    collection=lambda state: state.tap_flows,
    attributes=(
        *standard(),
        Attribute(name="tap_service_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(name="source_port", type=convert.ID, default=REQUIRED, post=True),
        Attribute(name="direction", type=DIRECTION, default=REQUIRED, post=True),
        Attribute(
            name="status",
            type=convert.NAME,
            read=lambda flow, look: "ACTIVE" if _is_flowing(flow, look) else "DOWN",
        ),
    ),
)


def _is_flowing(flow: TapFlow, look: Look) -> bool:
    service = look.state.tap_services.get(flow.tap_service_id)
    return service is not None and carries(flow.source_port, look) and carries(service.port_id, look)


def create_service(id: str, values: Values, draft: Draft) -> TapService:
    state = draft.look.state
    port = has_link(values["port_id"], "Destination", state)
    _is_of(port, values["project_id"], "port_id")
    for flow in state.tap_flows.values():
        if flow.source_port == port.id:
            raise Conflict(
                f"Port {port.id} is the source of tap flow {flow.id}: what it is given would be copied "
                f"again. Take another port, or delete that flow first.",
                type="TapLoop",
            )
    if port.taps:
        raise Conflict(
            f"Port {port.id} is a source of {', '.join(port.taps)} by its sealane:taps: take another port.",
            type="TapLoop",
        )
    return TapService(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **values)


def create_flow(id: str, values: Values, draft: Draft) -> TapFlow:
    state = draft.look.state
    service = state.tap_services.get(values["tap_service_id"])
    if service is None:
        raise NotFound(f"Tap Service {values['tap_service_id']} does not exist", type="TapServiceNotFound")
    source = has_link(values["source_port"], "Source", state)
    made = TapFlow(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **values)
    if source.id == service.port_id:
        raise BadRequest(
            f"Invalid input for source_port. Reason: {source.id} is the port of tap service {service.id} "
            "itself; give another one.",
            type="HTTPBadRequest",
        )
    _is_of(source, made.project_id, "source_port")
    if service.project_id != made.project_id:
        raise Forbidden(
            f"Tap service {service.id} belongs to project '{service.project_id}': a flow is of the project "
            "of its service.",
            type="TapServiceNotBelongToTenant",
        )
    _is_no_sink(source, state)
    _is_new(made, state)
    return made


def update(old: Any, values: Values, draft: Draft) -> Any:
    return replace(old, **values)


def delete_service(service: Any, draft: Draft) -> tuple[TapFlow | TapService, ...]:
    """Its flows go with it, as in Neutron."""
    return (*_flows_of(service, draft.look.state), service)


def delete_flow(flow: Any, draft: Draft) -> tuple[TapFlow, ...]:
    return (flow,)


def without(gone: Iterable[Port], draft: Draft) -> None:
    """Ports that go take with them what is copied from them and to them."""
    state, ids = draft.look.state, {port.id for port in gone}
    services = [s for s in state.tap_services.values() if s.port_id in ids]
    flows = {f.id: f for f in state.tap_flows.values() if f.source_port in ids}
    flows |= {f.id: f for s in services for f in _flows_of(s, state)}
    draft.also += [Delete(flow) for flow in flows.values()]
    draft.also += [Delete(service) for service in services]
    draft.also += [Delete(mirror) for mirror in state.tap_mirrors.values() if mirror.port_id in ids]


def check_port(port: Port, state: State) -> None:
    """What a port says of itself. Raises Conflict."""
    if port.taps and port.device_owner == names.SUBPORT:
        raise Conflict(
            f"Port {port.id} is carried by a trunk, and on no link of its own: sealane:taps is to be empty.",
            type="PortInUseAsSubPort",
        )
    if port.taps:
        _is_no_sink(port, state)


def is_out_of_taps(port: Port, state: State) -> None:
    """Neither copied nor given copies: it is about to have no link of its own. Raises Conflict."""
    services = (s.id for s in state.tap_services.values() if s.port_id == port.id)
    flows = (f.id for f in state.tap_flows.values() if f.source_port == port.id)
    mirrors = (m.id for m in state.tap_mirrors.values() if m.port_id == port.id)
    used = [*services, *flows, *mirrors, *port.taps]
    if used:
        raise Conflict(
            f"Port {port.id} is tapped ({used[0]}), as no port in a trunk can be: delete that first.",
            type="PortInUse",
        )


def _flows_of(service: TapService, state: State) -> list[TapFlow]:
    return [flow for flow in state.tap_flows.values() if flow.tap_service_id == service.id]


def has_link(id: str, what: str, state: State) -> Port:
    """The port, which is to be a machine's. Raises NotFound, BadRequest."""
    port = state.ports.get(id)
    if port is None:
        raise NotFound(f"{what} Port {id} does not exist", type=f"Invalid{what}Port")
    if port.device_owner.startswith("network:") or port.device_owner in (
        names.BALANCER_PORT,
        names.HEALTH_PORT,
        names.SUBPORT,
    ):
        raise BadRequest(
            f"Port {id} is of {port.device_owner}, and on no host by itself: give a machine's.",
            type="HTTPBadRequest",
        )
    return port


def _is_of(port: Port, project: str, name: str) -> None:
    if port.project_id != project:
        raise Forbidden(
            f"The port {port.id} ({name}) belongs to project '{port.project_id}' and not to '{project}': "
            "nobody's packets are copied to another project.",
            type="PortDoesNotBelongToTenant",
        )


def _is_no_sink(port: Port, state: State) -> None:
    for service in state.tap_services.values():
        if service.port_id == port.id:
            raise Conflict(
                f"Port {port.id} is the port of tap service {service.id}: what it is given is not copied.",
                type="TapLoop",
            )


def _is_new(flow: TapFlow, state: State) -> None:
    """Of several that come at once the store refuses all but one."""
    others = [f for f in state.tap_flows.values() if f.source_port == flow.source_port]
    for other in others:
        if other.tap_service_id == flow.tap_service_id:
            raise Conflict(
                f"Tap flow {other.id} copies port {flow.source_port} to tap service {flow.tap_service_id} "
                "already: delete it first.",
                type="TapFlowExists",
            )
    if len(others) >= MOST:
        raise Conflict(
            f"Port {flow.source_port} has {MOST} tap flows, the most there can be.", type="TapFlowLimit"
        )
