"""The address that tunnels use, the link that bears it, and the MTU that is left inside a tunnel.

Geneve (RFC 8926) over IPv4 costs 58 bytes of the underlay's MTU: IPv4 20, UDP 8, Geneve 8, OVN's option 8,
the inner Ethernet header 14; over IPv6 it costs 78.
"""

import ipaddress
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sealane.engine.command import run
from sealane.errors import BadRequest, HostError

OVERHEAD = {4: 58, 6: 78}
FALLBACK = "127.0.0.1"
"""Where tunnels end on a machine without a network: its own containers still reach each other."""
ETHERNET_MTU = 1500


@dataclass(frozen=True)
class Underlay:
    address: str
    link: str
    link_mtu: int

    @property
    def family(self) -> int:
        return ipaddress.ip_address(self.address).version

    @property
    def mtu(self) -> int:
        """Bytes that a container's interface may send at once."""
        return tunnel_mtu(self.link_mtu, self.family)


def tunnel_mtu(link_mtu: int, family: int) -> int:
    return link_mtu - OVERHEAD[family]


async def find(encap_ip: str) -> Underlay:
    """`encap_ip` when it is set, else the source address of the default route. Raises BadRequest."""
    address = encap_ip or await _default_source()
    try:
        wanted = ipaddress.ip_address(address)
    except ValueError as exc:
        raise BadRequest(f"setting 'encap_ip' can't be '{address}': {exc}") from exc
    for link, mtu, found in _addresses(json.loads(await run("ip", "-j", "address", "show"))):
        if found == wanted:
            return Underlay(address, link, mtu if link != "lo" else ETHERNET_MTU)
    raise BadRequest(f"encap_ip {address} is no address of this host; set it to one of its own")


async def _default_source() -> str:
    """Asks the routing table for the way to documentation addresses (RFC 5737, RFC 3849): nothing is sent."""
    for family, target in (("-4", "203.0.113.1"), ("-6", "2001:db8::1")):
        try:
            routes = json.loads(await run("ip", "-j", family, "route", "get", target))
        except HostError:
            continue
        if routes and "prefsrc" in routes[0]:
            return str(routes[0]["prefsrc"])
    return FALLBACK


def _addresses(
    links: list[Mapping[str, object]],
) -> Iterator[tuple[str, int, ipaddress.IPv4Address | ipaddress.IPv6Address]]:
    for link in links:
        infos = link.get("addr_info") or []
        assert isinstance(infos, list)
        for info in infos:
            if "local" in info:
                yield str(link["ifname"]), int(str(link["mtu"])), ipaddress.ip_address(info["local"])
