"""OVN's numbers of this host's ports, as tunnels bear them: read from the rules that put them there.

What comes from a port enters table 0 of br-int by a rule of its own, which gives it the number of its
datapath (the tunnel's VNI) and the port's in it (ovn-architecture(7), "Architectural Physical Life Cycle
of a Packet").
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sealane.host import command

_ENTRY = re.compile(r"\bpriority=\d+,in_port=(\d+) actions=(\S+)")
"""Without a VLAN, or anything else that the packet would need to have."""
_DATAPATH = re.compile(r"\b(?:load|set_field):(0x[0-9a-f]+|\d+)->(?:OXM_OF_METADATA\[\]|metadata)(?:,|$)")
_PORT = re.compile(r"\b(?:load|set_field):(0x[0-9a-f]+|\d+)->(?:NXM_NX_REG14\[\]|reg14)(?:,|$)")


@dataclass(frozen=True)
class Locator:
    vni: int
    number: int


def read(ovs_run_dir: Path) -> Mapping[int, Locator]:
    """By OpenFlow's number of the port.  Raises HostError, DeadlineExceeded."""
    return parsed(command.run(("ovs-ofctl", "dump-flows", f"unix:{ovs_run_dir}/br-int.mgmt", "table=0")))


def parsed(flows: str) -> Mapping[int, Locator]:
    """Of what `ovs-ofctl dump-flows` says; ports whose rule does not give both numbers are left out."""
    found = {}
    for port, actions in _ENTRY.findall(flows):
        datapath, number = _DATAPATH.search(actions), _PORT.search(actions)
        if datapath and number:
            found[int(port)] = Locator(int(datapath[1], 0), int(number[1], 0))
    return found
