"""The two drivers put together, on one socket."""

from dataclasses import dataclass

from sealane.agent.docker.catalog import Catalog, PhysicalNetworks
from sealane.agent.docker.claims import Claims
from sealane.agent.docker.ipam import IpamDriver
from sealane.agent.docker.libnetwork import NetworkDriver
from sealane.agent.docker.networks import Networks
from sealane.agent.docker.pools import PendingPools
from sealane.agent.docker.server import DEADLINE, Plugin
from sealane.agent.memory import Memory
from sealane.agent.reconciler import Reconciler
from sealane.client import ApiClient


@dataclass(frozen=True)
class Drivers:
    catalog: Catalog
    claims: Claims
    networks: Networks
    network: NetworkDriver
    ipam: IpamDriver
    plugin: Plugin


def build(
    api: ApiClient,
    reconciler: Reconciler,
    memory: Memory,
    host: str,
    deadline: float = DEADLINE,
    ways: PhysicalNetworks = tuple,
) -> Drivers:
    """`host` is this node's name, as ports are bound to it; `ways` to physical networks are its own."""
    catalog, pools = Catalog(api, ways), PendingPools(memory)
    claims = Claims(api, host)
    networks = Networks(api, catalog, pools, claims, memory)
    network = NetworkDriver(networks, catalog, claims, memory, reconciler)
    claims.evict = network.evict
    networks.clear = network.clear
    ipam = IpamDriver(api, catalog, pools, claims)
    plugin = Plugin({**network.calls(), **ipam.calls()}, deadline)
    return Drivers(catalog, claims, networks, network, ipam, plugin)
