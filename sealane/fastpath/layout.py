"""What the programs and we both know: records, maps, numbers of reasons.  Pure; layout.h is made of it.

Fields are ordered so that C needs no padding of its own; `pad` is written out where some is left.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

Value = int | bytes | tuple[int, ...]

_FORMATS = {"__u8": "B", "__u16": "H", "__u32": "I", "__u64": "Q"}


@dataclass(frozen=True)
class Field:
    kind: str  # as in linux/types.h
    name: str
    count: int = 1

    @property
    def format(self) -> str:
        if self.kind == "__u8" and self.count > 1:
            return f"{self.count}s"
        return _FORMATS[self.kind] * self.count

    @property
    def values(self) -> int:
        """How many struct(3) makes of it."""
        return 1 if self.kind == "__u8" else self.count


class Record:
    """A struct of C, and how it becomes bytes and comes back."""

    def __init__(self, name: str, *fields: Field) -> None:
        self.name = name
        self.fields = fields
        self._packing = struct.Struct("=" + "".join(field.format for field in fields))

    @property
    def size(self) -> int:
        return self._packing.size

    def pack(self, **values: Value) -> bytes:
        """What is not given is zero."""
        flat: list[int | bytes] = []
        for field in self.fields:
            value = values.pop(field.name, None)
            flat += _flat(field, value)
        assert not values, f"{self.name} has no {', '.join(values)}"
        return self._packing.pack(*flat)

    def unpack(self, data: bytes) -> Mapping[str, Value]:
        flat = iter(self._packing.unpack(data))
        found: dict[str, Value] = {}
        for field in self.fields:
            some = [next(flat) for _ in range(field.values)]
            found[field.name] = some[0] if field.values == 1 else tuple(some)
        return found


def _flat(field: Field, value: Value | None) -> list[int | bytes]:
    if value is None:
        return [b""] if field.format.endswith("s") else [0] * field.values
    return list(value) if isinstance(value, tuple) else [value]


class Reason(IntEnum):
    """What became of a packet that a container or, in a tunnel, another host sent: 0 is the fast path, all
    else went to Open vSwitch."""

    FAST = 0
    OFF = 1
    NO_PORT = 2
    NOT_IP = 3
    SHORT = 4
    OPTIONS = 5
    FRAGMENT = 6
    LENGTH = 7
    CHECKSUM = 8
    HOPS = 9
    PROTOCOL = 10
    SERVICE = 11
    SENDER = 12
    BEGINS_OR_ENDS = 13
    ELSEWHERE = 14
    ROUTED = 15
    PAUSED = 16
    NEW = 17
    LEARNING = 18
    EXPIRED = 19
    KEEPALIVE = 20
    MTU = 21
    FULL = 22
    BUNDLE = 23
    ROUTE = 24
    NESTED = 25
    OUTER = 26
    OUTER_CHECKSUM = 27
    CONGESTION = 28
    STRANGER = 29
    DAMAGED = 30
    TRANSLATION = 31


MEANING: Mapping[Reason, str] = {
    Reason.FAST: "handed to the receiver past Open vSwitch",
    Reason.OFF: "the fast path is switched off",
    Reason.NO_PORT: "the link is none of the fast path's",
    Reason.NOT_IP: "neither IPv4 nor IPv6, or with a VLAN tag",
    Reason.SHORT: "shorter than its headers",
    Reason.OPTIONS: "IPv4 options, or another version in the header than in the frame",
    Reason.FRAGMENT: "a fragment",
    Reason.LENGTH: "a length in a header does not agree with the frame's",
    Reason.CHECKSUM: "the IPv4 header's checksum is wrong, or IPv6 UDP has none",
    Reason.HOPS: "no hop is left, or none beyond the router",
    Reason.PROTOCOL: "neither TCP nor UDP, or behind an IPv6 extension header",
    Reason.SERVICE: "DNS or DHCP, which Open vSwitch may answer itself",
    Reason.SENDER: "the sender's MAC or address is not the port's",
    Reason.BEGINS_OR_ENDS: "SYN, FIN or RST: a connection begins or ends",
    Reason.ELSEWHERE: "the receiver is neither here nor outside by a fast way, nor near or routed to",
    Reason.ROUTED: "neither to the receiver's own MAC nor to that of the sender's router",
    Reason.PAUSED: "rules are changing: nothing is learned just now",
    Reason.NEW: "the first of a flow, or the first since rules changed",
    Reason.LEARNING: "not yet let through in both directions by Open vSwitch",
    Reason.EXPIRED: "Open vSwitch has not let through a packet of the flow for some seconds",
    Reason.KEEPALIVE: "one of a fast flow, so that its entry in Open vSwitch's connection tracking lives",
    Reason.MTU: "longer than the receiver's link takes",
    Reason.FULL: "the table of flows is full",
    Reason.BUNDLE: "several UDP datagrams in one piece, to or from another host",
    Reason.ROUTE: "the host has no way to the other one at hand, or a narrower one",
    Reason.NESTED: "in a tunnel of the container's own already",
    Reason.OUTER: "the tunnel's headers are not those that OVN makes for a packet of a port to a port",
    Reason.OUTER_CHECKSUM: "the tunnel's header has a checksum: an Open vSwitch sent it",
    Reason.CONGESTION: "congestion was marked on the way between the hosts",
    Reason.STRANGER: "not from the host, the port or the MAC to which the flow's packets go",
    Reason.DAMAGED: "dropped: the kernel had no memory to change its headers",
    Reason.TRANSLATION: "by a port of the router's own address that is not known for sure just now",
}

PROBE = 1_000_000_000
"""Nanoseconds between two packets of a fast flow that go to Open vSwitch, one direction at a time."""
LEASE = 4_000_000_000
"""Nanoseconds for which a direction stays fast after a packet of it came out of Open vSwitch."""
LEARNS = 1
"""Of config.era: the rest of it is the generation, shifted; both in one, for they are read in one go."""
LAND_PROBE = 2_000_000_000
"""PROBE for what comes from another host, whose own such packets should suffice."""
GENEVE_PORT = 6081
OVERHEAD = 58
"""Bytes that a tunnel adds: IPv4 20, UDP 8, Geneve 8, OVN's option 8, the inner Ethernet header 14."""
PEER = 1
"""endpoint.flags: the receiver's end is in another namespace, straight into which the packet can be put."""
OUTSIDE = 2
"""endpoint.flags: the gateway, for every address that nobody of the network has; its key has no address."""
ANSWERS = 4
"""endpoint.flags: what it answers to packets from OUTSIDE goes back there, whatever its routes say."""

UNTRACKED = 8
"""endpoint.flags, subnet.flags: no rule of its network, nor of the router that is its realm, looks at
connections (agent/tracking.py).  Between two such a direction is fast as soon as a packet of it came out."""
ENTERS = 16
"""Where a packet goes, beside flags of endpoints: it is put on the link as though it had come in by it."""
HANDED = 0x5EA1A7E0
"""A packet's mark from `leave` to `emerge`, when it has not been in Open vSwitch; behind that it has none."""
ENDED = (1 << 64) - 1
"""asked.begun, once a connection ends."""
KNOWN = 20_000_000_000
"""Nanoseconds for which a translation that connection tracking chose is known after it was seen: below the
30 s after which Open vSwitch forgets a connection at the earliest."""
SETTLED = 1_000_000_000
"""Nanoseconds by which a connection's beginning has to lie before the question whose answer counts."""

CONFIG = Record(
    "config",
    Field("__u64", "era"),
    Field("__u32", "on"),
    Field("__u32", "underlay"),  # the link that bears the address of tunnels; 0: none is fast
    Field("__u32", "tunnel"),  # the link on which Open vSwitch hands over what it has put into a tunnel
    Field("__u8", "address", 4),
)
PORT = Record(
    "port",
    Field("__u8", "network", 16),
    Field("__u8", "mac", 6),
    Field("__u16", "number"),  # OVN's of the port in its datapath; 0: not known
    Field("__u32", "link"),
    Field("__u32", "vni"),  # OVN's number of the datapath
)
LOCATOR = Record(
    "locator",
    Field("__u32", "vni"),
    Field("__u32", "number"),
)
LEG_KEY = Record(
    "leg_key",
    Field("__u32", "vni"),  # of the network
    Field("__u8", "mac", 6),
    Field("__u16", "pad"),
)
LEG = Record(
    "leg",
    Field("__u8", "realm", 16),  # the router
    Field("__u32", "number"),  # OVN's of the network's port to it
)
SUBNET_KEY = Record(
    "subnet_key",
    Field("__u32", "length"),  # in bits, of what follows
    Field("__u8", "realm", 16),  # the router
    Field("__u32", "family"),
    Field("__u8", "address", 16),
)
SUBNET = Record(
    "subnet",
    Field("__u32", "vni"),  # of the network to which the router sends it
    Field("__u8", "mac", 6),  # the router's there
    Field("__u16", "number"),  # OVN's of the network's port to the router; 0: the router sends it elsewhere
    Field("__u32", "flags"),
)
PEER_HOST = Record("peer_host", Field("__u32", "pad"))
FLOATING_KEY = Record(
    "floating_key",
    Field("__u32", "length"),  # in bits, of what follows
    Field("__u8", "realm", 16),  # the router
    Field("__u8", "fixed", 4),
)
FLOATING = Record(
    "floating",
    Field("__u8", "address", 4),  # outside
    Field("__u32", "link"),  # by which the physical network is reached
    Field("__u32", "vni"),  # OVN's number of the external network's datapath
    Field("__u8", "mac", 6),  # at which the outside finds it
    Field("__u16", "mtu"),  # of that link
    Field("__u32", "shared"),  # 1: by several, whom connection tracking tells apart by ports
)
PUBLIC_KEY = Record(
    "public_key",
    Field("__u32", "link"),
    Field("__u8", "address", 4),
)
PUBLIC = Record(
    "public",
    Field("__u8", "realm", 16),  # the router
    Field("__u8", "fixed", 4),
    Field("__u8", "mac", 6),
    Field("__u16", "shared"),  # as in FLOATING; then `fixed` is none
)
ENDPOINT_KEY = Record(
    "endpoint_key",
    Field("__u8", "realm", 16),  # the network, or a router of the network's
    Field("__u8", "address", 16),
    Field("__u32", "family"),
    Field("__u32", "pad"),
)
ENDPOINT = Record(
    "endpoint",
    Field("__u32", "link"),
    Field("__u32", "flags"),
    Field("__u8", "mac", 6),
    Field("__u16", "mtu"),
    Field("__u8", "router", 6),  # the MAC of the router that is the realm, on this network
    Field("__u16", "prefix"),  # of its subnet, of 128 bits
)
FLOW_KEY = Record(
    "flow_key",
    Field("__u8", "realm", 16),  # as of its ends
    Field("__u8", "low", 16),
    Field("__u8", "high", 16),
    Field("__u16", "low_port"),
    Field("__u16", "high_port"),
    Field("__u16", "family"),
    Field("__u16", "protocol"),
)
FLOW = Record(
    "flow",
    Field("__u64", "sent", 2),
    Field("__u64", "passed", 2),
    Field("__u64", "sent_at", 2),
    Field("__u64", "passed_at", 2),
    Field("__u64", "packets", 2),
    Field("__u64", "bytes", 2),
    Field("__u64", "place"),  # of the end on another host: its host's address, OVN's number of its port
    Field("__u64", "mac"),
)
ASKED = Record(
    "asked",  # of a flow whose translation connection tracking chooses; written by the programs alone
    Field("__u64", "begun"),  # no answer to an earlier question counts; ENDED: none at all
    Field("__u64", "seen"),  # when it last was sent to Open vSwitch for want of an answer
    Field("__u64", "packets"),  # so often
)
TRANSLATION = Record(
    "translation",  # the answer
    Field("__u64", "read"),  # when the question was put
    Field("__u64", "known"),  # when it was seen last that it holds
    Field("__u8", "address", 4),  # outside
    Field("__u32", "link"),
    Field("__u16", "port"),
    Field("__u16", "pad"),
    Field("__u32", "reserved"),
)
SHARED_KEY = Record(
    "shared_key",
    Field("__u32", "link"),
    Field("__u8", "address", 4),
    Field("__u8", "peer", 4),
    Field("__u16", "port"),
    Field("__u16", "peer_port"),
    Field("__u32", "protocol"),
)
SHARED = Record(
    "inner",
    Field("__u8", "fixed", 4),
    Field("__u16", "port"),
    Field("__u16", "pad"),
)
VOUCHER = Record("voucher", Field("__u64", "until"))
TALLY = Record("tally", Field("__u64", "packets", len(Reason)), Field("__u64", "bytes", len(Reason)))
RECORDS = (
    *(CONFIG, PORT, LOCATOR, LEG_KEY, LEG, SUBNET_KEY, SUBNET, PEER_HOST),
    *(FLOATING_KEY, FLOATING, PUBLIC_KEY, PUBLIC),
    *(ENDPOINT_KEY, ENDPOINT, FLOW_KEY, FLOW, ASKED, TRANSLATION, SHARED_KEY, SHARED, VOUCHER, TALLY),
)

HASH, ARRAY, PERCPU_HASH, PERCPU_ARRAY, LPM_TRIE = 1, 2, 5, 6, 11
_NO_PREALLOC = 1


@dataclass(frozen=True)
class Map:
    """A map of the kernel (linux/bpf.h); `key` None is a number of 32 bits."""

    name: str
    kind: int
    key: Record | None
    value: Record
    entries: int

    @property
    def key_size(self) -> int:
        return self.key.size if self.key else 4

    @property
    def flags(self) -> int:
        return _NO_PREALLOC if self.kind in (HASH, PERCPU_HASH, LPM_TRIE) else 0

    @property
    def per_cpu(self) -> bool:
        return self.kind in (PERCPU_HASH, PERCPU_ARRAY)


MAPS = (
    Map("settings", ARRAY, None, CONFIG, 1),
    Map("ports", HASH, None, PORT, 16384),
    Map("endpoints", HASH, ENDPOINT_KEY, ENDPOINT, 32768),
    Map("locators", HASH, LOCATOR, PORT, 8192),
    Map("legs", HASH, LEG_KEY, LEG, 8192),
    Map("subnets", LPM_TRIE, SUBNET_KEY, SUBNET, 8192),
    Map("peers", HASH, None, PEER_HOST, 8192),  # by address: hosts to which Open vSwitch has a tunnel
    Map("floating", LPM_TRIE, FLOATING_KEY, FLOATING, 8192),
    Map("public", HASH, PUBLIC_KEY, PUBLIC, 8192),
    Map("flows", HASH, FLOW_KEY, FLOW, 131072),
    Map("asked", HASH, FLOW_KEY, ASKED, 16384),
    Map("translations", HASH, FLOW_KEY, TRANSLATION, 16384),
    Map("shared", HASH, SHARED_KEY, SHARED, 16384),
    Map("vouchers", ARRAY, None, VOUCHER, 1),  # nanoseconds of the monotonic clock: till when all that holds
    Map("total", PERCPU_ARRAY, None, TALLY, 1),
    Map("landed", PERCPU_ARRAY, None, TALLY, 1),
    Map("tallies", PERCPU_HASH, None, TALLY, 8192),
)

PROGRAMS = ("leave", "arrive", "depart", "land", "emerge", "enter")
OUTWARD = ("enter",)
"""Programs that are where packets leave by the link; the others are where they come in."""


def link_key(index: int) -> bytes:
    return struct.pack("=I", index)


def router_realm(number: int) -> bytes:
    """No network has such a UUID."""
    return number.to_bytes(16, "big")


def mapped(address: bytes) -> bytes:
    """An address as it stands in keys: IPv4 in the last four bytes."""
    return address.rjust(16, b"\0")
