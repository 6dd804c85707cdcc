"""`create` of a noun: one, many of one kind (--count), or what a file lists (--file)."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from sealane.cli import bulk
from sealane.cli.api import Api, Body
from sealane.cli.fields import Scope, check, values_of
from sealane.cli.noun import Noun, api
from sealane.cli.output import output_option, show_many, show_one
from sealane.cli.reading import named
from sealane.cli.waiting import Patient, settle, wait_option

Prepare = Callable[[Api, Body, dict[str, Any]], Body]
Finish = Callable[[Api, Sequence[Body], dict[str, Any]], Sequence[Body]]


def create(
    noun: Noun,
    prepare: Prepare = lambda client, body, given: body,
    finish: Finish = lambda client, made, given: made,
    alone: Callable[[dict[str, Any]], bool] = lambda given: True,
) -> click.Command:
    """prepare: completes the body that the options make. finish: makes what belongs to it (subnets), unless
    it is made alone; the hosts are waited for once, after the last.
    """

    @click.command(
        "create",
        cls=Patient,
        help=f"Make {noun.one}, or many at once: all or none.",
        epilog=noun.example("create"),
    )
    @click.argument("name", default="")
    @click.option("--count", type=click.IntRange(1, 10_000), metavar="N", help="So many, NAME-1 to NAME-N.")
    @click.option("-f", "--file", type=click.File("rb"), help=f"{bulk.HELP} (- is the standard input).")
    @click.option("--project", help="The project that owns it.")
    @wait_option
    @output_option
    def command(name: str, count: int | None, file: Any, wait: int | None, output: str, **given: Any) -> None:
        client = api()
        client.wait = wait
        if file:
            if name or count or any(value not in (None, (), False) for value in given.values()):
                raise click.UsageError("--file says everything; give no name and no other option with it")
            made = client.create_many(noun.collection, bulk.read(file, noun.name, client))
        else:
            if noun.named and not name:
                raise click.UsageError("Missing argument 'NAME'")
            check(noun.fields, given, client)
            client.wait = wait if alone(given) else None
            made = _make(noun, client, prepare, {**given, "name": name, "count": count})
            client.wait = wait
            made = finish(client, made, given)
        if file or count:
            show_many(made if output == "json" else named(client, list(made)), noun.columns, output)
        else:
            show_one(made[0], output)
        settle(client, "made")

    name, *common = command.params
    command.params = [name, *(f.as_option() for f in noun.fields if f.create), *common]
    return command


def _make(noun: Noun, client: Api, prepare: Prepare, given: dict[str, Any]) -> Sequence[Body]:
    base: Body = {"project_id": given["project"]} if given["project"] else {}
    first = prepare(client, base, given)
    scope = Scope(client, first.get("network_id", ""), first.get("project_id", ""))
    body = first | values_of((f for f in noun.fields if f.create), given, scope)
    name = given["name"]
    if not given["count"]:
        return [client.create(noun.collection, {"name": name, **body})]
    names = (f"{name}-{number}" if name else "" for number in range(1, given["count"] + 1))
    return client.create_many(noun.collection, [{"name": one, **body} for one in names])
