"""Kernel settings below /proc/sys of the calling thread's network namespace (sysctl(8))."""

import json
import os
import re
from pathlib import Path

from sealane import failpoint
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
        with failpoint.effect("sysctl", key, HostError):
            _path(key).write_text(value)
    except FileNotFoundError as exc:
        raise NotFound(f"this kernel has no setting {key}") from exc
    except OSError as exc:
        raise HostError(f"setting {key} to {value}: {exc.strerror}") from exc


def change(memory: Path, key: str, expected: str, value: str) -> None:
    """Set `key` to `value` if it is `expected`, and remember that in the file before.

    The file is the one that `sealane down` puts back from: JSON, key -> first value.
    """
    if read(key) == expected:
        _remember(memory, {key: expected} | _remembered(memory))
        write(key, value)


def remember(memory: Path, key: str) -> None:
    """What it is, for `restore`, when somebody else is about to change it."""
    _remember(memory, {key: read(key)} | _remembered(memory))


def _remembered(memory: Path) -> dict[str, str]:
    try:
        stored = json.loads(memory.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(key): str(value) for key, value in stored.items()}


def _remember(memory: Path, values: dict[str, str]) -> None:
    draft = memory.with_suffix(".draft")
    draft.write_text(json.dumps(values))
    with failpoint.effect("file", memory.name):
        os.replace(draft, memory)


def restore(memory: Path) -> None:
    """Put back what is remembered; settings of links that are gone are passed over."""
    for key, value in _remembered(memory).items():
        if _path(key).exists():
            write(key, value)
    memory.unlink(missing_ok=True)


def _path(key: str) -> Path:
    if not _KEY.fullmatch(key) or ".." in key:
        raise BadRequest(f"{key!r} is no kernel setting")
    return _ROOT / key
