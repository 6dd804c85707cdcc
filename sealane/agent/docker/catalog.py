"""Networks and subnets as the API shows them, kept at hand: a `docker run` should not ask for each again.

What changes is forgotten when the API's sequence number moves (mirror.py follows it).
"""

import asyncio
import ipaddress
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sealane.agent.docker.pools import NEW
from sealane.client import ApiClient
from sealane.errors import BadRequest, NotFound
from sealane.model import GatewayMode
from sealane.names import METERING, QOS, SUBNET_POOL, TAP_PORT

BUILTIN_LABEL = "sealane.ipam"
"""The label "docker": the engine where the network was made picks addresses, from the pool's bottom."""

Body = Mapping[str, Any]
PhysicalNetworks = Callable[[], Iterable[str]]
"""The physical networks that this host leads to."""


def network_tag(docker_id: str) -> str:
    """Tag of a network that an engine made: what Docker calls it there."""
    return f"docker-network:{docker_id}"


def host_tag(host: str) -> str:
    """Tag of a network that was made by the engine of this host."""
    return f"docker-host:{host}"


def pool_tag(pool_id: str) -> str:
    """Tag of a subnet that was a pool of RequestPool before."""
    return f"docker-pool:{pool_id}"


@dataclass(frozen=True, kw_only=True)
class Route:
    destination: str
    nexthop: str


@dataclass(frozen=True, kw_only=True)
class SubnetView:
    id: str
    network_id: str
    cidr: str
    gateway: str  # "": none
    routes: tuple[Route, ...]
    pools: tuple[tuple[int, int], ...]  # first and last address, both included
    segment: str = ""  # id; "": of none

    @property
    def version(self) -> int:
        return ipaddress.ip_network(self.cidr).version

    @property
    def length(self) -> int:
        """Of the prefix, bits."""
        return ipaddress.ip_network(self.cidr).prefixlen

    @property
    def size(self) -> int:
        """Addresses that can be given."""
        return sum(last - first + 1 for first, last in self.pools)

    def contains(self, address: str) -> bool:
        return ipaddress.ip_address(address) in ipaddress.ip_network(self.cidr)


@dataclass(frozen=True, kw_only=True)
class NetworkView:
    id: str
    name: str
    project: str
    mtu: int
    gateway: GatewayMode
    origin: str
    labels: Mapping[str, str]
    tags: frozenset[str]
    subnets: tuple[SubnetView, ...]

    @property
    def is_routed(self) -> bool:
        """Do its hosts give addresses of different subnets (Neutron: routed provider network)?"""
        return len({subnet.segment for subnet in self.subnets}) > 1

    @property
    def from_top(self) -> bool:
        return self.labels.get(BUILTIN_LABEL) == "docker"

    def subnet_with(self, cidr: str) -> SubnetView | None:
        wanted = ipaddress.ip_network(cidr)
        return next((s for s in self.subnets if ipaddress.ip_network(s.cidr) == wanted), None)

    def subnet_of(self, address: str) -> SubnetView | None:
        """The subnet that an address ("10.0.0.2" or "10.0.0.2/24") lies in."""
        bare = address.split("/")[0]
        return next((s for s in self.subnets if s.contains(bare)), None)


class Catalog:
    """Reads through to the API. Every method raises what ApiClient raises."""

    def __init__(self, api: ApiClient, ways: PhysicalNetworks = tuple) -> None:
        self._api = api
        self._ways = ways
        self._networks: dict[str, NetworkView] = {}
        self._segments: dict[str, Mapping[str, str]] = {}
        self._pools: dict[str, tuple[str, str]] = {}

    def forget(self) -> None:
        self._networks.clear()
        self._segments.clear()

    async def all(self) -> dict[str, NetworkView]:
        """Every network there is, fresh."""
        networks, subnets = await asyncio.gather(self._api.list("networks"), self._api.list("subnets"))
        views = (_network(body, subnets) for body in networks)
        self._networks = {view.id: view for view in views}
        return dict(self._networks)

    async def network(self, network_id: str, *, fresh: bool = False) -> NetworkView:
        known = self._networks.get(network_id)
        if known is not None and not fresh:
            return known
        body, subnets = await asyncio.gather(
            self._api.get("networks", network_id), self._api.list("subnets", network_id=network_id)
        )
        view = self._networks[network_id] = _network(body, subnets)
        return view

    async def made_by(self, docker_id: str) -> NetworkView | None:
        """The network that an engine's CreateNetwork made, if it did."""
        found = await self._api.list("networks", tags=network_tag(docker_id))
        return await self.network(str(found[0]["id"]), fresh=True) if found else None

    async def subnet_of_pool(self, pool_id: str) -> tuple[NetworkView, SubnetView]:
        """Raises NotFound: the subnet, or the network, is gone."""
        network_id, subnet_id = self._pools.get(pool_id) or await self._look_up(pool_id)
        for fresh in (False, True):
            network = await self.network(network_id, fresh=fresh)
            for subnet in network.subnets:
                if subnet.id == subnet_id:
                    return network, subnet
        raise NotFound(f"pool {pool_id} is no subnet of network '{network.name}' any more")

    async def _look_up(self, pool_id: str) -> tuple[str, str]:
        """Which subnet a pool is never changes, so it is asked for once."""
        if pool_id.startswith(NEW):
            found = await self._api.list("subnets", tags=pool_tag(pool_id))
        else:
            found = [await self._api.get("subnets", pool_id)]
        if not found:
            raise NotFound(f"pool {pool_id} is unknown: its network was removed")
        self._pools[pool_id] = str(found[0]["network_id"]), str(found[0]["id"])
        return self._pools[pool_id]

    async def here(self, network: NetworkView) -> tuple[SubnetView, ...]:
        """The subnets that this host can have addresses of: where there are several segments, of its own."""
        if not network.is_routed:
            return network.subnets
        if network.id not in self._segments:
            rows = await self._api.list("segments", network_id=network.id)
            self._segments[network.id] = {str(row["id"]): str(row["physical_network"]) for row in rows}
        ways, segments = set(self._ways()), self._segments[network.id]
        return tuple(subnet for subnet in network.subnets if segments.get(subnet.segment) in ways)

    async def groups(self, network: NetworkView, names: Iterable[str]) -> list[str]:
        """Ids of security groups, by names in the network's project or ids. Raises BadRequest."""
        found = []
        for name in names:
            scope = {"id": name} if is_uuid(name) else {"name": name, "project_id": network.project}
            rows = await self._api.list("security-groups", **scope)
            if len(rows) != 1:
                many = f"{len(rows)} security groups are" if rows else "no security group is"
                raise BadRequest(f"{many} called '{name}' in project '{network.project}'")
            found.append(str(rows[0]["id"]))
        return sorted(set(found))

    async def policy(self, project: str, name: str) -> str:
        """Id of a policy of quality of service: the project's own before a shared one. Raises BadRequest."""
        rows = await self._api.list("qos/policies", **({"id": name} if is_uuid(name) else {"name": name}))
        usable = [row for row in rows if row["project_id"] == project or row["shared"]]
        own = [row for row in usable if row["project_id"] == project] or usable
        if len(own) != 1:
            many = f"{len(own)} policies are" if own else "no policy is"
            raise BadRequest(f"{QOS}: {many} called '{name}' in project '{project}'")
        return str(own[0]["id"])

    async def check_meters(self, project: str, names: Iterable[str]) -> None:
        """Each is to be a metering label of the project, or a shared one. Raises BadRequest."""
        for name in names:
            rows = await self._api.list(
                "metering/metering-labels", **({"id": name} if is_uuid(name) else {"name": name})
            )
            if not any(row["project_id"] == project or row["shared"] for row in rows):
                raise BadRequest(
                    f"{METERING}: no metering label is called '{name}' in project '{project}'; an admin "
                    f"makes it by 'sealane metering label create {name} --project {project}'"
                )

    async def tap_to(self, project: str, name: str, port_id: str) -> None:
        """The port is given the copies of the tap of that name from now on. Raises BadRequest, Conflict."""
        rows = await self._api.list("taas/tap_services", name=name, project_id=project)
        if any(row["port_id"] == port_id for row in rows):
            return
        if rows:
            raise BadRequest(
                f"{TAP_PORT}: another port is given the copies of tap '{name}' in project '{project}': take "
                "another name, or delete that tap first"
            )
        await self._api.create("taas/tap_services", {"name": name, "project_id": project, "port_id": port_id})

    async def subnet_pool(self, project: str, names: Iterable[str], version: int) -> str:
        """Id of the one of the family among pools by name or id: the project's own before a shared one.

        Raises BadRequest.
        """
        found = []
        for name in names:
            rows = await self._api.list("subnetpools", **({"id": name} if is_uuid(name) else {"name": name}))
            usable = [row for row in rows if row["project_id"] == project or row["shared"]]
            own = [row for row in usable if row["project_id"] == project] or usable
            if not own:
                raise BadRequest(f"{SUBNET_POOL}: no subnet pool is called '{name}' in project '{project}'")
            found += [str(row["id"]) for row in own if row["ip_version"] == version]
        if len(found) != 1:
            many = f"{len(found)} pools are" if found else "no pool is"
            raise BadRequest(f"{SUBNET_POOL}: {many} for IPv{version} among {', '.join(names)}")
        return found[0]

    async def named(self, text: str, project: str | None) -> NetworkView:
        """The network that a user means by an id or a name. Raises NotFound, BadRequest (ambiguous)."""
        if is_uuid(text):
            return await self.network(str(uuid.UUID(text)), fresh=True)
        scope = {"project_id": project} if project else {}
        found = await self._api.list("networks", name=text, **scope)
        if not found:
            raise NotFound(f"there is no network '{text}'; 'sealane network list' shows what there is")
        if len(found) > 1:
            ids = ", ".join(sorted(str(body["id"]) for body in found))
            raise BadRequest(f"several networks are called '{text}': give one of the ids {ids}")
        return await self.network(str(found[0]["id"]), fresh=True)


def is_uuid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _network(body: Body, subnets: Iterable[Body]) -> NetworkView:
    own = [s for s in subnets if s["network_id"] == body["id"]]
    own.sort(key=lambda s: (s["ip_version"], str(s.get("created_at", "")), str(s["id"])))
    return NetworkView(
        id=str(body["id"]),
        name=str(body.get("name", "")),
        project=str(body.get("project_id", "")),
        mtu=int(body["mtu"]),
        gateway=body.get("sealane:gateway", "host"),
        origin=str(body.get("sealane:origin", "api")),
        labels=dict(body.get("sealane:labels") or {}),
        tags=frozenset(body.get("tags") or ()),
        subnets=tuple(_subnet(s) for s in own),
    )


def _number(address: str) -> int:
    return int(ipaddress.ip_address(address))


def _subnet(body: Body) -> SubnetView:
    routes = body.get("host_routes") or []
    return SubnetView(
        id=str(body["id"]),
        network_id=str(body["network_id"]),
        cidr=str(body["cidr"]),
        gateway=str(body.get("gateway_ip") or ""),
        pools=tuple((_number(p["start"]), _number(p["end"])) for p in body.get("allocation_pools") or ()),
        routes=tuple(Route(destination=r["destination"], nexthop=r["nexthop"]) for r in routes),
        segment=str(body.get("segment_id") or ""),
    )
