"""Let the kernel forward between two links; what it was is remembered for `down`."""

from pathlib import Path

from sealane.config import Settings
from sealane.host import sysctl

IPV6 = Path("/proc/sys/net/ipv6/conf")


def memory(settings: Settings) -> Path:
    """One file for engine and agent."""
    return settings.run_dir / "sysctls.json"


def ensure(settings: Settings, links: tuple[str, ...], family: int) -> None:
    """Repeatable. Raises HostError."""
    if family == 4:
        for link in links:
            sysctl.change(memory(settings), f"net/ipv4/conf/{link}/forwarding", "0", "1")
    else:
        _ensure_ipv6(memory(settings))


def remember(settings: Settings) -> None:
    """Before dockerd, which lets all links forward at its start, and does not put back how it was.

    It is not done for it: dockerd has iptables drop by default only where it did so itself. Raises HostError.
    """
    sysctl.remember(memory(settings), "net/ipv4/ip_forward")


def _ensure_ipv6(memory: Path) -> None:
    """IPv6 asks the setting for all links, whatever that of a link says (ip-sysctl.rst, conf/all/forwarding).

    A link that forwards stops listening to router advertisements unless its accept_ra is 2, and the host
    would lose its default route.
    """
    for path in sorted(IPV6.glob("*/accept_ra")):
        sysctl.change(memory, f"net/ipv6/conf/{path.parent.name}/accept_ra", "1", "2")
    sysctl.change(memory, "net/ipv6/conf/all/forwarding", "0", "1")
