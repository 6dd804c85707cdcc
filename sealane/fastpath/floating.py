"""Floating IPs of this host as they are in the maps: by the address inside and by the one outside.  Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from sealane.fastpath import layout

Rows = Mapping[bytes, bytes]


@dataclass(frozen=True)
class Floating:
    """One address for another one, in both directions, and no port (RFC 2663, 4.1.1: Basic NAT)."""

    router: int  # OVN's number of the router's datapath
    fixed: IPv4Address
    address: IPv4Address  # outside
    mac: str  # at which the outside finds it
    network: int  # OVN's number of the external network's datapath
    link: int  # by which its physical network is reached
    mtu: int  # of that link


def of(floating: Iterable[Floating]) -> Mapping[str, Rows]:
    """None for an address inside that has several outside, or one outside that several have."""
    told = [(_inside(one), _outside(one), one) for one in floating]
    inside, outside = Counter(key for key, _, _ in told), Counter(key for _, key, _ in told)
    clear = [row for row in told if inside[row[0]] == 1 == outside[row[1]]]
    return {
        "floating": {key: _floating(one) for key, _, one in clear},
        "public": {key: _public(one) for _, key, one in clear},
    }


def links(rows: Rows) -> set[int]:
    """Of physical networks, that rows of "public" name."""
    found = (layout.PUBLIC_KEY.unpack(key)["link"] for key in rows)
    return {link for link in found if isinstance(link, int)}


def _inside(one: Floating) -> bytes:
    return layout.FLOATING_KEY.pack(realm=_realm(one), fixed=one.fixed.packed)


def _outside(one: Floating) -> bytes:
    return layout.PUBLIC_KEY.pack(link=one.link, address=one.address.packed)


def _floating(one: Floating) -> bytes:
    return layout.FLOATING.pack(
        address=one.address.packed, link=one.link, vni=one.network, mac=_mac(one), mtu=min(one.mtu, 0xFFFF)
    )


def _public(one: Floating) -> bytes:
    return layout.PUBLIC.pack(realm=_realm(one), fixed=one.fixed.packed, mac=_mac(one))


def _realm(one: Floating) -> bytes:
    return layout.router_realm(one.router)


def _mac(one: Floating) -> bytes:
    return bytes.fromhex(one.mac.replace(":", ""))
