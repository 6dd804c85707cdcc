"""Let the kernel forward between two links, and put back what was there before.

RUN/sysctls.json remembers the first value of each setting that was changed; it is written before the
change, so a crash in between loses nothing.  Only the links in question are touched, never all of them.
"""

import json
import os
from pathlib import Path

MEMORY = "sysctls.json"
PROC = Path("/proc/sys")


def wanted(link: str, family: int) -> dict[str, str]:
    """Settings as paths below /proc/sys.

    IPv6: a link that forwards stops listening to router advertisements unless accept_ra is 2
    (Documentation/networking/ip-sysctl.rst), and the host would lose its default route.
    """
    if family == 4:
        return {f"net/ipv4/conf/{link}/forwarding": "1"}
    base = f"net/ipv6/conf/{link}"
    accept_ra = {f"{base}/accept_ra": "2"} if _read(f"{base}/accept_ra") == "1" else {}
    return {**accept_ra, f"{base}/forwarding": "1"}


def ensure(run_dir: Path, links: tuple[str, ...], family: int) -> None:
    """Repeatable."""
    for link in links:
        for path, value in wanted(link, family).items():
            before = _read(path)
            if before != value:
                _remember(run_dir, path, before)
                (PROC / path).write_text(value)


def restore(run_dir: Path) -> None:
    """Links that are gone by now are passed over."""
    for path, value in _memory(run_dir).items():
        if (PROC / path).exists():
            (PROC / path).write_text(value)
    (run_dir / MEMORY).unlink(missing_ok=True)


def _read(path: str) -> str:
    return (PROC / path).read_text().strip()


def _remember(run_dir: Path, path: str, value: str) -> None:
    memory = {path: value} | _memory(run_dir)  # the first value stays
    partial = run_dir / f"{MEMORY}.partial"
    partial.write_text(json.dumps(memory))
    os.replace(partial, run_dir / MEMORY)


def _memory(run_dir: Path) -> dict[str, str]:
    try:
        stored = json.loads((run_dir / MEMORY).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(path): str(value) for path, value in stored.items()}
