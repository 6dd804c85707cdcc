"""Commands that become a daemon: they replace this process, so that signals reach the daemon itself."""

import os
import sys
from collections.abc import Mapping

import click

from sealane.cli.output import F
from sealane.errors import Forbidden

ENGINE = "sealane.engine.main"


def become(module: str, *arguments: str) -> None:
    """execve(2) the module; does not return. Settings go on through the environment."""
    if os.geteuid() != 0:
        raise Forbidden(f"'sealane {click.get_current_context().info_name}' needs root; run it with sudo")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


OPTIONS = (
    click.option("--encap-ip", help="This node's address on the underlay."),
    click.option("--datapath", type=click.Choice(("auto", "kernel", "userspace"))),
    click.option("--dockerd/--no-dockerd", default=None, help="Run a Docker engine as a part of the node."),
)


def engine_options(function: F) -> F:
    """What can be said to every engine; handed over by name."""
    for option in reversed(OPTIONS):
        function = option(function)
    return function


def take_options(given: Mapping[str, object]) -> None:
    """They go on to the daemon as settings; None is not given."""
    for key, value in given.items():
        if value is not None:
            os.environ[f"SEALANE_{key.upper()}"] = str(value)


@click.command()
@engine_options
def up(**options: object) -> None:
    """Run the central part and a node here, in the foreground; ^C stops them.

    \b
    Example:
      sealane up --dockerd
    """
    take_options(options)
    become(ENGINE, "up")


@click.command()
def central() -> None:
    """Run the central part here, in the foreground; ^C stops it.

    \b
    Example:
      sealane central
    """
    become(ENGINE, "central")


@click.command()
@click.option("--purge", is_flag=True, help="Remove the databases as well.")
def down(purge: bool) -> None:
    """Stop Sealane here and remove all that it made on this host.

    \b
    Example:
      sealane down
      sealane down --purge   # the networks as well
    """
    become(ENGINE, "down", *(["--purge"] if purge else []))
