"""Verbs by which the API itself puts members into a list of a resource, or takes them out."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from sealane.cli import noun
from sealane.cli.complete import names
from sealane.cli.fields import Read, Scope
from sealane.cli.noun import Noun
from sealane.cli.output import output_option, show_one
from sealane.cli.waiting import Patient, settle, wait_option


@dataclass(frozen=True)
class Members:
    """key: of the list in the body. example: a noun's name and a member. metavar: what a member is called."""

    key: str
    read: Read
    example: str
    metavar: str


def changing(of: Noun, what: Members, verb: str, call: str, help: str) -> click.Command:
    """`verb` NOUN MEMBER…: PUT …/ID/`call` with the members."""

    @click.command(
        verb, cls=Patient, help=help, epilog=f"\b\nExample:\n  sealane {of.name} {verb} {what.example}"
    )
    @click.argument("wanted", metavar=of.name.upper(), shell_complete=names(of.collection))
    @click.argument("members", metavar=f"{what.metavar}…", nargs=-1, required=True)
    @wait_option
    @output_option
    def command(
        wanted: str, members: Sequence[str], wait: int | None, output: str, **within: str | None
    ) -> None:
        client = noun.api()
        client.wait = wait
        try:
            given = [what.read(text, Scope(client)) for text in members]
        except ValueError as exc:
            raise click.BadParameter(str(exc), param_hint=what.metavar) from exc
        id = noun.find(client, of, wanted, within)["id"]
        client.change("PUT", f"{of.collection}/{id}/{call}", {what.key: given})
        show_one(client.find(of.collection, id), output)
        settle(client, "changed")

    command.params += noun.scope_options(of)
    return command
