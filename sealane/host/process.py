"""Processes: which one a pid means, and where its network is (proc(5))."""

from pathlib import Path

from sealane.errors import NotFound

PROC = Path("/proc")
_STATE, _STARTED = 0, 19
"""Fields of /proc/PID/stat behind the name of the program."""


def started(pid: int) -> int:
    """When the process began, in clock ticks since boot: with it a pid is never taken for another process.

    Raises NotFound when there is none, also for one that has ended and was not waited for.
    """
    fields = _stat(pid)
    if fields is None or fields[_STATE] in ("Z", "X"):
        raise NotFound(f"there is no process {pid}")
    return int(fields[_STARTED])


def is_same(pid: int, began: int) -> bool:
    try:
        return started(pid) == began
    except NotFound:
        return False


def network(pid: int) -> Path:
    return PROC / str(pid) / "ns" / "net"


def cgroups(pid: int) -> dict[str, str]:
    """Controllers ("" for cgroup v2's only tree) -> path; empty when the process is gone (cgroups(7))."""
    try:
        lines = (PROC / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return {}
    return {controllers: path for _, controllers, path in (line.split(":", 2) for line in lines)}


def _stat(pid: int) -> list[str] | None:
    """The program's name is in brackets, and may hold blanks and brackets itself."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split() or None
