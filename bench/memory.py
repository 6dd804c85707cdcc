"""Memory of each daemon of a lab host: proportional set size, in which shared pages count in part."""

import re
from pathlib import Path

_MODULE = re.compile(r"^sealane\.(.+)$")


def of_host(pid: int) -> dict[str, float]:
    """MiB by daemon of the host whose process 1 is `pid` (proc(5): smaps_rollup)."""
    found: dict[str, float] = {}
    namespace = _namespace(Path(f"/proc/{pid}"))
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if _namespace(entry) == namespace:
                size = _proportional((entry / "smaps_rollup").read_text())
                name = daemon((entry / "cmdline").read_bytes().decode(errors="replace").split("\0"))
                found[name] = found.get(name, 0.0) + size
        except OSError:  # it has ended
            continue
    return found


def daemon(argv: list[str]) -> str:
    """What people call it: `sealane agent.main`, `ovsdb-server Sealane`, `dockerd`."""
    name = Path(argv[0]).name.rstrip(":")
    if "-m" in argv and name.startswith("python"):
        module = _MODULE.match(argv[argv.index("-m") + 1])
        return f"sealane {module[1]}" if module else name
    if name == "ovsdb-server":
        files = [Path(word).stem for word in argv if word.endswith(".db")]
        return " ".join([name, *files])
    return name


def _namespace(entry: Path) -> str:
    return str((entry / "ns/pid").readlink())


def _proportional(text: str) -> float:
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0
