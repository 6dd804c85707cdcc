"""`sealane floating-ip`: a floating IP has no name; it is known by its address or its id."""

import ipaddress
from collections.abc import Sequence
from typing import Any

import click

from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.failures import Several
from sealane.cli.floating_forward import forward
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_many, show_one
from sealane.cli.waiting import Patient, settle, wait_option
from sealane.errors import Conflict, NotFound, SealaneError

FLOATING = "floatingips"
API_NAMES = {"address": "floating_ip_address", "fixed_ip": "fixed_ip_address"}
COLUMNS = (
    Column("ID", "id"),
    Column("ADDRESS", "floating_ip_address"),
    Column("LEADS TO", "fixed_ip_address"),
    Column("PORT", "port_id"),
    Column("FORWARDS", "port_forwardings", lambda rules: str(len(rules or ()) or "")),
    Column("STATUS", "status"),
    Column("PROJECT", "project_id"),
)

floating_ip = Ordered(
    "floating-ip",
    help="Addresses of external networks that lead to ports: list, show, create, set, associate, "
    "disassociate, delete, forward.\n\n"
    "\b\nExample:\n"
    "  sealane floating-ip create world --port web\n"
    "  sealane floating-ip associate 203.0.113.7 web\n"
    "  sealane floating-ip forward add 203.0.113.7 web --port 80:8080",
)
floating_ip.add_command(forward)


@floating_ip.command("list")
@click.option("--project", help="Only of this project.")
@click.option("--network", help="Only of this external network.", shell_complete=names("networks"))
@click.option("--port", help="Only what leads to this port.", shell_complete=names("ports"))
@click.option("--free", is_flag=True, help="Only what leads nowhere.")
@click.option("-q", "--quiet", is_flag=True, help="Only the addresses, one a line.")
@output_option
def list_floating(
    project: str | None, network: str | None, port: str | None, free: bool, quiet: bool, output: str
) -> None:
    """Floating IPs, and where they lead.

    \b
    Example:
      sealane floating-ip list --free
    """
    client = api()
    filters = {"project_id": project} if project else {}
    if network:
        filters["floating_network_id"] = client.find("networks", network)["id"]
    if port:
        filters["port_id"] = client.find("ports", port)["id"]
    rows = [row for row in client.list(FLOATING, **filters) if not free or _is_free(row)]
    if quiet:
        for row in rows:
            click.echo(row["floating_ip_address"])
        return
    show_many(rows, COLUMNS, output)


def _is_free(row: Body) -> bool:
    return row["port_id"] is None and not row["port_forwardings"]


@floating_ip.command()
@click.argument("wanted", metavar="ADDRESS|ID")
@output_option
def show(wanted: str, output: str) -> None:
    """All attributes of one.

    \b
    Example:
      sealane floating-ip show 203.0.113.7
    """
    show_one(find(api(), wanted), output)


@floating_ip.command(cls=Patient)
@click.argument("network", shell_complete=names("networks"))
@click.option("--address", metavar="IP", help="This address; left out: a free one is chosen.")
@click.option("--subnet", "subnet_id", help="From this subnet.", shell_complete=names("subnets"))
@click.option("--port", help="What it shall lead to, at once.", shell_complete=names("ports"))
@click.option("--fixed-ip", metavar="IP", help="The port's address, if it has several.")
@click.option(
    "--project", "project_id", help="Whose it is; left out: the port's project, or the default one."
)
@click.option("--qos", help="Its limits.", metavar="POLICY", shell_complete=names("qos/policies"))
@click.option("--description", default="", help="A text for people.")
@click.option("--tag", "tags", multiple=True, help="A tag to find it by.")
@wait_option
@output_option
def create(
    network: str, port: str | None, qos: str | None, wait: int | None, output: str, **given: Any
) -> None:
    """Take an address of an external network.

    \b
    Example:
      sealane floating-ip create world
      sealane floating-ip create world --port web --wait
    """
    client = api()
    client.wait = wait
    if given["fixed_ip"] and not port:
        raise click.UsageError("--fixed-ip is for --port")
    body: Body = {"floating_network_id": client.find("networks", network)["id"]}
    body |= {API_NAMES.get(key, key): value for key, value in given.items() if value}
    if given["subnet_id"]:
        body["subnet_id"] = client.find("subnets", given["subnet_id"])["id"]
    if qos:
        body["qos_policy_id"] = client.find("qos/policies", qos)["id"]
    if port:
        found = client.find("ports", port)
        body = {"project_id": found["project_id"], **body, "port_id": found["id"]}
    show_one(client.create(FLOATING, body), output)
    settle(client, "made")


@floating_ip.command(cls=Patient)
@click.argument("wanted", metavar="ADDRESS|ID")
@click.argument("port", shell_complete=names("ports"))
@click.option("--fixed-ip", metavar="IP", help="The port's address, if it has several.")
@wait_option
@output_option
def associate(wanted: str, port: str, fixed_ip: str | None, wait: int | None, output: str) -> None:
    """Let it lead to a port; from now on, and no longer to another.

    \b
    Example:
      sealane floating-ip associate 203.0.113.7 web --wait
    """
    client = api()
    client.wait = wait
    values: Body = {"port_id": client.find("ports", port)["id"]}
    values |= {"fixed_ip_address": fixed_ip} if fixed_ip else {}
    show_one(client.update(FLOATING, find(client, wanted)["id"], values), output)
    settle(client, "associated")


@floating_ip.command("set", cls=Patient)
@click.argument("wanted", metavar="ADDRESS|ID")
@click.option(
    "--qos",
    required=True,
    metavar="POLICY|none",
    help="Its limits, or none.",
    shell_complete=names("qos/policies"),
)
@wait_option
@output_option
def set_(wanted: str, qos: str, wait: int | None, output: str) -> None:
    """Change what a floating IP may carry.

    \b
    Example:
      sealane floating-ip set 203.0.113.7 --qos slow
      sealane floating-ip set 203.0.113.7 --qos none
    """
    client = api()
    client.wait = wait
    policy = None if qos == "none" else client.find("qos/policies", qos)["id"]
    show_one(client.update(FLOATING, find(client, wanted)["id"], {"qos_policy_id": policy}), output)
    settle(client, "changed")


@floating_ip.command(cls=Patient)
@click.argument("wanted", metavar="ADDRESS|ID")
@wait_option
@output_option
def disassociate(wanted: str, wait: int | None, output: str) -> None:
    """Let it lead nowhere; the address stays yours.

    \b
    Example:
      sealane floating-ip disassociate 203.0.113.7
    """
    client = api()
    client.wait = wait
    show_one(client.update(FLOATING, find(client, wanted)["id"], {"port_id": None}), output)
    settle(client, "disassociated")


@floating_ip.command(cls=Patient)
@click.argument("wanted", metavar="ADDRESS|ID…", nargs=-1, required=True)
@wait_option
def delete(wanted: Sequence[str], wait: int | None) -> None:
    """Give addresses back.

    \b
    Example:
      sealane floating-ip delete $(sealane floating-ip list --free -q)
    """
    client = api()
    client.wait = wait
    failures = []
    for one in wanted:
        try:
            client.delete(FLOATING, find(client, one)["id"])
        except SealaneError as exc:
            failures.append(exc.message)
    if failures:
        raise Several(failures)
    settle(client, "deleted")


def find(client: Api, wanted: str) -> Body:
    """Raises NotFound, or Conflict where several external networks have the address."""
    key = "floating_ip_address" if _is_address(wanted) else "id"
    rows = client.list(FLOATING, **{key: wanted})
    if not rows:
        raise NotFound(f"no floating IP '{wanted}'; 'sealane floating-ip list' shows all")
    if len(rows) > 1:
        ids = ", ".join(row["id"] for row in rows)
        raise Conflict(f"{len(rows)} floating IPs have the address {wanted}; give one of the ids {ids}")
    return rows[0]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
