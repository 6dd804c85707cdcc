"""From attachments to what has to be on the host; pure."""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from sealane import names
from sealane.agent import translation
from sealane.agent.attachment import Attachment, Route
from sealane.agent.facts import (
    MARK_BRIDGE,
    MARK_LENT,
    MARK_PORT,
    MARK_TAP,
    Answers,
    Bridge,
    Copies,
    Fact,
    Gateway,
    Guard,
    Inside,
    Lent,
    Pair,
    Redirect,
    Rules,
    TapEntry,
    TapExit,
)
from sealane.agent.tapping import TapHere, TapSource
from sealane.host.values import SwitchPort

LATE = ("cni", "podman", "ready")
"""Doors whose containers' links are made in the sandbox: to move one there takes the kernel 20 ms."""
FIRST = "eth0"
"""What a link in a sandbox is called where nobody says."""


@dataclass(frozen=True)
class Layout:
    """What of the host's settings decides about the facts."""

    userspace: bool
    uplinks: translation.Uplinks
    host: str = ""
    """By which name OVN knows this host."""
    taps: Mapping[str, TapHere] = field(default_factory=dict)
    """What is to be copied here, by the tap service: as the agent remembers it (Memory.taps)."""


def wanted(attachments: Iterable[Attachment], places: Mapping[str, int], layout: Layout) -> set[Fact]:
    """Everything; `places` are the networks' places in the uplink pool (Memory.uplinks)."""
    everyone = tuple(attachments)
    facts: set[Fact] = set()
    for attachment in everyone:
        facts |= vif(attachment, layout)
    for network_id in gateways(everyone):
        facts |= gateway(network_id, everyone, places[network_id], layout)
    for network_id in name_doors(everyone):
        facts |= name_door(network_id, everyone, layout)
    if any(a.has_uplink() for a in everyone):
        facts.add(host_rules(everyone, places, layout))
    return facts | taps(everyone, layout)


def vif(attachment: Attachment, layout: Layout) -> set[Fact]:
    """The attachment's way from its sandbox into br-int; a sub-port's is its parent's, which is there."""
    if attachment.parent:
        return (
            {_guard(replace(attachment, port_id=attachment.parent), layout)} if attachment.guarded else set()
        )
    facts = _userspace_vif(attachment) if layout.userspace else _kernel_vif(attachment)
    if attachment.bridge:
        mark, member = MARK_BRIDGE + attachment.id, names.container_link(attachment.port_id)
        facts.add(Bridge(attachment.bridge, mark, attachment.mtu, member))
    if attachment.guarded:
        facts.add(_guard(attachment, layout))
    facts |= answers(attachment, layout)
    if attachment.door != "docker" and attachment.sandbox:
        facts.add(inside(attachment))
    return facts


def taps(attachments: Iterable[Attachment], layout: Layout) -> set[Fact]:
    """What copies the packets of attachments, and what leads copies to the one that is to see them."""
    here = {attachment.port_id: attachment for attachment in attachments}
    facts: set[Fact] = set()
    copies: dict[tuple[str, bool], set[str]] = {}
    for id, tap in sorted(layout.taps.items()):
        entry, _ = names.tap_links(id, entry=True)
        sources = [one for one in tap.sources if one.port_id in here and (one.out or one.into)]
        for source in sources:
            for place in _passed(here[source.port_id], source, layout):
                copies.setdefault(place, set()).add(entry)
        if sources:
            facts |= {*_tap_pair(id, tap, layout, entry=True), TapEntry(entry)}
        if tap.port_id in here:
            end, _ = names.tap_links(id, entry=False)
            target = _host_end(here[tap.port_id], layout)
            facts |= {*_tap_pair(id, tap, layout, entry=False), TapExit(end, target, tap.mac)}
    return facts | {Copies(link, outward, tuple(sorted(ends))) for (link, outward), ends in copies.items()}


def _passed(one: Attachment, source: TapSource, layout: Layout) -> Iterable[tuple[str, bool]]:
    """Links and sides of them that its packets pass next to br-int: what it sends, what it is sent."""
    end = _host_end(one, layout)
    if source.out:
        yield (names.switch_link(one.port_id), True) if layout.userspace else (end, False)
    if source.into:
        yield (end, True)


def _host_end(one: Attachment, layout: Layout) -> str:
    """The link of the host that leads to the container."""
    own = names.host_link if layout.userspace else names.ovs_port
    return _guest(one, own(one.port_id)).name


def _tap_pair(id: str, tap: TapHere, layout: Layout, *, entry: bool) -> set[Fact]:
    host, port = names.tap_links(id, entry=entry)
    inner = layout.userspace
    pair = Pair(host, MARK_TAP + id, tap.mtu, peer=port, in_switch=inner, both=not inner, finish=inner)
    logical = names.tap_entry(id, layout.host) if entry else names.tap_exit(id)
    return {pair, SwitchPort(port, logical, "")}


def gateways(attachments: Iterable[Attachment]) -> set[str]:
    """Networks to which this host has to keep a way: as their gateway, or for what is published."""
    return {a.network_id for a in attachments if a.has_uplink()}


def answers(attachment: Attachment, layout: Layout) -> set[Fact]:
    """What is asked by the host is answered by the host, though the way out is a router."""
    if not attachment.is_led_to():
        return set()
    mac, port = names.resolver_mac(attachment.network_id), attachment.port_id
    if layout.userspace:
        return {Answers(names.host_link(port), names.switch_link(port), True, mac)}
    return {Answers(names.ovs_port(port), names.ovs_port(port), False, mac)}


def gateway(network_id: str, everyone: Iterable[Attachment], place: int, layout: Layout) -> set[Fact]:
    """The network's gateway namespace, its port on br-int and its rules."""
    members = tuple(a for a in everyone if a.network_id == network_id and a.has_uplink())
    namespace, uplinks = names.gateway_namespace(network_id), layout.uplinks.at(place)
    leg = replace(gateway_leg(network_id, everyone, uplinks), redirected=layout.userspace)
    if leg.routes:
        table = translation.gateway_table(members, leg.routes, uplinks, outward=False)
    else:
        table = translation.gateway_table(members, leg.addresses, uplinks)
    return {leg, _leg_port(leg), Rules(namespace, table.digest, table)}


def gateway_leg(network_id: str, everyone: Iterable[Attachment], uplinks: tuple[str, ...]) -> Gateway:
    """Its addresses and MAC; only beside a router it has routes."""
    members = tuple(a for a in everyone if a.network_id == network_id and a.has_uplink())
    if any(a.has_gateway() for a in members):
        return _as_gateway(network_id, members, uplinks)
    return _beside_router(network_id, members, everyone, uplinks)


def _as_gateway(network_id: str, members: tuple[Attachment, ...], uplinks: tuple[str, ...]) -> Gateway:
    addresses = frozenset(address for a in members for address in _gateway_addresses(a.addresses, a.gateways))
    mtu, mac = min(a.mtu for a in members), names.gateway_mac(network_id)
    return Gateway(network_id, mtu, addresses, frozenset(uplinks), mac)


def _beside_router(
    network_id: str, members: tuple[Attachment, ...], everyone: Iterable[Attachment], uplinks: tuple[str, ...]
) -> Gateway:
    """Only answers leave by it. Of the subnets it has no address: everybody is on its link."""
    near = (a for a in everyone if a.network_id == network_id)
    routes = frozenset(str(interface.network) for a in near for interface in a.interfaces())
    mtu, mac = min(a.mtu for a in members), names.resolver_mac(network_id)
    return Gateway(network_id, mtu, frozenset({f"{names.RESOLVER}/32"}), frozenset(uplinks), mac, routes)


def _leg_port(leg: Gateway) -> SwitchPort:
    return SwitchPort(names.gateway_ovs_port(leg.network_id), names.gateway_port(leg.network_id), leg.mac)


def name_doors(attachments: Iterable[Attachment]) -> set[str]:
    """Networks that have no gateway here, and machines that ask for names."""
    everyone = tuple(attachments)
    return {a.network_id for a in everyone if a.asks_beside()} - gateways(everyone)


def name_door(network_id: str, everyone: Iterable[Attachment], layout: Layout) -> set[Fact]:
    """A gateway's namespace that leads nowhere: the resolver answers in it, and nothing passes."""
    mtu = min(a.mtu for a in everyone if a.network_id == network_id and a.asks_beside())
    mac, everywhere = names.resolver_mac(network_id), frozenset({"0.0.0.0/0"})
    here = frozenset({f"{names.RESOLVER}/32"})
    leg = Gateway(network_id, mtu, here, frozenset(), mac, everywhere, layout.userspace)
    return {leg, _leg_port(leg)}


def host_rules(everyone: Iterable[Attachment], places: Mapping[str, int], layout: Layout) -> Rules:
    table = translation.host_table(everyone, places, layout.uplinks)
    return Rules("", table.digest, table)


def inside(attachment: Attachment) -> Inside:
    hops = attachment.defaults
    if hops is None:
        hops = () if attachment.internal else attachment.gateways
    defaults = tuple(Route(destination="::/0" if ":" in hop else "0.0.0.0/0", nexthop=hop) for hop in hops)
    return Inside(
        sandbox=attachment.sandbox,
        ifname=attachment.ifname or FIRST,
        link=names.container_link(attachment.port_id),
        mac=attachment.mac,
        mtu=attachment.mtu,
        addresses=frozenset(attachment.addresses),
        routes=defaults + attachment.routes + _to_resolver(attachment),
    )


def _to_resolver(attachment: Attachment) -> tuple[Route, ...]:
    """By the link itself: no router knows the address."""
    return (Route(destination=f"{names.RESOLVER}/32", nexthop=""),) if attachment.asks_beside() else ()


def _userspace_vif(attachment: Attachment) -> set[Fact]:
    port, mark = attachment.port_id, MARK_PORT + attachment.id
    lent = attachment.device_kind == "lent"
    switch, tap = names.switch_link(port), names.lent_port(port) if lent else names.ovs_port(port)
    there: set[Fact] = {
        Pair(switch, mark, attachment.mtu, peer=tap, in_switch=True, finish=True),
        SwitchPort(tap, names.logical_port(port), attachment.mac),
    }
    if attachment.door in LATE and not attachment.sandbox:
        return there
    guest = _guest(attachment, names.host_link(port))
    return there | {guest, Redirect(guest.name, switch), Redirect(switch, guest.name)}


def _guest(attachment: Attachment, name: str) -> Pair | Lent:
    """What the guest gets: a TAP device, or a pair, one end of which it takes; or what it has already."""
    if attachment.device_kind == "lent":
        return Lent(attachment.device, MARK_LENT + attachment.id)
    mark = MARK_PORT + attachment.id
    if attachment.device_kind == "tap":
        return Pair(attachment.device, mark, attachment.mtu, tap=True)
    mac = "" if attachment.bridge else attachment.mac
    if attachment.door in LATE and attachment.sandbox:
        inner = attachment.ifname or FIRST
        return Pair(name, mark, attachment.mtu, peer=inner, mac=mac, into=attachment.sandbox)
    veth = attachment.device_kind == "veth"
    peer = attachment.device if veth else names.container_link(attachment.port_id)
    return Pair(name, mark, attachment.mtu, peer=peer, mac=mac)


def _guard(attachment: Attachment, layout: Layout) -> Guard:
    """Where what the container sends has left all that could bend its way, and OVS has not seen it."""
    port = attachment.port_id
    if layout.userspace:
        return Guard(names.switch_link(port), outward=True)
    return Guard(_guest(attachment, names.ovs_port(port)).name, outward=False)


def _kernel_vif(attachment: Attachment) -> set[Fact]:
    port = attachment.port_id
    guest = _guest(attachment, names.ovs_port(port))
    return {guest, SwitchPort(guest.name, names.logical_port(port), attachment.mac)}


@lru_cache(maxsize=4096)
def _gateway_addresses(addresses: tuple[str, ...], gateways: tuple[str, ...]) -> frozenset[str]:
    """The gateways with the prefix lengths of an attachment's own addresses.

    Remembered, because it is asked for all containers of the network each time that one starts.
    """
    networks = [ipaddress.ip_interface(address).network for address in addresses]
    return frozenset(
        f"{gateway}/{network.prefixlen}"
        for gateway in gateways
        for network in networks
        if ipaddress.ip_address(gateway) in network
    )
