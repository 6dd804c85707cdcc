"""Lets the kernel forward between the gateways' uplinks and the world, and puts back how it was.

dockerd sets the policy of iptables' FORWARD to DROP, and a verdict of another table can't override it:
our traffic is accepted in DOCKER-USER, the chain that Docker leaves to others, or in FORWARD itself
where another program has set that policy.  Asserted at each resync, because dockerd may make the
chain after us.  (https://docs.docker.com/engine/network/packet-filtering-firewalls/)
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sealane.errors import HostError, NotFound
from sealane.host import command, iptables, sysctl

_CONF6 = Path("/proc/sys/net/ipv6/conf")
_COMMENT = ("-m", "comment", "--comment", "sealane")
_RULES = (
    ("-i", "slu+", *_COMMENT, "-j", "ACCEPT"),
    ("-o", "slu+", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED,DNAT", *_COMMENT, "-j", "ACCEPT"),
)


def enable(memory: Path, *, ipv6: bool) -> None:
    """Forwarding on, what it was remembered in the file; our traffic accepted by iptables."""
    _set(memory, "net/ipv4/ip_forward", "0", "1")
    if ipv6:
        # A forwarding host ignores router advertisements unless told otherwise, and would lose its
        # default route (ip-sysctl: accept_ra).
        for key in _interfaces_with_advertisements():
            _set(memory, key, "1", "2")
        _set(memory, "net/ipv6/conf/all/forwarding", "0", "1")
    for program in iptables.programs():
        _accept(program)


def restore(memory: Path) -> None:
    """Put the settings back and take our rules out."""
    sysctl.restore(memory)
    for program in iptables.programs():
        for line in _listed(program):
            if "--comment sealane" in line and line.startswith("-A "):
                command.run([program, "-w", "2", "-D", *line.split()[1:]])


def _set(memory: Path, key: str, expected: str, value: str) -> None:
    with suppress(NotFound):  # a kernel without IPv6
        sysctl.change(memory, key, expected, value)


def _interfaces_with_advertisements() -> Iterator[str]:
    for path in sorted(_CONF6.glob("*/accept_ra")):
        if not path.parent.name.startswith("sl"):
            yield f"net/ipv6/conf/{path.parent.name}/accept_ra"


def _accept(program: str) -> None:
    lines = _listed(program)
    chain = _chain(lines)
    if not chain:
        return
    for rule in _RULES:
        mark = f"-A {chain} {rule[0]} slu+"
        if not any(line.startswith(mark) and "--comment sealane" in line for line in lines):
            command.run([program, "-w", "2", "-I", chain, *rule])


def _chain(lines: list[str]) -> str:
    """Where our traffic must be accepted; "" when nothing drops it."""
    if "-N DOCKER-USER" in lines:
        return "DOCKER-USER"
    return "FORWARD" if "-P FORWARD DROP" in lines else ""


def _listed(program: str) -> list[str]:
    try:
        return command.run([program, "-w", "2", "-S"]).splitlines()
    except HostError:  # no such table in this kernel
        return []
