"""`sealane subnet-pool`."""

import click

from sealane.cli import creating, fields, noun
from sealane.cli.complete import names
from sealane.cli.fields import Field
from sealane.cli.members import Members, changing
from sealane.cli.noun import Filter
from sealane.cli.output import Column, output_option, show_many
from sealane.cli.waiting import Patient, settle, wait_option

LENGTH = fields.number(0, 128)


def _length(which: str, help: str) -> Field:
    return Field(option=f"--{which}-length", key=f"{which}_prefixlen", metavar="BITS", read=LENGTH, help=help)


SUBNET_POOL = noun.Noun(
    name="subnet-pool",
    path="subnetpools",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROJECT", "project_id"),
        Column("PREFIXES", "prefixes"),
        Column("LENGTH", "default_prefixlen"),
        Column("QUOTA", "default_quota"),
        Column("DEFAULT", "is_default"),
        Column("SHARED", "shared"),
    ),
    more=(
        Column("SHORTEST", "min_prefixlen"),
        Column("LONGEST", "max_prefixlen"),
        Column("SCOPE", "address_scope_id"),
        Column("TAGS", "tags"),
        Column("CREATED", "created_at"),
        Column("DESCRIPTION", "description"),
    ),
    fields=(
        Field(
            option="--prefix",
            key="prefixes",
            metavar="SUBNET",
            read=fields.network,
            many=True,
            change=False,
            help="Addresses to give, as 10.0.0.0/8 or fd00::/32; may be given again.",
        ),
        _length("default", "Prefix length of a subnet that asks for none, as 24; left out: the shortest."),
        _length("min", "The shortest prefix length that a subnet may have; left out: 8, or 64 for IPv6."),
        _length("max", "The longest one."),
        Field(
            option="--quota",
            key="default_quota",
            metavar="N",
            read=fields.number(0, 999_999_999),
            help="What one project may take: addresses, or for IPv6 networks of /64.",
            empty=None,
        ),
        Field(
            option="--is-default/--not-default",
            key="is_default",
            help="For who names no pool (one a family), or not.",
        ),
        Field(option="--share/--no-share", key="shared", change=False, help="Other projects may use it."),
        fields.reference(
            *("address-scopes", "--scope", "address_scope_id", "The address scope that it is in."),
            metavar="SCOPE",
            empty=None,
        ),
        fields.DESCRIPTION,
        fields.TAG,
    ),
    filters=(
        Filter("--ip-version", "ip_version", "Only of this family: 4 or 6.", metavar="4|6"),
        Filter("--scope", "address_scope_id", "Only in this address scope.", parent="address-scopes"),
    ),
    examples={
        "group": "sealane subnet-pool create low --prefix 10.0.0.0/8 --default-length 24\n"
        "sealane subnet create front --network blue --subnet-pool low",
        "list": "sealane subnet-pool list --ip-version 4",
        "show": "sealane subnet-pool show low",
        "create": "sealane subnet-pool create low --prefix 10.0.0.0/8 --default-length 24 --share",
        "set": "sealane subnet-pool set low --quota 2048",
        "add": "sealane subnet-pool add low 172.16.0.0/12",
        "unset": "sealane subnet-pool unset low --quota",
        "delete": "sealane subnet-pool delete low",
        "tag": "sealane subnet-pool tag set low front",
    },
)


@click.command(
    "onboard",
    cls=Patient,
    help="Make the subnets of a network, which have no pool yet, the pool's.",
    epilog="\b\nExample:\n  sealane subnet-pool onboard low blue",
)
@click.argument("wanted", metavar="SUBNET-POOL", shell_complete=names("subnetpools"))
@click.argument("network", metavar="NETWORK", shell_complete=names("networks"))
@wait_option
@output_option
def onboard(wanted: str, network: str, wait: int | None, output: str, **within: str | None) -> None:
    client = noun.api()
    client.wait = wait
    found = noun.find(client, SUBNET_POOL, wanted, within)
    body = {"network_id": client.find("networks", network)["id"]}
    done = client.change("PUT", f"subnetpools/{found['id']}/onboard_network_subnets", body)
    show_many(done["onboarded_subnets"], (Column("ID", "id"), Column("SUBNET", "cidr")), output)
    settle(client, "changed")


onboard.params += noun.scope_options(SUBNET_POOL)
PREFIXES = Members("prefixes", fields.network, "low 172.16.0.0/12", "SUBNET")
subnet_pool = noun.group(SUBNET_POOL, creating.create(SUBNET_POOL))
for _verb, _call, _help in (
    ("add", "add_prefixes", "Add prefixes."),
    ("remove", "remove_prefixes", "Take prefixes away that no subnet has."),
):
    subnet_pool.add_command(changing(SUBNET_POOL, PREFIXES, _verb, _call, _help))
subnet_pool.add_command(onboard)
