"""`sealane address-group`."""

from sealane.cli import creating, fields, noun
from sealane.cli.fields import Field
from sealane.cli.members import Members, changing
from sealane.cli.output import Column

ADDRESS_GROUP = noun.Noun(
    name="address-group",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROJECT", "project_id"),
        Column("ADDRESSES", "addresses"),
        Column("DESCRIPTION", "description"),
    ),
    more=(Column("SHARED", "shared"), Column("TAGS", "tags"), Column("CREATED", "created_at")),
    fields=(
        Field(
            option="--address",
            key="addresses",
            metavar="SUBNET",
            read=fields.span,
            many=True,
            change=False,
            help="An address or a subnet; may be given again.",
        ),
        fields.DESCRIPTION,
        fields.TAG,
    ),
    examples={
        "group": "sealane address-group create office --address 192.0.2.0/24\n"
        "sealane security-group rule create web --port 22 --remote-address-group office",
        "list": "sealane address-group list",
        "show": "sealane address-group show office",
        "create": "sealane address-group create office --address 192.0.2.0/24 --address 2001:db8::/32",
        "set": "sealane address-group set office --name offices",
        "add": "sealane address-group add office 198.51.100.7",
        "unset": "sealane address-group unset office --description",
        "delete": "sealane address-group delete office",
        "tag": "sealane address-group tag set office front",
    },
)


ADDRESSES = Members("addresses", fields.span, "office 198.51.100.7", "SUBNET")
address_group = noun.group(ADDRESS_GROUP, creating.create(ADDRESS_GROUP))
for _verb, _call, _help in (
    ("add", "add_addresses", "Add addresses."),
    ("remove", "remove_addresses", "Take addresses away."),
):
    address_group.add_command(changing(ADDRESS_GROUP, ADDRESSES, _verb, _call, _help))
