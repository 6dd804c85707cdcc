"""What is to be copied on this host, as the API says and the memory keeps it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TapSource:
    """A port whose packets are copied: those that it sends, those that it is sent; neither: by OVN."""

    port_id: str
    out: bool
    into: bool


@dataclass(frozen=True, kw_only=True)
class TapHere:
    """A tap service, as far as it is of this host; `port_id` is "" where its port is elsewhere."""

    id: str
    port_id: str
    mac: str
    mtu: int
    sources: tuple[TapSource, ...]


def parse(rows: Iterable[Mapping[str, Any]]) -> dict[str, TapHere]:
    """Rows of GET sealane/taps."""
    return {
        str(row["id"]): TapHere(
            id=str(row["id"]),
            port_id=str(row["port_id"]),
            mac=str(row["mac_address"]),
            mtu=int(row["mtu"]),
            sources=tuple(
                TapSource(port_id=str(one["port_id"]), out=bool(one["out"]), into=bool(one["in"]))
                for one in row["sources"]
            ),
        )
        for row in rows
    }


def sources(taps: Mapping[str, TapHere]) -> frozenset[str]:
    """Ports whose packets are copied."""
    return frozenset(source.port_id for tap in taps.values() for source in tap.sources)
