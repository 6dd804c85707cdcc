"""`sealane quota`: how many resources a project may have."""

import urllib.parse
from collections.abc import Callable
from typing import Any

import click

from sealane.cli.api import Body
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, F, output_option, show_json, show_many
from sealane.errors import NotFound

KINDS = ("network", "subnet", "port")
UNLIMITED = -1


def _limit(value: Any) -> str:
    return "none" if value == UNLIMITED else str(value)


USE = (Column("KIND", "kind"), Column("USED", "used"), Column("LIMIT", "limit", _limit))
LIMITS = (Column("PROJECT", "project_id"), *(Column(f"{k.upper()}S", k, _limit) for k in KINDS))

quota = Ordered(
    "quota",
    help="How many networks, subnets and ports a project may have: show, set, reset, list.\n\n"
    "\b\nExample:\n  sealane quota set acme --networks 10 --ports 200\n  sealane quota show acme",
)


def _path(project: str) -> str:
    if not project:
        raise NotFound("the name of the project is empty; give one")
    return f"quotas/{urllib.parse.quote(project, safe='')}"


@quota.command()
@click.argument("project", default="default")
@output_option
def show(project: str, output: str) -> None:
    """What a project has of what it may have; left out: the project "default"."""
    found: Body = api().request("GET", f"/v2.0/{_path(project)}/details.json")["quota"]
    if output == "json":
        return show_json(found)
    show_many([{"kind": kind, **found[kind]} for kind in KINDS], USE, output)


def _number(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None or value == "none":
        return None if value is None else UNLIMITED
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise click.BadParameter(f"'{value}' is no number; give 0 or more, or none")
    return int(value)


def _limit_option(kind: str) -> Callable[[F], F]:
    return click.option(f"--{kind}s", kind, callback=_number, metavar="N|none", help=f"How many {kind}s.")


@quota.command("set")
@click.argument("project")
@_limit_option("network")
@_limit_option("subnet")
@_limit_option("port")
@output_option
def set_(project: str, output: str, **limits: int | None) -> None:
    """Limit a project; what it has already stays."""
    given = {kind: limit for kind, limit in limits.items() if limit is not None}
    if not given:
        raise click.UsageError("nothing to set; give at least one of --networks, --subnets and --ports")
    show_many([api().change("PUT", _path(project), {"quota": given})["quota"]], LIMITS, output)


@quota.command()
@click.argument("project")
def reset(project: str) -> None:
    """Take the limits of a project away."""
    api().change("DELETE", _path(project))


@quota.command("list")
@output_option
def list_quotas(output: str) -> None:
    """Projects that have limits."""
    show_many(api().list("quotas"), LIMITS, output)
