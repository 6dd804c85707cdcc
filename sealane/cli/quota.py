"""`sealane quota`: how many resources a project may have."""

import urllib.parse
from typing import Any

import click

from sealane.cli.api import Body
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, F, output_option, show_json, show_many
from sealane.errors import NotFound

KINDS = {
    "network": "networks",
    "subnet": "subnets",
    "port": "ports",
    "router": "routers",
    "floatingip": "floating-ips",
    "security_group": "security-groups",
    "security_group_rule": "security-group-rules",
    "rbac_policy": "rbac-policies",
    "subnetpool": "subnet-pools",
}
"""The API's word -> the option."""
UNLIMITED = -1


def _limit(value: Any) -> str:
    return "none" if value == UNLIMITED else str(value)


USE = (Column("KIND", "kind"), Column("USED", "used"), Column("LIMIT", "limit", _limit))
LIMITS = (
    Column("PROJECT", "project_id"),
    *(Column(option.replace("-", " ").upper(), kind, _limit) for kind, option in KINDS.items()),
)

quota = Ordered(
    "quota",
    help="How many networks, ports, routers … a project may have: show, set, reset, list.\n\n"
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


def _limit_options(command: F) -> F:
    for kind, option in reversed(KINDS.items()):
        many = option.replace("-", " ")
        text = f"How many {many}."
        command = click.option(f"--{option}", kind, callback=_number, metavar="N|none", help=text)(command)
    return command


@quota.command("set")
@click.argument("project")
@_limit_options
@click.option("--force", is_flag=True, help="Also below what is used; what there is stays.")
@output_option
def set_(project: str, force: bool, output: str, **limits: int | None) -> None:
    """Limit a project, to what it has already or more."""
    given: Body = {kind: limit for kind, limit in limits.items() if limit is not None}
    if not given:
        raise click.UsageError("nothing to set; give at least one limit, such as --ports 200")
    body = {"quota": {**given, **({"force": True} if force else {})}}
    show_many([api().change("PUT", _path(project), body)["quota"]], LIMITS, output)


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
