"""What Open vSwitch's connection tracking has translated, by `dpctl/dump-conntrack` (ovs-vswitchd(8)).

tcp,orig=(src=10.52.0.2,dst=192.0.2.9,sport=4000,dport=80),
    reply=(src=192.0.2.9,dst=203.0.113.2,sport=80,dport=4000),…     in one line
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from sealane.fastpath.shared import Tuple
from sealane.host import command

_END = r"src=([0-9.]+),dst=([0-9.]+),sport=(\d+),dport=(\d+)"
_ENTRY = re.compile(rf"^(tcp|udp),orig=\({_END}\),reply=\({_END}\)", re.MULTILINE)
_NUMBERS = {"tcp": 6, "udp": 17}


@dataclass(frozen=True)
class Entry:
    """The sender has become this one outside."""

    inside: Tuple
    address: IPv4Address
    port: int


def read(ovs_run_dir: Path, zone: int) -> Iterator[Entry]:
    """Raises HostError, DeadlineExceeded."""
    control = str(ovs_run_dir / "ovs-vswitchd.ctl")
    return parsed(command.run(("ovs-appctl", "-t", control, "dpctl/dump-conntrack", f"zone={zone}")))


def parsed(told: str) -> Iterator[Entry]:
    """Connections whose sender is another one outside, and whose receiver is who he was."""
    for protocol, source, target, sport, dport, peer, address, peer_port, port in _ENTRY.findall(told):
        if address == source or (peer, peer_port) != (target, dport):
            continue
        inside = Tuple(_NUMBERS[protocol], IPv4Address(source), int(sport), IPv4Address(target), int(dport))
        yield Entry(inside, IPv4Address(address), int(port))
