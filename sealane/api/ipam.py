"""Arithmetic of addresses: pools, overlaps, choices. Pure; chance comes in as an argument.

10.0.0.0/24, gateway .1          fd00::/64, gateway ::1
.0  network, never given         ::0  subnet-router anycast (RFC 4291 section 2.6.1), never given
.1  gateway                      ::1  gateway
.2 … .254  default pool          ::2 … last  default pool (IPv6 has no broadcast)
.255 broadcast, never given
"""

import ipaddress
import random
from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network
from itertools import islice
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

from sealane.errors import AddressesExhausted
from sealane.model import Pool

Span = tuple[int, int]
"""First and last address, both included."""
AnyNetwork = IPv4Network | IPv6Network

TRIES = 64
"""Random guesses at a free subnet before all are walked through."""


def number(address: str) -> int:
    """The address as an integer; a multiple faster than ipaddress, and lists are long."""
    return int.from_bytes(inet_pton(AF_INET6 if ":" in address else AF_INET, address), "big")


def address(value: int, ip_version: int) -> str:
    if ip_version == 4:
        return inet_ntop(AF_INET, value.to_bytes(4, "big"))
    return str(ipaddress.IPv6Address(value))


def span(cidr: str) -> Span:
    network = ipaddress.ip_network(cidr)
    return int(network.network_address), int(network.broadcast_address)


def usable(cidr: str) -> Span:
    """What stations may have. /31, /32, /127 and /128 lose nothing (RFC 3021, RFC 6164)."""
    network = ipaddress.ip_network(cidr)
    first, last = span(cidr)
    if network.max_prefixlen - network.prefixlen <= 1:
        return first, last
    return first + 1, last - 1 if network.version == 4 else last


def default_gateway(cidr: str) -> str:
    """The first usable address."""
    return address(usable(cidr)[0], ipaddress.ip_network(cidr).version)


def default_pools(cidr: str, gateway_ip: str | None) -> tuple[Pool, ...]:
    """All usable addresses but the gateway's."""
    first, last = usable(cidr)
    version = ipaddress.ip_network(cidr).version
    gateway = number(gateway_ip) if gateway_ip is not None else -1
    if not first <= gateway <= last:
        parts = [(first, last)]
    else:
        parts = [(first, gateway - 1), (gateway + 1, last)]
    return tuple(Pool(start=address(a, version), end=address(b, version)) for a, b in parts if a <= b)


def pool_span(pool: Pool) -> Span:
    return number(pool.start), number(pool.end)


def overlap(one: Span, other: Span) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def same_family(one: str, other: str) -> bool:
    """Whether two addresses or networks are of one family."""
    return (":" in one) == (":" in other)


def overlaps(cidr: str, others: Iterable[str]) -> str | None:
    """The first of `others` that shares an address with `cidr`."""
    mine = span(cidr)
    return next((o for o in others if same_family(o, cidr) and overlap(mine, span(o))), None)


def contains(cidr: str, ip_address: str) -> bool:
    if not same_family(cidr, ip_address):
        return False
    first, last = span(cidr)
    return first <= number(ip_address) <= last


class Taken(set[int]):
    """Addresses of a subnet that are taken; `edges`: the first free one that was found, from each end.

    What lies before an edge is taken, so that a thousand ports in one request walk over it once.
    """

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        super().__init__(numbers)
        self.edges: dict[bool, int] = {}

    def discard(self, number: object) -> None:
        self.edges.clear()
        super().discard(number)


def choose(pools: Sequence[Pool], used: Taken, *, top: bool = False, skip: int = 0) -> int:
    """The lowest free address of the pools, or the highest. Raises AddressesExhausted.

    `skip` so many free ones as far as others are left.  Walks at most over the used ones, so a /64 costs
    what its ports cost.  The same `used` goes with the same pools.
    """
    edge = used.edges.get(top)
    spans = sorted((pool_span(p) for p in pools), reverse=top)
    if edge is not None:
        spans = [(first, min(last, edge)) if top else (max(first, edge), last) for first, last in spans]
    walks = (range(last, first - 1, -1) if top else range(first, last + 1) for first, last in spans)
    free = (value for walk in walks for value in walk if value not in used)
    found = list(islice(free, skip + 1))
    if not found:
        raise AddressesExhausted("No more IP addresses available.")
    used.edges[top] = found[0]
    return found[-1]


def mac_of(ip_address: str) -> str:
    """The MAC address that goes with an IPv4 address, as on Docker's own bridge."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in inet_pton(AF_INET, ip_address))


def choose_mac(used: Collection[str], chance: random.Random) -> str:
    """Below fa:16:3e, the prefix that OpenStack's tools take for a port's (locally administered)."""
    while True:
        mac = "fa:16:3e:" + ":".join(f"{chance.randrange(256):02x}" for _ in range(3))
        if mac not in used:
            return mac


def free_cidr(within: str, prefix: int, taken: Iterable[str], chance: random.Random) -> str:
    """A subnet of `within` that overlaps none of `taken`. Raises AddressesExhausted.

    At random, so that two who ask at once rarely get the same.
    """
    whole = ipaddress.ip_network(within)
    busy = [span(cidr) for cidr in taken if same_family(cidr, within)]
    size = 1 << (whole.max_prefixlen - prefix)
    count = 1 << max(prefix - whole.prefixlen, 0)
    base = int(whole.network_address)
    for index in (*(chance.randrange(count) for _ in range(TRIES)), *range(min(count, 1 << 16))):
        mine = (base + index * size, base + (index + 1) * size - 1)
        if not any(overlap(mine, other) for other in busy):
            return f"{address(mine[0], whole.version)}/{prefix}"
    raise AddressesExhausted(f"no free /{prefix} is left in {within}; give a subnet or widen network_pool")
