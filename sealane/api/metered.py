"""Which rules of br-int count for which metering labels, and what hosts have counted.

    GET  /v2.0/sealane/metering?node=NAME   cookies of rules -> labels; networks -> labels -> addresses that
                                            are counted at the host's own gateway; what the host has told last
    POST /v2.0/sealane/metered              a host tells its totals by label, and what it counts by its digest

A rule in br-int has the first 32 bits of its logical flow's UUID as its cookie (ovn-architecture(7)), and the
logical flow the match of the policy.  So nothing needs to be written into OVN to tell what belongs to whom.
Whoever waits for a change to be applied waits until all hosts count what is to be counted now.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
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
from sealane.translate.metering import Way, named, who

_TURN = 0.1  # seconds between two looks while somebody waits
LARGEST = 8 << 20
"""Bytes of what a host tells at once."""


class Told(msgspec.Struct, frozen=True):
    host: str
    counts: dict[str, tuple[int, int]]
    digest: str = ""


class MeterDesk:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._state: State | None = None
        self._ways: Mapping[str, Way] = {}
        self._who: dict[str, frozenset[str] | None] = {}
        self._there: Set[str] = frozenset()
        self._gateways: Mapping[str, Mapping[str, list[str]]] = {}

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("/v2.0/sealane/metering", self.show, methods=["GET"]),
            Route("/v2.0/sealane/metered", self.take, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        host = request.query_params.get("node", "")
        _check_host(caller_of(request), host)
        view, meters = self._view(self._desk.look().state), self._desk.meters
        told = {"told": meters.told(host), "acked": meters.acked(host), "digest": _digest(view)}
        return answer({**view, **told})

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
            self._desk.meters.tell(told.host, known, told.digest)
        return empty()

    async def wait(
        self, state: Callable[[], State], seconds: float, gone: Callable[[str], bool]
    ) -> list[str]:
        """Hosts that do not count yet what is to be counted when the time is over; `gone` ones are not waited
        for.
        """
        end = asyncio.get_running_loop().time() + seconds
        while True:
            missing = [host for host in self._missing(state()) if not gone(host)]
            if not missing or asyncio.get_running_loop().time() >= end:
                return missing
            await asyncio.sleep(_TURN)

    def _missing(self, state: State) -> list[str]:
        meters, digest = self._desk.meters, _digest(self._view(state))
        return sorted(n.name for n in state.nodes.values() if meters.acked(n.name) != digest)

    def _view(self, state: State) -> dict[str, Any]:
        """What every host is to count."""
        if self._state is not state:
            self._state, self._ways, self._who = state, routers.ways(state), {}
            self._gateways = _by_gateway(state)
        rules, found = [], self._desk.meters.policies() if self._ways else {}
        if found.keys() != self._there:
            self._there, self._who = found.keys(), {}
        for match, places in found.items():
            if match not in self._who:
                self._who[match] = who(match, self._ways, found)
            labels = self._who[match]
            if labels is not None:
                told = sorted(labels)
                rules += [{"cookie": cookie, "table": table, "labels": told} for cookie, table in places]
        rules.sort(key=lambda rule: str(rule["cookie"]))
        return {"rules": rules, "gateways": self._gateways, "labels": sorted(state.metering_labels)}


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


def _by_gateway(state: State) -> Mapping[str, Mapping[str, list[str]]]:
    """Of networks that leave by their host: network -> label -> addresses."""
    found: dict[str, dict[str, list[str]]] = {}
    for network, pairs in named(state).items():
        if state.networks[network].gateway == "host":
            for pair in pairs:
                found.setdefault(network, {}).setdefault(pair.label, []).append(str(pair.source))
    return found


def _digest(view: Mapping[str, Any]) -> str:
    """ "" of nothing at all."""
    if not any(view.values()):
        return ""
    return hashlib.sha256(msgspec.json.encode(view, order="sorted")).hexdigest()[:16]


def _check_host(caller: Caller, host: str) -> None:
    """A node speaks for itself alone. Raises Forbidden."""
    if caller.node and caller.node != host:
        raise Forbidden(f"Node '{caller.node}' may not speak of what host '{host[:63]}' has counted.")
