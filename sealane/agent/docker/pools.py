"""Pools between RequestPool and CreateNetwork.

RequestPool knows neither the network's name nor its id, CreateNetwork does not know the pool's id: what
ties them is the CIDR.  So one request without the hint `sealane.network` is under way per CIDR and
engine; a second one waits for it.  The subnet gets the pool's id as a tag: see Catalog.subnet_of_pool.
Pools are in the agent's memory on disk as well: dockerd asks only once, and we may die in between.
"""

import asyncio
import ipaddress
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from sealane.agent.memory import DockerPool, Memory
from sealane.errors import BadRequest, Conflict

NEW = "new-"
"""The pool of a network that joins is called by its subnet's id, that of a new one begins so."""

ABANDONED = 15.0
"""Seconds after which a pool that no CreateNetwork took is forgotten: dockerd died in between."""


@dataclass
class PendingPool:
    """What the engine has been granted so far; it becomes a subnet in CreateNetwork."""

    id: str
    cidr: str
    sub_pool: str = ""  # --ip-range
    gateway: str = ""  # an address without length
    auxiliary: set[str] = field(default_factory=set)
    subnet_pool: str = ""  # id of the subnet pool that it is of
    born: float = 0.0  # on the monotonic clock

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        return ipaddress.ip_network(self.cidr)

    def claim_gateway(self, address: str) -> str:
        """The gateway's address, the network's first unless one is given. Raises BadRequest."""
        self.gateway = self.inside(address) if address else str(self.network.network_address + 1)
        return self.gateway

    def inside(self, address: str) -> str:
        return inside(self.cidr, address)


class PendingPools:
    def __init__(self, memory: Memory, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._memory = memory
        kept = memory.pools.values()
        self._pools = {
            p.pool_id: PendingPool(p.pool_id, p.cidr, p.sub_pool, subnet_pool=p.subnet_pool, born=clock())
            for p in kept
        }
        self._freed = asyncio.Condition()

    async def open(self, cidr: str, sub_pool: str = "", subnet_pool: str = "") -> PendingPool:
        """A new pool, after another one of the same CIDR has been taken or released."""
        async with self._freed:
            while (other := self.with_cidr(cidr)) is not None:
                await self._wait_for(other)
            pool = PendingPool(
                f"{NEW}{uuid.uuid4()}", cidr, sub_pool, subnet_pool=subnet_pool, born=self._clock()
            )
            kept = DockerPool(pool_id=pool.id, cidr=cidr, sub_pool=sub_pool, subnet_pool=subnet_pool)
            self._memory.put_pool(kept)
            self._pools[pool.id] = pool
            return pool

    def get(self, pool_id: str) -> PendingPool | None:
        return self._pools.get(pool_id)

    def with_cidr(self, cidr: str) -> PendingPool | None:
        wanted = ipaddress.ip_network(cidr)
        return next((p for p in self._pools.values() if p.network == wanted), None)

    def overlapping(self, cidr: str) -> bool:
        wanted = ipaddress.ip_network(cidr)
        same = (p.network for p in self._pools.values() if p.network.version == wanted.version)
        return any(wanted.overlaps(network) for network in same)

    async def close(self, pool_id: str) -> None:
        """Taken by CreateNetwork, or released; unknown is success."""
        async with self._freed:
            self._drop(pool_id)
            self._freed.notify_all()

    def abandoned(self) -> list[str]:
        """Those that are older than any creation of a network takes."""
        limit = self._clock() - ABANDONED
        return [pool.id for pool in self._pools.values() if pool.born < limit]

    def _drop(self, pool_id: str) -> None:
        self._memory.remove_pool(pool_id)
        self._pools.pop(pool_id, None)

    async def _wait_for(self, other: PendingPool) -> None:
        left = other.born + ABANDONED - self._clock()
        if left <= 0:
            self._drop(other.id)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(left):
                await self._freed.wait()


def subnet_cidr(text: str) -> str:
    """A subnet as typed, in canonical form. Raises BadRequest."""
    network = _network("--subnet", text)
    if network.num_addresses < 4:
        raise BadRequest(f"--subnet {text} is too small: a network needs a gateway and a container at least")
    return str(network)


def address_range(cidr: str, text: str) -> str:
    """--ip-range as typed, in canonical form, checked to lie in the subnet. Raises BadRequest."""
    part, whole = _network("--ip-range", text), ipaddress.ip_network(cidr)
    if part.version != whole.version or not part.subnet_of(whole):  # type: ignore[arg-type]
        raise BadRequest(f"--ip-range {text} is not a part of {cidr}")
    return str(part)


def _network(option: str, text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Bits of a host are a slip of the hand: the error says what was probably meant."""
    try:
        found = ipaddress.ip_interface(text)
    except ValueError as exc:
        raise BadRequest(f"{option} {text}: {exc}") from exc
    if found.ip != found.network.network_address:
        raise BadRequest(f"{option} {text} has bits set behind the prefix: it is probably {found.network}")
    return found.network


def inside(cidr: str, address: str) -> str:
    """The address in canonical form, checked to be one of the subnet. Raises BadRequest."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError as exc:
        raise BadRequest(f"'{address}' is no address: {exc}") from exc
    if found not in ipaddress.ip_network(cidr):
        raise BadRequest(f"address {address} is not in the subnet {cidr}")
    return str(found)


def allocation_pools(cidr: str, sub_pool: str, gateway: str) -> list[dict[str, str]]:
    """--ip-range as Neutron's allocation pools: no network, broadcast or gateway address among them.

    Raises Conflict when nothing is left.
    """
    whole, part = ipaddress.ip_network(cidr), ipaddress.ip_network(sub_pool)
    first, last = int(part[0]), int(part[-1])
    first = max(first, int(whole[0]) + 1)
    last = min(last, int(whole[-1]) - (1 if whole.version == 4 else 0))
    barred = int(ipaddress.ip_address(gateway)) if gateway else -1
    spans = [(first, barred - 1), (barred + 1, last)] if first <= barred <= last else [(first, last)]
    kind = ipaddress.IPv4Address if whole.version == 4 else ipaddress.IPv6Address
    pools = [{"start": str(kind(low)), "end": str(kind(high))} for low, high in spans if low <= high]
    if not pools:
        raise Conflict(f"--ip-range {sub_pool} leaves no address for a container")
    return pools
