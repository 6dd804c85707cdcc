"""Addresses outside by which this host's ports are known there, as they are in the maps: by the address
inside and by the one outside.  Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from sealane.fastpath import layout

Rows = Mapping[bytes, bytes]


@dataclass(frozen=True)
class Floating:
    """One address for another one, in both directions, and no port (RFC 2663, 4.1.1: Basic NAT); or for as
    many as share it, told apart by ports that connection tracking chooses (4.1.2: NAPT)."""

    router: int  # OVN's number of the router's datapath
    fixed: IPv4Network
    address: IPv4Address  # outside
    mac: str  # at which the outside finds it
    network: int  # OVN's number of the external network's datapath
    link: int  # by which its physical network is reached
    mtu: int  # of that link
    shared: bool = False


def of(floating: Iterable[Floating]) -> Mapping[str, Rows]:
    """None for an address inside that has several outside, or one outside that several have who do not share
    it as one router's."""
    told = [(_inside(one), _outside(one), one) for one in floating]
    inside = Counter(key for key, _, _ in told)
    outside = Counter(key for key, _ in {(key, _public(one)) for _, key, one in told})
    alone = Counter(key for _, key, one in told if not one.shared)
    clear = [row for row in told if inside[row[0]] == 1 == outside[row[1]] and alone[row[1]] <= 1]
    return {
        "floating": {key: _floating(one) for key, _, one in clear},
        "public": {key: _public(one) for _, key, one in clear},
    }


def links(rows: Rows) -> set[int]:
    """Of physical networks, that rows of "public" name."""
    found = (layout.PUBLIC_KEY.unpack(key)["link"] for key in rows)
    return {link for link in found if isinstance(link, int)}


def _inside(one: Floating) -> bytes:
    length = 8 * (layout.FLOATING_KEY.size - 4) - 32 + one.fixed.prefixlen
    fixed = one.fixed.network_address.packed
    return layout.FLOATING_KEY.pack(length=length, realm=_realm(one), fixed=fixed)


def _outside(one: Floating) -> bytes:
    return layout.PUBLIC_KEY.pack(link=one.link, address=one.address.packed)


def _floating(one: Floating) -> bytes:
    return layout.FLOATING.pack(
        address=one.address.packed,
        link=one.link,
        vni=one.network,
        mac=_mac(one),
        mtu=min(one.mtu, 0xFFFF),
        shared=int(one.shared),
    )


def _public(one: Floating) -> bytes:
    fixed = bytes(4) if one.shared else one.fixed.network_address.packed
    return layout.PUBLIC.pack(realm=_realm(one), fixed=fixed, mac=_mac(one), shared=int(one.shared))


def _realm(one: Floating) -> bytes:
    return layout.router_realm(one.router)


def _mac(one: Floating) -> bytes:
    return bytes.fromhex(one.mac.replace(":", ""))
