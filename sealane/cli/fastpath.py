"""`sealane fastpath`: established flows past Open vSwitch, on this node, through its agent."""

from typing import Any

import click

from sealane.cli.attachment import agent
from sealane.cli.complete import names
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_json, show_many, show_one

fastpath = Ordered(
    "fastpath",
    help="Established flows of this node past Open vSwitch: status, flows, reasons, on, off.\n\n"
    "\b\nExample:\n  sealane fastpath on\n  sealane fastpath status",
)
PORTS = (
    Column("PORT", "port_id"),
    Column("NAME", "name"),
    Column("ADDRESSES", "addresses"),
    Column("SENT", "packets"),
    Column("FAST", "fast"),
    Column("RATIO", "hit_ratio"),
)
FLOWS = (
    Column("NETWORK", "network_id"),
    Column("ROUTER", "router_id"),
    Column("PROTOCOL", "protocol"),
    Column("ENDS", "ends"),
    Column("PACKETS", "packets"),
    Column("BYTES", "bytes"),
)
REASONS = (
    Column("NUMBER", "number"),
    Column("REASON", "reason"),
    Column("PACKETS", "packets"),
    Column("BYTES", "bytes"),
    Column("LANDED", "landed"),
    Column("MEANING", "meaning"),
)


@fastpath.command("status")
@output_option
def status(output: str) -> None:
    """Whether it works, how many packets were fast, and of which containers.

    \b
    Example:
      sealane fastpath status
      sealane fastpath status -o json | jq .hit_ratio
    """
    _show(agent().request("GET", "/fastpath"), output)


@fastpath.command("flows")
@output_option
def flows(output: str) -> None:
    """The flows that are fast or are becoming so; what was fast is counted, each direction for itself.

    A flow is within a network or across a router, of which the id is shown.

    \b
    Example:
      sealane fastpath flows
    """
    show_many(agent().request("GET", "/fastpath/flows")["flows"], FLOWS, output)


@fastpath.command("reasons")
@output_option
def reasons(output: str) -> None:
    """Why packets went where they went; 0 is the fast path, all else Open vSwitch.

    Those that containers sent, and, as LANDED, those that came in tunnels from other hosts.

    \b
    Example:
      sealane fastpath reasons
    """
    show_many(agent().request("GET", "/fastpath/reasons")["reasons"], REASONS, output)


network_option = click.option(
    "--network",
    default="",
    help="Name or id of the network of which alone this is said.",
    shell_complete=names("networks"),
)


@fastpath.command("on")
@network_option
@output_option
def on(network: str, output: str) -> None:
    """Until Sealane is stopped on this node; for good by the setting `fastpath`.

    With --network, for a network that was off: where it is on for the node.

    \b
    Example:
      sealane fastpath on
      sealane fastpath on --network blue
    """
    _show(_switched(True, network), output)


@fastpath.command("off")
@network_option
@output_option
def off(network: str, output: str) -> None:
    """Everything goes through Open vSwitch; connections go on. Until Sealane is stopped on this node.

    \b
    Example:
      sealane fastpath off
      sealane fastpath off --network blue
    """
    _show(_switched(False, network), output)


def _switched(on: bool, network: str) -> dict[str, Any]:
    which = {"network": api().find("networks", network)["id"]} if network else {}
    return agent().request("POST", "/fastpath", {"on": on, **which})


def _show(told: dict[str, Any], output: str) -> None:
    if output == "json":
        show_json(told)
        return
    show_one({key: value for key, value in told.items() if key != "ports"}, output)
    if told["ports"]:
        show_many(told["ports"], PORTS, output)
