"""Garbage collection: what dockerd forgot without telling the driver, and what was begun and never used.

    endpoint on this host, not in the engine     dockerd crashed, or cleaned up at its start
    port in the API, no endpoint on this host    reserved and never used, or its release failed
    network that is doomed                       the API did not answer DeleteNetwork, or we died over it
    network without a name that we made          CreateNetwork did not come to its end
    record of a network, not in the engine       dockerd died before it had written down what it made
    pool that no network took                    dockerd died before CreateNetwork

Each must be seen for GRACE seconds on end, since a list is read while things go on.  Nothing is collected
while dockerd does not answer, and never from inside a driver's call.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from sealane import log
from sealane.agent.docker.catalog import NetworkView, host_tag
from sealane.agent.docker.claims import ADOPTED, OWNER, Claims
from sealane.agent.docker.engine import Engine, EngineNetwork
from sealane.agent.docker.libnetwork import NetworkDriver
from sealane.agent.docker.messages import NetworkRef
from sealane.agent.docker.networks import Networks
from sealane.agent.memory import Memory
from sealane.client import ApiClient
from sealane.errors import NotFound, SealaneError

GRACE = 10.0
RESERVED = 10.0
"""Seconds from RequestAddress to CreateEndpoint at most: dockerd sends them one after the other."""

_log = log.get("docker")


class Sightings:
    """Since when each thing has been seen without a break."""

    def __init__(self, grace: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._grace = grace
        self._clock = clock
        self._since: dict[str, float] = {}

    def lasting(self, now_seen: Iterable[str]) -> list[str]:
        """Those of `now_seen` that have been seen at each look for the grace's time."""
        now = self._clock()
        self._since = {key: self._since.get(key, now) for key in now_seen}
        return [key for key, since in self._since.items() if now - since >= self._grace]

    def forget(self) -> None:
        self._since.clear()


class Collector:
    def __init__(
        self,
        api: ApiClient,
        engine: Engine,
        memory: Memory,
        driver: NetworkDriver,
        claims: Claims,
        networks: Networks,
    ) -> None:
        self._api = api
        self._engine = engine
        self._memory = memory
        self._driver = driver
        self._claims = claims
        self._networks = networks
        self._endpoints = Sightings(GRACE)
        self._ports = Sightings(GRACE)
        self._unnamed = Sightings(GRACE)
        self._unsettled = Sightings(GRACE)
        self.collected = 0

    async def collect(self, listed: Iterable[EngineNetwork], known: Mapping[str, NetworkView]) -> None:
        """`listed`: the engine's networks of ours; `known`: every network of the API.

        Raises what the engine or the API raised; what was not done is done the next time.
        """
        await self._collect_endpoints(await self._alive())
        await self._collect_ports()
        await self._collect_records({network.id for network in listed})
        await self._collect_networks(known)
        for pool_id in self._networks.pools.abandoned():
            await self._networks.pools.close(pool_id)
            self._count("pool", pool_id)

    def forget(self) -> None:
        """Nothing was to be seen for a while: every sighting begins anew."""
        for sightings in (self._endpoints, self._ports, self._unnamed, self._unsettled):
            sightings.forget()

    async def _alive(self) -> set[str]:
        """Endpoints that the engine has, on the networks where we have some."""
        asked = {attachment.network_id for attachment in self._driver.attachments().values()}
        found: set[str] = set()
        for record in list(self._memory.networks.values()):
            if record.network_id in asked:
                with suppress(NotFound):
                    found |= await self._engine.endpoints(record.docker_id)
        return found

    async def _collect_records(self, listed: set[str]) -> None:
        records = dict(self._memory.networks)
        lost = (key for key, r in records.items() if not (r.settled or r.doomed) and key not in listed)
        doomed = (key for key, record in records.items() if record.doomed)
        for docker_id in (*doomed, *self._unsettled.lasting(lost)):
            await self._networks.delete(NetworkRef(network_id=docker_id))
            self._count("record", docker_id)

    async def _collect_networks(self, known: Mapping[str, NetworkView]) -> None:
        tag = host_tag(self._claims.host)
        recorded = {record.network_id for record in self._memory.networks.values()}
        unnamed = (n.id for n in known.values() if tag in n.tags and not n.name and n.id not in recorded)
        for network_id in {*self._networks.unfinished, *self._unnamed.lasting(unnamed)}:
            await self._networks.remove_unused(network_id)
            self._count("network", network_id)

    async def _collect_endpoints(self, alive: set[str]) -> None:
        for endpoint_id in self._endpoints.lasting(self._driver.attachments().keys() - alive):
            try:
                await self._driver.collect(endpoint_id)
                self._count("endpoint", endpoint_id)
            except SealaneError as exc:
                _log.warning("endpoint not collected", endpoint=endpoint_id, reason=exc.message)

    async def _collect_ports(self) -> None:
        self._claims.expire(RESERVED)
        listed = await self._api.list("ports", **{"binding:host_id": self._claims.host})
        used = {attachment.port_id for attachment in self._driver.attachments().values()}
        used |= self._claims.open_ports()
        orphans = {
            str(port["id"]): port["device_owner"] == ADOPTED
            for port in listed
            if port["device_owner"] in (OWNER, ADOPTED) and port["id"] not in used
        }
        for port_id in self._ports.lasting(orphans):
            await self._claims.release(port_id, adopted=orphans[port_id])
            self._count("port", port_id)

    def _count(self, what: str, key: str) -> None:
        self.collected += 1
        _log.info("collected", what=what, id=key)
