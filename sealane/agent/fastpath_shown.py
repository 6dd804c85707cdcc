"""The fast path as those see it who ask the agent.  Pure."""

from collections.abc import Mapping

from sealane.fastpath.cache import Counts, Flow
from sealane.fastpath.layout import MEANING, Reason


def ratio(counts: Counts) -> Mapping[str, object]:
    packets = sum(count for count, _ in counts.values())
    fast = counts.get(Reason.FAST, (0, 0))[0]
    return {"packets": packets, "fast": fast, "hit_ratio": round(fast / packets, 4) if packets else 0.0}


def reason(of: Reason, sent: tuple[int, int], landed: tuple[int, int]) -> dict[str, object]:
    packets, octets = sent
    name = of.name.lower().replace("_", "-")
    return {
        "number": int(of),
        "reason": name,
        "packets": packets,
        "bytes": octets,
        "landed": landed[0],
        "landed_bytes": landed[1],
        "meaning": MEANING[of],
    }


def flow(of: Flow, router_id: str) -> dict[str, object]:
    return {
        "network_id": of.network,
        "router_id": router_id,
        "protocol": of.protocol,
        "ends": [_end(of.low), _end(of.high)],
        "packets": of.packets,
        "bytes": of.octets,
    }


def _end(end: tuple[str, int]) -> str:
    address, port = end
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
