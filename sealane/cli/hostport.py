"""`sealane host-port`: this host itself on a network, for what runs on it without a container."""

import click

from sealane.cli.attachment import agent
from sealane.cli.noun import Ordered
from sealane.cli.output import output_option, show_one

host_port = Ordered(
    "host-port",
    help="An interface of this host on a network, for a database that runs here: add, remove.\n\n"
    "\b\nExample:\n  sealane host-port add blue --ifname blue0",
)


@host_port.command("add")
@click.argument("network")
@click.option("--ifname", required=True, help="Name of the interface.")
@click.option("--ip", default="", help="An address of the network; left out: the lowest free one.")
@click.option("--mac", default="", help="Left out: chosen.")
@output_option
def add(network: str, output: str, **values: str) -> None:
    """Make the interface. The host's default route stays as it is.

    Containers reach the host by it; what they may ask it for is for the security groups of its port to say.

    \b
    Example:
      sealane host-port add blue --ifname blue0 --ip 10.1.0.5
    """
    given = {key: value for key, value in values.items() if value}
    body = {"door": "host", "network": network, "gateway": "none", "name": "host", **given}
    show_one(agent().request("POST", "/attach", body)["attachment"], output)


@host_port.command("remove")
@click.argument("ifname")
def remove(ifname: str) -> None:
    """Take it away again.

    \b
    Example:
      sealane host-port remove blue0
    """
    agent().request("POST", "/detach", {"target": "host:self", "ifname": ifname})
