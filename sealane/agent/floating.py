"""What Open vSwitch translates on this host, and where the outside is: read from br-int's rules.

As for routers (routers.py), what br-int does is what counts (ovn-northd(8), "Logical Router Datapaths"):

    table=65, reg15=0x7fff,metadata=0x14    actions=output:2
        what is for the physical network of network 0x14 leaves br-int by its port 2
    table=45, ip,reg15=0x1,metadata=0x39,nw_src=10.52.0.2    actions=set_field:fa:16:3e:f8:b0:d0->eth_src,
                                  ct(commit,table=46,zone=NXM_NX_REG11[0..15],nat(src=203.0.113.80))
        router 0x39 lets that one out by its port 1 as 203.0.113.80, from a MAC of its own.  Such a rule
        is on the port's host alone, where the floating IP is distributed.
    table=45, ip,reg15=0x1,metadata=0x39,nw_src=10.52.0.0/24    actions=
                                  ct(commit,table=46,zone=NXM_NX_REG11[0..15],nat(src=203.0.113.2))
        these go out by one address, and from the MAC that the router's routes by port 1 tell.  Such a rule is
        on the router's gateway alone.  Which port a flow gets is known to connection tracking, in the zone
        that whatever enters the router bears (clone(…,set_field:0x5->reg11,…,set_field:0x39->metadata,…)).

Left to Open vSwitch are routers that count or reroute by policies, or look at a packet's length; and what is
on a VLAN, or whose way out has a limit or a mark.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from sealane import names
from sealane.agent import shaped
from sealane.fastpath.floating import Floating
from sealane.host.link import Link

_WAY = re.compile(
    rf"\btable=65, priority=\d+,reg15={names.PHYSICAL_PORT_KEY:#x},metadata=(0x[0-9a-f]+)"
    r" actions=output:(\d+)$"
)
_RULE = re.compile(
    r"\btable=\d+, priority=\d+,ip,reg15=(0x[0-9a-f]+),metadata=(0x[0-9a-f]+),nw_src=([0-9./]+) actions="
    r"(?:set_field:((?:[0-9a-f]{2}:){5}[0-9a-f]{2})->eth_src,)?"
    r"ct\(commit,table=\d+,zone=NXM_NX_(REG\d+)\[0\.\.15\],nat\(src=([0-9.]+)\)\)$"
)
_ENTERS = re.compile(r" actions=clone\((.*?)set_field:(0x[0-9a-f]+)->metadata,")
_ZONE = re.compile(r"\bset_field:(0x[0-9a-f]+|0)->(reg1[12])\b")
_SENT = re.compile(
    r"\bmetadata=(0x[0-9a-f]+)\b.* actions=dec_ttl\(\).*"
    r"set_field:((?:[0-9a-f]{2}:){5}[0-9a-f]{2})->eth_src,set_field:(0x[0-9a-f]+)->reg15\b"
)
_ROUTER = re.compile(r"\btable=(\d+), priority=(\d+),\S*\bmetadata=(0x[0-9a-f]+)\b")
_POLICY = 2
"""Tables after that of a router's routes (ovn-northd(8), Ingress: IP Routing, ECMP, Policy)."""

Port = tuple[str, str]
"""As rules have them, the key of a datapath and the port's in it."""


@dataclass(frozen=True)
class Translated:
    router: int  # OVN's numbers of datapaths
    network: int
    fixed: IPv4Network
    address: IPv4Address
    mac: str
    way: int  # OpenFlow's number of br-int's port
    zone: int = 0  # of connection tracking, which chooses ports; 0: there is no choice


def ways(flows: str) -> Mapping[int, int]:
    """Networks by OVN's numbers of their datapaths -> br-int's ports to their physical networks, where frames
    leave as they are. `flows`: what ovs-ofctl dump-flows says with -O OpenFlow15."""
    found = (_WAY.search(line.rstrip()) for line in flows.splitlines())
    return {int(one[1], 16): int(one[2]) for one in found if one}


def translated(flows: str, entrances: Mapping[Port, Port]) -> tuple[Translated, ...]:
    """`entrances`: what leaves a datapath by a port enters another one by a port (routers.entrances)."""
    lines = [line.rstrip() for line in flows.splitlines()]
    rules = [one for one in map(_RULE.search, lines) if one]
    if not rules:
        return ()
    outside, limited = ways(flows), shaped.limits(flows)
    unclear, macs, zones = set(_unclear(lines)), _macs(lines), _zones(lines)
    found = []
    for out, router, fixed, own, register, address in (one.groups() for one in rules):
        network, port = entrances.get((router, out), ("", ""))
        way = outside.get(int(network or "0", 16))
        if way is None or router in unclear or limited((router, out)) or limited((network, port)):
            continue
        mac, zone = own or macs.get((router, out)), 0 if own else zones.get((router, register.lower()), 0)
        if mac is None or (own and "/" in fixed) or (not own and not zone):
            continue
        keys = int(router, 16), int(network, 16)
        found.append(Translated(*keys, IPv4Network(fixed), IPv4Address(address), mac, way, zone))
    return tuple(found)


def _macs(lines: Iterable[str]) -> Mapping[Port, str]:
    """From which MAC a router sends by its port, where its routes agree."""
    found: dict[Port, set[str]] = {}
    for one in filter(None, map(_SENT.search, lines)):
        found.setdefault((one[1], one[3]), set()).add(one[2])
    return {port: next(iter(some)) for port, some in found.items() if len(some) == 1}


def _zones(lines: Iterable[str]) -> Mapping[tuple[str, str], int]:
    """Of a router's datapath by the register that holds it, where all that enters agrees."""
    found: dict[tuple[str, str], set[int]] = {}
    for line in lines:
        for before, datapath in _ENTERS.findall(line):
            for register, zone in {name: zone for zone, name in _ZONE.findall(before)}.items():
                found.setdefault((datapath, register), set()).add(int(zone, 0))
    return {place: next(iter(some)) for place, some in found.items() if len(some) == 1}


def placed(
    found: Iterable[Translated], ways: Mapping[int, str], links: Mapping[str, Link]
) -> Iterator[Floating]:
    """`ways`: ports of br-int -> physical networks; `links`: theirs, by which packets come and go.  Of a
    bridge of the host's own Open vSwitch there is none."""
    for one in found:
        link = links.get(ways.get(one.way, ""))
        if link is not None:
            own = (one.router, one.fixed, one.address, one.mac, one.network)
            yield Floating(*own, link.index, link.mtu, shared=bool(one.zone))


def _unclear(lines: Iterable[str]) -> Iterator[str]:
    """Routers that do more than route and translate: policies, also those that count alone, and lengths."""
    tables = {router: table for table, _, router in _parts(line for line in lines if "dec_ttl" in line)}
    for line in lines:
        for table, priority, router in _parts((line,)):
            policy = router in tables and table == tables[router] + _POLICY and priority > 0
            if policy or (router in tables and "check_pkt_larger" in line):
                yield router


def _parts(lines: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    for line in lines:
        found = _ROUTER.search(line)
        if found:
            yield int(found[1]), int(found[2]), found[3]
