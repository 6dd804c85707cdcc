"""`sealane status`: what runs here, and how it is."""

import json
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import click

from sealane import config
from sealane.cli.api import Api, connect
from sealane.cli.output import Column, output_option, show_json, show_many
from sealane.config import Settings
from sealane.errors import SealaneError, Unavailable

COLUMNS = (
    Column("PART", "name"),
    Column("STATE", "state"),
    Column("PID", "pid"),
    Column("RESTARTS", "restarts"),
    Column("LAST EXIT", "last_exit"),
)


@click.command()
@output_option
def status(output: str) -> int:
    """Is everything that should run here running? Exit status 1 when not."""
    settings = config.load().settings
    report: dict[str, Any] = {
        "host": settings.host_name,
        "parts": _children(settings),
        "datapath": _datapath(settings),
        "health": _ask(connect(settings).health),
        "agent": _ask(partial(_agent, settings)),
    }
    report["troubles"] = troubles(report)
    if output == "json":
        show_json(report)
    else:
        _print(report)
    return 1 if report["troubles"] else 0


def troubles(report: Mapping[str, Any]) -> list[str]:
    """What is wrong, a line each."""
    names = {part["name"] for part in report["parts"]}
    found = [f"{part['name']} is {part['state']}" for part in report["parts"] if not part["ready"]]
    health = report["health"]
    if "error" in health:
        found.append(health["error"])
    for name, part in health.get("parts", {}).items():
        if not part["ok"]:
            found.append(f"{name}: {part['detail']}")
    if "agent" in names:
        found += _agent_troubles(report["agent"])
    return found


def _agent_troubles(agent: Mapping[str, Any]) -> list[str]:
    return [f"agent: {text}" for text in (agent.get("error"), agent.get("trouble")) if text]


def notes(report: Mapping[str, Any]) -> list[str]:
    """What a user should know though nothing of ours is broken."""
    docker = report["agent"].get("docker", {})
    engine = [] if docker.get("engine", "ok") == "ok" else [f"Docker: {docker['engine']}"]
    return engine + [f"network {name}: {text}" for name, text in docker.get("troubles", {}).items()]


def _print(report: Mapping[str, Any]) -> None:
    path, agent = report["datapath"], report["agent"]
    click.echo(f"host      {report['host']}")
    if path:
        click.echo(f"datapath  {path.get('kind', '?')} ({path.get('reason', 'no reason written down')})")
    click.echo(f"API       {report['health'].get('status', 'does not answer')}")
    if "attachments" in agent:
        click.echo(f"attached  {agent['attachments']}")
    click.echo()
    show_many(report["parts"], COLUMNS, "table")
    for title, lines in (("TROUBLE", report["troubles"]), ("NOTE", notes(report))):
        for line in lines:
            click.echo(f"{title}: {line}")


def _children(settings: Settings) -> list[dict[str, Any]]:
    """From the supervisor. Raises Unavailable when none runs here."""
    path = settings.supervisor_socket
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5.0)
            connection.connect(str(path))
            connection.sendall(b'{"command": "status"}\n')
            with connection.makefile("rb") as answers:
                return list(json.loads(answers.readline())["children"])
    except PermissionError as exc:
        raise Unavailable(f"may not open {path}; run this as root") from exc
    except (OSError, ValueError, KeyError) as exc:
        raise Unavailable(f"Sealane does not run here ({path}: {exc}); 'sealane up' starts it") from exc


def _datapath(settings: Settings) -> dict[str, Any]:
    try:
        return dict(json.loads((settings.run_dir / "datapath.json").read_text()))
    except (OSError, ValueError):
        return {}  # a machine with the central part only has none


def _agent(settings: Settings) -> dict[str, Any]:
    return Api(f"unix:{settings.agent_socket}", deadline=5.0).request("GET", "/status")


def _ask(question: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer, or {"error": why there is none}."""
    try:
        return question()
    except SealaneError as exc:
        return {"error": exc.message}
