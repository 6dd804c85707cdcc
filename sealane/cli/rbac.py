"""`sealane rbac`: what of one project another may use."""

import click

from sealane.cli import account
from sealane.cli.api import Api, Body
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_many, show_one
from sealane.errors import Conflict, NotFound

COLLECTION = "rbac-policies"
COLUMNS = (
    Column("ID", "id"),
    Column("KIND", "object_type"),
    Column("OBJECT", "object_id"),
    Column("ACTION", "action"),
    Column("FOR", "target_tenant"),
    Column("PROJECT", "project_id"),
)
KINDS = {
    "network": "networks",
    "security-group": "security-groups",
    "address-group": "address-groups",
    "address-scope": "address-scopes",
    "subnet-pool": "subnetpools",
    "qos": "qos/policies",
}
"""What it is called here -> its collection."""
TYPES = {"subnet-pool": "subnetpool", "qos": "qos_policy"}
"""What the API calls it, where that does not follow."""

rbac = Ordered(
    "rbac",
    help="What of one project another may use: list, create, delete.\n\n"
    "\b\nExample:\n  sealane rbac create blue --for acme\n"
    "  sealane rbac create web --kind security-group --for-all",
)


@rbac.command("list")
@output_option
def list_policies(output: str) -> None:
    """All that is shared like that."""
    show_many(_rows(api()), COLUMNS, output)


@rbac.command()
@click.argument("wanted", metavar="NAME")
@click.option("--kind", type=click.Choice(tuple(KINDS)), default="network", show_default=True)
@click.option("--for", "target", metavar="PROJECT", help="Who may use it.")
@click.option("--for-all", is_flag=True, help="Everybody may.")
@click.option(
    "--external", is_flag=True, help="Of an external network: routers and floating IPs of no others."
)
@output_option
def create(wanted: str, kind: str, target: str | None, for_all: bool, external: bool, output: str) -> None:
    """Let a project use something of another: a network, unless --kind says what else."""
    if (target is None) == (not for_all):
        raise click.UsageError("give either --for PROJECT or --for-all")
    client = api()
    row = client.find(KINDS[kind], wanted)
    given = {
        "object_type": TYPES.get(kind, kind.replace("-", "_")),
        "object_id": row["id"],
        "project_id": row["project_id"],
        "action": "access_as_external" if external else "access_as_shared",
        "target_tenant": "*" if target is None else account.find(client, "project", target)["id"],
    }
    show_one(client.create(COLLECTION, given), output)


@rbac.command()
@click.argument("wanted", metavar="ID", nargs=-1, required=True)
def delete(wanted: tuple[str, ...]) -> None:
    """Take it back, by the id or its beginning; refused while somebody uses it."""
    client = api()
    for id in [_find(_rows(client), one) for one in wanted]:
        client.delete(COLLECTION, id)


def _rows(client: Api) -> list[Body]:
    return client.list(COLLECTION)


def _find(rows: list[Body], wanted: str) -> str:
    found = [row["id"] for row in rows if wanted and row["id"].startswith(wanted)]
    if not found:
        raise NotFound(f"no policy '{wanted}'; 'sealane rbac list' shows all")
    if len(found) > 1:
        raise Conflict(f"{len(found)} policies begin with '{wanted}': {', '.join(found)}")
    return str(found[0])
