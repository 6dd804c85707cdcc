"""What a door asks for: a namespace, a network and what the interface is to be like."""

import ipaddress
import re
from typing import Any

import msgspec

from sealane.agent.attachment import MAC, Door, PortRequest, Route
from sealane.errors import BadRequest

IFNAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$")
"""15 bytes at most (netdevice(7)); no path, no option."""


class AttachRequest(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """`target` says whose namespace it is (targets.py); `netns` is a path, as scripts give it."""

    target: str = ""
    netns: str = ""
    network: str = ""  # id or name; "": that of the port
    port: str = ""  # id of one made before
    ip: str = ""
    ips: tuple[str, ...] = ()  # further ones
    mac: str = ""
    ifname: str = ""  # "": the first ethN that the namespace has not
    gateway: str = ""  # "": a default route where the namespace has none; "none", "yes" or an address
    routes: tuple[Route, ...] = ()
    security_groups: tuple[str, ...] = ()
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
    if not (request.network or request.port):
        raise BadRequest("network: say on which network, or give a port")
    if request.ifname and not IFNAME.match(request.ifname):
        raise BadRequest(
            f"ifname: {request.ifname!r} is no name of an interface; 15 letters and digits at most"
        )
    if request.mac and not MAC.match(request.mac.lower()):
        raise BadRequest(f"mac: {request.mac!r} is no MAC address; write it as 02:00:00:00:00:01")
    for ip in request.addresses:
        _address("ip", ip)
    if request.gateway not in ("", "none", "yes"):
        _address("gateway", request.gateway)
    for route in request.routes:
        _route(route)


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
