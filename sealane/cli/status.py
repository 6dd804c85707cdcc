"""`sealane status`: what runs here, and how it is."""

import json
import socket
from typing import Any

import click

from sealane import config
from sealane.cli.api import connect
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
        "health": _health(settings),
    }
    if output == "json":
        show_json(report)
    else:
        _print(report)
    return 0 if all(part.get("ready") for part in report["parts"]) else 1


def _print(report: dict[str, Any]) -> None:
    path = report["datapath"]
    click.echo(f"host      {report['host']}")
    if path:
        click.echo(f"datapath  {path.get('kind', '?')} ({path.get('reason', 'no reason written down')})")
    for name, value in report["health"].items():
        click.echo(f"{name:<9} {value}")
    click.echo()
    show_many(report["parts"], COLUMNS, "table")


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


def _health(settings: Settings) -> dict[str, str]:
    try:
        answer = connect(settings).health()
    except SealaneError as exc:
        return {"API": exc.message}
    return {"API": str(answer.get("status", "answers"))}
