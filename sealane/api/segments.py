"""Segments: the parts of a network, each on a physical network of its own, with a name and a description.

A network's own segment is there as long as the network is: it is no row of the store, but follows from the
network's provider:… attributes, and so does its id.  Further ones are made and go; store/segmenting.py says
which fit together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane import names
from sealane.api import convert, rules, segment_hosts
from sealane.api.answers import answer
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values
from sealane.api.body import read_object
from sealane.api.caller import caller_of
from sealane.api.convert import nullable, one_of
from sealane.api.desk import Desk
from sealane.api.draft import Draft
from sealane.api.resources import Handlers, Resource, revision_of, updates
from sealane.errors import Conflict
from sealane.model import Network, Segment, State
from sealane.store import segmenting
from sealane.store.changes import Change

NUMBER = convert.integer(0, 2**24 - 1)
"""A VLAN, or the key of a tunnel."""
MAX = 255


class _Segments:
    """Own and further ones of a State; made once for the same ones."""

    def __init__(self) -> None:
        self._seen: tuple[object, object] = (None, None)
        self._rows: dict[str, Segment] = {}

    def __call__(self, state: State) -> Mapping[str, Segment]:
        networks, further = self._seen
        if networks is not state.networks or further is not state.segments:
            made = map(segmenting.own, state.networks.values())
            self._rows = {segment.id: segment for segment in made} | dict(state.segments)
            self._seen = state.networks, state.segments
        return self._rows


SEGMENTS = Kind(
    singular="segment",
    plural="segments",
    collection=_Segments(),
    attributes=(
        Attribute(name="id", type=convert.ID),
        Attribute(name="network_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(name="physical_network", type=nullable(convert.PHYSICAL_NETWORK), default=None, post=True),
        Attribute(name="network_type", type=one_of("geneve", "vlan", "flat"), default=REQUIRED, post=True),
        Attribute(name="segmentation_id", type=nullable(NUMBER), default=None, post=True),
        Attribute(name="name", type=nullable(convert.text(MAX)), default="", post=True, put=True),
        Attribute(name="description", type=nullable(convert.text(MAX)), default="", post=True, put=True),
        Attribute(name="created_at", type=convert.NAME),
        Attribute(name="updated_at", type=convert.NAME),
        Attribute(name="revision_number", type=convert.INTEGER),
    ),
)
_OF_NETWORK = {"name": "segment_name", "description": "segment_description"}


def create(id: str, values: Values, draft: Draft) -> Segment:
    """Raises NotFound, BadRequest, Conflict."""
    network = rules.network_exists(values["network_id"], draft)
    return made(id, network, values, draft)


def made(id: str, network: Network, values: Values, draft: Draft) -> Segment:
    """A further segment of a network, also of one that is new. Raises BadRequest, Conflict."""
    texts = {name: values.get(name) or "" for name in _OF_NETWORK}
    given: Values = {**values, **texts, "network_id": network.id, "project_id": network.project_id}
    segment = Segment(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)
    while draft.dismiss(network.id, lambda port: True):
        pass
    ports = [port for port in draft.look.ports_of(network.id) if port.id not in draft.gone]
    others = draft.segments_of(network.id)
    segmenting.refuse_segment(segment, network, others, draft.subnets_of(network.id), ports)
    rules.segment_carries(segment, network, draft.room.most(segment.physical_network))
    draft.segments.append(segment)
    segment_hosts.refuse_ports(network, ports, draft)
    return segment


def update(old: Any, values: Values, draft: Draft) -> Segment:
    given: Any = {name: value or "" for name, value in values.items()}
    changed: Segment = replace(old, **given)
    return changed


def delete(segment: Any, draft: Draft) -> Sequence[Segment]:
    """Only while nothing is in it. Raises Conflict."""
    network = draft.look.state.networks[segment.network_id]
    if segment.id == names.segment(network.id):
        raise _in_use(
            segment,
            f"it is that of the provider:… attributes of network {network.id}, and goes with it; delete the "
            "network",
        )
    subnets = [s.id for s in draft.subnets_of(network.id) if segmenting.of_subnet(s) == segment.id]
    if subnets:
        raise _in_use(
            segment, f"the segment is still associated with subnet(s) {', '.join(subnets)}; delete them first"
        )
    while draft.dismiss(network.id, lambda port: segment_hosts.is_in(port, segment, draft)):
        pass
    there = (port for port in draft.look.ports_of(network.id) if port.id not in draft.gone)
    bound = [port.id for port in there if segment_hosts.is_in(port, segment, draft)]
    if bound:
        raise _in_use(
            segment,
            f"the segment is still associated with port(s) {', '.join(bound[:5])}; delete or unbind them",
        )
    return (segment,)


def _in_use(segment: Segment, why: str) -> Conflict:
    return Conflict(f"Segment '{segment.id}' cannot be deleted: {why}.", type="SegmentInUse")


class SegmentHandlers(Handlers):
    async def update(self, request: Request) -> Response:
        """Of a network's own one, what is changed is the network's row."""
        values = SEGMENTS.accept_changes((await read_object(request)).get("segment"))
        revision = revision_of(request)

        def decide(draft: Draft) -> tuple[list[Change], None]:
            segment = self.find(request, draft.look)
            rules.revision_is(segment, revision)
            if segment.id in draft.look.state.segments:
                return updates(segment, update(segment, values, draft), draft.now), None
            network = draft.look.state.networks[segment.network_id]
            given: Any = {_OF_NETWORK[name]: value or "" for name, value in values.items()}
            return updates(network, replace(network, **given), draft.now), None

        _, look = await self.desk.write(caller_of(request), decide)
        return answer({"segment": SEGMENTS.show(self.find(request, look), look)})


def routes(desk: Desk) -> tuple[Route, ...]:
    handlers = SegmentHandlers(Resource(SEGMENTS, create, update, delete), desk)
    base = f"/v2.0/{SEGMENTS.path}"
    return (
        Route(base, handlers.list, methods=["GET"]),
        Route(base, handlers.create, methods=["POST"]),
        Route(f"{base}/{{id}}", handlers.show, methods=["GET"]),
        Route(f"{base}/{{id}}", handlers.update, methods=["PUT"]),
        Route(f"{base}/{{id}}", handlers.delete, methods=["DELETE"]),
    )
