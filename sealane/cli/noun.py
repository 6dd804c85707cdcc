"""A noun of the API as a table, and the commands that are the same for all: list, show, delete."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from sealane import config
from sealane.cli.api import Api, connect
from sealane.cli.output import Column, output_option, show_many, show_one
from sealane.errors import HostError, SealaneError


@dataclass(frozen=True)
class Noun:
    name: str
    columns: tuple[Column, ...]
    filters: tuple[str, ...] = ()
    """Nouns by which a list can be narrowed: "network" is --network, the API's network_id."""

    @property
    def collection(self) -> str:
        return f"{self.name}s"


def api() -> Api:
    return connect(config.load().settings)


def group(noun: Noun) -> click.Group:
    made = click.Group(noun.name, help=f"{noun.name.capitalize()}s: list, show, create, delete.")
    for command in (_list(noun), _show(noun), _delete(noun)):
        made.add_command(command)
    return made


def _list(noun: Noun) -> click.Command:
    @click.command("list", help=f"All {noun.collection}, or those that the options name.")
    @output_option
    def command(output: str, name: str | None, project: str | None, **wanted: str | None) -> None:
        client = api()
        query = {key: value for key, value in (("name", name), ("project_id", project)) if value}
        for parent, value in wanted.items():
            if value:
                query[f"{parent}_id"] = client.find(f"{parent}s", value)["id"]
        show_many(client.list(noun.collection, **query), noun.columns, output)

    options = [click.Option(["--name"], help="Only with this name."),
               click.Option(["--project"], help="Only of this project.")]  # fmt: skip
    options += [click.Option([f"--{f}"], help=f"Only of this {f} (name or id).") for f in noun.filters]
    command.params = [*options, *command.params]
    return command


def _show(noun: Noun) -> click.Command:
    @click.command("show", help=f"All attributes of one {noun.name}, by name or id.")
    @click.argument("wanted", metavar=noun.name.upper())
    @output_option
    def command(wanted: str, output: str) -> None:
        show_one(api().find(noun.collection, wanted), output)

    return command


def _delete(noun: Noun) -> click.Command:
    @click.command("delete", help=f"Delete {noun.collection}, by name or id.")
    @click.argument("wanted", metavar=noun.name.upper(), nargs=-1, required=True)
    def command(wanted: Sequence[str]) -> None:
        client = api()
        failures = [text for one in wanted if (text := _delete_one(client, noun, one))]
        if failures:
            raise HostError("; ".join(failures))

    return command


def _delete_one(client: Api, noun: Noun, wanted: str) -> str:
    """Go on with the others after a failure; the reason, or ''."""
    try:
        client.delete(noun.collection, client.find(noun.collection, wanted)["id"])
    except SealaneError as exc:
        return exc.message
    return ""
