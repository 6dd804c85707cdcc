"""Values for the shell's completion that only the API knows.

Nothing is offered when it does not answer within a moment; an error would end up in the line that is typed.
"""

import re
from collections.abc import Callable
from functools import partial

import click
from click.shell_completion import CompletionItem

from sealane import config
from sealane.cli.api import connect
from sealane.errors import SealaneError

DEADLINE = 2.0
"""Seconds: somebody has pressed a key."""
MOST = 500
"""Names that are asked for."""
SAFE = re.compile(r"^[A-Za-z0-9_.+@%][A-Za-z0-9_.+@%-]*$")
"""Names that no shell takes apart; in place of others the id is offered."""

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def names(collection: str) -> Complete:
    """Names (or ids) of a collection that begin like what is typed."""
    return partial(_complete, collection)


def _complete(
    collection: str, ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    try:
        client = connect(config.load().settings, DEADLINE)
        query = (("fields", "id"), ("fields", "name"), ("limit", str(MOST)))
        rows = client.list(collection, *query)
    except SealaneError:
        return []
    offered = {(row["name"] if SAFE.fullmatch(row["name"]) else row["id"]): row["name"] for row in rows}
    return [CompletionItem(word) for word in sorted(offered) if word.startswith(incomplete)]


def hosts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        rows = connect(config.load().settings, DEADLINE).list("agents")
    except SealaneError:
        return []
    return [CompletionItem(host) for host in sorted({r["host"] for r in rows}) if host.startswith(incomplete)]
