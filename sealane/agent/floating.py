"""Floating IPs that Open vSwitch translates on this host, and where the outside is: read from br-int's rules.

As for routers (routers.py), what br-int does is what counts (ovn-northd(8), "Logical Router Datapaths"):

    table=65, reg15=0x7fff,metadata=0x14    actions=output:2
        what is for the physical network of network 0x14 leaves br-int by its port 2
    table=45, ip,reg15=0x1,metadata=0x39,nw_src=10.52.0.2    actions=set_field:fa:16:3e:f8:b0:d0->eth_src,
                                  ct(commit,table=46,zone=NXM_NX_REG11[0..15],nat(src=203.0.113.80))
        router 0x39 lets that one out by its port 1 as 203.0.113.80, from a MAC of its own.  Such a rule
        is on the port's host alone, where the floating IP is distributed.

Left to Open vSwitch are floating IPs without a MAC of their own, which are translated where the router's
gateway is; those of routers that count or reroute by policies, or look at a packet's length; and those on a
VLAN, or whose way out has a limit or a mark.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from sealane import names
from sealane.agent import shaped
from sealane.fastpath.floating import Floating
from sealane.host.link import Link

_WAY = re.compile(
    rf"\btable=65, priority=\d+,reg15={names.PHYSICAL_PORT_KEY:#x},metadata=(0x[0-9a-f]+)"
    r" actions=output:(\d+)$"
)
_RULE = re.compile(
    r"\btable=\d+, priority=\d+,ip,reg15=(0x[0-9a-f]+),metadata=(0x[0-9a-f]+),nw_src=([0-9.]+) actions="
    r"set_field:((?:[0-9a-f]{2}:){5}[0-9a-f]{2})->eth_src,"
    r"ct\(commit,table=\d+,zone=[^,()]+,nat\(src=([0-9.]+)\)\)$"
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
    fixed: IPv4Address
    address: IPv4Address
    mac: str
    way: int  # OpenFlow's number of br-int's port


def ways(flows: str) -> Mapping[int, int]:
    """Networks by OVN's numbers of their datapaths -> br-int's ports to their physical networks, where frames
    leave as they are. `flows`: what ovs-ofctl dump-flows says with -O OpenFlow15."""
    found = (_WAY.search(line.rstrip()) for line in flows.splitlines())
    return {int(one[1], 16): int(one[2]) for one in found if one}


def translated(flows: str, entrances: Mapping[Port, Port]) -> tuple[Translated, ...]:
    """`entrances`: what leaves a datapath by a port enters another one by a port (routers.entrances)."""
    rules = [one for one in (_RULE.search(line.rstrip()) for line in flows.splitlines()) if one]
    outside, limited = ways(flows) if rules else {}, shaped.limits(flows)
    unclear = set(_unclear(flows.splitlines())) if rules else set()
    found = []
    for out, router, fixed, mac, address in (one.groups() for one in rules):
        network, port = entrances.get((router, out), ("", ""))
        way = outside.get(int(network or "0", 16))
        if way is None or router in unclear or limited((router, out)) or limited((network, port)):
            continue
        one = Translated(
            int(router, 16), int(network, 16), IPv4Address(fixed), IPv4Address(address), mac, way
        )
        found.append(one)
    return tuple(found)


def placed(
    found: Iterable[Translated], ways: Mapping[int, str], links: Mapping[str, Link]
) -> Iterator[Floating]:
    """`ways`: ports of br-int -> physical networks; `links`: theirs, by which packets come and go.  Of a
    bridge of the host's own Open vSwitch there is none."""
    for one in found:
        link = links.get(ways.get(one.way, ""))
        if link is not None:
            own = (one.router, one.fixed, one.address, one.mac, one.network)
            yield Floating(*own, link.index, link.mtu)


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
