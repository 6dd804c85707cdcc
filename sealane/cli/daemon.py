"""Commands that become a daemon: they replace this process, so that signals reach the daemon itself."""

import os
import sys

import click

from sealane.errors import Forbidden

ENGINE = "sealane.engine.main"


def become(module: str, *arguments: str) -> None:
    """execve(2) the module; does not return. Settings go on through the environment."""
    if os.geteuid() != 0:
        raise Forbidden(f"'sealane {click.get_current_context().info_name}' needs root; run it with sudo")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def _engine(name: str, text: str) -> click.Command:
    @click.command(name, help=text)
    @click.option("--encap-ip", help="This node's address on the underlay.")
    @click.option("--datapath", type=click.Choice(("auto", "kernel", "userspace")))
    @click.option("--dockerd/--no-dockerd", default=None, help="Run a Docker engine as a part of the node.")
    def command(**options: object) -> None:
        for key, value in options.items():
            if value is not None:
                os.environ[f"SEALANE_{key.upper()}"] = str(value)
        become(ENGINE, name)

    return command


up = _engine("up", "Run the central part and a node here, in the foreground; ^C stops them.")
node = _engine("node", "Run a node here, in the foreground; ^C stops it.")


@click.command()
def central() -> None:
    """Run the central part here, in the foreground; ^C stops it."""
    become(ENGINE, "central")


@click.command()
@click.option("--purge", is_flag=True, help="Remove the databases as well.")
def down(purge: bool) -> None:
    """Stop Sealane here and remove all that it made on this host."""
    become(ENGINE, "down", *(["--purge"] if purge else []))
