"""The agent of this host, as OpenStack's services speak to it: blocking, root only."""

from typing import Any

from sealane import config
from sealane.cli.api import Api

DEADLINE = 40.0  # seconds


def plug(**request: str) -> dict[str, Any]:
    """Repeating it is harmless.  Raises an error of errors.py."""
    return _agent().request("POST", "/plug", request)


def unplug(port: str) -> None:
    _agent().request("POST", "/unplug", {"port": port})


def attach(**request: str) -> dict[str, Any]:
    return dict(_agent().request("POST", "/attach", request)["attachment"])


def detach(attachment_id: str) -> None:
    _agent().request("POST", "/detach", {"id": attachment_id})


def attachments() -> list[dict[str, Any]]:
    return list(_agent().request("GET", "/attachments")["attachments"])


def _agent() -> Api:
    return Api(f"unix:{config.load().settings.agent_socket}", deadline=DEADLINE)
