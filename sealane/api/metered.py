"""Which rules of br-int count for which metering labels, and what hosts have counted.

    GET  /v2.0/sealane/metering?node=NAME   cookies of rules -> labels; what the host has told last
    POST /v2.0/sealane/metered              a host tells its totals by label

A rule in br-int has the first 32 bits of its logical flow's UUID as its cookie (ovn-architecture(7)), and the
logical flow the match of the policy.  So nothing needs to be written into OVN to tell what belongs to whom.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec
from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sealane.api.answers import answer, empty
from sealane.api.body import read_object
from sealane.api.caller import Caller, caller_of
from sealane.api.desk import Desk
from sealane.api.meters import Meters
from sealane.errors import BadRequest, Forbidden
from sealane.model import State
from sealane.translate import routers

LARGEST = 8 << 20
"""Bytes of what a host tells at once."""


class Told(msgspec.Struct, frozen=True):
    host: str
    counts: dict[str, tuple[int, int]]


class MeterDesk:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._state: State | None = None
        self._counted: Mapping[str, frozenset[str]] = {}

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("/v2.0/sealane/metering", self.show, methods=["GET"]),
            Route("/v2.0/sealane/metered", self.take, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        host = request.query_params.get("node", "")
        _check_host(caller_of(request), host)
        state = self._desk.look().state
        if self._state is not state:
            self._state, self._counted = state, routers.counted(state)
        found = self._desk.meters.policies() if self._counted else {}
        rules = [
            {"cookie": cookie, "table": table, "labels": sorted(labels)}
            for match, labels in self._counted.items()
            for cookie, table in found.get(match, ())
        ]
        return answer(
            {"rules": rules, "labels": sorted(state.metering_labels), "told": self._desk.meters.told(host)}
        )

    async def take(self, request: Request) -> Response:
        body = await read_object(request, LARGEST)
        try:
            told = msgspec.convert(body.get("metered"), Told)
        except msgspec.ValidationError as exc:
            raise BadRequest(f"'metered' in the request body: {exc}", type="HTTPBadRequest") from exc
        if any(number < 0 for pair in told.counts.values() for number in pair):
            raise BadRequest("'metered' in the request body: a count is below 0", type="HTTPBadRequest")
        _check_host(caller_of(request), told.host)
        state = self._desk.look().state
        if any(node.name == told.host for node in state.nodes.values()):
            known = {label: pair for label, pair in told.counts.items() if label in state.metering_labels}
            self._desk.meters.tell(told.host, known)
        return empty()


class MeterMetrics(Collector):
    """sealane_metering_packets_total, …_bytes_total: by label; none while it is not known."""

    def __init__(self, meters: Meters, state: Callable[[], State]) -> None:
        self._meters = meters
        self._state = state

    def collect(self) -> Iterator[Metric]:
        names = ("label_id", "label", "project_id")
        families = [
            CounterMetricFamily(f"sealane_metering_{what}", f"{what.capitalize()} of a label", labels=names)
            for what in ("packets", "bytes")
        ]
        for label in self._state().metering_labels.values():
            for family, value in zip(families, self._meters.of(label.id) or (), strict=False):
                family.add_metric([label.id, label.name, label.project_id], value)
        yield from families

    def describe(self) -> Iterable[Any]:
        return ()


def _check_host(caller: Caller, host: str) -> None:
    """A node speaks for itself alone. Raises Forbidden."""
    if caller.node and caller.node != host:
        raise Forbidden(f"Node '{caller.node}' may not speak of what host '{host[:63]}' has counted.")
