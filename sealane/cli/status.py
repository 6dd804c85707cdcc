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


NODES = (
    Column("NODE", "name"),
    Column("STATE", "state"),
    Column("ADDRESS", "address"),
    Column("LAST SEEN", "last_seen"),
    Column("PORTS", "ports"),
)


@click.command()
@output_option
def status(output: str) -> int:
    """Is everything that should run here running, and which nodes are there? Exit status 1 when not.

    \b
    Example:
      sealane status
      sealane status -o json | jq '.troubles[]'
    """
    settings = config.load().settings
    client = connect(settings)
    report: dict[str, Any] = {
        "host": settings.host_name,
        "parts": _children(settings),
        "datapath": _datapath(settings),
        "health": _ask(client.health),
        "agent": _ask(partial(_agent, settings)),
        "nodes": _ask_many(partial(_nodes, client)),
        "mismatches": _ask_many(partial(_mismatches, client)),
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
    found += [
        f"node {node['name']} is lost{_since(node)}" for node in report["nodes"] if node["state"] == "lost"
    ]
    return found + [_wrong(one) for one in report["mismatches"]]


def _since(node: Mapping[str, Any]) -> str:
    return f"; last seen {node['last_seen']}" if node["last_seen"] else ""


def _wrong(one: Mapping[str, Any]) -> str:
    return (
        f"port {one['name'] or one['id']} is bound by {one['host']}, but meant for "
        f"{one['wanted_host'] or 'no host'}; 'sealane port show {one['id']}' tells more"
    )


def _agent_troubles(agent: Mapping[str, Any]) -> list[str]:
    fastpath = agent.get("fastpath", {}).get("trouble")
    found = [f"agent: {text}" for text in (agent.get("error"), agent.get("trouble")) if text]
    return found + ([f"fast path: {fastpath}"] if fastpath else [])


def notes(report: Mapping[str, Any]) -> list[str]:
    """What a user should know though nothing of ours is broken."""
    docker = report["agent"].get("docker", {})
    engine = [] if docker.get("engine", "ok") == "ok" else [f"Docker: {docker['engine']}"]
    networks = [f"network {name}: {text}" for name, text in docker.get("troubles", {}).items()]
    waiting = report["agent"].get("quarantine", {}).items()
    return engine + networks + [f"container {name} is in quarantine: {text}" for name, text in waiting]


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
    if report["nodes"]:
        click.echo()
        show_many(report["nodes"], NODES, "table")
    if report["troubles"] or notes(report):
        click.echo()
    for title, lines in (("TROUBLE", report["troubles"]), ("NOTE", notes(report))):
        for line in lines:
            click.echo(f"{click.style(title, fg='red' if title == 'TROUBLE' else 'yellow')}: {line}")


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


def _nodes(client: Api) -> list[dict[str, Any]]:
    """Nodes of the store, with what the API has heard of their agents."""
    agents = {agent["id"]: agent for agent in client.list("agents")}
    rows = client.request("GET", "/v2.0/sealane/nodes")["nodes"]
    return [_node(row, agents.get(row["name"])) for row in sorted(rows, key=lambda row: str(row["name"]))]


def _node(row: Mapping[str, Any], agent: Mapping[str, Any] | None) -> dict[str, Any]:
    state = "not seen yet" if agent is None else "alive" if agent["alive"] else "lost"
    shown = {key: row.get(key) for key in ("id", "name", "address", "ports")}
    return {**shown, "state": state, "last_seen": (agent or {}).get("heartbeat_timestamp")}


def _mismatches(client: Api) -> list[dict[str, Any]]:
    return list(client.request("GET", "/v2.0/sealane/mismatches")["mismatches"])


def _ask_many(question: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Nothing where the API does not answer, or not this node's: `health` says so already."""
    try:
        return question()
    except SealaneError:
        return []


def _ask(question: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer, or {"error": why there is none}."""
    try:
        return question()
    except SealaneError as exc:
        return {"error": exc.message}
