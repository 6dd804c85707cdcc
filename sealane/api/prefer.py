"""What a caller prefers: the header Prefer (RFC 7240), of which `wait` means something here."""

import re
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers

DEFAULT = 10
"""Seconds of a wait that gives none."""
LONGEST = 600
WAIT = re.compile(r"wait(?:\s*=\s*\"?(\d{1,9})\"?)?", re.IGNORECASE)


def wait(scope: MutableMapping[str, Any]) -> int:
    """How long the caller prefers to wait for the hosts; 0: not at all."""
    if scope["method"] not in ("POST", "PUT", "DELETE"):
        return 0
    for part in ",".join(Headers(scope=scope).getlist("prefer")).split(","):
        if found := WAIT.fullmatch(part.split(";")[0].strip()):
            return min(int(found[1]), LONGEST) if found[1] else DEFAULT
    return 0
