"""The container's end of the pair, within its sandbox: for doors whose caller doesn't set it up."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from sealane.agent.facts import Inside
from sealane.errors import Conflict, HostError, NotFound
from sealane.host import link, netns, route, sysctl
from sealane.host.netlink import Socket


@dataclass(frozen=True)
class Survey:
    """What a sandbox has: names of links with their MACs, families that have a default route."""

    links: Mapping[str, str]
    defaults: frozenset[int]


def survey(sandbox: str) -> Survey:
    """Raises NotFound when there is no such namespace."""
    return netns.inside(sandbox, _survey)


def _survey() -> Survey:
    with Socket() as socket:
        return Survey({one.name: one.mac for one in link.every(socket)}, route.defaults(socket))


def find(wanted: Inside) -> Inside | None:
    """The link that is wanted, as it is; None when it or the sandbox is not there."""
    with suppress(NotFound):
        return netns.inside(wanted.sandbox, lambda: _read(wanted))
    return None


def ensure(host: Socket, wanted: Inside) -> None:
    """Move the link in, name it, give it addresses and routes, and set it up.

    Raises NotFound (the sandbox), Conflict (it has another link of that name), HostError.
    """
    if netns.inside(wanted.sandbox, lambda: _arrived(wanted)) is None:
        outside = link.find(host, wanted.link)
        if outside is None:
            raise HostError(f"the link {wanted.link} vanished before it reached {wanted.sandbox}")
        descriptor = netns.open_namespace(wanted.sandbox)
        try:
            link.move(host, outside.index, descriptor, wanted.ifname)
        finally:
            os.close(descriptor)
    netns.inside(wanted.sandbox, lambda: _configure(wanted))


def resize(sandbox: str, mac: str, mtu: int) -> None:
    """The link with that MAC, where somebody else has set it up; where it is gone there is nothing to do."""
    with suppress(NotFound):
        netns.inside(sandbox, lambda: _resize(mac, mtu))


def _resize(mac: str, mtu: int) -> None:
    with Socket() as socket:
        for one in link.every(socket):
            if one.mac == mac and one.mtu != mtu:
                link.change(socket, one.index, mtu=mtu)


def _arrived(wanted: Inside) -> link.Link | None:
    with Socket() as socket:
        found = link.find(socket, wanted.ifname)
    if found is not None and found.mac != wanted.mac:
        raise taken(wanted.sandbox, wanted.ifname)
    return found


def taken(sandbox: str, ifname: str) -> Conflict:
    return Conflict(f"{sandbox} has a link {ifname} already; ask for another ifname")


def _read(wanted: Inside) -> Inside | None:
    with Socket() as socket:
        found = link.find(socket, wanted.ifname)
        if found is None or found.mac != wanted.mac or not found.up:
            return None
        addresses = _ours(socket, found.index, wanted)
    return Inside(
        sandbox=wanted.sandbox,
        ifname=wanted.ifname,
        link=wanted.link,
        mac=found.mac,
        mtu=found.mtu,
        addresses=addresses,
        routes=wanted.routes,
    )


def _ours(socket: Socket, index: int, wanted: Inside) -> frozenset[str]:
    """Without what the guest has added itself, as VRRP does with an address of its port's pairs."""
    there, own = route.addresses(socket, index), route.own_addresses(socket, index)
    return frozenset(own | there & wanted.addresses)


def _turn_away_routers(key: str) -> None:
    """OVN lets router advertisements of other containers pass; the addresses come from us.

    A guest that asked for them itself (accept_ra 2) keeps its choice when the link is mended later.
    """
    if sysctl.read(key) == "1":
        sysctl.write(key, "0")


def _configure(wanted: Inside) -> None:
    with suppress(NotFound):  # a kernel without IPv6
        _turn_away_routers(f"net/ipv6/conf/{wanted.ifname}/accept_ra")
        sysctl.write(f"net/ipv6/conf/{wanted.ifname}/ndisc_notify", "1")
    # Neighbours that remember another MAC for the address hear of ours when the link comes up.
    sysctl.write(f"net/ipv4/conf/{wanted.ifname}/arp_notify", "1")
    with Socket() as socket:
        loopback, found = link.find(socket, "lo"), link.find(socket, wanted.ifname)
        if loopback is None or found is None:
            raise HostError(f"the link {wanted.ifname} vanished from {wanted.sandbox}")
        link.change(socket, found.index, mtu=wanted.mtu)
        there = _ours(socket, found.index, wanted)
        for address in sorted(there - wanted.addresses):
            route.remove_address(socket, found.index, address)
        for address in sorted(wanted.addresses - there):
            route.add_address(socket, found.index, address)
        link.set_up(socket, loopback.index)
        link.set_up(socket, found.index)
        for one in wanted.routes:
            route.add_route(socket, found.index, one.destination, one.nexthop)
