"""`--wait[=SECONDS]`: be told when all hosts have applied a change, not only that it is on disk."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from sealane.cli.api import Api
from sealane.errors import DeadlineExceeded

PATIENCE = 30
"""Seconds, when --wait says no number."""
NOBODY = "*"
"""What the API says in place of hosts while the change has not left the store."""
F = TypeVar("F", bound=Callable[..., Any])


class Patient(click.Command):
    """--wait takes a number only after '=', so that the next word stays what it is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        given = [f"--wait={PATIENCE}" if word == "--wait" else word for word in args[:end]]
        return super().parse_args(ctx, [*given, *args[end:]])


def wait_option(function: F) -> F:
    """Handed over as `wait`: seconds, or None."""
    return click.option(
        "--wait",
        metavar="[=SECONDS]",
        type=click.IntRange(1, 600),
        help=f"Until all live hosts have applied it, or SECONDS ({PATIENCE}) are over.",
    )(function)


def settle(client: Api, done: str) -> None:
    """After changes. Raises DeadlineExceeded when hosts are behind; done: what was carried out."""
    if client.wait is None:
        return
    if not client.waited:
        raise DeadlineExceeded(f"{done}, but the API did not wait for the hosts; look with 'sealane status'")
    if NOBODY in client.unapplied:
        raise DeadlineExceeded(
            f"{done}, but no host has heard of it within {client.wait} s; 'sealane status' tells why"
        )
    if client.unapplied:
        raise DeadlineExceeded(
            f"{done}, but within {client.wait} s not applied by {', '.join(sorted(client.unapplied))}; "
            "'sealane agent list' shows which hosts are alive"
        )
