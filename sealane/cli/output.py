"""What a command prints: a table for people, JSON for programs.

On a terminal tables have colours and fit its width; into a pipe they are plain and never wrapped, so that
grep and awk work.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import click

Row = Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Column:
    """One column of a table; `key` is the attribute of the API.

    of: the attribute holds ids of that collection ("ports"), which people are shown by their names.
    """

    title: str
    key: str
    text: Callable[[Any], str] = lambda value: plain(value)
    of: str = ""


MOST_FITTED = 500
"""Rows of a table that is fitted to the terminal's width; 10,000 would take 18 s."""
GOOD = frozenset({"ACTIVE", "ready", "ok", "alive", "up", "running"})
BAD = frozenset({"DOWN", "ERROR", "lost", "dead", "down", "failed", "degraded", "not alive", "backing off"})


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
    return printable(str(value))


def printable(text: str) -> str:
    """Control characters, which a name may hold, as escapes: they must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
    if sys.stdout.isatty() and len(cells) <= MOST_FITTED:
        return _print_fitted(titles, cells, header)
    lines = [list(titles), *(list(row) for row in cells)] if header else [list(row) for row in cells]
    widths = [max((len(line[i]) for line in lines), default=0) for i in range(len(titles))]
    text = (
        "  ".join(c.ljust(width) for c, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
    click.echo("\n".join(text))


def _print_fitted(titles: Sequence[str], cells: Sequence[Sequence[str]], header: bool) -> None:
    """Long cells go on in the next line; an id stays whole, it is there to be copied."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=header, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, title in enumerate(titles):
        style = "bold" if not header and number == 0 else None
        table.add_column(
            title, no_wrap=title == "ID" or (not header and number == 0), overflow="fold", style=style
        )
    for row in cells:
        table.add_row(*(Text(cell, style=colour(cell)) for cell in row))
    Console(highlight=False).print(table)


def colour(word: str) -> str:
    """How a word of ours looks on a terminal."""
    return "green" if word in GOOD else "red" if word in BAD else ""
