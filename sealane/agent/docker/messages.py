"""What dockerd sends and expects, one Struct a message, as of Docker 20.10 to 29.

The protocol is that of moby's libnetwork/drivers/remote/api/api.go and libnetwork/ipams/remote/api/api.go.
A key that Go always writes is required here: dockerd replays a request with an empty body when a plugin
died over it, and takes any answer without `Err` as success, so `{}` must not decode as a request.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from sealane.agent import once

DockerId = Annotated[str, Meta(pattern=r"^[0-9a-zA-Z]{1,64}\Z")]
"""Network ids have 64 hexadecimal digits (25 letters and digits in a swarm), endpoint ids 64."""

PoolId = Annotated[str, Meta(pattern=r"^[0-9a-z-]{1,64}\Z")]
Options = dict[str, Any] | None
"""Go writes an empty map as null."""


class PoolData(Struct):
    """{"AddressSpace": "sealane", "Pool": "10.1.0.0/24", "Gateway": "10.1.0.1/24",
    "AuxAddresses": {"printer": "10.1.0.7/24"}}"""

    pool: str = field(name="Pool")
    address_space: str = field(name="AddressSpace", default="")
    gateway: str = field(name="Gateway", default="")
    auxiliary: dict[str, str] | None = field(name="AuxAddresses", default=None)


class CreateNetwork(Struct):
    """{"NetworkID": "f00d…", "Options": {"com.docker.network.generic": {"sealane.mtu": "1400"},
    "com.docker.network.enable_ipv6": false, "com.docker.network.internal": true},
    "IPv4Data": [PoolData], "IPv6Data": [PoolData]}"""

    network_id: DockerId = field(name="NetworkID")
    options: Options = field(name="Options")
    ipv4: list[PoolData] | None = field(name="IPv4Data", default=None)
    ipv6: list[PoolData] | None = field(name="IPv6Data", default=None)


class NetworkRef(Struct):
    """DeleteNetwork and FreeNetwork: {"NetworkID": "f00d…"}"""

    network_id: DockerId = field(name="NetworkID")


class Interface(Struct):
    """{"Address": "10.1.0.2/24", "AddressIPv6": "fd00::2/64", "MacAddress": "02:42:…"}; "" is unset."""

    address: str = field(name="Address", default="")
    address6: str = field(name="AddressIPv6", default="")
    mac: str = field(name="MacAddress", default="")


class CreateEndpoint(Struct):
    """{"NetworkID", "EndpointID", "Interface": Interface, "Options": {"sealane.port": "…",
    "com.docker.network.portmap": [PortMap], "com.docker.network.endpoint.exposedports": […]}}"""

    network_id: DockerId = field(name="NetworkID")
    endpoint_id: DockerId = field(name="EndpointID")
    interface: Interface | None = field(name="Interface")
    options: Options = field(name="Options", default=None)


class EndpointRef(Struct):
    """EndpointOperInfo, Leave, DeleteEndpoint, RevokeExternalConnectivity: {"NetworkID", "EndpointID"}"""

    network_id: DockerId = field(name="NetworkID")
    endpoint_id: DockerId = field(name="EndpointID")


class Join(Struct):
    """{"NetworkID", "EndpointID", "SandboxKey": "/var/run/docker/netns/4f…", "Options": {…}}

    Up to Docker 27 the sandbox does not exist yet when a container starts.
    """

    network_id: DockerId = field(name="NetworkID")
    endpoint_id: DockerId = field(name="EndpointID")
    sandbox: str = field(name="SandboxKey")
    options: Options = field(name="Options", default=None)


class ProgramExternal(Struct):
    """{"NetworkID", "EndpointID", "Options": {"com.docker.network.portmap": [PortMap]}}"""

    network_id: DockerId = field(name="NetworkID")
    endpoint_id: DockerId = field(name="EndpointID")
    options: Options = field(name="Options")


class PortMap(Struct):
    """{"Proto": 6, "IP": "", "Port": 80, "HostIP": "", "HostPort": 8080, "HostPortEnd": 8080}

    Proto is the IP protocol number; HostPort 0 asks for any.
    """

    protocol: int = field(name="Proto")
    port: Annotated[int, Meta(ge=1, le=65535)] = field(name="Port")
    host_ip: str = field(name="HostIP", default="")
    host_port: Annotated[int, Meta(ge=0, le=65535)] = field(name="HostPort", default=0)
    host_port_end: Annotated[int, Meta(ge=0, le=65535)] = field(name="HostPortEnd", default=0)


class Discovery(Struct):
    """{"DiscoveryType": 1, "DiscoveryData": {"Address": "192.0.2.1", "self": true}}"""

    kind: int = field(name="DiscoveryType")
    data: Any = field(name="DiscoveryData", default=None)


class AllocateNetwork(Struct):
    """Of a swarm's manager: {"NetworkID", "Options": {}, "IPv4Data": […], "IPv6Data": […]}"""

    network_id: DockerId = field(name="NetworkID")
    options: Options = field(name="Options", default=None)


class RequestPool(Struct):
    """{"AddressSpace": "sealane", "Pool": "10.1.0.0/24" or "", "SubPool": "10.1.0.128/25" or "",
    "Options": {"sealane.network": "…"}, "V6": false}"""

    address_space: str = field(name="AddressSpace")
    pool: str = field(name="Pool")
    sub_pool: str = field(name="SubPool")
    options: dict[str, str] | None = field(name="Options")
    v6: bool = field(name="V6")


class ReleasePool(Struct):
    """{"PoolID": "…"}"""

    pool_id: PoolId = field(name="PoolID")


class RequestAddress(Struct):
    """{"PoolID": "…", "Address": "10.1.0.5" or "", "Options": {"RequestAddressType":
    "com.docker.network.gateway"} or {"com.docker.network.endpoint.name": "web"} (29.0) or null}"""

    pool_id: PoolId = field(name="PoolID")
    address: str = field(name="Address")
    options: dict[str, str] | None = field(name="Options")


class ReleaseAddress(Struct):
    """{"PoolID": "…", "Address": "10.1.0.5"}"""

    pool_id: PoolId = field(name="PoolID")
    address: str = field(name="Address")


class Empty(Struct):
    """{}: done."""


class Activated(Struct):
    """Answer of Plugin.Activate."""

    implements: tuple[str, ...] = field(name="Implements", default=("NetworkDriver", "IpamDriver"))


class NetworkCapabilities(Struct):
    """Scope "global" would need a swarm's store (docs/decisions); the network itself spans the hosts."""

    scope: str = field(name="Scope", default="local")
    connectivity: str = field(name="ConnectivityScope", default="global")


class IpamCapabilities(Struct):
    """No MAC address: dockerd would choose one at random (claims.py). No replay: the store remembers."""

    requires_mac: bool = field(name="RequiresMACAddress", default=False)
    requires_replay: bool = field(name="RequiresRequestReplay", default=False)


class AddressSpaces(Struct):
    """Answer of GetDefaultAddressSpaces; the name tells CreateNetwork whose IPAM a pool came from."""

    local: str = field(name="LocalDefaultAddressSpace", default="sealane")
    world: str = field(name="GlobalDefaultAddressSpace", default="sealane-global")


class Pool(Struct):
    """{"PoolID": "…", "Pool": "10.1.0.0/24", "Data": {"com.docker.network.gateway": "10.1.0.1/24"}}"""

    pool_id: str = field(name="PoolID")
    pool: str = field(name="Pool")
    data: Mapping[str, str] = field(name="Data", default_factory=dict)


class Address(Struct):
    """{"Address": "10.1.0.5/24", "Data": {}}"""

    address: str = field(name="Address")
    data: Mapping[str, str] = field(name="Data", default_factory=dict)


class Created(Struct, omit_defaults=True):
    """Answer of CreateEndpoint. A field that the request had set must not be named again."""

    interface: Interface | None = field(name="Interface", default=None)


class OperInfo(Struct):
    """{"Value": {}}"""

    value: Mapping[str, str] = field(name="Value", default_factory=dict)


class InterfaceName(Struct):
    """dockerd moves the link SrcName into the sandbox and calls it DstPrefix and a number."""

    source: str = field(name="SrcName")
    prefix: str = field(name="DstPrefix", default="eth")


class StaticRoute(Struct):
    """RouteType 0: by NextHop; 1: connected."""

    destination: str = field(name="Destination")
    kind: int = field(name="RouteType", default=0)
    next_hop: str = field(name="NextHop", default="")


class Joined(Struct):
    """Answer of Join. Neither a gateway nor DisableGatewayService: Docker adds docker_gwbridge."""

    interface: InterfaceName = field(name="InterfaceName")
    gateway: str = field(name="Gateway", default="")
    gateway6: str = field(name="GatewayIPv6", default="")
    routes: list[StaticRoute] = field(name="StaticRoutes", default_factory=list)
    no_gateway_service: bool = field(name="DisableGatewayService", default=False)


class Failure(Struct):
    """The network driver's client reads `Err`, the IPAM driver's `Error`: always both."""

    err: str = field(name="Err")
    error: str = field(name="Error")


class Allocated(Struct):
    """Answer of AllocateNetwork."""

    options: Mapping[str, str] = field(name="Options", default_factory=dict)


def decode(kind: type[Struct], body: bytes) -> Any:
    """Raises msgspec.MsgspecError: empty, truncated, no object, wrongly typed, a key twice."""
    found = msgspec.json.decode(body, type=kind)
    try:
        once.decoded(body.decode())
    except ValueError as exc:
        raise msgspec.DecodeError(str(exc)) from exc
    return found
