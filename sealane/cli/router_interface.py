"""`sealane router interface`: the networks that a router joins."""

import click

from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_many, show_one
from sealane.cli.waiting import Patient, settle, wait_option

ROUTERS = "routers"
OWNER = "network:router_interface"
COLUMNS = (
    Column("PORT", "id"),
    Column("NETWORK", "network"),
    Column("ADDRESSES", "fixed_ips", lambda fixed: " ".join(f["ip_address"] for f in fixed)),
    Column("MAC", "mac_address"),
)

interface = Ordered(
    "interface",
    help="The networks that a router joins: list, add, remove.\n\n"
    "\b\nExample:\n"
    "  sealane router interface add edge --subnet blue-v4\n"
    "  sealane router interface list edge",
)


@interface.command("list")
@click.argument("router", shell_complete=names(ROUTERS))
@output_option
def list_interfaces(router: str, output: str) -> None:
    """Its ports in the networks of tenants.

    \b
    Example:
      sealane router interface list edge
    """
    client = api()
    found = client.find(ROUTERS, router)
    rows = client.list("ports", device_id=found["id"], device_owner=OWNER)
    if output != "json":
        networks = {row["id"]: row["name"] for row in client.list("networks")}
        rows = [{**row, "network": networks.get(row["network_id"], row["network_id"])} for row in rows]
    show_many(rows, COLUMNS, output)


def _place(client: Api, subnet: str | None, network: str | None, port: str | None) -> Body:
    """What the call is about. Raises UsageError unless one of them is given."""
    if (subnet is None) == (port is None):
        raise click.UsageError("give --subnet or --port")
    if port is not None:
        return {"port_id": client.find("ports", port)["id"]}
    within = {"network_id": client.find("networks", network)["id"]} if network else {}
    return {"subnet_id": client.find("subnets", str(subnet), **within)["id"]}


def _command(name: str, verb: str, said: str, help: str) -> click.Command:
    @click.command(
        name,
        cls=Patient,
        help=help,
        epilog=f"\b\nExample:\n  sealane router interface {name} edge --subnet blue-v4",
    )
    @click.argument("router", shell_complete=names(ROUTERS))
    @click.option("--subnet", help="Of this subnet (name or id).", shell_complete=names("subnets"))
    @click.option("--network", help="Of this network, when the subnet's name is ambiguous.")
    @click.option("--port", help="By this port (name or id).", shell_complete=names("ports"))
    @wait_option
    @output_option
    def command(
        router: str, subnet: str | None, network: str | None, port: str | None, wait: int | None, output: str
    ) -> None:
        client = api()
        client.wait = wait
        place = _place(client, subnet, network, port)
        id = client.find(ROUTERS, router)["id"]
        show_one(client.change("PUT", f"{ROUTERS}/{id}/{verb}", place), output)
        settle(client, said)

    return command


interface.add_command(
    _command(
        "add",
        "add_router_interface",
        "joined",
        "Join a subnet, as its gateway; or take a port that was made before.",
    )
)
interface.add_command(
    _command("remove", "remove_router_interface", "parted", "Leave a subnet, or all that a port is in.")
)
