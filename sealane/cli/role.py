"""`sealane role`: who may do what in which project."""

import click

from sealane.cli import account
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_many
from sealane.cli.user import ROLES

COLUMNS = (Column("USER", "user"), Column("PROJECT", "project"), Column("ROLE", "role"))

role = Ordered(
    "role",
    help="Who is admin, member or reader of which project: list, add, remove.\n\n"
    "\b\nExample:\n  sealane role add reader --user bob --project acme",
)
_USER = click.option("--user", required=True, help="Name or id of the user.")
_PROJECT = click.option("--project", required=True, help="Name or id of the project.")


@role.command("list")
@click.option("--user", help="Only of this user.")
@click.option("--project", help="Only in this project.")
@output_option
def list_roles(user: str | None, project: str | None, output: str) -> None:
    """All that users have."""
    client = api()
    query = {"include_names": "true"}
    if user is not None:
        query["user.id"] = account.find(client, "user", user)["id"]
    if project is not None:
        query["scope.project.id"] = account.find(client, "project", project)["id"]
    found = [
        {"user": a["user"]["name"], "project": a["scope"]["project"]["name"], "role": a["role"]["name"]}
        for a in account.rows(client, "role_assignment", **query)
    ]
    show_many(sorted(found, key=lambda row: tuple(row.values())), COLUMNS, output)


@role.command()
@click.argument("name", metavar="ROLE", type=ROLES)
@_USER
@_PROJECT
def add(name: str, user: str, project: str) -> None:
    """Give a user a role in a project."""
    _change("PUT", name, user, project)


@role.command()
@click.argument("name", metavar="ROLE", type=ROLES)
@_USER
@_PROJECT
def remove(name: str, user: str, project: str) -> None:
    """Take it away; with his last role there his log-ins to the project end."""
    _change("DELETE", name, user, project)


def _change(method: str, name: str, user: str, project: str) -> None:
    client = api()
    there, who = account.find(client, "project", project), account.find(client, "user", user)
    client.request(method, account.grant(there, who, name))
