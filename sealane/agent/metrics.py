"""GET /metrics on agent.sock: where the agent's time goes, as Prometheus scrapes it.

Sums and counts of seconds; a call of dockerd's is one of `calls`, and made of steps that may overlap
with those of other calls and with dockerd's own work.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

from sealane import log
from sealane.fastpath.cache import Counts

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_log = log.get("metrics")
_registry = CollectorRegistry()

_calls = Histogram(
    "sealane_agent_driver_call_seconds",
    "Calls of the Docker plugin, from the whole request to the answer",
    ("method",),
    buckets=_BUCKETS,
    registry=_registry,
)
_steps = Histogram(
    "sealane_agent_step_seconds",
    "What the agent waits for: the kernel, the local Open vSwitch database, OVN, the API",
    ("step",),
    buckets=_BUCKETS,
    registry=_registry,
)


@contextmanager
def call(method: str) -> Iterator[None]:
    """`method` is one that exists: its names are bounded."""
    with _timed(_calls, method):
        yield


@contextmanager
def step(name: str) -> Iterator[None]:
    with _timed(_steps, name):
        yield


@contextmanager
def _timed(histogram: Histogram, label: str) -> Iterator[None]:
    begin = time.perf_counter()
    try:
        yield
    finally:
        elapsed = time.perf_counter() - begin
        histogram.labels(label).observe(elapsed)
        _log.debug("timed", what=label, ms=round(elapsed * 1000, 2))


class _FastPath(Collector):
    """Read when it is asked for: the programs count."""

    def __init__(self) -> None:
        self.reasons: Callable[[], Counts] = dict
        self.landed: Callable[[], Counts] = dict
        self.flows: Callable[[], int] = int

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        yield from _by_reason("sealane_fastpath", "Packets that containers sent", self.reasons())
        yield from _by_reason(
            "sealane_fastpath_landed",
            "Packets in tunnels or for floating IPs",
            self.landed(),
        )
        yield GaugeMetricFamily("sealane_fastpath_flows", "Entries of flows", value=self.flows())


def _by_reason(name: str, what: str, counts: Counts) -> Iterator[CounterMetricFamily]:
    packets = CounterMetricFamily(
        f"{name}_packets",
        f"{what}, by why they went where they went: see `sealane fastpath reasons`",
        labels=("reason",),
    )
    octets = CounterMetricFamily(f"{name}_bytes", "The same in bytes", labels=("reason",))
    for reason, (count, size) in counts.items():
        packets.add_metric([reason.name.lower()], count)
        octets.add_metric([reason.name.lower()], size)
    yield packets
    yield octets


_fastpath = _FastPath()
_registry.register(_fastpath)


def show_fastpath(
    reasons: Callable[[], Counts], landed: Callable[[], Counts], flows: Callable[[], int]
) -> None:
    _fastpath.reasons, _fastpath.landed, _fastpath.flows = reasons, landed, flows


def show() -> Response:
    return Response(generate_latest(_registry), media_type=CONTENT_TYPE_LATEST)
