"""Ports of br-int whose packets Open vSwitch limits or marks: a fast path would go round that.

It is read from the rules themselves, so that it holds whatever has made them and whoever can be asked.  OVN
tells a port by its network's key and its own; table 0 says which interface has which (ovn-architecture(7)):

    table=0,  in_port=2                   actions=set_field:0x23->metadata,set_field:0x18->reg14,…
    table=18, reg14=0x18,metadata=0x23    actions=meter:1,…              what the port sends
    table=48, reg15=0x18,metadata=0x23    actions=meter:2,…              what it is sent
"""

import re
from collections.abc import Callable, Iterable, Iterator

_SHAPES = re.compile(r"meter:|->(?:ip_dscp|nw_tos)|mod_nw_tos")
_DATAPATH = re.compile(r"\bmetadata=(0x[0-9a-f]+)")
_PORT = re.compile(r"\breg1[45]=(0x[0-9a-f]+)")
_INTERFACE = re.compile(r"\bin_port=(\d+)\b")
_KEYS = re.compile(r"set_field:(0x[0-9a-f]+)->metadata.*set_field:(0x[0-9a-f]+)->reg14")


Limits = Callable[[tuple[str, str]], bool]
"""Whether what passes a port is limited or marked; as rules have them, its datapath's key and its own."""


def shaped(flows: str) -> frozenset[int]:
    """OpenFlow numbers of those ports. `flows`: what ovs-ofctl dump-flows says with -O OpenFlow15."""
    lines = [line.partition(" actions=") for line in flows.splitlines()]
    shaping = _shaping(flows)
    if not shaping:
        return frozenset()
    places = {number: keys for match, _, actions in lines for number, keys in _place(match, actions)}
    return frozenset(number for number, keys in places.items() if _is_among(keys, shaping))


def limits(flows: str) -> Limits:
    """Of ports of routers, and of networks to them, too."""
    shaping = _shaping(flows)
    return lambda keys: _is_among(keys, shaping)


def _shaping(flows: str) -> list[str]:
    lines = (line.partition(" actions=") for line in flows.splitlines())
    return [match for match, _, actions in lines if _SHAPES.search(actions)]


def _place(match: str, actions: str) -> Iterator[tuple[int, tuple[str, str]]]:
    interface, keys = _INTERFACE.search(match), _KEYS.search(actions)
    if interface and keys:
        yield int(interface[1]), (keys[1], keys[2])


def _is_among(keys: tuple[str, str], shaping: Iterable[str]) -> bool:
    """A rule that names no port is for all of the network, one that names no network for all there are."""
    for match in shaping:
        datapath, port = _DATAPATH.search(match), _PORT.search(match)
        if (not datapath or datapath[1] == keys[0]) and (not port or port[1] == keys[1]):
            return True
    return False
