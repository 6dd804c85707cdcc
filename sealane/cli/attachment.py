"""`sealane ps`, `attach` and `detach`: what is attached on this host, through its agent."""

from typing import Any

import click

from sealane import config
from sealane.cli.api import Api
from sealane.cli.output import Column, output_option, show_many, show_one
from sealane.errors import Unavailable

ATTACH_DEADLINE = 40.0
"""Seconds: the agent waits for OVN to bind the port."""


def _published(entries: list[dict[str, Any]] | None) -> str:
    """As `docker port` writes it."""
    return ", ".join(
        f"{_bracketed(entry['host_ip'])}:{entry['host_port']}->{entry['port']}/{entry['protocol']}"
        for entry in entries or ()
    )


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address or "*"


COLUMNS = (
    Column("ID", "id", lambda value: str(value)[:12]),
    Column("DOOR", "door"),
    Column("NETWORK", "network_id"),
    Column("PORT", "port_id"),
    Column("ADDRESSES", "addresses"),
    Column("PUBLISHED", "publish", _published),
    Column("SANDBOX", "sandbox"),
)


def _agent() -> Api:
    return Api(f"unix:{config.load().settings.agent_socket}", deadline=ATTACH_DEADLINE)


@click.command()
@output_option
def ps(output: str) -> None:
    """What is attached on this host, and the ports that it publishes.

    \b
    Example:
      sealane ps
      sealane ps -o json
    """
    show_many(_agent().request("GET", "/attachments")["attachments"], COLUMNS, output)


@click.command()
@click.argument("netns")
@click.option("--network", required=True, help="Name or id of the network.")
@click.option("--ip", default="", help="An address of it; left out: the lowest free one.")
@click.option("--mac", default="", help="Left out: chosen.")
@click.option("--ifname", default="eth0", show_default=True, help="Name of the link in the namespace.")
@output_option
def attach(netns: str, output: str, **values: str) -> None:
    """Put a network namespace (its PATH, as /run/netns/NAME) on a network.

    \b
    Example:
      ip netns add m1
      sealane attach /run/netns/m1 --network blue --ip 10.1.0.9
    """
    answer = _agent().request("POST", "/attach", {"netns": netns, **values})
    if "attachment" not in answer:
        raise Unavailable("the agent's answer holds no attachment; see its log")
    show_one(answer["attachment"], output)


@click.command()
@click.argument("netns")
@click.option("--ifname", default="eth0", show_default=True, help="Name of the link in the namespace.")
def detach(netns: str, ifname: str) -> None:
    """Take a network namespace off its network again.

    \b
    Example:
      sealane detach /run/netns/m1
    """
    _agent().request("POST", "/detach", {"netns": netns, "ifname": ifname})
