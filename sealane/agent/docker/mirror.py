"""Mirrors: a Sealane network appears in this engine by itself, and goes when it is removed.

Only networks with a name and a subnet, of the projects that this node is configured for.  Where the name
is taken the mirror is called NAME.PROJECT.  All of it happens through Docker's API, outside any call of
dockerd to our drivers: dockerd calls them back while it makes a mirror.

A network's subnets come one after another, so a mirror can be older than some of them, and an engine's
network can't be changed: it is made anew, once no container is on it.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sealane import log
from sealane.agent.docker.catalog import BUILTIN_LABEL, Catalog, NetworkView
from sealane.agent.docker.engine import Engine, EngineNetwork
from sealane.agent.docker.networks import settled
from sealane.agent.docker.options import ALIASES, NETWORK
from sealane.agent.memory import DockerNetwork, Memory
from sealane.errors import Conflict, Forbidden, NotFound, SealaneError, Unavailable

OUTGROWN = "its subnets have changed: the engine's network follows when no container is on it any more"
_log = log.get("docker")


class Mirrors:
    def __init__(self, engine: Engine, catalog: Catalog, memory: Memory, projects: Iterable[str]) -> None:
        self._engine = engine
        self._catalog = catalog
        self._memory = memory
        self._projects = frozenset(projects)
        self.troubles: dict[str, str] = {}
        """Sealane network id -> why its mirror is not as it should be; for `sealane status`."""

    async def reconcile(self, listed: Iterable[EngineNetwork], known: Mapping[str, NetworkView]) -> None:
        """Make the engine's list agree with `known`, which is every network of the API."""
        listed = list(listed)
        await self._mend(listed, known)
        self._forget_vanished(listed)
        self.troubles = {key: text for key, text in self.troubles.items() if key in known}
        for record in list(self._memory.networks.values()):
            if record.network_id not in known and record.settled:
                await self._remove(record)
        await self._renew(listed, known)
        present = {record.network_id for record in self._memory.networks.values()}
        for network in sorted(known.values(), key=lambda n: (n.name, n.id)):
            if network.id not in present and self._is_wanted(network):
                await self._make(network)

    def _is_wanted(self, network: NetworkView) -> bool:
        return bool(network.name and network.subnets) and network.project in self._projects

    async def _mend(self, listed: Iterable[EngineNetwork], known: Mapping[str, NetworkView]) -> None:
        """Networks of the engine that the memory does not have: it was lost."""
        for network in listed:
            if network.id in self._memory.networks:
                continue
            view = await self._stands_for(network, known)
            if view is not None:
                self._memory.put_network(_mended(network, view))
                _log.info("network found again", network=view.id, name=network.name)

    async def _stands_for(
        self, network: EngineNetwork, known: Mapping[str, NetworkView]
    ) -> NetworkView | None:
        hint = next((v for k, v in network.options.items() if ALIASES.get(k, k) == NETWORK), "")
        if not hint:
            return await self._catalog.made_by(network.id)
        if hint in known:
            return known[hint]
        try:
            return await self._catalog.named(hint, network.options.get("sealane.project"))
        except SealaneError as exc:
            if isinstance(exc, Unavailable):
                raise
            return None

    def _forget_vanished(self, listed: Iterable[EngineNetwork]) -> None:
        """Removed while we were away. Not taken as a wish to delete: the engine's data may be new."""
        there = {network.id for network in listed}
        for record in list(self._memory.networks.values()):
            if record.settled and not record.doomed and record.docker_id not in there:
                self._memory.remove_network(record.docker_id)

    async def _remove(self, record: DockerNetwork) -> None:
        if await self._is_there(record.network_id):
            return  # made since the list was read
        try:
            await self._engine.remove_network(record.docker_id)
        except (Forbidden, Conflict) as exc:
            self.troubles[record.network_id] = exc.message
            return
        self._memory.remove_network(record.docker_id)
        _log.info("mirror removed", network=record.network_id, name=record.name)

    async def _renew(self, listed: Iterable[EngineNetwork], known: Mapping[str, NetworkView]) -> None:
        """Drop the mirrors that have other subnets than their networks; they are made again at once."""
        self.troubles = {key: text for key, text in self.troubles.items() if text != OUTGROWN}
        outgrown = [found for network in listed if (found := self._outgrown(network, known))]
        used = await self._engine.networks_in_use() if outgrown else set()
        for record in outgrown:
            if record.docker_id in used:
                self.troubles[record.network_id] = OUTGROWN
            else:
                await self._drop(record)

    def _outgrown(self, network: EngineNetwork, known: Mapping[str, NetworkView]) -> DockerNetwork | None:
        """Of mirrors only: what was made in an engine is as its maker wanted it."""
        record = self._memory.networks.get(network.id)
        view = known.get(record.network_id) if record else None
        if not record or not view or not view.subnets or view.origin == "docker":
            return None
        is_mirror = record.settled and dict(network.options) == {NETWORK: view.id}
        wanted = {ipaddress.ip_network(subnet.cidr) for subnet in view.subnets}
        same = wanted == {ipaddress.ip_network(cidr) for cidr in network.subnets}
        return None if same or not is_mirror else record

    async def _drop(self, record: DockerNetwork) -> None:
        """Not settled, it is a view only: its DeleteNetwork touches neither the network nor what is on it."""
        self._memory.put_network(replace(record, settled=False))
        try:
            await self._engine.remove_network(record.docker_id)
        except (Forbidden, Conflict):
            self._memory.put_network(record)
            self.troubles[record.network_id] = OUTGROWN
            return
        self._memory.remove_network(record.docker_id)
        _log.info("mirror has other subnets than its network", network=record.network_id, name=record.name)

    async def _is_there(self, network_id: str) -> bool:
        """Whether the API has the network at this moment."""
        try:
            await self._catalog.network(network_id, fresh=True)
        except NotFound:
            return False
        return True

    async def _make(self, network: NetworkView) -> None:
        """A record goes after its network: so where there is no record, the API knows if that was removed."""
        if not await self._is_there(network.id):
            return  # removed since the list was read
        for name in (network.name, f"{network.name}.{network.project}"):
            try:
                docker_id = await self._engine.create_network(name, mirror_spec(network))
            except Conflict as exc:
                self.troubles[network.id] = exc.message
                continue
            except SealaneError as exc:
                if isinstance(exc, Unavailable):
                    raise
                self.troubles[network.id] = exc.message
                return
            self._settle(docker_id, network, name)
            return

    def _settle(self, docker_id: str, network: NetworkView, name: str) -> None:
        record = self._memory.networks.get(docker_id)
        if record is not None:
            self._memory.put_network(settled(record, name))
        self.troubles.pop(network.id, None)
        if name != network.name:
            self.troubles[network.id] = f"the name '{network.name}' is taken here: it is called '{name}'"
        _log.info("mirror made", network=network.id, name=name)


def mirror_spec(network: NetworkView) -> dict[str, Any]:
    """The body of POST /networks/create. The hint stands in both halves: see ipam.py."""
    hint = {NETWORK: network.id}
    subnets = [
        {"Subnet": subnet.cidr, **({"Gateway": subnet.gateway} if subnet.gateway else {})}
        for subnet in network.subnets
    ]
    return {
        "Internal": network.gateway == "none",
        "EnableIPv6": any(subnet.version == 6 for subnet in network.subnets),
        "IPAM": {"Driver": "sealane", "Options": hint, "Config": subnets},
        "Options": hint,
        "Labels": {key: value for key, value in network.labels.items() if key != BUILTIN_LABEL},
    }


def _mended(network: EngineNetwork, view: NetworkView) -> DockerNetwork:
    return DockerNetwork(
        docker_id=network.id,
        network_id=view.id,
        internal=view.gateway == "none",
        joined=NETWORK in {ALIASES.get(key, key) for key in network.options},
        settled=True,
        name=network.name,
        options=dict(network.options),
    )
