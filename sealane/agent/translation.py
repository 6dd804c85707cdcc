"""Address translation of a host's gateways, as nft tables; pure.

A packet to a published port passes two tables, each with its own connection tracking:

    client -> host:8080      host, sealane_nat:      to 169.254.64.5:8080 (the network's uplink, a lane)
           -> 169.254.64.5   gw-<net>, sealane_nat:  to 10.0.0.2:80, the client's address untouched

and one to the outside as well: masqueraded as the uplink's address in the gateway's namespace, where
tenants' addresses may overlap, and as the host's own in the host.  A lane is the port of the uplink's
address that stands for one publication: the host's port, where it is free.
"""

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sealane.agent.attachment import Attachment, Publication
from sealane.host.values import Address, Network, Table

TABLE = "sealane_nat"
_SWITCH_LINK = ipaddress.ip_network("169.254.77.0/30")  # between the host and the switch namespace


@dataclass(frozen=True)
class Uplinks:
    """The pools from which a gateway's address towards the host is taken, one a family."""

    pools: tuple[Network, ...]

    def at(self, place: int) -> tuple[str, ...]:
        """The addresses of a place; the host's own is place 1."""
        return tuple(str(pool[place]) for pool in self.pools)

    def usable(self, place: int) -> bool:
        """Not one of the addresses between the host and the switch namespace."""
        return not any(ipaddress.ip_address(address) in _SWITCH_LINK for address in self.at(place))

    @property
    def size(self) -> int:
        """Places there are; the first two are taken."""
        return min(min(pool.num_addresses for pool in self.pools) - 1, 1 << 16)


@dataclass(frozen=True)
class Lane:
    """One publication's way through the uplink."""

    attachment: Attachment
    publication: Publication
    number: int


def lanes(members: Iterable[Attachment]) -> tuple[Lane, ...]:
    """The lanes of one network: each publication gets its host port, or the next free one above.

    Two publications have the same host port when they are for different addresses of the host.
    """
    published = sorted(
        ((a, p) for a in members for p in a.publish),
        key=lambda pair: (pair[1].protocol, pair[1].host_port, pair[1].host_ip, pair[0].created, pair[0].id),
    )
    taken: set[tuple[str, int]] = set()
    found = []
    for attachment, publication in published:
        number = publication.host_port
        while (publication.protocol, number) in taken:
            number = number % 65535 + 1
        taken.add((publication.protocol, number))
        found.append(Lane(attachment, publication, number))
    return tuple(found)


def gateway_table(
    members: Iterable[Attachment], addresses: Iterable[str], uplink: tuple[str, ...], *, outward: bool = True
) -> Table:
    """Of a gateway's namespace: out with the uplink's address, in to what is published, nothing else.

    Not `outward`: what the host leads in is answered, and nothing else gets out.
    """
    own = sorted({str(ipaddress.ip_interface(a).network) for a in addresses})
    inward = [line for lane in lanes(members) for line in _to_container(lane, uplink)]
    # A client whose address lies within the tenant's own subnet could not be answered by this way.
    neighbours = [f'iifname "up0" oifname "gw0" {_family(n)} saddr {n} masquerade' for n in own]
    forward = [_ANSWERS, *(['iifname "gw0" accept'] if outward else []), _LED_IN]
    chains = (
        _chain("prerouting", "type nat hook prerouting priority dstnat", inward),
        _chain(
            "postrouting",
            "type nat hook postrouting priority srcnat",
            ['oifname "up0" masquerade', *neighbours],
        ),
        _chain("forward", "type filter hook forward priority filter; policy drop", forward),
        _chain("input", "type filter hook input priority filter; policy drop", _GATEWAY_INPUT),
    )
    return Table("inet", TABLE, "\n".join(chains))


def host_table(everyone: Iterable[Attachment], places: Mapping[str, int], uplinks: Uplinks) -> Table:
    """Of the host: publications to their uplinks, uplinks' traffic out with the host's address."""
    members: dict[str, list[Attachment]] = {}
    for attachment in everyone:
        if attachment.has_uplink():
            members.setdefault(attachment.network_id, []).append(attachment)
    inward = [
        line
        for network_id in sorted(members)
        for lane in lanes(members[network_id])
        for line in _to_uplink(lane, uplinks.at(places[network_id]))
    ]
    out = [f'oifname != "slu*" {_family(p)} saddr {p} masquerade' for p in map(str, uplinks.pools)]
    hairpin = 'iifname "slu*" oifname "slu*" masquerade'
    chains = (
        _chain("prerouting", "type nat hook prerouting priority dstnat - 5", inward),
        _chain("output", "type nat hook output priority -105", inward),
        _chain("postrouting", "type nat hook postrouting priority srcnat", [hairpin, *out]),
        _chain("forward", "type filter hook forward priority filter - 5", _host_forward(uplinks)),
    )
    return Table("inet", TABLE, "\n".join(chains))


_ANSWERS = "ct state established,related accept"
_LED_IN = 'iifname "up0" oifname "gw0" ct status dnat accept'
_GATEWAY_INPUT = [
    _ANSWERS,
    'iifname { "lo", "up0" } accept',
    "meta l4proto { icmp, ipv6-icmp } accept",
    'iifname "gw0" meta l4proto { tcp, udp } th dport 53 accept',
]


def _host_forward(uplinks: Uplinks) -> list[str]:
    """Nobody reaches an uplink but by a published port, and no container the switch's own link."""
    closed = [f"{_family(p)} daddr {p} ct state new ct status ! dnat drop" for p in map(str, uplinks.pools)]
    return [f'iifname "slu*" ip daddr {_SWITCH_LINK} drop', *closed]


def _to_container(lane: Lane, uplink: tuple[str, ...]) -> Iterator[str]:
    for address in uplink:
        target = _target(lane.attachment, ipaddress.ip_address(address).version)
        if target is not None:
            family, protocol = _family(address), lane.publication.protocol
            match = f'iifname "up0" {family} daddr {address} {protocol} dport {lane.number}'
            yield f"{match} dnat {family} to {_with_port(target, lane.publication.port)}"


def _to_uplink(lane: Lane, uplink: tuple[str, ...]) -> Iterator[str]:
    publication = lane.publication
    for address in map(ipaddress.ip_address, uplink):
        here = _own_address(publication.host_ip, address.version)
        if here and _target(lane.attachment, address.version) is not None:
            match = f"{here} {publication.protocol} dport {publication.host_port}"
            yield f"{match} dnat {_family(str(address))} to {_with_port(address, lane.number)}"


def _own_address(host_ip: str, version: int) -> str:
    """The match for packets to the host; "" when this publication is not for them.

    Loopback's packets can't be translated on to another link (they are martians there): the agent's
    proxy takes those.
    """
    loopback = "ip daddr != 127.0.0.0/8" if version == 4 else "ip6 daddr != ::1"
    if host_ip in ("", "0.0.0.0", "::"):
        wrong = {"0.0.0.0": 6, "::": 4}.get(host_ip)
        return "" if wrong == version else f"fib daddr type local {loopback}"
    wanted = ipaddress.ip_address(host_ip)
    if wanted.version != version or wanted.is_loopback:
        return ""
    return f"{_family(host_ip)} daddr {wanted}"


def _target(attachment: Attachment, version: int) -> Address | None:
    return next((i.ip for i in attachment.interfaces() if i.version == version), None)


def _with_port(address: Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _family(thing: str) -> str:
    return "ip6" if ":" in thing else "ip"


def _chain(name: str, head: str, rules: Iterable[str]) -> str:
    lines = "".join(f"    {rule}\n" for rule in rules)
    return f"  chain {name} {{\n    {head};\n{lines}  }}"
