"""Taps as OpenDaylight has them: services by themselves, flows below their service, and a list of all."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request

from sealane.api import taps
from sealane.api.attributes import Values
from sealane.api.look import Look
from sealane.api.resources import Resource
from sealane.errors import BadRequest

SERVICES = Resource(
    replace(taps.SERVICES, place="tap/services"), taps.create_service, taps.update, taps.delete_service
)
FLOWS = Resource(
    replace(taps.FLOWS, place="tap/flows/{tap_service_id}/flows"),
    taps.create_flow,
    taps.update,
    taps.delete_flow,
)
ALL_FLOWS = "tap/flows"


def of_service(request: Request, given: Values) -> Values:
    """What a flow is said to be, with the service of the path. Raises BadRequest where they differ."""
    service = request.path_params["tap_service_id"]
    if given.get("tap_service_id", service) != service:
        raise BadRequest(
            f"Invalid input for tap_service_id. Reason: the path says {service[:80]}; leave it out.",
            type="HTTPBadRequest",
        )
    return {**given, "tap_service_id": service}


def is_below(request: Request, flow: Any) -> bool:
    """Of the service of the path."""
    return bool(flow.tap_service_id == request.path_params["tap_service_id"])


def tests(request: Request) -> Sequence[Any]:
    """Of a query: the service's flows, or all where the path names none."""
    if "tap_service_id" not in request.path_params:
        return ()

    def is_of_service(row: Any, look: Look) -> bool:
        return is_below(request, row)

    return (is_of_service,)
