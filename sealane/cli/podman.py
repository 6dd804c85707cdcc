"""`sealane podman`: the plugin for Podman 5, which has netavark set up its networks."""

from pathlib import Path

import click

from sealane.cli.cni import put_program
from sealane.cli.noun import Ordered
from sealane.cli.output import show_one

PLUGINS = Path("/usr/local/lib/netavark")

podman = Ordered(
    "podman",
    help="The driver 'sealane' for Podman with netavark 1.6 or newer: install.\n\n"
    "\b\nExample:\n  sealane podman install",
)


@podman.command("install")
@click.option("--plugin-dir", type=click.Path(path_type=Path), default=PLUGINS, show_default=True)
def install(plugin_dir: Path) -> None:
    """Put the plugin where netavark looks for it.

    \b
    Example:
      sealane podman install
      sealane network create blue
      podman network create -d sealane blue
    """
    show_one({"plugin": str(put_program("netavark", plugin_dir))}, "table")
