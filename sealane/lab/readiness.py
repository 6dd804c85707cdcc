"""Ask a lab whether it is ready, from outside: what is missing, as text; '' when nothing is."""

import http.client
import json
import socket
from pathlib import Path

from sealane.errors import HostError
from sealane.lab.host import Host
from sealane.lab.plan import Plan

TIMEOUT = 3.0
TOKEN_TIMEOUT = 10.0
"""Seconds for one question."""


def missing(plan: Plan, host: Host) -> str:
    """The first part of `host` that is not ready."""
    pid = host.pid
    if pid is None:
        return f"{host.name} is off"
    found = _tree(Path(f"/proc/{pid}/root/run/sealane/supervisor.sock"))
    if not found and plan.docker and not answers(plan.docker_socket(host.name), "/_ping"):
        found = "the Docker engine"
    return f"{found} on {host.name}" if found else ""


def missing_api(plan: Plan) -> str:
    return "" if answers(plan.api_socket, "/healthz") else "the API"


def missing_door(plan: Plan) -> str:
    """What is missing for a token."""
    return "" if answers(plan.api_socket, "/v2.0/sealane/tokens") else "the API on host1"


def join_line(plan: Plan) -> str:
    """What `sealane token create` prints on the first host. Raises HostError."""
    connection = http.client.HTTPConnection("localhost", timeout=TOKEN_TIMEOUT)
    try:
        connection.sock = _connect(plan.api_socket)
        connection.request("POST", "/v2.0/sealane/tokens", b'{"token": {}}')
        made = json.loads(connection.getresponse().read())["token"]
        return f"sealane node --join {made['address']} {made['token']}\n"
    except (OSError, http.client.HTTPException, ValueError, KeyError) as exc:
        raise HostError(f"the API of host1 makes no token: {exc}") from exc
    finally:
        connection.close()


def answers(path: Path, request: str) -> bool:
    """Does GET `request` on this unix socket succeed?"""
    connection = http.client.HTTPConnection("localhost", timeout=TIMEOUT)
    try:
        connection.sock = _connect(path)
        connection.request("GET", request)
        return connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _tree(path: Path) -> str:
    try:
        with _connect(path) as conversation, conversation.makefile("rb") as lines:
            conversation.sendall(b'{"command": "status"}\n')
            children = json.loads(lines.readline())["children"]
    except (OSError, ValueError, KeyError):
        return "Sealane"
    return next((child["name"] for child in children if not child["ready"]), "")


def _connect(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(TIMEOUT)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection
