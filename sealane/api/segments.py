"""Segments: the one of each network, as Neutron shows it, with a name and a description of its own.

OVN leads a network to one physical network at most, so a network has one segment, which is there as long as
the network is: it is no row of the store, but follows from the network's, and so does its id.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane import names
from sealane.api import convert, rules
from sealane.api.answers import answer
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values
from sealane.api.body import read_object
from sealane.api.caller import caller_of
from sealane.api.convert import nullable, one_of
from sealane.api.desk import Desk
from sealane.api.draft import Draft
from sealane.api.resources import Handlers, Resource, revision_of, updates
from sealane.errors import BadRequest, Conflict
from sealane.model import Network, Segment, State
from sealane.store.changes import Change

NUMBER = convert.integer(0, 2**24 - 1)
"""A VLAN, or the key of a tunnel."""
MAX = 255


class _Segments:
    """Of the networks of a State; made once for the same ones."""

    def __init__(self) -> None:
        self._networks: Mapping[str, Network] | None = None
        self._rows: dict[str, Segment] = {}

    def __call__(self, state: State) -> Mapping[str, Segment]:
        if self._networks is not state.networks:
            made = map(of_network, state.networks.values())
            self._rows = {segment.id: segment for segment in made}
            self._networks = state.networks
        return self._rows


def of_network(network: Network) -> Segment:
    number = network.tunnel_key if network.network_type == "geneve" else network.segmentation_id
    return Segment(
        id=names.segment(network.id),
        project_id=network.project_id,
        name=network.segment_name,
        description=network.segment_description,
        revision_number=network.revision_number,
        created_at=network.created_at,
        updated_at=network.updated_at,
        network_id=network.id,
        network_type=network.network_type,
        physical_network=network.physical_network,
        segmentation_id=number,
    )


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


def _of_its_network(*_: Any) -> Any:
    raise NotImplementedError


class SegmentHandlers(Handlers):
    """What is changed is the network's row."""

    async def create(self, request: Request) -> Response:
        """Refused, for a reason. Raises BadRequest, NotFound, Conflict."""
        values = SEGMENTS.accept_new((await read_object(request)).get("segment"))
        network = rules.network_exists(values["network_id"], self.desk.draft())
        raise Conflict(
            f"Network {network.id} has the segment {names.segment(network.id)}, and can have no further one: "
            "it is led to one physical network at most. Make another network, and a router between them.",
            type="SegmentNotSupported",
        )

    async def update(self, request: Request) -> Response:
        values = SEGMENTS.accept_changes((await read_object(request)).get("segment"))
        revision = revision_of(request)

        def decide(draft: Draft) -> tuple[list[Change], None]:
            segment = self.find(request, draft.look)
            rules.revision_is(segment, revision)
            network = draft.look.state.networks[segment.network_id]
            given: Any = {_OF_NETWORK[name]: value or "" for name, value in values.items()}
            return updates(network, replace(network, **given), draft.now), None

        _, look = await self.desk.write(caller_of(request), decide)
        return answer({"segment": SEGMENTS.show(self.find(request, look), look)})

    async def delete(self, request: Request) -> Response:
        """Refused: it goes with its network. Raises NotFound, Conflict."""
        segment = self.find(request, self.desk.look())
        raise Conflict(
            f"Segment '{segment.id}' cannot be deleted: it is the only one of network {segment.network_id}, "
            "and goes with it; delete the network.",
            type="SegmentInUse",
        )


def routes(desk: Desk) -> tuple[Route, ...]:
    handlers = SegmentHandlers(Resource(SEGMENTS, _of_its_network, _of_its_network, _of_its_network), desk)
    base = f"/v2.0/{SEGMENTS.path}"
    return (
        Route(base, handlers.list, methods=["GET"]),
        Route(base, handlers.create, methods=["POST"]),
        Route(f"{base}/{{id}}", handlers.show, methods=["GET"]),
        Route(f"{base}/{{id}}", handlers.update, methods=["PUT"]),
        Route(f"{base}/{{id}}", handlers.delete, methods=["DELETE"]),
    )


def is_its(network_id: str, given: str | None) -> bool:
    """Whether a subnet is to be of its network's segment; None: it is of none. Raises BadRequest."""
    if given is not None and given != names.segment(network_id):
        raise BadRequest(
            f"Invalid input for segment_id. Reason: {given} is no segment of network {network_id}; it has "
            f"{names.segment(network_id)}.",
            type="HTTPBadRequest",
        )
    return given is not None


_MEMBER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")


def _only(value: Any) -> Values | None:
    if value is None or value == []:
        return None
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("it is to be a list of objects")
    if len(value) > 1:
        raise ValueError(
            "a network is led to one physical network at most; make a network of each, and a router between"
        )
    return convert.record(value[0], *_MEMBER, required=_MEMBER[:1])


WISH = convert.Type(
    _only,
    {
        "type": "array",
        "nullable": True,
        "maxItems": 1,
        "items": {"type": "object", "properties": {name: {"nullable": True} for name in _MEMBER}},
    },
)
"""A network's `segments`, as its provider:… attributes."""


def as_provider(values: Values, kind: Kind) -> Values:
    """A new network's values, with its one segment told by provider:… attributes. Raises BadRequest."""
    wish = values.get("segments")
    if not wish:
        return values
    if given := [name for name in _MEMBER if values.get(name) is not None]:
        raise BadRequest(
            f"Invalid input for operation: segments and {given[0]} say the same: leave one out.",
            type="SegmentsSetInConjunctionWithProviders",
        )
    try:
        found = {name: kind.by_name[name].type.convert(value) for name, value in wish.items()}
    except ValueError as exc:
        raise BadRequest(f"Invalid input for segments. Reason: {exc}.", type="HTTPBadRequest") from exc
    return {**values, **found}
