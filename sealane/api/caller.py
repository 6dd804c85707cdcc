"""Who asks: found out by auth.py, judged by the policy."""

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

Role = Literal["admin", "node"]
CALLER = "sealane.caller"
"""Key of the ASGI scope; set by auth.py for every request."""
EVERY_PROJECT = "*"


@dataclass(frozen=True)
class Caller:
    role: Role
    node: str = ""
    """Name of the node whose certificate was shown; empty for an admin."""
    projects: tuple[str, ...] = (EVERY_PROJECT,)
    serial: str = ""
    """Of that certificate."""

    def may_use(self, project_id: str) -> bool:
        return EVERY_PROJECT in self.projects or project_id in self.projects


ADMIN = Caller("admin")


def caller_of(request: Request) -> Caller:
    """Only for paths that are not open."""
    found = request.scope[CALLER]
    assert isinstance(found, Caller)
    return found
