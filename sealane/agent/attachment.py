"""The one value that every front door makes: a container (or a namespace) on a network.

A door fills it from what it was asked and from the API's answers; wanted.py turns it into links,
OVS ports and rules.  Whatever changes on the way (the sandbox becomes known, a port is published)
is a new value with the same id.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Literal

from sealane import names
from sealane.errors import BadRequest
from sealane.model import GatewayMode

Door = Literal["docker", "netns", "cni", "podman", "os-vif", "host", "trunk", "ready"]
Protocol = Literal["tcp", "udp", "sctp"]

ATTACHMENT_ID = re.compile(r"^[0-9a-f-]{1,64}$")
"""Docker's endpoint ids are 64 hexadecimal digits, ours are UUIDs."""

PORT_ID = re.compile(r"^[0-9a-f-]{11,64}$")
MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")


@dataclass(frozen=True, kw_only=True)
class PortRequest:
    """One line of `-p`: host_port 0 asks for any free port, host_port_end for one of a range."""

    protocol: Protocol
    port: int
    host_ip: str = ""  # "": every address of the host, both families
    host_port: int = 0
    host_port_end: int = 0  # the last of the range, included; 0: host_port alone
    shared: bool = False  # the caller's runtime listens there itself: translated only, not served by loopback


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A port of the host that leads to a port of the container."""

    protocol: Protocol
    host_ip: str  # "": every address of the host, both families
    host_port: int
    port: int
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class Route:
    destination: str
    nexthop: str


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Of an address that a LAN's DHCP server has given for a time."""

    server: str
    seconds: int
    obtained: float  # seconds since the epoch

    @property
    def end(self) -> float:
        return self.obtained + self.seconds


@dataclass(frozen=True, kw_only=True)
class Attachment:
    id: str  # Docker's endpoint id, or a UUID of ours
    door: Door
    network_id: str
    port_id: str
    mac: str  # lower case
    addresses: tuple[str, ...]  # "10.0.0.2/24", "fd00::2/64": of the container
    mtu: int  # bytes, of the container's interface
    gateways: tuple[str, ...] = ()  # addresses of the network's gateway, one a family at most
    routes: tuple[Route, ...] = ()  # the subnets' host routes
    nameservers: tuple[str, ...] = ()  # of the network's subnets
    sandbox: str = ""  # path of the network namespace, once known
    ifname: str = ""  # name inside the sandbox; Docker chooses its own
    container: str = ""  # "docker:ID", "pid:7": whose sandbox it is, for doors that know it
    name: str = ""  # of that container, for people
    started: int = 0  # of the process by which the sandbox is known: host/process.py
    key: str = ""  # by which the door's caller knows it
    device: str = ""  # of a guest, on the host; "": the container's link under its first name
    device_kind: Literal["", "tap", "veth", "bridge", "lent"] = ""
    parent: str = ""  # id of the port by whose link it comes and goes, of a sub-port of a trunk
    bridge: str = ""  # where the device is a port of it
    defaults: tuple[str, ...] | None = None  # next hops of default routes; None: the gateways
    publish: tuple[Publication, ...] = ()
    internal: bool = False  # no way out, whatever gateway_mode says
    gateway_mode: GatewayMode = "host"
    adopted: bool = False  # the port was made before: it is given back, not deleted
    guarded: bool = True  # it may announce no router; not where its port was without port security
    lease: Lease | None = None  # None: the address is the port's for as long as the port is there
    policy: str = ""  # who said its groups: "" its network, "given" the endpoint, "label …"; or "quarantine"
    service: str = ""  # what its endpoint's option says that it offers
    created: float = field(default=0.0)  # seconds since the epoch

    def has_gateway(self) -> bool:
        """Does this host keep a gateway namespace for the attachment's network?"""
        return self.gateway_mode == "host" and not self.internal and bool(self.gateways)

    def is_led_to(self) -> bool:
        """Is it published on this host, though its way out is a router?"""
        behind = self.gateway_mode == "router" and not self.internal and bool(self.gateways)
        return behind and bool(self.publish)

    def has_uplink(self) -> bool:
        """Does this host keep a way between itself and the attachment's network?"""
        return self.has_gateway() or self.is_led_to()

    def asks_beside(self) -> bool:
        """Does it find the resolver at names.RESOLVER, as this host is no gateway of its?"""
        return (
            self.door not in ("docker", "host")
            and not self.has_gateway()
            and any("." in a for a in self.addresses)
        )

    def servers(self) -> tuple[str, ...]:
        """Whom it is to ask for names: our resolver, and for what that can't ask for it the network's own."""
        ours = (names.RESOLVER,) if self.asks_beside() else self.gateways
        return (*ours, *self.nameservers)

    def interfaces(self) -> tuple[ipaddress.IPv4Interface | ipaddress.IPv6Interface, ...]:
        return tuple(ipaddress.ip_interface(a) for a in self.addresses)


def checked(attachment: Attachment) -> Attachment:
    """The attachment itself, if its ids and addresses are safe in names, paths and rules.

    Raises BadRequest that names the field.
    """
    _match("id", ATTACHMENT_ID, attachment.id)
    _match("port_id", PORT_ID, attachment.port_id)
    _match("network_id", PORT_ID, attachment.network_id)
    _match("mac", MAC, attachment.mac)
    if not 68 <= attachment.mtu <= 65535:
        raise BadRequest(f"attachment: mtu {attachment.mtu} is not between 68 and 65535")
    try:
        attachment.interfaces()
        for gateway in attachment.gateways:
            ipaddress.ip_address(gateway)
        for route in attachment.routes:
            ipaddress.ip_network(route.destination)
            ipaddress.ip_address(route.nexthop)
    except ValueError as exc:
        raise BadRequest(f"attachment: {exc}") from exc
    return attachment


def _match(name: str, pattern: re.Pattern[str], value: str) -> None:
    if not pattern.fullmatch(value):
        raise BadRequest(f"attachment: {name} {value!r} is malformed")
