"""Addresses and routes of a link (rtnetlink(7): ifaddrmsg, rtmsg)."""

import errno
import ipaddress
import socket as sockets
import struct
from collections.abc import Iterator

from sealane.host.netlink import NLM_F_CREATE, NLM_F_REPLACE, Message, Socket, attribute, attributes, u32
from sealane.host.values import Interface, Network

_RTM_NEWADDR, _RTM_DELADDR, _RTM_GETADDR, _RTM_NEWROUTE = 20, 21, 22, 24
_RTM_DELROUTE, _RTM_GETROUTE = 25, 26
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS, _IFA_PROTO, _NODAD = 1, 2, 8, 11, 0x02
_OURS = 0x53  # who added an address (IFA_PROTO: kernels since 5.18; older ones ignore it)
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst len, src len, tos, table, protocol, scope, type, flags
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PREFSRC = 1, 4, 5, 7
_MAIN, _STATIC, _UNICAST, _SCOPE_LINK, _SCOPE_UNIVERSE, _ONLINK = 254, 4, 1, 253, 0, 4


def add_address(socket: Socket, index: int, address: str) -> None:
    """Add "ip/len"; IPv6 without waiting for duplicates to speak up, since the store gave it once."""
    socket.request(_address(_RTM_NEWADDR, index, ipaddress.ip_interface(address)))


def remove_address(socket: Socket, index: int, address: str) -> None:
    socket.request(_address(_RTM_DELADDR, index, ipaddress.ip_interface(address)))


def addresses(socket: Socket, index: int) -> set[str]:
    """The link's addresses as "ip/len", without IPv6 link-local ones."""
    return all_addresses(socket).get(index, set())


def own_addresses(socket: Socket, index: int) -> set[str]:
    """Those that add_address added; none on a kernel that doesn't say who did (before 5.18)."""
    return {address for owner, address, origin in _every_address(socket) if (owner, origin) == (index, _OURS)}


def all_addresses(socket: Socket) -> dict[int, set[str]]:
    """The same by the number of each link."""
    found: dict[int, set[str]] = {}
    for owner, address, _ in _every_address(socket):
        found.setdefault(owner, set()).add(address)
    return found


def _every_address(socket: Socket) -> Iterator[tuple[int, str, int]]:
    """Number of the link, "ip/len", who added it."""
    for kind, data in socket.dump(_RTM_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0)):
        _, length, _, _, owner = _ADDRESS.unpack_from(data)
        parts = attributes(data[_ADDRESS.size :])
        raw = parts.get(_IFA_LOCAL) or parts.get(_IFA_ADDRESS)
        if kind == _RTM_NEWADDR and raw:
            address = ipaddress.ip_address(raw)
            if not address.is_link_local or address.version == 4:
                yield owner, f"{address}/{length}", parts.get(_IFA_PROTO, b"\0")[0]


def add_route(socket: Socket, index: int, destination: str, nexthop: str = "", source: str = "") -> None:
    """A route by this link; a next hop need not be within one of its subnets.

    Replaces one to the same destination.
    """
    network = ipaddress.ip_network(destination)
    scope = _SCOPE_UNIVERSE if nexthop or network.version == 6 else _SCOPE_LINK
    flags = _ONLINK if nexthop else 0
    body = _ROUTE.pack(_family(network), network.prefixlen, 0, 0, _MAIN, _STATIC, scope, _UNICAST, flags)
    body += attribute(_RTA_DST, network.network_address.packed) + u32(_RTA_OIF, index)
    if nexthop:
        body += attribute(_RTA_GATEWAY, ipaddress.ip_address(nexthop).packed)
    if source:
        body += attribute(_RTA_PREFSRC, ipaddress.ip_address(source).packed)
    socket.request(Message(_RTM_NEWROUTE, body, NLM_F_CREATE | NLM_F_REPLACE, f"adding a route to {network}"))


def remove_route(socket: Socket, index: int, destination: str) -> None:
    """One that was added without a next hop."""
    network = ipaddress.ip_network(destination)
    scope = _SCOPE_UNIVERSE if network.version == 6 else _SCOPE_LINK
    body = _ROUTE.pack(_family(network), network.prefixlen, 0, 0, _MAIN, _STATIC, scope, _UNICAST, 0)
    body += attribute(_RTA_DST, network.network_address.packed) + u32(_RTA_OIF, index)
    socket.request(
        Message(_RTM_DELROUTE, body, what=f"removing a route to {network}", tolerate=(errno.ESRCH,))
    )


def on_link(socket: Socket, index: int) -> set[str]:
    """Destinations of what add_route has added for the link without a next hop."""
    found: set[str] = set()
    for family in (sockets.AF_INET, sockets.AF_INET6):
        for kind, data in socket.dump(_RTM_GETROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
            answer, parts = _ROUTE.unpack_from(data), attributes(data[_ROUTE.size :])
            ours = kind == _RTM_NEWROUTE and answer[0] == family and answer[5] == _STATIC and _is_main(answer)
            if ours and _RTA_GATEWAY not in parts and parts.get(_RTA_OIF) == struct.pack("=I", index):
                raw = parts.get(_RTA_DST) or bytes(4 if family == sockets.AF_INET else 16)
                found.add(f"{ipaddress.ip_address(raw)}/{answer[1]}")
    return found


def defaults(socket: Socket) -> frozenset[int]:
    """Families (4, 6) that have a default route in the main table."""
    found: set[int] = set()
    for version, family in ((4, sockets.AF_INET), (6, sockets.AF_INET6)):
        for kind, data in socket.dump(_RTM_GETROUTE, _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
            answer = _ROUTE.unpack_from(data)
            if kind == _RTM_NEWROUTE and answer[0] == family and answer[1] == 0 and _is_main(answer):
                found.add(version)
    return frozenset(found)


def _is_main(answer: tuple[int, ...]) -> bool:
    """Table and type; `unreachable default` of every new IPv6 namespace leads nowhere."""
    return answer[4] == _MAIN and answer[7] == _UNICAST


def _address(kind: int, index: int, interface: Interface) -> Message:
    body = _ADDRESS.pack(_family(interface), interface.network.prefixlen, 0, 0, index)
    body += attribute(_IFA_LOCAL, interface.ip.packed) + attribute(_IFA_ADDRESS, interface.ip.packed)
    if interface.version == 6:
        body += u32(_IFA_FLAGS, _NODAD)
    if kind == _RTM_NEWADDR:
        body += attribute(_IFA_PROTO, bytes([_OURS]))
    verb, fine = ("adding", errno.EEXIST) if kind == _RTM_NEWADDR else ("removing", errno.EADDRNOTAVAIL)
    flags = NLM_F_CREATE if kind == _RTM_NEWADDR else 0
    return Message(kind, body, flags, f"{verb} address {interface}", tolerate=(fine,))


def _family(thing: Interface | Network) -> int:
    return sockets.AF_INET if thing.version == 4 else sockets.AF_INET6
