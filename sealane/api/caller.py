"""Who asks: found out by auth.py, judged by the policy."""

from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

Role = Literal["admin", "member", "reader", "unscoped", "node"]
"""unscoped: a user who has logged in to no project yet."""
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
    user: str = ""
    """Id of who has logged in; empty for root, the admin's token and nodes."""
    project: str = ""
    """Id of the project he has logged in to."""

    @property
    def is_tenant(self) -> bool:
        return self.role in ("member", "reader", "unscoped")

    def may_use(self, project_id: str) -> bool:
        if self.is_tenant:
            return project_id == self.project != ""
        return EVERY_PROJECT in self.projects or project_id in self.projects


ADMIN = Caller("admin")


def caller_of(request: Request) -> Caller:
    """Only for paths that are not open."""
    found = request.scope[CALLER]
    assert isinstance(found, Caller)
    return found
