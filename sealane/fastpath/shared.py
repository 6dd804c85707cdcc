"""Flows to the outside by an address that many share: which port each has got (shared.h).

The programs ask (`asked`), whoever knows answers (`answer`) and says for how long all answers hold (`vouch`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from sealane.fastpath import layout
from sealane.fastpath.layout import Value
from sealane.fastpath.tables import Tables

_IPV4 = 0x0800
_FIRST = layout.link_key(0)
WORTH = 8
"""Packets that a flow has sent before it is worth a question."""
FRESH = 5_000_000_000
"""Nanoseconds since the last, at most: with KNOWN it is less than Open vSwitch remembers a flow for."""
_FORGOTTEN = 10_000_000_000
"""Nanoseconds after which a question that nobody answered is forgotten."""
_TICK = 20_000_000
"""Nanoseconds by which the programs' clock may be behind ours, generously."""


@dataclass(frozen=True)
class Tuple:
    """One direction of a connection; protocols as IP numbers them."""

    protocol: int
    source: IPv4Address
    source_port: int
    target: IPv4Address
    target_port: int


@dataclass(frozen=True)
class Answer:
    """`inside` is what the router of that number is sent, and leaves by the link as though from there."""

    router: int
    inside: Tuple
    link: int
    address: IPv4Address
    port: int

    @property
    def key(self) -> bytes:
        """Of the flow."""
        return flow_key(self.router, self.inside)


class Shared:
    """Raises HostError throughout.  Not for two threads at once, but for `vouch`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._answered: dict[bytes, bytes] = {}  # flows, and as which they are known outside
        self._owners: dict[bytes, bytes] = {}  # the other way round

    def vouch(self, until: int) -> None:
        """Answers count until then, nanoseconds of the monotonic clock."""
        self._tables.write("vouchers", _FIRST, layout.VOUCHER.pack(until=until))

    def clear(self) -> None:
        """No answer there is counts from now on."""
        for name in ("translations", "shared"):
            for key in self._tables.keys(name):
                self._tables.delete(name, key)
        self._answered, self._owners = {}, {}

    def asked(self, time: int) -> set[bytes]:
        """Keys of flows that were worth it by `time`; what nobody asks about any more is forgotten."""
        found = set()
        for key, value in self._tables.rows("asked").items():
            told = layout.ASKED.unpack(value)
            begun, seen, packets = (_int(told[name]) for name in ("begun", "seen", "packets"))
            if packets >= WORTH and time - seen < FRESH and begun + layout.SETTLED + _TICK < time:
                found.add(key)
            elif time - seen > _FORGOTTEN and key not in self._answered:
                self._tables.delete("asked", key)
        return found

    def answered(self, time: int) -> set[bytes]:
        """Keys of flows whose answers may still hold at `time`; the others are forgotten."""
        for key in list(self._answered):
            values = self._tables.read("translations", key)
            known = _int(layout.TRANSLATION.unpack(values[0])["known"]) if values else 0
            if time - known > layout.KNOWN:
                self._forget(key)
                self._tables.delete("asked", key)
        return set(self._answered)

    def answer(self, one: Answer, read: int) -> None:
        """`read`: when the question was put."""
        inside, outside = one.key, _outside(one)
        for key in {inside, self._owners.get(outside, inside)}:
            self._forget(key)
        before = read - _TICK
        self._tables.write("translations", inside, layout.TRANSLATION.pack(
            read=before, known=before, address=one.address.packed, link=one.link, port=_port(one.port)
        ))  # fmt: skip
        fixed = one.inside.source.packed
        port = _port(one.inside.source_port)
        self._tables.write("shared", outside, layout.SHARED.pack(fixed=fixed, port=port))
        self._answered[inside], self._owners[outside] = outside, inside

    def keep(self, answers: Iterable[Answer], among: Iterable[bytes]) -> None:
        """Forget those of `among` that are none of these."""
        there = {one.key: _outside(one) for one in answers}
        for key in among:
            if key in self._answered and there.get(key) != self._answered[key]:
                self._forget(key)

    def _forget(self, key: bytes) -> None:
        outside = self._answered.pop(key, None)
        self._tables.delete("translations", key)
        if outside is not None:
            self._owners.pop(outside, None)
            self._tables.delete("shared", outside)


def flow_key(router: int, there: Tuple) -> bytes:
    """As the programs have it (fill_key of packet.h): the order of addresses is that of words in memory."""
    ends = [(there.source, there.source_port), (there.target, there.target_port)]
    if _word(there.source) > _word(there.target):
        ends.reverse()
    (low, low_port), (high, high_port) = ends
    return layout.FLOW_KEY.pack(
        realm=layout.router_realm(router),
        low=layout.mapped(low.packed),
        high=layout.mapped(high.packed),
        low_port=_port(low_port),
        high_port=_port(high_port),
        family=_IPV4,
        protocol=there.protocol,
    )


def routers(keys: Iterable[bytes]) -> Iterator[int]:
    """Numbers of the routers that flows cross."""
    for key in keys:
        yield int.from_bytes(key[:16], "big")


def _outside(one: Answer) -> bytes:
    return layout.SHARED_KEY.pack(
        link=one.link,
        address=one.address.packed,
        peer=one.inside.target.packed,
        port=_port(one.port),
        peer_port=_port(one.inside.target_port),
        protocol=one.inside.protocol,
    )


def _port(number: int) -> int:
    """In network order."""
    return int.from_bytes(number.to_bytes(2, "big"), "little")


def _word(address: IPv4Address) -> int:
    return int.from_bytes(address.packed, "little")


def _int(value: Value) -> int:
    assert isinstance(value, int)
    return value
