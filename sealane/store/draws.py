"""What subnets take from pools, and which pools may be beside each other: pure checks over what there is.

    SubnetPool 10.0.0.0/8 ──┬── Subnet 10.0.0.0/24     within a prefix, over no other of the pool,
                            └── Subnet 10.0.1.0/24     within what the project may take of it
    AddressScope ──┬── SubnetPool                      no two with an address in common
                   └── SubnetPool

The API asks for the sake of a kind answer.  The store asks again of what is there when it commits: no index
of OVSDB can say that two ranges don't overlap, so who takes from a pool waits for its column `uses`.
Messages and types are those of neutron-lib's exceptions.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_network

from sealane.errors import BadRequest, Conflict, OverQuota
from sealane.model import Subnet, SubnetPool

Span = tuple[int, int]
"""First and last address, both included."""
UNIT = {4: 32, 6: 64}
"""Family -> prefix length of what a quota counts."""


@lru_cache(65536)
def span(cidr: str) -> Span:
    network = ip_network(cidr)
    return int(network.network_address), int(network.broadcast_address)


def overlap(one: str, other: str) -> bool:
    (first, last), (start, end) = span(one), span(other)
    return first <= end and start <= last


def _within(cidr: str, prefixes: Iterable[str]) -> bool:
    """A subnet of several prefixes together is in one of them: they are not two halves of one."""
    first, last = span(cidr)
    return any(start <= first and last <= end for start, end in map(span, prefixes))


def cost(cidr: str) -> float:
    """In the units of a pool's quota."""
    version = 6 if ":" in cidr else 4
    return float(2 ** (UNIT[version] - int(cidr.rsplit("/")[-1])))


def refuse_length(prefixlen: int, pool: SubnetPool) -> None:
    """Raises BadRequest."""
    low, high = pool.min_prefixlen, pool.max_prefixlen
    if not low <= prefixlen <= high:
        which, limit = ("minimum", low) if prefixlen < low else ("maximum", high)
        raise BadRequest(
            f"Unable to allocate subnet with prefix length {prefixlen}, {which} allowed prefix is {limit}.",
            type=f"{which[:3].capitalize()}PrefixSubnetAllocationError",
        )


def refuse_subnet(subnet: Subnet, pool: SubnetPool, others: Iterable[Subnet]) -> None:
    """`others`: of the pool, without this one. Raises BadRequest, Conflict, OverQuota."""
    if (":" in subnet.cidr) != (pool.ip_version == 6):
        raise BadRequest(
            f"Cannot allocate IPv{subnet.ip_version} subnet from IPv{pool.ip_version} subnet pool {pool.id}."
        )
    refuse_length(int(subnet.cidr.rsplit("/")[-1]), pool)
    if not _within(subnet.cidr, pool.prefixes):
        raise _unallocatable(f"{subnet.cidr} is not within the prefixes {', '.join(pool.prefixes)}")
    used = 0.0
    for other in others:
        if overlap(subnet.cidr, other.cidr):
            raise _unallocatable(f"{subnet.cidr} overlaps with {other.cidr} of subnet {other.id}")
        used += cost(other.cidr) if other.project_id == subnet.project_id else 0
    if pool.default_quota is not None and used + cost(subnet.cidr) > pool.default_quota:
        raise OverQuota(
            f"Per-project subnet pool prefix quota exceeded: default_quota of pool {pool.id} is "
            f"{pool.default_quota}, and project '{subnet.project_id}' has {used:g} of it.",
            type="SubnetPoolQuotaExceeded",
        )


def _unallocatable(reason: str) -> Conflict:
    return Conflict(f"Failed to allocate subnet: {reason}.", type="SubnetAllocationError")


def refuse_prefixes(pool: SubnetPool, subnets: Iterable[Subnet]) -> None:
    """That leave out what subnets of the pool have. Raises BadRequest."""
    for subnet in subnets:
        if not _within(subnet.cidr, pool.prefixes):
            raise BadRequest(
                f"Illegal update to prefixes: subnet {subnet.id} has {subnet.cidr} of them.",
                type="IllegalSubnetPoolPrefixUpdate",
            )


def refuse_scope(pool: SubnetPool, pools: Iterable[SubnetPool]) -> None:
    """`pools`: all that there are. Raises Conflict."""
    if pool.address_scope_id is None:
        return
    for other in pools:
        if other.address_scope_id != pool.address_scope_id or other.id == pool.id:
            continue
        if any(overlap(mine, its) for mine in pool.prefixes for its in other.prefixes):
            raise Conflict(
                "Failed to associate address scope: subnetpools within an address scope must have unique "
                f"prefixes, and pool {other.id} has some of these.",
                type="AddressScopePrefixConflict",
            )


def refuse_siblings(subnet: Subnet, siblings: Iterable[Subnet], pools: Mapping[str, SubnetPool]) -> None:
    """Other subnets of its network and family: of one scope, or else of one pool. Raises BadRequest."""
    scope = scope_of(subnet, pools)
    for other in siblings:
        if other.ip_version != subnet.ip_version or other.id == subnet.id:
            continue
        if scope_of(other, pools) != scope:
            raise BadRequest(
                "Subnets of the same address family hosted on the same network must all participate in the "
                "same address scope.",
                type="NetworkAddressScopeAffinityError",
            )
        if scope is None and other.subnetpool_id != subnet.subnetpool_id:
            raise BadRequest(
                "Subnets hosted on the same network must be allocated from the same subnet pool: subnet "
                f"{other.id} is of {_told(other)}.",
                type="NetworkSubnetPoolAffinityError",
            )


def _told(subnet: Subnet) -> str:
    return f"pool {subnet.subnetpool_id}" if subnet.subnetpool_id else "no pool"


def scope_of(subnet: Subnet, pools: Mapping[str, SubnetPool]) -> str | None:
    pool = pools.get(subnet.subnetpool_id or "")
    return None if pool is None else pool.address_scope_id


def of_pool(pool_id: str, subnets: Iterable[Subnet]) -> Iterator[Subnet]:
    return (subnet for subnet in subnets if subnet.subnetpool_id == pool_id)


def free(pool: SubnetPool, prefixlen: int, taken: Iterable[Subnet], skip: int = 0) -> str:
    """The lowest free subnet of that length, or of the last of `skip` more. Raises Conflict.

    Walks over what is taken, not over what is free: a /64 of a /16 costs what the pool's subnets cost.
    """
    version, size = pool.ip_version, 1 << (UNIT[4] if pool.ip_version == 4 else 128) - prefixlen
    busy = sorted(span(subnet.cidr) for subnet in taken)
    found = None
    for base in _gaps(pool.prefixes, busy, size):
        found, skip = base, skip - 1
        if skip < 0:
            break
    if found is None:
        raise _unallocatable(f"Insufficient prefix space to allocate subnet size /{prefixlen}")
    return str(ip_network((found, prefixlen))) if version == 4 else f"{_six(found)}/{prefixlen}"


def _six(number: int) -> str:
    return str(ip_network((number.to_bytes(16, "big"), 128)).network_address)


def _gaps(prefixes: Iterable[str], busy: list[Span], size: int) -> Iterator[int]:
    """First addresses of free blocks of `size`, each aligned to it."""
    for prefix in prefixes:
        first, last = span(prefix)
        at = first
        for start, end in [one for one in busy if one[0] <= last and one[1] >= first]:
            while at + size <= start:
                yield at
                at += size
            at = max(at, -(-(end + 1) // size) * size)
        while at + size - 1 <= last:
            yield at
            at += size
