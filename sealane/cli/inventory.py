"""`sealane agent` and `sealane extension`: which hosts there are, and what the API can do."""

import urllib.parse
from typing import Any

import click

from sealane.cli.api import Body
from sealane.cli.complete import hosts
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_many, show_one
from sealane.errors import Conflict, NotFound


def _alive(value: Any) -> str:
    return "alive" if value else "lost"


AGENTS = (
    Column("HOST", "host"),
    Column("STATE", "alive", _alive),
    Column("LAST SEEN", "heartbeat_timestamp"),
    Column("KIND", "agent_type"),
    Column("ID", "id"),
)
EXTENSIONS = (Column("ALIAS", "alias"), Column("WHAT", "name"))

agent_group = Ordered(
    "agent",
    help="What runs on the hosts, as OpenStack's agents: list, show.\n\n\b\nExample:\n  sealane agent list",
)
extension = Ordered(
    "extension",
    help="What the API can do, as Neutron's extensions: list, show.\n\n"
    "\b\nExample:\n  sealane extension list",
)


@agent_group.command("list")
@click.option("--host", help="Only of this host.", shell_complete=hosts)
@click.option("--lost", is_flag=True, help="Only those that are not alive.")
@output_option
def list_agents(host: str | None, lost: bool, output: str) -> None:
    """All hosts that OVN knows, and whether they are alive."""
    rows = api().list("agents", **({"host": host} if host else {}))
    show_many([row for row in rows if not (lost and row["alive"])], AGENTS, output)


@agent_group.command("show")
@click.argument("wanted", metavar="HOST", shell_complete=hosts)
@output_option
def show_agent(wanted: str, output: str) -> None:
    """One, by its host or id."""
    rows: list[Body] = api().list("agents")
    found = [r for r in rows if r["id"] == wanted] or [r for r in rows if r["host"] == wanted]
    if not found:
        raise NotFound(f"no agent '{wanted}'; 'sealane agent list' shows all")
    if len({row["id"] for row in found}) > 1:
        raise Conflict(f"{len(found)} agents are on '{wanted}'; give one of the ids " + _ids(found))
    show_one(found[0], output)


def _ids(rows: list[Body]) -> str:
    return ", ".join(str(row["id"]) for row in rows)


@extension.command("list")
@output_option
def list_extensions(output: str) -> None:
    """All extensions."""
    show_many(api().list("extensions"), EXTENSIONS, output)


@extension.command("show")
@click.argument("alias")
@output_option
def show_extension(alias: str, output: str) -> None:
    """One, by its alias."""
    path = f"/v2.0/extensions/{urllib.parse.quote(alias, safe='')}"
    show_one(api().request("GET", path)["extension"], output)
