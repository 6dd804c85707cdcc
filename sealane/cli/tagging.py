"""`tag` of a noun. Tags are written as a whole, so that one with a '/' is like any other."""

from collections.abc import Callable, Sequence

import click

from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.noun import Noun, api, find, rewritten, scope_options
from sealane.cli.output import output_option, show_json
from sealane.errors import NotFound

Change = Callable[[list[str], Sequence[str]], list[str]]


def tag(noun: Noun) -> click.Group:
    made = click.Group("tag", help=f"Tags of {noun.one}: list, add, remove, set.", epilog=noun.example("tag"))
    made.add_command(_tag_list(noun))
    verbs: dict[str, tuple[str, Change]] = {
        "add": ("Add tags.", lambda old, new: list(dict.fromkeys((*old, *new)))),
        "remove": ("Remove tags.", _less),
        "set": ("Replace all tags; none: remove all.", lambda old, new: list(dict.fromkeys(new))),
    }
    for verb, (text, change) in verbs.items():
        made.add_command(_tag_change(noun, verb, text, change))
    return made


def _less(old: list[str], gone: Sequence[str]) -> list[str]:
    for one in gone:
        if one not in old:
            raise NotFound(f"there is no tag '{one}' to be removed; there are: {', '.join(old) or 'none'}")
    return [one for one in old if one not in gone]


def _tag_list(noun: Noun) -> click.Command:
    @click.command("list", help="Its tags, one a line.")
    @click.argument("wanted", metavar=noun.name.upper(), shell_complete=names(noun.collection))
    @output_option
    def command(wanted: str, output: str, **within: str | None) -> None:
        _show_tags(find(api(), noun, wanted, within)["tags"], output)

    command.params += scope_options(noun)
    return command


def _tag_change(noun: Noun, verb: str, text: str, change: Change) -> click.Command:
    @click.command(verb, help=text)
    @click.argument("wanted", metavar=noun.name.upper(), shell_complete=names(noun.collection))
    @click.argument("tags", metavar="TAG…", nargs=-1, required=verb != "set")
    @output_option
    def command(wanted: str, tags: Sequence[str], output: str, **within: str | None) -> None:
        client = api()
        _show_tags(_retagged(client, noun, find(client, noun, wanted, within), tags, change), output)

    command.params += scope_options(noun)
    return command


def _retagged(client: Api, noun: Noun, row: Body, tags: Sequence[str], change: Change) -> list[str]:
    def write(row: Body) -> list[str]:
        path, guard = f"{noun.collection}/{row['id']}/tags", f"revision_number={row['revision_number']}"
        body = {"tags": change(row["tags"], tags)}
        return list(client.change("PUT", path, body, {"If-Match": guard})["tags"])

    return rewritten(client, noun, row, write)


def _show_tags(tags: Sequence[str], output: str) -> None:
    if output == "json":
        return show_json(list(tags))
    for one in tags:
        click.echo(one)
