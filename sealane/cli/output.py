"""What a command prints: a table for people, JSON for programs."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

Row = Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Column:
    """One column of a table; `key` is the attribute of the API."""

    title: str
    key: str
    text: Callable[[Any], str] = lambda value: plain(value)


def output_option(function: F) -> F:
    """`-o table|json`, handed over as `output`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(("table", "json")),
        default="table",
        show_default=True,
        help="A table for people or JSON for programs.",
    )(function)


def plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(plain(v) for v in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={plain(v)}" for k, v in value.items())
    return str(value)


def show_many(rows: Sequence[Row], columns: Sequence[Column], output: str) -> None:
    if output == "json":
        return show_json(list(rows))
    cells = [[column.text(row.get(column.key)) for column in columns] for row in rows]
    print_table([column.title for column in columns], cells)


def show_one(row: Row, output: str) -> None:
    if output == "json":
        return show_json(dict(row))
    print_table(["", ""], [[key, plain(value)] for key, value in row.items()], header=False)


def show_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))


def print_table(titles: Sequence[str], cells: Sequence[Sequence[str]], *, header: bool = True) -> None:
    """Columns as wide as their widest cell, two blanks apart; never wrapped, so that grep and awk work."""
    lines = [list(titles), *(list(row) for row in cells)] if header else [list(row) for row in cells]
    widths = [max((len(line[i]) for line in lines), default=0) for i in range(len(titles))]
    for number, line in enumerate(lines):
        padded = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        click.echo(click.style(padded, bold=True) if header and number == 0 else padded)
