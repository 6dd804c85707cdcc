"""Segments within a transaction: what fits together (see segmenting.py) still does when it commits.

Who makes a segment, a subnet or moves a subnet raises a counter of the network's row, as ranges.py tells; who
makes a port that only a network of one segment can have waits for it.
"""

from collections.abc import Sequence
from dataclasses import replace

from sealane.model import Network, Port, Segment, Subnet
from sealane.store import segmenting
from sealane.store.claims import SEGMENT_KEYS, segments_of
from sealane.store.holder import Holder
from sealane.store.ranges import Ranges
from sealane.store.rows import to_row
from sealane.store.transaction import Transaction


class Parts:
    def __init__(self, transaction: Transaction, claims: Holder, ranges: Ranges) -> None:
        self._transaction = transaction
        self._claims = claims
        self._ranges = ranges
        self._view = transaction.view
        self._new: dict[str, Segment] = {}

    def add(self, segment: Segment) -> None:
        """Raises NotFound, BadRequest, Conflict."""
        network = self._network(segment.network_id)
        key = self._claims.key(segments_of(network.id), SEGMENT_KEYS, segment.tunnel_key)
        segment = replace(segment, tunnel_key=key)
        subnets = [s for s in self._transaction.all_subnets() if s.network_id == network.id]
        ports = [port for port in self._view.state.ports.values() if port.network_id == network.id]
        segmenting.refuse_segment(segment, network, self._of(network.id), subnets, ports)
        self._ranges.guard_network(network.id)
        row = {**to_row(segment), "claim": self._claims.segment(segment)}
        self._transaction.insert("Segment", row, segment.id)
        self._new[segment.id] = segment

    def place(self, subnet: Subnet) -> None:
        """A new one, before it is in its network. Raises BadRequest."""
        siblings = [s for s in self._transaction.all_subnets() if s.network_id == subnet.network_id]
        segmenting.refuse_subnet(subnet, siblings, self._of(subnet.network_id))

    def move(self, old: Subnet, new: Subnet) -> None:
        """Raises BadRequest, Conflict."""
        if segmenting.moves(old, new):
            segmenting.refuse_move(new, self._of(new.network_id))
            self._ranges.guard_network(new.network_id)

    def check(self, port: Port) -> None:
        """What only a network of one segment can have. Raises Conflict."""
        if port.device_owner not in segmenting.OF_ONE:
            return
        segmenting.refuse_port(port, self._of(port.network_id))
        if port.network_id not in self._transaction.networks:
            revision = self._view.networks[port.network_id]["subnets_revision"]
            self._transaction.wait("Network", port.network_id, {"subnets_revision": revision})

    def _of(self, network_id: str) -> Sequence[Segment]:
        """Further ones, as the changes before leave them."""
        there = {**self._view.state.segments, **self._new}
        gone = self._transaction.deleted
        return [s for id, s in there.items() if s.network_id == network_id and id not in gone]

    def _network(self, id: str) -> Network:
        self._transaction.need_network(id)
        return self._transaction.networks.get(id) or self._view.state.networks[id]
