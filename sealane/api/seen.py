"""Which nodes are there: an agent asks for changes all the time, so whoever is silent is not."""

import time
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers

from sealane.api.auth import TRUSTED
from sealane.api.caller import CALLER, Caller
from sealane.config import HOST_NAME

ALIVE = 75.0
"""Seconds: what Neutron calls agent_down_time. An agent asks at least every 25 s."""
HEADER = "x-sealane-node"
"""The node whose agent asks by the unix socket, where no certificate says it."""


class Seen:
    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._last: dict[str, tuple[float, float]] = {}

    def note(self, scope: MutableMapping[str, Any]) -> None:
        """Of a request whose caller auth.py has found."""
        if name := _node(scope):
            self._last[name] = time.monotonic(), time.time()

    def at(self, name: str) -> float | None:
        """Unix time of its last request; None when there was none since this process has begun."""
        return self._last[name][1] if name in self._last else None

    def alive(self, name: str) -> bool:
        return name in self._last and time.monotonic() - self._last[name][0] <= ALIVE

    def gone(self, name: str) -> bool:
        """Silent for so long that nobody should wait for it; a process that has just begun can't tell."""
        return not self.alive(name) and time.monotonic() - self._begun > ALIVE


def _node(scope: MutableMapping[str, Any]) -> str:
    caller = scope.get(CALLER)
    if isinstance(caller, Caller) and caller.role == "node":
        return caller.node
    if scope.get(TRUSTED) is True:
        shown = Headers(scope=scope).get(HEADER, "")
        return shown if HOST_NAME.fullmatch(shown) else ""
    return ""
