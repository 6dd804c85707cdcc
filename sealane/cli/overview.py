"""What `sealane` says when nothing is asked: where one stands, and what to try first."""

import socket

import click

from sealane import __version__, config
from sealane.config import Settings

PROMPT = 0.5
"""Seconds: nothing here is worth waiting for."""
FIRST_STEPS = """
First steps:
  docker network create -d sealane blue      a network, for the containers of all hosts
  docker run --rm -it --network blue busybox a container on it
  sealane status                             does all run, and which hosts are there?
  sealane events --follow                    what happens
"""
ELSEWHERE = """
First steps:
  make up                                    this machine becomes a node, with two containers to try
  sealane lab up --hosts 2 --docker          two hosts as namespaces on this machine
"""


def overview() -> str:
    settings = config.load().settings
    state, runs = _state(settings)
    steps = FIRST_STEPS if runs else ELSEWHERE
    return f"Sealane {__version__}: network virtualization for Docker containers.\n{state}\n{steps}"


def _state(settings: Settings) -> tuple[str, bool]:
    elsewhere = f" The API is at {settings.api_url}." if settings.api_url else ""
    path = settings.supervisor_socket
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(PROMPT)
            probe.connect(str(path))
    except PermissionError:
        return f"Sealane runs here; what changes something needs root.{elsewhere}", True
    except OSError:
        return f"Sealane does not run on this machine.{elsewhere}", bool(elsewhere)
    return f"Sealane runs here, on host {settings.host_name}.{elsewhere}", True


def show(ctx: click.Context) -> None:
    """And all commands, as `--help` has them."""
    click.echo(overview())
    formatter = ctx.make_formatter()
    group = ctx.command
    assert isinstance(group, click.Group)
    group.format_commands(ctx, formatter)
    group.format_epilog(ctx, formatter)
    click.echo(formatter.getvalue().strip("\n"))
