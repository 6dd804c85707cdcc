"""A noun of the API as a table, and the group of commands that is made from it.

    list show create set add unset delete tag

What differs between networks, subnets and ports is in their tables (network.py, subnet.py, port.py);
how each verb works is in reading.py and changing.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import click

from sealane import config
from sealane.cli.api import Api, Body, connect
from sealane.cli.complete import names
from sealane.cli.fields import Field
from sealane.cli.output import Column
from sealane.errors import RevisionMismatch

T = TypeVar("T")


ATTEMPTS = 5
"""Of read, change and write, while others write."""


@dataclass(frozen=True)
class Filter:
    """An option of `list`: the API's query `key=value`.

    parent: the value is the name or id of one of that collection ("networks"); its id is sent.
    prefix: goes before the value ("ip_address=").
    """

    option: str
    key: str
    help: str
    parent: str = ""
    prefix: str = ""
    metavar: str = "TEXT"
    many: bool = False


@dataclass(frozen=True, kw_only=True)
class Noun:
    name: str
    columns: tuple[Column, ...]
    more: tuple[Column, ...] = ()
    """Columns that `list --long` shows as well."""
    fields: tuple[Field, ...]
    filters: tuple[Filter, ...] = ()
    named: bool = True
    """Whether `create` wants a name."""
    within: tuple[str, ...] = ("project",)
    """What narrows a name that several have: "network" is --network."""
    examples: dict[str, str]
    """By verb, for its help."""
    path: str = ""
    """Of its collection, where that is not its name."""
    unlisted: tuple[str, str] | None = None
    """An attribute, and how its value begins in rows that `list` leaves out unless --all is given."""
    tagged: bool = True
    """Whether it has calls for single tags."""

    @property
    def collection(self) -> str:
        return self.path or f"{self.name}s"

    @property
    def words(self) -> str:
        """Within a sentence."""
        return self.name.replace("-", " ")

    @property
    def several(self) -> str:
        """Within a sentence."""
        return f"{self.words}s"

    @property
    def one(self) -> str:
        return f"{'an' if self.name[0] in 'aeiou' else 'a'} {self.words}"

    @property
    def title(self) -> str:
        """Several, at the beginning of a sentence."""
        return f"{self.words.capitalize()}s"

    def example(self, verb: str) -> str:
        """The lines at the end of a help text."""
        lines = self.examples[verb].strip().splitlines()
        return "\b\nExample:\n" + "\n".join(f"  {line.strip()}" for line in lines)


def api() -> Api:
    return connect(config.load().settings)


COMMON_FILTERS = (
    Filter("--name", "name", "Only with this name."),
    Filter("--project", "project_id", "Only of this project."),
    Filter("--tag", "tags", "Only with this tag; given again: with all of them.", many=True),
    Filter("--any-tag", "tags-any", "Only with one of these tags.", many=True),
    Filter("--not-tag", "not-tags-any", "Only without this tag.", many=True),
    Filter("--status", "status", "Only with this status, as ACTIVE or DOWN."),
)


def scope_options(noun: Noun) -> list[click.Option]:
    """Options that narrow a name that several have."""
    texts = {"network": "Of this network (name or id)", "project": "Of this project"}
    return [
        click.Option(
            [f"--{word}", f"within_{word}"],
            help=f"{texts[word]}, when a name is ambiguous.",
            shell_complete=names("networks") if word == "network" else None,
        )
        for word in noun.within
    ]


def find(client: Api, noun: Noun, wanted: str, given: dict[str, str | None]) -> Body:
    """The resource of that name or id, within what the scope options say."""
    within: dict[str, str] = {}
    if project := given.get("within_project"):
        within["project_id"] = project
    if network := given.get("within_network"):
        within["network_id"] = client.find("networks", network)["id"]
    return client.find(noun.collection, wanted, **within)


def rewritten(client: Api, noun: Noun, row: Body, write: Callable[[Body], T]) -> T:
    """What `write` makes of the row, or of a newer one while others write."""
    for _ in range(ATTEMPTS - 1):
        try:
            return write(row)
        except RevisionMismatch:
            row = client.find(noun.collection, row["id"])
    return write(row)


class Ordered(click.Group):
    """Commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


def group(noun: Noun, create: click.Command) -> click.Group:
    """All verbs; `create` is what the noun's own module makes of changing.create."""
    from sealane.cli import changing, reading, tagging

    made = Ordered(
        noun.name,
        help=f"{noun.title}: {', '.join(VERBS)}.\n\n{noun.example('group')}",
    )
    verbs = [reading.listing(noun), reading.show(noun), create, changing.set_(noun), changing.add(noun)]
    verbs += [changing.unset(noun), changing.delete(noun), *([tagging.tag(noun)] if noun.tagged else [])]
    for command in verbs:
        made.add_command(command)
    return made


VERBS = ("list", "show", "create", "set", "add", "unset", "delete", "tag")
