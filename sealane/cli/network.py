"""`sealane network`."""

import ipaddress
from typing import get_args

import click

from sealane.cli import noun
from sealane.cli.api import Api, Body
from sealane.cli.output import Column, output_option, show_one
from sealane.errors import SealaneError
from sealane.model import GatewayMode

NETWORK = noun.Noun(
    "network",
    (
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROJECT", "project_id"),
        Column("MTU", "mtu"),
        Column("GATEWAY", "sealane:gateway"),
        Column("STATUS", "status"),
        Column("SUBNETS", "subnets"),
    ),
)
network = noun.group(NETWORK)


@network.command()
@click.argument("name")
@click.option(
    "--subnet", "cidrs", multiple=True, metavar="CIDR", help="A subnet; none: a free one is chosen."
)
@click.option("--no-subnet", is_flag=True, help="Make no subnet.")
@click.option("--ipv6", is_flag=True, help="Choose a free IPv6 subnet as well.")
@click.option("--gateway", type=click.Choice(get_args(GatewayMode)), help="Who is the containers' gateway.")
@click.option("--internal", is_flag=True, help="No way out: the same as --gateway none.")
@click.option("--mtu", type=click.IntRange(68, 65535), help="Bytes; none: what the underlay leaves.")
@click.option("--project", help="The project that owns it.")
@click.option("--dns-domain", help="Domain of the names on it.")
@click.option("--description")
@output_option
def create(
    name: str,
    cidrs: tuple[str, ...],
    no_subnet: bool,
    ipv6: bool,
    internal: bool,
    output: str,
    **values: object,
) -> None:
    """Make a network and its subnets; both or nothing."""
    if no_subnet and (cidrs or ipv6):
        raise click.UsageError("--no-subnet and --subnet or --ipv6 exclude each other")
    versions = {cidr: _version(cidr) for cidr in cidrs}
    if internal:
        values["gateway"] = "none"
    client = noun.api()
    made = client.create("networks", {"name": name, **_attributes(values)})
    try:
        if not no_subnet:
            _add_subnets(client, made, versions, ipv6)
    except SealaneError:
        client.delete("networks", made["id"])
        raise
    show_one(client.find("networks", made["id"]), output)


_KEYS = {"gateway": "sealane:gateway", "project": "project_id"}


def _attributes(values: dict[str, object]) -> dict[str, object]:
    return {_KEYS.get(key, key): value for key, value in values.items() if value is not None}


def _add_subnets(client: Api, made: Body, versions: dict[str, int], ipv6: bool) -> None:
    wanted = dict(versions) or {client.free_cidr(4): 4}
    if ipv6 and 6 not in wanted.values():
        wanted[client.free_cidr(6)] = 6
    for cidr, version in wanted.items():
        values = {"network_id": made["id"], "cidr": cidr, "ip_version": version}
        client.create("subnets", values | {"project_id": made["project_id"]})


def _version(cidr: str) -> int:
    try:
        return ipaddress.ip_network(cidr).version
    except ValueError as exc:
        raise click.BadParameter(f"{exc}; give it as 10.1.0.0/24", param_hint="--subnet") from exc
