"""`sealane lab`."""

import os
import sys

import click

from sealane.cli.output import Column, Row, output_option, show_many
from sealane.errors import NotFound
from sealane.lab.lab import Lab, all_names
from sealane.lab.plan import DEFAULT

COLUMNS = (
    Column("LAB", "lab"),
    Column("HOST", "host"),
    Column("POWER", "power"),
    Column("ADDRESS", "address"),
    Column("DOCKER", "docker"),
)
name_option = click.option("--name", default=DEFAULT, show_default=True, help="Which lab.")


@click.group()
def lab() -> None:
    """Hosts as namespaces on this machine, each with Sealane in it, to try things.

    \b
    Example:
      sealane lab up --hosts 2 --docker
      sealane lab exec host1 -- docker network create -d sealane blue
      sealane lab power-cut host2
      sealane lab boot host2
      sealane lab down
    """


@lab.command()
@click.option("--hosts", default=2, show_default=True, type=click.IntRange(1, 64), help="How many.")
@click.option("--docker", is_flag=True, help="Each host gets a Docker engine of its own.")
@name_option
def up(hosts: int, docker: bool, name: str) -> None:
    """Make the hosts and wait until they are ready."""
    made = Lab(name, hosts=hosts, docker=docker)
    made.up(lambda text: click.echo(text, err=True))
    plan = made.plan
    click.echo(
        f"export SEALANE_API_URL=unix:{plan.api_socket}   # for 'sealane network list' on this machine"
    )
    if docker:
        click.echo(f"export DOCKER_HOST=unix://{plan.docker_socket('host1')}")
    which = "" if name == DEFAULT else f"--name {name} "
    click.echo(f"sealane lab exec {which}host1 -- sealane status")


@lab.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@name_option
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def execute(name: str, host: str, command: tuple[str, ...]) -> None:
    """Run COMMAND in a host; HOST "outside" is the network that the hosts are plugged into.

    The exit status is that of COMMAND.
    """
    words = Lab(name).command(host, command[1:] if command[0] == "--" else command)
    sys.stdout.flush()
    os.execvp(words[0], words)


@lab.command()
@name_option
def down(name: str) -> None:
    """Take the lab away; nothing of it stays."""
    Lab(name).down()


@lab.command("power-cut")
@name_option
@click.argument("host")
def power_cut(name: str, host: str) -> None:
    """All processes of a host die at once; its disk stays."""
    Lab(name).power_cut(host)


@lab.command()
@name_option
@click.argument("host")
def boot(name: str, host: str) -> None:
    """Start a host after a power cut."""
    Lab(name).boot(host, lambda text: click.echo(text, err=True))


@lab.command("list")
@output_option
def list_labs(output: str) -> None:
    """All hosts of all labs."""
    show_many([row for name in all_names() for row in _rows(Lab(name))], COLUMNS, output)


def _rows(one: Lab) -> list[Row]:
    try:
        plan = one.plan
    except NotFound:
        return [{"lab": one.name, "host": "", "power": "half made", "address": "", "docker": ""}]
    return [
        {
            "lab": one.name,
            "host": host.name,
            "power": "off" if host.pid is None else "on",
            "address": str(plan.address(host.name).ip),
            "docker": str(plan.docker_socket(host.name)) if plan.docker else "",
        }
        for host in one.hosts()
    ]
