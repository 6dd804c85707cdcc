"""Let the kernel forward between two links; what it was is remembered for `down`.

Only the links in question are touched, never all of them.
"""

from pathlib import Path

from sealane.config import Settings
from sealane.host import sysctl


def memory(settings: Settings) -> Path:
    """One file for engine and agent."""
    return settings.run_dir / "sysctls.json"


def ensure(settings: Settings, links: tuple[str, ...], family: int) -> None:
    """Repeatable. Raises HostError.

    IPv6: a link that forwards stops listening to router advertisements unless accept_ra is 2
    (Documentation/networking/ip-sysctl.rst), and the host would lose its default route.
    """
    for link in links:
        base = f"net/ipv{family}/conf/{link}"
        if family == 6:
            sysctl.change(memory(settings), f"{base}/accept_ra", "1", "2")
        sysctl.change(memory(settings), f"{base}/forwarding", "0", "1")
