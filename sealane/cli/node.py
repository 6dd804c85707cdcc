"""`sealane node`: run a node here, join, and the list of all."""

import os
import socket
import sys
from typing import Any

import click

from sealane import config
from sealane.cli.complete import names
from sealane.cli.daemon import ENGINE, become, engine_options, take_options
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_many, show_one
from sealane.config import Settings
from sealane.errors import Forbidden, NotFound

COLLECTION = "/v2.0/sealane/nodes"
COLUMNS = (
    Column("NAME", "name"),
    Column("STATE", "state"),
    Column("ADDRESS", "address"),
    Column("PLACE", "local", lambda local: "central" if local else "joined"),
    Column("PORTS", "ports"),
    Column("PROJECTS", "projects"),
    Column("PHYSICAL", "physical_networks"),
    Column("DESCRIPTION", "description"),
)
STANDARD_INPUT = "-"
UNSEEN = "not seen yet"


@click.group(
    cls=Ordered,
    invoke_without_command=True,
    epilog="Example: sealane node --join 192.0.2.1 slt1_…",
)
@click.option(
    "--join",
    "joining",
    nargs=2,
    metavar="ADDRESS TOKEN",
    help="Become a node of the central part at ADDRESS first, as 'sealane token create' printed it;"
    " TOKEN - is read from standard input.",
)
@engine_options
@click.pass_context
def node(ctx: click.Context, /, joining: tuple[str, str] | None, **options: object) -> None:
    """Run a node here, in the foreground; ^C stops it. The commands below do something else."""
    take_options(options)
    if ctx.invoked_subcommand is not None:
        if joining:
            raise click.UsageError("--join and a command exclude each other")
        return
    settings = config.load().settings
    if joining and _join(settings, *joining):
        return
    become(ENGINE, "node")


@node.command()
@click.argument("address")
@click.argument("token")
def join(address: str, token: str) -> None:
    """Join without running: for a service that is started later. TOKEN - is read from standard input."""
    _join(config.load().settings, address, token)


def _join(settings: Settings, address: str, token: str) -> bool:
    """Whether a node runs here already; it takes the new certificate by itself."""
    if os.geteuid() != 0:
        raise Forbidden("joining needs root; run it with sudo")
    from sealane.cli import join

    name = join.join(address, sys.stdin.readline() if token == STANDARD_INPUT else token, settings)
    running = _runs(settings)
    more = "; the node that runs here takes the new certificate by itself" if running else ""
    if running and config.load().settings.api_url != settings.api_url:
        more = "; another central part than before: start the node that runs here again"
    click.echo(f"joined {address} as '{name}'{more}", err=True)
    return running


def _runs(settings: Settings) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(settings.supervisor_socket)) == 0


@node.command("list")
@output_option
def list_nodes(output: str) -> None:
    """All nodes."""
    client = api()
    states = {agent["id"]: "alive" if agent["alive"] else "lost" for agent in client.list("agents")}
    rows = [
        {**row, "state": states.get(row["name"], UNSEEN)}
        for row in client.request("GET", COLLECTION)["nodes"]
    ]
    show_many(sorted(rows, key=lambda row: str(row["name"])), COLUMNS, output)


@node.command()
@click.argument("name", shell_complete=names("sealane/nodes"))
@output_option
def show(name: str, output: str) -> None:
    """All about one node."""
    show_one(_find(name), output)


@node.command("set")
@click.argument("name", shell_complete=names("sealane/nodes"))
@click.option("--description", help="For people.")
@click.option("--address", help="On the underlay; a node says its own at each start.")
@click.option("--project", "projects", multiple=True, help="What it may use; 'all' for all projects.")
def change(name: str, projects: tuple[str, ...], **values: str | None) -> None:
    """Change what is known of a node, and what it may."""
    given: dict[str, Any] = {key: value for key, value in values.items() if value is not None}
    if projects:
        given["projects"] = ["*"] if "all" in projects else list(projects)
    if not given:
        raise click.UsageError("nothing to set; give --description, --address or --project")
    api().request("PUT", f"{COLLECTION}/{_find(name)['id']}", {"node": given})


@node.command()
@click.argument("name", shell_complete=names("sealane/nodes"))
@click.option(
    "--force", is_flag=True, help="Though it has ports: those made there are deleted, others unbound."
)
def remove(name: str, force: bool) -> None:
    """Shut a node out, at once; its certificate is worth nothing from then on."""
    query = "?force=true" if force else ""
    api().request("DELETE", f"{COLLECTION}/{_find(name)['id']}{query}")


def _find(wanted: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = api().request("GET", COLLECTION)["nodes"]
    found = [row for row in rows if wanted in (row["name"], row["id"])]
    if not found:
        raise NotFound(f"no node '{wanted}'; 'sealane node list' shows all")
    return found[0]
