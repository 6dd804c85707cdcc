"""`sealane reference`: the pages of docs/reference, made from the code, so that they can't lag behind.

The comment of a setting in config.py is its documentation; a command's help is its own.
"""

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields

import click

from sealane import config
from sealane.cli.output import plain

NOTE = "<!-- Made by `make docs`; edit the code instead. -->"


@click.command(hidden=True)
@click.argument("page", type=click.Choice(("commands", "settings")))
def reference(page: str) -> None:
    """Print a page of docs/reference."""
    click.echo(PAGES[page](), nl=False)


def commands() -> str:
    """Every command that is not hidden, with its help."""
    from sealane.cli.main import cli

    parts = [f"# Commands\n\n{NOTE}\n", *_helps(cli, None, "sealane")]
    return "\n".join(parts)


def _helps(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    given = {"max_content_width": 100, "terminal_width": 100, **command.context_settings}
    context = click.Context(command, parent=parent, info_name=name, **given)
    yield f"## {context.command_path}\n\n```\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None and not found.hidden:
                yield from _helps(found, context, inner)


def settings() -> str:
    """Every setting with its default and its comment."""
    comments = _comments()
    lines = [
        f"# Settings\n\n{NOTE}\n",
        "From `/etc/sealane/sealane.toml`, overridden by `SEALANE_*` variables, overridden by options;",
        "`sealane config show` prints the values in force and where each comes from.\n",
        "| key | variable | default | what it is |",
        "| --- | --- | --- | --- |",
    ]
    for field in fields(config.Settings):
        default = f"`{plain(field.default)}`" if plain(field.default) else "empty"
        variable = f"SEALANE_{field.name.upper()}"
        lines.append(f"| `{field.name}` | `{variable}` | {default} | {comments.get(field.name, '')} |")
    return "\n".join(lines) + "\n"


def _comments() -> dict[str, str]:
    """Text after `#` on the line of each field."""
    source = inspect.getsource(config.Settings)
    lines = source.splitlines()
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    assigned = [node for node in body.body if isinstance(node, ast.AnnAssign)]
    return {
        node.target.id: lines[(node.end_lineno or 1) - 1][node.end_col_offset or 0 :].lstrip(" #")
        for node in assigned
        if isinstance(node.target, ast.Name)
    }


PAGES: dict[str, Callable[[], str]] = {"commands": commands, "settings": settings}
