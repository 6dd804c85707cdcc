"""What is taken, followed from the replica: claim rows by what they claim, tunnel keys by scope."""

import random
from collections import defaultdict
from collections.abc import Sequence

from sealane.errors import Conflict
from sealane.names import GATEWAY_PORT_KEY, PHYSICAL_PORT_KEY
from sealane.ovsdb.replica import Change
from sealane.ovsdb.values import Row

DATAPATH = "datapath"
"""The scope in which networks, and later routers, have their keys: one datapath space in OVN."""

SEGMENT = "segment:"
"""Begins the scope of a physical network, in which its networks have their VLANs for keys."""
DEFAULT_POOL = "default subnet pool"
"""The scope in which the default subnet pool of a family has that family's number."""
UNTAGGED = 4095
"""The key of a flat network; no VLAN has that number (IEEE 802.1Q)."""

DATAPATH_KEYS = range(1, 1 << 24)
SEGMENT_KEYS = range(PHYSICAL_PORT_KEY - 64, PHYSICAL_PORT_KEY)
"""Of the localnet ports of a network's further segments."""
PORT_KEYS = range(GATEWAY_PORT_KEY + 1, SEGMENT_KEYS.start)
"""ovn-sb(5): Datapath_Binding.tunnel_key has 24 bits, a unicast Port_Binding.tunnel_key 15."""


class Claims:
    """An index over the claim rows; only a hint: the database's own indexes decide."""

    def __init__(self) -> None:
        self._allocations: dict[tuple[str, str], str] = {}
        self._keys: defaultdict[str, set[int]] = defaultdict(set)

    def follow(self, changes: Sequence[Change]) -> None:
        """What is gone first: a claim may change hands within one transaction."""
        for table, uuid, old, _ in changes:
            if old is not None:
                self._drop(table, uuid, old)
        for table, uuid, _, new in changes:
            if new is not None:
                self._add(table, uuid, new)

    def allocation(self, subnet: str, address: str) -> str | None:
        """The uuid of the row that claims the address."""
        return self._allocations.get((subnet, address))

    def keys(self, scope: str) -> set[int]:
        """The keys in use among datapaths, or among the ports of the network with this id."""
        return self._keys[scope]

    def _add(self, table: str, uuid: str, row: Row) -> None:
        if table == "Allocation":
            self._allocations[str(row["subnet"]), str(row["address"])] = uuid
        elif (key := _key(table, row)) is not None:
            self._keys[key[0]].add(key[1])

    def _drop(self, table: str, uuid: str, row: Row) -> None:
        if table == "Allocation":
            claim = str(row["subnet"]), str(row["address"])
            if self._allocations.get(claim) == uuid:
                del self._allocations[claim]
        elif (key := _key(table, row)) is not None:
            self._keys[key[0]].discard(key[1])


def segments_of(network_id: str) -> str:
    """The scope in which a network's further segments have their keys."""
    return f"segments of {network_id}"


def _key(table: str, row: Row) -> tuple[str, int] | None:
    if table == "TunnelKey":
        return str(row["scope"]), int(row["key"])  # type: ignore[arg-type]
    if table == "Segment":
        return segments_of(str(row["network"])), int(row["tunnel_key"])  # type: ignore[arg-type]
    if table == "Port":
        return str(row["network"]), int(row["tunnel_key"])  # type: ignore[arg-type]
    return None


def free_key(taken: set[int], keys: range, scope: str) -> int:
    """A random free key from the low end: small keys, and two stores at once seldom choose the same.

    Raises Conflict when none is left.
    """
    low = keys[: 2 * len(taken) + 64]
    for _ in range(16):
        if (key := random.choice(low)) not in taken:
            return key
    free = next((key for key in keys if key not in taken), None)
    if free is None:
        raise Conflict(f"all {len(keys)} tunnel keys of {scope} are in use")
    return free
