"""`sealane token`: what another machine joins with."""

from typing import Any

import click

from sealane.cli.complete import names
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_json, show_many
from sealane.errors import Conflict, NotFound

COLLECTION = "/v2.0/sealane/tokens"
COLUMNS = (
    Column("ID", "id"),
    Column("NAME", "name"),
    Column("EXPIRES", "expires_at"),
    Column("STATE", "expired", lambda expired: "expired" if expired else "good"),
    Column("PROJECTS", "projects"),
)
UNITS = {"s": 1, "m": 60, "h": 3600}

token = Ordered(
    "token",
    help="Tokens, with which machines become nodes: create, list, delete.\n\n"
    "\b\nExample:\n  sealane token create\n  sealane token create --ttl 2h --name rack4",
)


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    number, unit = (value[:-1], value[-1]) if value[-1:] in UNITS else (value, "s")
    if not number.isascii() or not number.isdigit():
        raise click.BadParameter(f"'{value}' is no time; give it as 90s, 15m or 2h")
    return int(number) * UNITS[unit]


@token.command()
@click.option(
    "--ttl", callback=_seconds, metavar="TIME", help="How long it is good: 90s, 15m (the default), 2h."
)
@click.option("--name", default="", help="To find it again in the list.")
@click.option("--project", "projects", multiple=True, help="What the node may use; left out: all projects.")
@output_option
def create(ttl: int | None, name: str, projects: tuple[str, ...], output: str) -> None:
    """Make a token; prints the line to run on the machine that shall become a node.

    Whoever has the token can join, once and within its time.
    """
    values: dict[str, Any] = {"name": name}
    if ttl is not None:
        values["ttl"] = ttl
    if projects:
        values["projects"] = list(projects)
    made = api().request("POST", COLLECTION, {"token": values})["token"]
    if output == "json":
        return show_json(made)
    click.echo(f"sealane node --join {made['address']} {made['token']}")


@token.command("list")
@output_option
def list_tokens(output: str) -> None:
    """All that are not used yet; the secrets are not shown again."""
    show_many(api().request("GET", COLLECTION)["tokens"], COLUMNS, output)


@token.command()
@click.argument("wanted", metavar="TOKEN", nargs=-1, required=True, shell_complete=names("sealane/tokens"))
def delete(wanted: tuple[str, ...]) -> None:
    """Make tokens void, by id or name."""
    client = api()
    rows = client.request("GET", COLLECTION)["tokens"]
    for one in wanted:
        client.request("DELETE", f"{COLLECTION}/{_find(rows, one)}")


def _find(rows: list[dict[str, Any]], wanted: str) -> str:
    found = [row["id"] for row in rows if wanted and wanted in (row["id"], row["name"])]
    if not found:
        raise NotFound(f"no token '{wanted}'; 'sealane token list' shows all")
    if len(found) > 1:
        raise Conflict(f"{len(found)} tokens are named '{wanted}'; give one of the ids {', '.join(found)}")
    return str(found[0])
