"""Kernel settings below /proc/sys of the calling thread's network namespace (sysctl(8))."""

import re
from pathlib import Path

from sealane.errors import BadRequest, HostError, NotFound

_KEY = re.compile(r"^[a-z0-9_]+(/[A-Za-z0-9_.@-]+)+$")
_ROOT = Path("/proc/sys")


def read(key: str) -> str:
    """`key` as in "net/ipv4/ip_forward" (link names may hold dots).  Raises NotFound, HostError."""
    try:
        return _path(key).read_text().strip()
    except FileNotFoundError as exc:
        raise NotFound(f"this kernel has no setting {key}") from exc
    except OSError as exc:
        raise HostError(f"reading {key}: {exc.strerror}") from exc


def write(key: str, value: str) -> None:
    try:
        _path(key).write_text(value)
    except FileNotFoundError as exc:
        raise NotFound(f"this kernel has no setting {key}") from exc
    except OSError as exc:
        raise HostError(f"setting {key} to {value}: {exc.strerror}") from exc


def _path(key: str) -> Path:
    if not _KEY.match(key) or ".." in key:
        raise BadRequest(f"{key!r} is no kernel setting")
    return _ROOT / key
