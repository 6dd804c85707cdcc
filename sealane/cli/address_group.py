"""`sealane address-group`."""

from collections.abc import Sequence

import click

from sealane.cli import creating, fields, noun
from sealane.cli.complete import names
from sealane.cli.fields import Field, Scope
from sealane.cli.output import Column, output_option, show_one
from sealane.cli.waiting import Patient, settle, wait_option

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
        Field(option="--description", key="description", help="A text for people.", empty=""),
        Field(option="--tag", key="tags", many=True, change=False, help="A tag to find it by."),
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


def _change(verb: str, call: str, help: str) -> click.Command:
    @click.command(
        verb,
        cls=Patient,
        help=help,
        epilog=f"\b\nExample:\n  sealane address-group {verb} office 198.51.100.7",
    )
    @click.argument("wanted", metavar="ADDRESS-GROUP", shell_complete=names("address-groups"))
    @click.argument("addresses", metavar="SUBNET…", nargs=-1, required=True)
    @wait_option
    @output_option
    def command(
        wanted: str, addresses: Sequence[str], wait: int | None, output: str, **within: str | None
    ) -> None:
        client = noun.api()
        client.wait = wait
        try:
            given = [fields.span(text, Scope(client)) for text in addresses]
        except ValueError as exc:
            raise click.BadParameter(str(exc), param_hint="SUBNET") from exc
        found = noun.find(client, ADDRESS_GROUP, wanted, within)
        path = f"address-groups/{found['id']}/{call}"
        show_one(client.change("PUT", path, {"addresses": given})["address_group"], output)
        settle(client, "changed")

    command.params += noun.scope_options(ADDRESS_GROUP)
    return command


address_group = noun.group(ADDRESS_GROUP, creating.create(ADDRESS_GROUP))
address_group.add_command(_change("add", "add_addresses", "Add addresses."))
address_group.add_command(_change("remove", "remove_addresses", "Take addresses away."))
