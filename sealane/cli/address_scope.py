"""`sealane address-scope`."""

from sealane.cli import creating, fields, noun
from sealane.cli.fields import Field
from sealane.cli.noun import Filter
from sealane.cli.output import Column

ADDRESS_SCOPE = noun.Noun(
    name="address-scope",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROJECT", "project_id"),
        Column("FAMILY", "ip_version"),
        Column("SHARED", "shared"),
    ),
    more=(Column("TAGS", "tags"), Column("CREATED", "created_at")),
    fields=(
        Field(
            option="--ip-version",
            key="ip_version",
            choices=("4", "6"),
            change=False,
            help="The family of its pools.",
        ),
        Field(option="--share/--no-share", key="shared", help="Other projects may have pools in it."),
        fields.TAG,
    ),
    filters=(Filter("--ip-version", "ip_version", "Only of this family: 4 or 6.", metavar="4|6"),),
    examples={
        "group": "sealane address-scope create company --ip-version 4\n"
        "sealane subnet-pool create low --prefix 10.0.0.0/8 --default-length 24 --scope company",
        "list": "sealane address-scope list",
        "show": "sealane address-scope show company",
        "create": "sealane address-scope create company --ip-version 4 --share",
        "set": "sealane address-scope set company --name firm",
        "add": "sealane address-scope add company",
        "unset": "sealane address-scope unset company",
        "delete": "sealane address-scope delete company",
        "tag": "sealane address-scope tag set company front",
    },
)

address_scope = noun.group(
    ADDRESS_SCOPE,
    creating.create(
        ADDRESS_SCOPE, lambda client, body, given: {**body, "ip_version": int(given["ip_version"] or 4)}
    ),
)
for _verb in ("add", "unset"):
    del address_scope.commands[_verb]  # it has nothing that could be added or taken away
