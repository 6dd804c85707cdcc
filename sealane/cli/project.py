"""`sealane project`: whose networks there are."""

from typing import Any

import click

from sealane.cli import account
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_many, show_one

COLUMNS = (
    Column("ID", "id"),
    Column("NAME", "name"),
    Column("ENABLED", "enabled"),
    Column("DESCRIPTION", "description"),
)

project = Ordered(
    "project",
    help="Projects, whose users see nothing of each other's: list, show, create, set, delete.\n\n"
    "\b\nExample:\n  sealane project create acme\n  sealane user create ann --project acme",
)


@project.command("list")
@output_option
def list_projects(output: str) -> None:
    """Those that were made, and those that are merely used."""
    show_many([account.shown(row) for row in account.rows(api(), "project")], COLUMNS, output)


@project.command()
@click.argument("wanted", metavar="PROJECT")
@output_option
def show(wanted: str, output: str) -> None:
    """One, by its name or id."""
    show_one(account.shown(account.find(api(), "project", wanted)), output)


@project.command()
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@output_option
def create(name: str, description: str, output: str) -> None:
    """Make a project; one that was merely used until now keeps what it has."""
    given = {"name": name, "description": description}
    show_one(account.shown(account.create(api(), "project", given)), output)


@project.command("set")
@click.argument("wanted", metavar="PROJECT")
@click.option("--name", help="A new name; the id stays.")
@click.option("--description", help="What it is for.")
@click.option("--enable/--disable", "enabled", default=None, help="May its users log in to it?")
@output_option
def set_(wanted: str, output: str, **given: Any) -> None:
    """Change a project; while it is disabled nobody is logged in to it."""
    values = {key: value for key, value in given.items() if value is not None}
    show_one(account.shown(account.change(api(), "project", wanted, values)), output)


@project.command()
@click.argument("wanted", metavar="PROJECT", nargs=-1, required=True)
def delete(wanted: tuple[str, ...]) -> None:
    """Remove projects that have no networks any more, with their roles and quotas."""
    account.delete(api(), "project", wanted)
