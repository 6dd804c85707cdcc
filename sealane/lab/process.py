"""Process 1 of a host, found by looking at the machine's processes: there is no file to be lost or wrong."""

import json
import time
from pathlib import Path

from sealane.errors import DeadlineExceeded

MODULE = "sealane.lab.init"
POLL = 0.05


_found: dict[tuple[str, str], int] = {}
"""Where a host's was the last time, which is looked at first: all processes of a machine are many."""


def find(host: str, shared: Path) -> int | None:
    """The pid as the machine sees it; None when the host is off."""
    wanted = host, str(shared)
    pid = _found.get(wanted)
    if pid is not None and _is_init(Path(f"/proc/{pid}"), *wanted):
        return pid
    for entry in Path("/proc").glob("[0-9]*"):
        if _is_init(entry, *wanted):
            _found[wanted] = int(entry.name)
            return int(entry.name)
    return None


def hosts_on(shared: Path) -> set[str]:
    """Names of the hosts of a lab that are on."""
    orders = (_orders(entry) for entry in Path("/proc").glob("[0-9]*"))
    return {str(o["host"]) for o in orders if o.get("shared") == str(shared)}


def _is_init(entry: Path, host: str, shared: str) -> bool:
    orders = _orders(entry)
    return (orders.get("host"), orders.get("shared")) == (host, shared)


def _orders(entry: Path) -> dict[str, object]:
    """What process 1 of a host was handed over on its command line; empty for others and for the dying."""
    try:
        if entry.stat().st_uid != 0:
            return {}
        words = (entry / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return {}
    if words[1:3] != [b"-m", MODULE.encode()]:
        return {}
    found = json.loads(words[3])
    return found if isinstance(found, dict) else {}


def wait_for_end(pid: int, seconds: float) -> None:
    """Process 1 is a zombie only after all others of its namespace have ended (pid_namespaces(7))."""
    end = time.monotonic() + seconds
    while _state(pid) not in "ZX":
        if time.monotonic() > end:
            raise DeadlineExceeded(f"process {pid} did not end in {seconds:g} s")
        time.sleep(POLL)


def _state(pid: int) -> str:
    """One letter, proc(5) stat; X when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"
