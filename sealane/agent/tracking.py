"""Which networks and routers look at no connections: read from the rules of br-int.

Where a packet is judged by its own headers alone, one of a flow that came out of Open vSwitch tells of all
that follow it; where connection tracking has a say, both directions have to be seen.  OVN tracks connections
of a whole datapath or not at all (ovn-northd(8), "Logical Switch Datapaths", pre-ACLs to pre-stateful):

    table=12, ip,metadata=0x1f               actions=set_field:0x1000…/0x1000…->xxreg0,…
    table=14, ip,reg0=0x1/0x1,metadata=0x1f  actions=ct(table=15,zone=NXM_NX_REG13[0..15])

The second rule is in all networks, the first one where there are stateful rules or load balancers: only
where a rule sets the bit for which another one waits is a connection looked at.  What decides by flags of
TCP's, or by what IP's header says besides addresses, is taken for the like of it.
"""

import re
from dataclasses import dataclass, field

_DATAPATH = re.compile(r"\bmetadata=(0x[0-9a-f]+)")
_TRACKS = re.compile(r"\bct\(|\bgroup:|\bbundle|\bmultipath|\blearn\(")
"""Groups may do it: what they hold is told elsewhere."""
_VARIES = re.compile(r"\b(?:tcp_flags|nw_tos|ip_dscp|nw_ecn)=")
_WAITS = re.compile(r"\breg0=(0x[0-9a-f]+|\d+)(?:/|,|$)")
_SETS = re.compile(
    r"(?:set_field:(0x[0-9a-f]+|\d+)(?:/0x[0-9a-f]+)?->|->|pop:)"
    r"(?:NXM_NX_)?(xx?reg0|reg0)\b(?:\[(\d*)(?:\.\.(\d+))?\])?",
    re.IGNORECASE,
)
_ABOVE = {"xxreg0": 96, "xreg0": 32, "reg0": 0}
"""Bits of the whole that come behind those of reg0 (ovs-fields(7))."""
_ALL = 0xFFFFFFFF


@dataclass
class _Seen:
    """Of a datapath: bits of reg0 that rules set, and for which tracking ones wait."""

    bits: int = 0
    waits: list[int] = field(default_factory=list)  # 0: for none

    @property
    def tracks(self) -> bool:
        return any(wanted & self.bits == wanted for wanted in self.waits)


def untracked(flows: str) -> frozenset[int]:
    """Numbers of datapaths. `flows`: what ovs-ofctl dump-flows says with -O OpenFlow15."""
    seen: dict[str, _Seen] = {}
    for line in flows.splitlines():
        match, there, actions = line.partition(" actions=")
        if not there:
            continue
        datapath = _DATAPATH.search(match)
        if datapath is None:
            if _TRACKS.search(actions):  # whoever comes by
                return frozenset()
            continue
        one = seen.setdefault(datapath[1], _Seen())
        if "reg0" in actions.lower():
            one.bits |= _bits(actions)
        if _TRACKS.search(actions) or _VARIES.search(match):
            one.waits.append(_waits(match))
    return frozenset(int(number, 16) for number, one in seen.items() if not one.tracks)


def _waits(match: str) -> int:
    found = _WAITS.search(match)
    return int(found[1], 0) if found else 0


def _bits(actions: str) -> int:
    found = 0
    for value, name, first, last in _SETS.findall(actions):
        word = int(value, 0) if value else _range(first, last)
        found |= word >> _ABOVE[name.lower()] & _ALL
    return found


def _range(first: str, last: str) -> int:
    """Whatever is put there; all of it where no bit is named."""
    if not first:
        return (1 << 128) - 1
    return (1 << int(last or first) + 1) - (1 << int(first))
