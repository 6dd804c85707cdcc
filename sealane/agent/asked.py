"""What a door asks for: a namespace, a network and what the interface is to be like."""

import ipaddress
import re
from typing import Any

import msgspec

from sealane.agent.attachment import MAC, Door, PortRequest, Route
from sealane.errors import BadRequest

IFNAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$")
"""15 bytes at most (netdevice(7)); no path, no option."""
PHYSICAL_NETWORK = re.compile(r"[A-Za-z0-9_.-]{1,64}")
VLANS = 4094
"""The last that there is (IEEE 802.1Q)."""


class AttachRequest(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`target` says whose namespace it is (targets.py); `netns` is a path, as scripts give it."""

    target: str = ""
    netns: str = ""
    network: str = ""  # id or name; "": that of the port
    physical: str = ""  # instead of the network: the physical network that it is a segment of
    vlan: int = 0  # the VLAN there; 0: what has no tag
    port: str = ""  # id of one made before
    trunk: str = ""  # instead of the port: that of the parent of this trunk, by id or name
    ip: str = ""
    ips: tuple[str, ...] = ()  # further ones
    mac: str = ""
    ifname: str = ""  # "": the first ethN that the namespace has not
    gateway: str = ""  # "": a default route where the namespace has none; "none", "yes" or an address
    routes: tuple[Route, ...] = ()
    security_groups: tuple[str, ...] = ()
    dhcp: bool = False  # the address by DHCP: of the network's own server, or of the LAN's
    persist: bool = False  # attach again whenever the container starts
    name: str = ""  # of the port; "": the container's
    aliases: tuple[str, ...] = ()  # further names in DNS
    publish: tuple[PortRequest, ...] = ()
    door: Door = "netns"
    key: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(ip for ip in (self.ip, *self.ips) if ip))


def check(request: AttachRequest) -> None:
    """Raises BadRequest that names the field."""
    if not (request.target or request.netns or request.door == "host"):
        raise BadRequest("target: say which container, process or namespace is to be attached")
    _network(request)
    if request.ifname and not IFNAME.fullmatch(request.ifname):
        raise BadRequest(
            f"ifname: {request.ifname!r} is no name of an interface; 15 letters and digits at most"
        )
    if request.mac and not MAC.fullmatch(request.mac.lower()):
        raise BadRequest(f"mac: {request.mac!r} is no MAC address; write it as 02:00:00:00:00:01")
    for ip in request.addresses:
        _address("ip", ip)
    if request.dhcp:
        _dhcp(request)
    if request.gateway not in ("", "none", "yes"):
        _address("gateway", request.gateway)
    for route in request.routes:
        _route(route)


def _network(request: AttachRequest) -> None:
    if not (request.network or request.physical or request.port or request.trunk):
        raise BadRequest("network: say on which network, or give a port")
    if request.trunk and (request.port or request.physical):
        raise BadRequest("trunk: it has a port of its own; leave port and physical out")
    if request.network and request.physical:
        raise BadRequest("physical: give either a network or a physical network")
    if request.vlan and not request.physical:
        raise BadRequest("vlan: it is for a physical network; give that too")
    if not 0 <= request.vlan <= VLANS:
        raise BadRequest(f"vlan: {request.vlan} is not between 1 and {VLANS}; leave it out for no tag")
    if request.physical and not PHYSICAL_NETWORK.fullmatch(request.physical):
        raise BadRequest(f"physical: {request.physical[:80]!r} is no name of a physical network")


def _dhcp(request: AttachRequest) -> None:
    if request.door != "netns":
        raise BadRequest("dhcp: only 'sealane attach' asks a DHCP server; leave it out")
    if request.port:
        raise BadRequest("dhcp: a port made before has its address already; give one of them")
    if request.addresses:
        raise BadRequest("dhcp: the server chooses the address; give either --ip or --dhcp")


def _address(field: str, value: str) -> Any:
    try:
        return ipaddress.ip_address(value)
    except ValueError as exc:
        raise BadRequest(f"{field}: {exc}") from exc


def _route(route: Route) -> None:
    try:
        network = ipaddress.ip_network(route.destination)
    except ValueError as exc:
        raise BadRequest(f"route: {exc}; write it as 10.9.0.0/16=10.1.0.1") from exc
    if _address("route", route.nexthop).version != network.version:
        raise BadRequest(f"route: {route.destination} and {route.nexthop} are of different families")
