"""`sealane subnet`."""

import ipaddress

import click

from sealane.cli import noun
from sealane.cli.output import Column, output_option, show_one

SUBNET = noun.Noun(
    "subnet",
    (
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("NETWORK", "network_id"),
        Column("CIDR", "cidr"),
        Column("GATEWAY", "gateway_ip"),
    ),
    filters=("network",),
)
subnet = noun.group(SUBNET)


@subnet.command()
@click.argument("name", default="")
@click.option("--network", required=True, help="Name or id of the network.")
@click.option("--cidr", required=True, help="Addresses, as 10.1.0.0/24 or fd00:1::/64.")
@click.option("--gateway", help="The gateway's address; 'none' for none; left out: the first one.")
@click.option("--pool", "pools", multiple=True, metavar="FIRST-LAST", help="Addresses to choose from.")
@click.option("--dns", "servers", multiple=True, metavar="ADDRESS", help="A DNS server for machines.")
@output_option
def create(
    name: str,
    network: str,
    cidr: str,
    gateway: str | None,
    output: str,
    **lists: tuple[str, ...],
) -> None:
    """Add a subnet to a network."""
    try:
        version = ipaddress.ip_network(cidr).version
    except ValueError as exc:
        raise click.BadParameter(f"{exc}; give it as 10.1.0.0/24", param_hint="--cidr") from exc
    pools = [_pool(text) for text in lists["pools"]]
    client = noun.api()
    parent = client.find("networks", network)
    values: dict[str, object] = {
        "name": name,
        "network_id": parent["id"],
        "project_id": parent["project_id"],
        "cidr": cidr,
        "ip_version": version,
    }
    if gateway is not None:
        values["gateway_ip"] = None if gateway == "none" else gateway
    if pools:
        values["allocation_pools"] = pools
    if lists["servers"]:
        values["dns_nameservers"] = list(lists["servers"])
    show_one(client.create("subnets", values), output)


def _pool(text: str) -> dict[str, str]:
    first, dash, last = text.partition("-")
    if not (dash and first and last):
        raise click.BadParameter(f"'{text}' is not FIRST-LAST", param_hint="--pool")
    return {"start": first, "end": last}
