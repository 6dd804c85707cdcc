"""`sealane port`."""

import click

from sealane.cli import noun
from sealane.cli.api import Body
from sealane.cli.output import Column, output_option, show_one

PORT = noun.Noun(
    "port",
    (
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("NETWORK", "network_id"),
        Column("MAC", "mac_address"),
        Column("ADDRESSES", "fixed_ips", lambda ips: ", ".join(ip["ip_address"] for ip in ips or ())),
        Column("HOST", "binding:host_id"),
        Column("STATUS", "status"),
    ),
    filters=("network",),
)
port = noun.group(PORT)


@port.command()
@click.argument("name", default="")
@click.option("--network", required=True, help="Name or id of the network.")
@click.option("--ip", "addresses", multiple=True, metavar="ADDRESS", help="Left out: the lowest free one.")
@click.option("--mac", "mac_address", metavar="MAC", help="Left out: chosen.")
@click.option("--dns-name", help="A name for it in DNS.")
@click.option("--device", "device_id", help="Id of what the port belongs to.")
@output_option
def create(name: str, network: str, addresses: tuple[str, ...], output: str, **optional: str | None) -> None:
    """Make a port; a container adopts it with driver-opt sealane.port=ID."""
    client = noun.api()
    parent = client.find("networks", network)
    values: Body = {"name": name, "network_id": parent["id"], "project_id": parent["project_id"]}
    values |= {key: value for key, value in optional.items() if value is not None}
    if addresses:
        values["fixed_ips"] = [{"ip_address": address} for address in addresses]  # the API finds the subnet
    show_one(client.create("ports", values), output)
