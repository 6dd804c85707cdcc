"""CreateNetwork and DeleteNetwork: which Sealane network a network of this engine stands for.

    new    no `sealane.network`: the network and its subnets are made in the API, origin "docker"
    join   `sealane.network=ID or name`: it exists; this engine's network is one more view of it

What dockerd was told to remove is removed from that engine whatever is answered.  So DeleteNetwork only
forgets the view; the network itself goes if Docker made it and no port is left on it anywhere.
Otherwise mirror.py makes the view anew.  A router that a new network was to be connected to
(routing.py) is parted from it first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from sealane import log
from sealane.agent.docker import messages as m
from sealane.agent.docker.catalog import BUILTIN_LABEL, Catalog, NetworkView, host_tag, network_tag, pool_tag
from sealane.agent.docker.claims import Claims
from sealane.agent.docker.options import GENERIC, NETWORK, NetworkOptions, network_options
from sealane.agent.docker.pools import PendingPool, PendingPools, allocation_pools, subnet_cidr
from sealane.agent.docker.routing import Routing, is_of
from sealane.agent.docker.turns import Turns
from sealane.agent.memory import DockerNetwork, Memory
from sealane.client import ApiClient
from sealane.errors import BadRequest, Conflict, DeadlineExceeded, NotFound, SealaneError, Unavailable
from sealane.model import GatewayMode
from sealane.names import BY_LABEL, ROUTER, SECURITY_GROUPS, SUBNET_POOL

OUR_SPACE = m.AddressSpaces().local
_log = log.get("docker")


Clear = Callable[[str], Awaitable[None]]
"""Takes all endpoints of a Sealane network off this host."""


async def _clear_nothing(network_id: str) -> None:
    return


class Networks:
    def __init__(
        self, api: ApiClient, catalog: Catalog, pools: PendingPools, claims: Claims, memory: Memory
    ) -> None:
        """The host whose networks these are is that of `claims`."""
        self._api = api
        self._routing = Routing(api)
        self._catalog = catalog
        self.pools = pools
        self._claims = claims
        self._memory = memory
        self._turns = Turns()
        self._unfinished: set[str] = set()
        self.clear: Clear = _clear_nothing

    @property
    def unfinished(self) -> frozenset[str]:
        """Sealane networks whose removal could not be decided, because the API did not answer."""
        return frozenset(self._unfinished)

    async def create(self, request: m.CreateNetwork) -> m.Empty:
        async with self._turns.of(request.network_id):
            if request.network_id in self._memory.networks:
                await self._close_pools(request)  # we may have died just before
                return m.Empty()
            options = network_options(request.options)
            if options.network:
                network = await self._join(request, options)
            else:
                network = await self._make_once(request, options)
            self._memory.put_network(_record(request, options, network))
            await self._close_pools(request)
        return m.Empty()

    async def _close_pools(self, request: m.CreateNetwork) -> None:
        """Only when the network is written down: until then we may die, and be asked again."""
        for data in _data(request):
            pending = self.pools.with_cidr(data.pool) if data.address_space == OUR_SPACE else None
            if pending is not None:
                await self.pools.close(pending.id)

    async def delete(self, request: m.NetworkRef) -> m.Empty:
        async with self._turns.of(request.network_id):
            record = self._memory.networks.get(request.network_id)
            if record is None:
                made = await self._catalog.made_by(request.network_id)
                if made is not None:
                    await self.remove_unused(made.id)
            elif record.settled or not record.joined:
                await self.doom(record)
            else:
                self._memory.remove_network(request.network_id)
        return m.Empty()

    async def doom(self, record: DockerNetwork) -> None:
        """Remove what the record stands for, then the record.

        dockerd has removed its network whatever comes of this; so the wish is written down, and outlives
        an API that does not answer, and us: collect.py takes up what is doomed.
        """
        self._memory.put_network(replace(record, doomed=True))
        if not self._has_others(record.network_id):
            await self.clear(record.network_id)  # of endpoints whose creation dockerd did not hear of
        await self.remove_unused(record.network_id)
        self._memory.remove_network(record.docker_id)

    async def remove_unused(self, network_id: str) -> None:
        """Delete a network that Docker made and that no port is on, in the whole cluster."""
        if self._has_others(network_id):
            self._unfinished.discard(network_id)  # another network of this engine stands for it
            return
        try:
            await self._remove_unused(network_id)
        except Unavailable:
            self._unfinished.add(network_id)
            raise
        self._unfinished.discard(network_id)

    def _has_others(self, network_id: str) -> bool:
        """Does another network of this engine stand for it?"""
        records = self._memory.networks.values()
        return any(record.network_id == network_id and not record.doomed for record in records)

    async def record(self, docker_id: str) -> DockerNetwork:
        """Ours for this engine's network. A lost memory is mended from the API; mirror.py does the rest."""
        known = self._memory.networks.get(docker_id)
        if known is not None:
            return known
        network = await self._catalog.made_by(docker_id)
        if network is None:
            raise NotFound(
                f"Sealane does not know the engine's network {docker_id[:12]} yet: try again in a moment"
            )
        internal = network.gateway == "none"
        found = DockerNetwork(docker_id=docker_id, network_id=network.id, internal=internal, settled=True)
        self._memory.put_network(found)
        return found

    async def _remove_unused(self, network_id: str) -> None:
        try:
            network = await self._catalog.network(network_id, fresh=True)
        except NotFound:
            return
        if network.origin != "docker":
            return
        ports = await self._api.list("ports", network_id=network_id)
        used = {attachment.port_id for attachment in self._memory.attachments.values()}
        if all(is_of(network, port) or self._claims.is_idle(port, used) for port in ports):
            await self._delete_all(network, ports)

    async def _delete_all(self, network: NetworkView, ports: Iterable[dict[str, Any]]) -> None:
        self._claims.forget(network.id)
        legs = [port for port in ports if is_of(network, port)]
        try:
            await self._routing.part(legs)
            for port in (port for port in ports if port not in legs):
                await self._claims.release(port["id"], adopted=False)
            await self._api.delete("networks", network.id)
        except NotFound:
            return
        except Conflict as exc:
            _log.info("network is in use again, kept", network=network.id, reason=exc.message)
            await self._routing.connect(network)

    async def _join(self, request: m.CreateNetwork, options: NetworkOptions) -> NetworkView:
        network = await self._catalog.named(str(options.network), options.project)
        for data in _data(request):
            self._check_joined_pool(network, data)
        await self._claim_auxiliary(network, _data(request))
        return network

    def _check_joined_pool(self, network: NetworkView, data: m.PoolData) -> None:
        if data.address_space == OUR_SPACE and self.pools.with_cidr(data.pool):
            raise BadRequest(f"joining needs the hint twice: add --ipam-opt {NETWORK}={network.id}")
        subnet = network.subnet_with(subnet_cidr(data.pool))
        if subnet is None:
            have = ", ".join(s.cidr for s in network.subnets) or "none"
            raise BadRequest(
                f"network '{network.name}' has no subnet {data.pool} (its subnets: {have}): "
                f"add --ipam-driver sealane --ipam-opt {NETWORK}={network.id}"
            )
        gateway = data.gateway.split("/")[0]
        if data.address_space != OUR_SPACE and subnet.gateway and gateway != subnet.gateway:
            raise BadRequest(
                f"the gateway of {subnet.cidr} is {subnet.gateway}: add --gateway {subnet.gateway}"
            )

    async def _make_once(self, request: m.CreateNetwork, options: NetworkOptions) -> NetworkView:
        """The API may die over it: what it has made by then is found by its tag, and completed."""
        try:
            return await self._make(request, options)
        except DeadlineExceeded:
            raise
        except Unavailable:
            return await self._make(request, options)

    async def _make(self, request: m.CreateNetwork, options: NetworkOptions) -> NetworkView:
        plan = [(data, self._pending(data)) for data in _data(request)]
        if not plan:
            raise BadRequest("a network needs a subnet: --ipam-driver null is not supported")
        if options.subnet_pools and not all(pending and pending.subnet_pool for _, pending in plan):
            raise BadRequest(
                f"-o {SUBNET_POOL} comes too late, addresses have been chosen: "
                f"give --ipam-driver sealane --ipam-opt {SUBNET_POOL}={','.join(options.subnet_pools)}"
            )
        bodies = [_subnet_body(options, data, pending) for data, pending in plan]
        network = await self._catalog.made_by(request.network_id)  # by a call that was repeated
        if network is None and options.router:
            project = options.project or "default"
            options = replace(options, router=await self._routing.named(options.router, project))
        network_id = network.id if network else await self._make_network(request, options)
        try:
            for body in bodies:
                if network is None or network.subnet_with(body["cidr"]) is None:
                    await self._api.create("subnets", {"network_id": network_id, **body})
            network = await self._catalog.network(network_id, fresh=True)
            await self._routing.connect(network)
            await self._claim_auxiliary(network, [data for data, _ in plan])
        except (SealaneError, asyncio.CancelledError) as exc:
            self._unfinished.add(network_id)
            if not isinstance(exc, Unavailable | asyncio.CancelledError):
                await self._undo(network_id)
            raise
        self._unfinished.discard(network_id)
        return network

    async def _make_network(self, request: m.CreateNetwork, options: NetworkOptions) -> str:
        wanted = _network_body(request, options, self._claims.host)
        await self._catalog.check_meters(wanted["project_id"], options.watched.meters)
        if options.qos:
            wanted["qos_policy_id"] = await self._catalog.policy(wanted["project_id"], options.qos)
        body = await self._api.create("networks", wanted)
        return str(body["id"])

    def _pending(self, data: m.PoolData) -> PendingPool | None:
        """The pool that RequestPool granted; None when another IPAM did."""
        if data.address_space != OUR_SPACE:
            return None
        pending = self.pools.with_cidr(data.pool)
        if pending is None:
            raise BadRequest(
                f"no new pool {data.pool} is under way: to join a network that exists, "
                f"add -o {NETWORK}=… as well as --ipam-opt {NETWORK}=…"
            )
        return pending

    async def _claim_auxiliary(self, network: NetworkView, pools: Iterable[m.PoolData]) -> None:
        for data in pools:
            for name, address in (data.auxiliary or {}).items():
                await self._claims.reserve_auxiliary(network, name, address.split("/")[0])

    async def _undo(self, network_id: str) -> None:
        """What does not succeed now is tried again by collect.py."""
        try:
            await self.remove_unused(network_id)
        except SealaneError as exc:
            _log.warning("an unfinished network stays for now", network=network_id, reason=exc.message)


def _data(request: m.CreateNetwork) -> list[m.PoolData]:
    return [*(request.ipv4 or []), *(request.ipv6 or [])]


def _record(request: m.CreateNetwork, options: NetworkOptions, network: NetworkView) -> DockerNetwork:
    given = (request.options or {}).get(GENERIC) or {}
    return DockerNetwork(
        docker_id=request.network_id,
        network_id=network.id,
        internal=options.internal or network.gateway == "none",
        joined=options.network is not None,
        options={str(key): str(value) for key, value in given.items()},
    )


def _network_body(request: m.CreateNetwork, options: NetworkOptions, host: str) -> dict[str, Any]:
    """It has no name until identity.py has read it from the engine; mirrors wait for that."""
    builtin = any(data.address_space != OUR_SPACE for data in _data(request))
    body: dict[str, Any] = {
        "project_id": options.project or "default",
        "tags": [network_tag(request.network_id), host_tag(host)],
        "sealane:gateway": _gateway_mode(options),
        "sealane:origin": "docker",
        "sealane:labels": _labels(options, builtin=builtin),
    }
    optional = {
        "mtu": options.mtu,
        "dns_domain": options.dns_domain,
        "sealane:multicast_snooping": options.multicast_snooping,
    }
    return {**body, **{key: value for key, value in optional.items() if value is not None}}


def _gateway_mode(options: NetworkOptions) -> GatewayMode:
    if options.gateway or options.router:
        return options.gateway or "router"
    return "none" if options.internal else "host"


def _labels(options: NetworkOptions, *, builtin: bool) -> dict[str, str]:
    """What the API and other hosts are to know of the options."""
    groups = {SECURITY_GROUPS: ",".join(options.security_groups)} if options.security_groups else {}
    by_label = {BY_LABEL: "true"} if options.by_label else {}
    router = {ROUTER: options.router} if options.router else {}
    return {
        **({BUILTIN_LABEL: "docker"} if builtin else {}),
        **groups,
        **by_label,
        **router,
        **options.watched.labels(),
    }


def _subnet_body(options: NetworkOptions, data: m.PoolData, pending: PendingPool | None) -> dict[str, Any]:
    cidr = subnet_cidr(data.pool)
    gateway = data.gateway.split("/")[0]
    body: dict[str, Any] = {
        "project_id": options.project or "default",
        "cidr": cidr,
        "ip_version": 6 if ":" in cidr else 4,
        "gateway_ip": gateway or None,
        "tags": [pool_tag(pending.id)] if pending else [],
    }
    if pending and pending.subnet_pool:
        body["subnetpool_id"] = pending.subnet_pool
    if pending and pending.sub_pool:
        body["allocation_pools"] = allocation_pools(cidr, pending.sub_pool, gateway)
    return body


def settled(record: DockerNetwork, name: str) -> DockerNetwork:
    """The record of a network that the engine lists: its creation is complete."""
    return replace(record, settled=True, name=name)
