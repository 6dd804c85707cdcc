"""/metrics: what Prometheus scrapes."""

from collections.abc import Callable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from starlette.responses import Response

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30)


class Metrics:
    """Counters of one application; labels are names of handlers, so their number is bounded."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "handler")
        self._seconds = Histogram(
            "sealane_api_seconds", "Time of a request", labels, buckets=BUCKETS, registry=self._registry
        )
        self._requests = Counter(
            "sealane_api_requests", "Requests answered", (*labels, "status"), registry=self._registry
        )

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """A value that is read when asked for."""
        Gauge(name, text, registry=self._registry).set_function(read)

    def add(self, collector: Collector) -> None:
        self._registry.register(collector)

    def request(self, scope: MutableMapping[str, Any], status: int, elapsed: float) -> None:
        handler = _handler(scope.get("endpoint"))
        method = scope["method"] if scope["method"] in ("GET", "POST", "PUT", "DELETE") else "other"
        self._seconds.labels(method, handler).observe(elapsed)
        self._requests.labels(method, handler, str(status)).inc()

    def show(self) -> Response:
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


def _handler(endpoint: object) -> str:
    """`ports.list`, `changes`; "none" where no route fits."""
    kind = getattr(getattr(endpoint, "__self__", None), "kind", None)
    name = str(getattr(endpoint, "__name__", "none"))
    return f"{kind.plural}.{name}" if kind is not None else name
