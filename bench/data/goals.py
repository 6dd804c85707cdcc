"""What is measured, what is compared with what, and what is aimed at. Pure."""

from dataclasses import dataclass

Cell = tuple[str, int]
"""What runs in one visit (stream, udp, rr, crr), and with how many flows."""


@dataclass(frozen=True)
class Figure:
    """A column of the report: what one cell measures, or what is read out of it."""

    name: str
    title: str
    short: str
    scale: float
    """What one of the unit in `short` is in bit/s, operations a second or seconds."""
    cell: Cell
    value: str = "rate"


CELLS: tuple[Cell, ...] = (
    ("stream", 1),
    ("stream", 4),
    ("stream", 16),
    ("udp", 1),
    ("rr", 1),
    ("rr", 8),
    ("rr", 32),
    ("crr", 1),
)
FIGURES = (
    Figure("stream-1", "TCP, 1 flow", "TCP Gbit/s", 1e9, ("stream", 1)),
    Figure("stream-4", "TCP, 4 flows", "of 4", 1e9, ("stream", 4)),
    Figure("stream-16", "TCP, 16 flows", "of 16", 1e9, ("stream", 16)),
    Figure("cpu", "CPU per GB", "CPU s/GB", 1, ("stream", 1), "cpu_per_gb"),
    Figure("udp", "64-byte datagrams", "64 B k/s", 1e3, ("udp", 1)),
    Figure("rr-1", "round trips, 1 flow", "RR k/s", 1e3, ("rr", 1)),
    Figure("rr-8", "round trips, 8 flows", "of 8", 1e3, ("rr", 8)),
    Figure("rr-32", "round trips, 32 flows", "of 32", 1e3, ("rr", 32)),
    Figure("rr-1-p50", "round trip, median", "RR µs", 1e-6, ("rr", 1), "p50"),
    Figure("rr-1-p99", "round trip, p99", "p99 µs", 1e-6, ("rr", 1), "p99"),
    Figure("crr", "new connections", "conn. k/s", 1e3, ("crr", 1)),
)


@dataclass(frozen=True)
class Goal:
    """A ratio of two arms. Of what costs, less is better: `target` is below 1 then."""

    arm: str
    base: str
    figure: str
    target: float
    moonshot: float

    def met(self, value: float) -> bool:
        return value <= self.target if self.figure == "cpu" else value >= self.target


GOALS = (
    Goal("fast", "overlay", "stream-1", 1.05, 1.2),
    Goal("fast", "overlay", "rr-1", 1.15, 1.35),
    Goal("fast", "overlay", "udp", 1.15, 1.3),
    Goal("fast", "overlay", "cpu", 0.85, 0.7),
    Goal("fast", "overlay", "crr", 0.8, 1.0),
    Goal("fast", "underlay", "stream-1", 0.85, 0.95),
    Goal("fast", "underlay", "rr-1", 0.8, 0.9),
    Goal("fast", "underlay", "rr-8", 0.8, 0.9),
    Goal("fast", "underlay", "rr-32", 0.8, 0.9),
    Goal("fast", "ovn", "stream-1", 10, 20),
    Goal("fast", "ovn", "rr-1", 2, 3),
    Goal("fast-local", "bridge", "stream-1", 1.15, 1.3),
    Goal("fast-local", "bridge", "rr-1", 1.15, 1.3),
    Goal("fast-local", "veth", "stream-1", 0.95, 1.0),
    Goal("fast-local", "ovn-local", "stream-1", 10, 20),
    Goal("fast-local", "ovn-local", "rr-1", 2, 3),
    Goal("out-fast", "out-bridge", "stream-1", 0.8, 1.0),
    Goal("out-fast", "out-bridge", "rr-1", 0.8, 1.0),
    Goal("in-fast", "in-bridge", "stream-1", 0.8, 1.0),
    Goal("in-fast", "in-bridge", "rr-1", 0.8, 1.0),
    Goal("out-fast", "out-ovn", "stream-1", 10, 20),
    Goal("in-fast", "in-ovn", "stream-1", 10, 20),
)
