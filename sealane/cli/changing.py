"""`set`, `add`, `unset` and `delete` of a noun.

`set` says what an attribute is from now on, also a list; `add` and `unset` change single members of lists:
they read, change and write with If-Match, so that nobody's change is lost.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.failures import Several
from sealane.cli.fields import ALL, NEVER, Field, Scope, check, complete, joined, values_of, without
from sealane.cli.noun import Noun, api, find, rewritten, scope_options
from sealane.cli.output import output_option, show_one
from sealane.cli.waiting import Patient, settle, wait_option
from sealane.errors import SealaneError

Change = Callable[[Body, dict[str, Any], Scope], Body]


@dataclass(frozen=True, kw_only=True)
class _Verb:
    """change: the body of the PUT, of the row and of what was given. guarded: with If-Match."""

    name: str
    help: str
    options: Sequence[click.Option]
    fields: Sequence[Field]
    change: Change
    guarded: bool = True

    def nothing(self, given: dict[str, Any]) -> bool:
        """Whether none of its options was given."""
        values = [given.get(field.parameter) for field in self.fields]
        return all(value is None or value == () for value in values)


NAME = Field(option="--name", key="name", help="Another name.", empty="")


def set_(noun: Noun) -> click.Command:
    fields = (NAME, *(f for f in noun.fields if f.change))
    verb = _Verb(
        name="set",
        help="Change attributes; of a list all members are to be given.",
        options=[f.as_option() for f in fields],
        fields=fields,
        change=lambda old, given, scope: values_of(fields, given, scope),
        guarded=False,
    )
    return _command(noun, verb)


def add(noun: Noun) -> click.Command:
    """Members of lists."""
    fields = [f for f in noun.fields if f.change and f.many]

    def change(old: Body, given: dict[str, Any], scope: Scope) -> Body:
        new = values_of(fields, given, scope)
        return {key: joined(old[key], value) for key, value in new.items()}

    options = [f.as_option() for f in fields]
    return _command(
        noun, _Verb(name="add", help="Add members to lists.", options=options, fields=fields, change=change)
    )


def unset(noun: Noun) -> click.Command:
    """Members of lists, and attributes that may be empty."""
    lists = [f for f in noun.fields if f.change and f.many]
    flags = [f for f in (NAME, *noun.fields) if f.change and f.empty is not NEVER]

    def change(old: Body, given: dict[str, Any], scope: Scope) -> Body:
        body = {f.key: f.empty for f in flags if given.get(f.parameter)}
        for field in lists:
            if texts := given[field.parameter]:
                body[field.key] = _less(body.get(field.key, old[field.key]), texts, field, scope)
        return body

    verb = _Verb(
        name="unset",
        help="Empty attributes, take members from lists.",
        options=[*(_flag(f) for f in flags), *(_member(f) for f in lists)],
        fields=(*flags, *lists),
        change=change,
    )
    return _command(noun, verb)


def _less(before: Any, texts: Sequence[str], field: Field, scope: Scope) -> Any:
    if ALL in texts:
        return {} if field.pairs else []
    if field.pairs:
        return without(before, [text.partition("=")[0] for text in texts], field)
    return without(before, [field.convert(text, scope) for text in texts], field)


def _flag(field: Field) -> click.Option:
    help = f"No {field.option.lstrip('-').replace('-', ' ')}."
    return click.Option([field.option, field.parameter], is_flag=True, default=None, help=help)


def _member(field: Field) -> click.Option:
    metavar = f"{'KEY' if field.pairs else field.metavar}|{ALL}"
    help = f"Take it from the list; {ALL}: empty the list."
    return click.Option([field.option, field.parameter], multiple=True, metavar=metavar, help=help)


def _command(noun: Noun, verb: _Verb) -> click.Command:
    @click.command(verb.name, cls=Patient, help=verb.help, epilog=noun.example(verb.name))
    @click.argument("wanted", metavar=noun.name.upper(), shell_complete=names(noun.collection))
    @wait_option
    @output_option
    def command(wanted: str, wait: int | None, output: str, **given: Any) -> None:
        if verb.nothing(given):
            raise click.UsageError(f"nothing to {verb.name}; give at least one option")
        client = api()
        client.wait = wait
        if verb.name != "unset":
            check(verb.fields, given, client)

        def write(old: Body) -> Body:
            body = verb.change(
                old, given, Scope(client, old.get("network_id", ""), old.get("project_id", ""))
            )
            body = complete(noun.fields, body, old)
            return client.update(
                noun.collection, old["id"], body, old["revision_number"] if verb.guarded else None
            )

        show_one(rewritten(client, noun, find(client, noun, wanted, given), write), output)
        settle(client, "changed")

    name, *common = command.params
    command.params = [name, *verb.options, *scope_options(noun), *common]
    return command


def delete(noun: Noun) -> click.Command:
    @click.command(
        "delete",
        cls=Patient,
        help=f"Delete {noun.several}; goes on after an error and tells all of them.",
        epilog=noun.example("delete"),
    )
    @click.argument(
        "wanted",
        metavar=f"{noun.name.upper()}…",
        nargs=-1,
        required=True,
        shell_complete=names(noun.collection),
    )
    @wait_option
    def command(wanted: Sequence[str], wait: int | None, **within: str | None) -> None:
        client = api()
        client.wait = wait
        failures = [text for one in wanted if (text := _failure(client, noun, one, within))]
        if failures:
            raise Several(failures)
        settle(client, "deleted")

    command.params += scope_options(noun)
    return command


def _failure(client: Api, noun: Noun, wanted: str, within: dict[str, str | None]) -> str:
    """Delete it; why that failed, or ''."""
    try:
        found = find(client, noun, wanted, within)
    except SealaneError as exc:
        return exc.message
    try:
        client.delete(noun.collection, found["id"])
    except SealaneError as exc:
        return f"{noun.name} '{wanted}': {exc.message}"
    return ""
