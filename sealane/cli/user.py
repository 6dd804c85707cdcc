"""`sealane user`: who may log in, with the `openstack` command or another client of OpenStack's API."""

from typing import Any

import click

from sealane.cli import account
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, F, output_option, show_json, show_many, show_one

ROLES = click.Choice(("admin", "member", "reader"))
COLUMNS = (
    Column("ID", "id"),
    Column("NAME", "name"),
    Column("ENABLED", "enabled"),
    Column("PROJECT", "default_project_id"),
    Column("EMAIL", "email"),
)

user = Ordered(
    "user",
    help="Users, who log in with a password: list, show, create, set, delete.\n\n"
    "\b\nExample:\n  sealane user create ann --project acme\n"
    '  eval "$(sealane openrc --user ann --project acme)"',
)


def _password_options(command: F) -> F:
    file = click.option(
        "--password-file", metavar="FILE|-", help="Where the password is; - is standard input."
    )
    return file(click.option("--ask", is_flag=True, help="Ask for the password on the terminal.")(command))


@user.command("list")
@output_option
def list_users(output: str) -> None:
    """All of them."""
    show_many([account.shown(row) for row in account.rows(api(), "user")], COLUMNS, output)


@user.command()
@click.argument("wanted", metavar="USER")
@output_option
def show(wanted: str, output: str) -> None:
    """One, by name or id."""
    show_one(account.shown(account.find(api(), "user", wanted)), output)


@user.command()
@click.argument("name")
@click.option("--project", help="The project that he logs in to, in which he gets the role.")
@click.option("--role", type=ROLES, default="member", show_default=True, help="What he may there.")
@click.option("--email", default="", help="Just a note.")
@click.option("--description", default="", help="Just a note.")
@_password_options
@output_option
def create(
    name: str, project: str | None, role: str, password_file: str | None, ask: bool, output: str, **given: str
) -> None:
    """Make a user. Without --ask and --password-file a password is made up and shown once.

    An admin may do everything in all projects; a member makes networks in his project; a reader sees them.
    """
    client = api()
    there = account.find(client, "project", project) if project else None
    password, made_up = account.read_password(password_file, ask=ask)
    default = {"default_project_id": there["id"]} if there else {}
    made = account.create(client, "user", {"name": name, "password": password, **given, **default})
    if there is not None:
        client.request("PUT", account.grant(there, made, role))
    shown = account.shown(made) | ({"password": password} if made_up else {})
    show_json(shown) if output == "json" else show_one(shown, output)


@user.command("set")
@click.argument("wanted", metavar="USER")
@click.option("--name", help="A new name.")
@click.option("--email", help="Just a note.")
@click.option("--description", help="Just a note.")
@click.option("--enable/--disable", "enabled", default=None, help="May he log in?")
@click.option("--new-password", is_flag=True, help="Make a password up, and show it once.")
@_password_options
@output_option
def set_(
    wanted: str, password_file: str | None, ask: bool, new_password: bool, output: str, **given: Any
) -> None:
    """Change a user; a new password, and --disable, end all his log-ins."""
    values = {key: value for key, value in given.items() if value is not None}
    made_up = False
    if new_password or ask or password_file is not None:
        values["password"], made_up = account.read_password(password_file, ask=ask)
    shown = account.shown(account.change(api(), "user", wanted, values))
    shown |= {"password": values["password"]} if made_up else {}
    show_json(shown) if output == "json" else show_one(shown, output)


@user.command()
@click.argument("wanted", metavar="USER", nargs=-1, required=True)
def delete(wanted: tuple[str, ...]) -> None:
    """Remove users; what they have made stays, it is their projects'."""
    account.delete(api(), "user", wanted)
