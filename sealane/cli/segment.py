"""`sealane segment`: the parts of networks, each on a physical network of its own."""

from typing import Any

import click

from sealane.cli import creating, fields, noun
from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.fields import Field
from sealane.cli.noun import Filter, Noun
from sealane.cli.output import Column

SEGMENT = Noun(
    name="segment",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("NETWORK", "network_id"),
        Column("TYPE", "network_type"),
        Column("PHYSICAL", "physical_network"),
        Column("VLAN", "segmentation_id"),
    ),
    more=(Column("CREATED", "created_at"), Column("DESCRIPTION", "description")),
    fields=(
        Field(
            option="--network",
            key="network_id",
            metavar="NETWORK",
            read=lambda text, scope: scope.api.find("networks", text)["id"],
            lookup=True,
            change=False,
            complete=names("networks"),
            help="The network that it is a part of (name or id).",
        ),
        Field(
            option="--physical-network",
            key="physical_network",
            metavar="NAME",
            change=False,
            help="Where it is, outside (setting bridge_mappings): another for each segment.",
        ),
        Field(
            option="--vlan",
            key="segmentation_id",
            metavar="NUMBER",
            read=fields.number(1, 4094),
            change=False,
            help="The VLAN there; left out: what has no tag.",
        ),
        Field(option="--description", key="description", help="A text for people.", empty=""),
    ),
    filters=(
        Filter("--network", "network_id", "Only of this network (name or id).", parent="networks"),
        Filter("--physical-network", "physical_network", "Only on this physical network."),
    ),
    within=("network",),
    tagged=False,
    examples={
        "group": "sealane segment create west --network racks --physical-network west --vlan 200\n"
        "sealane segment list --network racks",
        "list": "sealane segment list --network racks",
        "show": "sealane segment show west",
        "create": "sealane segment create west --network racks --physical-network west --vlan 200",
        "set": "sealane segment set west --description 'racks 20 to 39'",
        "add": "",
        "unset": "sealane segment unset west --description",
        "delete": "sealane segment delete west",
    },
)


def _ready(client: Api, body: Body, given: dict[str, Any]) -> Body:
    for option in ("network", "physical_network"):
        if not given[option]:
            raise click.UsageError(f"Missing option '--{option.replace('_', '-')}'")
    return {**body, "network_type": "vlan" if given["vlan"] else "flat"}


segment = noun.group(SEGMENT, creating.create(SEGMENT, _ready))
del segment.commands["add"]  # it has no lists
