"""`sealane floating-ip forward`: ports of a floating IP, one by one."""

import re
from collections.abc import Sequence
from typing import Any

import click

from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_many, show_one
from sealane.cli.waiting import Patient, settle, wait_option
from sealane.errors import NotFound


def _ports(text: str) -> str:
    """As it is typed here: 80, or 8000-8009."""
    first, _, last = text.partition(":")
    return first if first == last else f"{first}-{last}"


COLUMNS = (
    Column("ID", "id"),
    Column("PROTOCOL", "protocol"),
    Column("PORT", "external_port_range", _ports),
    Column("LEADS TO", "internal_ip_address"),
    Column("ITS PORT", "internal_port_range", _ports),
    Column("DESCRIPTION", "description"),
)
PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
PROTOCOLS = click.Choice(("tcp", "udp", "sctp"))

forward = Ordered(
    "forward",
    help="Ports of a floating IP that lead to ports of different machines: list, add, remove.\n\n"
    "\b\nExample:\n"
    "  sealane floating-ip forward add 203.0.113.7 web --port 80:8080",
)


@forward.command("list")
@click.argument("floating", metavar="ADDRESS|ID")
@output_option
def list_forwardings(floating: str, output: str) -> None:
    """What a floating IP forwards.

    \b
    Example:
      sealane floating-ip forward list 203.0.113.7
    """
    client = api()
    show_many(client.list(_below(client, floating)), COLUMNS, output)


@forward.command(cls=Patient)
@click.argument("floating", metavar="ADDRESS|ID")
@click.argument("port", shell_complete=names("ports"))
@click.option(
    "--port",
    "ports",
    metavar="PORT[:PORT]",
    required=True,
    help="Its port, and the machine's; a range is 8000-8009.",
)
@click.option("--protocol", type=PROTOCOLS, default="tcp", show_default=True, help="Of what is forwarded.")
@click.option(
    "--fixed-ip", "internal_ip_address", metavar="IP", help="The machine's address, if its port has several."
)
@click.option("--description", default="", help="A text for people.")
@wait_option
@output_option
def add(floating: str, port: str, ports: str, wait: int | None, output: str, **given: Any) -> None:
    """Forward a port.

    \b
    Example:
      sealane floating-ip forward add 203.0.113.7 web --port 80:8080
      sealane floating-ip forward add 203.0.113.7 dns --port 53 --protocol udp
      sealane floating-ip forward add 203.0.113.7 ftp --port 30000-30009:40000-40009
    """
    outside, _, inside = ports.partition(":")
    client = api()
    client.wait = wait
    body = {
        **{key: value for key, value in given.items() if value},
        **_given("external", outside),
        **_given("internal", inside or outside),
        "internal_port_id": client.find("ports", port)["id"],
    }
    show_one(client.create(_below(client, floating), body), output)
    settle(client, "forwarded")


@forward.command(cls=Patient)
@click.argument("floating", metavar="ADDRESS|ID")
@click.argument("ports", metavar="PORT…", nargs=-1, required=True)
@click.option("--protocol", type=PROTOCOLS, default="tcp", show_default=True, help="Of what is forwarded.")
@wait_option
def remove(floating: str, ports: Sequence[str], protocol: str, wait: int | None) -> None:
    """Forward these ports no longer.

    \b
    Example:
      sealane floating-ip forward remove 203.0.113.7 80 30000-30009
    """
    client = api()
    client.wait = wait
    below = _below(client, floating)
    known = {row["external_port_range"]: row["id"] for row in client.list(below, protocol=protocol)}
    wanted = {_range(port): port for port in ports}
    for span, port in wanted.items():
        if span not in known:
            raise NotFound(f"{floating} does not forward {protocol} port {port}; see 'forward list'")
    for span in wanted:
        client.delete(below, known[span])
    settle(client, "removed")


def _below(client: Api, floating: str) -> str:
    """The collection of its forwardings."""
    from sealane.cli.floating_ip import find

    return f"floatingips/{find(client, floating)['id']}/port_forwardings"


def _given(side: str, text: str) -> Body:
    """Raises BadParameter."""
    span = _range(text)
    first, _, last = span.partition(":")
    return {f"{side}_port": int(first)} if first == last else {f"{side}_port_range": span}


def _range(text: str) -> str:
    """FIRST:LAST, as the API has it. Raises BadParameter."""
    match = PORTS.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 0 < first <= last < 65536:
        raise click.BadParameter(f"'{text}' is no port; give 80, 80:8080 or 8000-8009:9000-9009")
    return f"{first}:{last}"
