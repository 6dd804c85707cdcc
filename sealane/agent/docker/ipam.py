"""IpamDriver.*: pools and addresses, decided by the store for the whole cluster.

A request with the hint `sealane.network` (in --ipam-opt) is for a network that exists; one without is
for a new one, kept in pools.py until CreateNetwork.
"""

import ipaddress
import time

from sealane.agent.docker import messages as m
from sealane.agent.docker.catalog import Catalog, NetworkView, SubnetView
from sealane.agent.docker.claims import Claims
from sealane.agent.docker.options import (
    ADDRESS_TYPE,
    ENDPOINT_NAME,
    GATEWAY,
    NetworkOptions,
    pool_hint,
)
from sealane.agent.docker.pools import PendingPool, PendingPools, address_range, inside, subnet_cidr
from sealane.agent.docker.server import Calls
from sealane.client import ApiClient
from sealane.errors import BadRequest, Conflict, NotFound

ATTEMPTS = 8
"""How often a free CIDR is asked for, when one that is under way here keeps coming back."""

OFFERS = 3
LOOP = 5.0
"""dockerd asks for another pool, for ever, when one without --subnet overlaps a route of the host."""


class IpamDriver:
    def __init__(self, api: ApiClient, catalog: Catalog, pools: PendingPools, claims: Claims) -> None:
        self._api = api
        self._catalog = catalog
        self._pools = pools
        self._claims = claims
        self._offered: dict[str, list[float]] = {}

    def calls(self) -> Calls:
        return {
            "IpamDriver.GetCapabilities": (None, _capabilities),
            "IpamDriver.GetDefaultAddressSpaces": (None, _spaces),
            "IpamDriver.RequestPool": (m.RequestPool, self.request_pool),
            "IpamDriver.ReleasePool": (m.ReleasePool, self.release_pool),
            "IpamDriver.RequestAddress": (m.RequestAddress, self.request_address),
            "IpamDriver.ReleaseAddress": (m.ReleaseAddress, self.release_address),
        }

    async def request_pool(self, request: m.RequestPool) -> m.Pool:
        hint = pool_hint(request.options)
        if hint.network:
            return await self._existing_pool(hint, request)
        subnet_pool = await self._subnet_pool(hint, request)
        asked = request.pool and subnet_cidr(request.pool)
        cidr = asked or await self._free_cidr(request.v6, subnet_pool)
        sub_pool = address_range(cidr, request.sub_pool) if request.sub_pool else ""
        pool = await self._pools.open(cidr, sub_pool, subnet_pool)
        return m.Pool(pool_id=pool.id, pool=cidr)

    async def release_pool(self, request: m.ReleasePool) -> m.Empty:
        """A subnet lives and dies with its network, so only what is unfinished is dropped."""
        self._offered.pop(request.pool_id, None)
        await self._pools.close(request.pool_id)
        return m.Empty()

    async def request_address(self, request: m.RequestAddress) -> m.Address:
        options = request.options or {}
        pool = self._pools.get(request.pool_id)
        if pool is not None:
            return _of_pending(pool, request.address, options)
        network, subnet = await self._catalog.subnet_of_pool(request.pool_id)
        address = inside(subnet.cidr, request.address) if request.address else ""
        if options.get(ADDRESS_TYPE) == GATEWAY:
            return _gateway_of(subnet, address)
        if not address:
            subnet = await self._here(network, subnet)
        name = options.get(ENDPOINT_NAME, "")
        return m.Address(address=await self._claims.reserve(network, subnet, address, name))

    async def release_address(self, request: m.ReleaseAddress) -> m.Empty:
        pool = self._pools.get(request.pool_id)
        if pool is not None:
            pool.auxiliary.discard(request.address)
            return m.Empty()
        try:
            network, _ = await self._catalog.subnet_of_pool(request.pool_id)
        except NotFound:
            return m.Empty()
        await self._claims.release_reserved(network.id, request.address)
        return m.Empty()

    async def _existing_pool(self, hint: NetworkOptions, request: m.RequestPool) -> m.Pool:
        network = await self._catalog.named(str(hint.network), hint.project)
        subnet = _named(network, request) or await self._here(network, _first(network, request))
        if not request.pool:
            self._refuse_loop(subnet)
        data = {GATEWAY: f"{subnet.gateway}/{subnet.length}"} if subnet.gateway else {}
        return m.Pool(pool_id=subnet.id, pool=subnet.cidr, data=data)

    async def _here(self, network: NetworkView, subnet: SubnetView) -> SubnetView:
        """The subnet, or, in a network of several segments, one of the family of this host's segment.

        dockerd asks of the network's first pool, and takes an address of another one as well.  Where this
        host is in none, the API says so better than could be said here.
        """
        there = [one for one in await self._catalog.here(network) if one.version == subnet.version]
        return subnet if subnet in there or not there else there[0]

    def _refuse_loop(self, subnet: SubnetView) -> None:
        now = time.monotonic()
        recent = [at for at in self._offered.get(subnet.id, []) if now - at < LOOP]
        self._offered[subnet.id] = [*recent, now]
        if len(recent) >= OFFERS:
            raise Conflict(
                f"{subnet.cidr} overlaps a route of this host: add --subnet {subnet.cidr} to use it anyway"
            )

    async def _subnet_pool(self, hint: NetworkOptions, request: m.RequestPool) -> str:
        """Id of the pool of the family, of those that are named; "" where none is."""
        if not hint.subnet_pools:
            return ""
        v6 = ":" in request.pool if request.pool else request.v6
        return await self._catalog.subnet_pool(hint.project or "default", hint.subnet_pools, 6 if v6 else 4)

    async def _free_cidr(self, v6: bool, subnet_pool: str) -> str:
        for _ in range(ATTEMPTS):
            cidr = await self._api.free_cidr(6 if v6 else 4, subnet_pool)
            if not self._pools.overlapping(cidr):
                return cidr
        raise Conflict("no free subnet was found: give one with --subnet")


async def _capabilities(_: None) -> m.IpamCapabilities:
    return m.IpamCapabilities()


async def _spaces(_: None) -> m.AddressSpaces:
    return m.AddressSpaces()


def _of_pending(pool: PendingPool, address: str, options: dict[str, str]) -> m.Address:
    """Before the network is made: its gateway, then its auxiliary addresses."""
    if options.get(ADDRESS_TYPE) == GATEWAY:
        granted = pool.claim_gateway(address)
    elif address and ENDPOINT_NAME not in options:
        granted = pool.inside(address)
        pool.auxiliary.add(granted)
    else:
        raise BadRequest("the IPAM driver sealane serves networks of the driver sealane only")
    return m.Address(address=f"{granted}/{pool.network.prefixlen}")


def _gateway_of(subnet: SubnetView, address: str) -> m.Address:
    """dockerd wants a gateway also where there is none; it then only stands in its own records."""
    if address and subnet.gateway and address != subnet.gateway:
        raise BadRequest(f"the gateway of {subnet.cidr} is {subnet.gateway}, not {address}")
    granted = subnet.gateway or address or str(ipaddress.ip_network(subnet.cidr).network_address + 1)
    return m.Address(address=f"{granted}/{subnet.length}")


def _named(network: NetworkView, request: m.RequestPool) -> SubnetView | None:
    """The subnet that --subnet names. Raises BadRequest."""
    if not request.pool:
        return None
    subnet = network.subnet_with(subnet_cidr(request.pool))
    if subnet is None:
        raise _no_subnet(network, request.pool)
    return subnet


def _first(network: NetworkView, request: m.RequestPool) -> SubnetView:
    """Of the family. Raises BadRequest."""
    version = 6 if request.v6 else 4
    subnet = next((s for s in network.subnets if s.version == version), None)
    if subnet is None:
        raise _no_subnet(network, f"any of IPv{version}")
    return subnet


def _no_subnet(network: NetworkView, wanted: str) -> BadRequest:
    have = ", ".join(s.cidr for s in network.subnets) or "none"
    return BadRequest(f"network '{network.name}' has no subnet {wanted}; its subnets: {have}")
