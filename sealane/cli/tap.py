"""`sealane tap`: tap services, and whose packets they see by which flow."""

from typing import Any

import click

from sealane.cli import creating, fields, noun
from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.fields import Field, Scope
from sealane.cli.noun import Filter, Noun, api
from sealane.cli.output import Column, output_option, show_one
from sealane.cli.waiting import Patient, settle, wait_option

SERVICES, FLOWS = "taas/tap_services", "taas/tap_flows"
DIRECTIONS = {"both": "BOTH", "in": "IN", "out": "OUT"}


def _port(text: str, scope: Scope) -> str:
    return str(scope.api.find("ports", text)["id"])


def _sources(sources: list[Body] | None) -> str:
    return ", ".join(f"{one['port_id']} ({one['direction'].lower()})" for one in sources or ())


TAP = Noun(
    name="tap",
    path=SERVICES,
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PORT", "port_id", of="ports"),
        Column("STATUS", "status"),
        Column("SOURCES", "sealane:sources", _sources, of="ports"),
        Column("PROJECT", "project_id"),
    ),
    more=(Column("DESCRIPTION", "description"), Column("TAGS", "tags"), Column("CREATED", "created_at")),
    fields=(
        Field(
            option="--port",
            key="port_id",
            metavar="PORT",
            read=_port,
            lookup=True,
            change=False,
            complete=names("ports"),
            help="The port that sees the copies (name or id).",
        ),
        fields.DESCRIPTION,
        fields.TAG,
    ),
    filters=(Filter("--port", "port_id", "Only the one with this port.", parent="ports"),),
    examples={
        "group": "sealane tap create watch --port probe\nsealane tap mirror watch web --direction in",
        "list": "sealane tap list",
        "show": "sealane tap show watch",
        "create": "sealane tap create watch --port probe",
        "set": "sealane tap set watch --name watcher",
        "unset": "sealane tap unset watch --description",
        "delete": "sealane tap delete watch",
        "tag": "sealane tap tag set watch front",
        "add": "sealane tap add watch",
    },
)


def _prepare(client: Api, body: Body, given: dict[str, Any]) -> Body:
    """It is of its port's project."""
    if not given["port"]:
        raise click.UsageError("Missing option '--port'")
    return {"project_id": client.find("ports", given["port"])["project_id"], **body}


tap = noun.group(TAP, creating.create(TAP, _prepare))
del tap.commands["add"]  # no attribute of it is a list


@tap.command(cls=Patient)
@click.argument("wanted", metavar="TAP", shell_complete=names(SERVICES))
@click.argument("source", metavar="PORT", shell_complete=names("ports"))
@click.option(
    "--direction",
    type=click.Choice(tuple(DIRECTIONS)),
    default="both",
    show_default=True,
    help="What the port is sent, what it sends, or both.",
)
@wait_option
@output_option
def mirror(wanted: str, source: str, direction: str, wait: int | None, output: str) -> None:
    """Let a tap see what a port sends and is sent.

    \b
    Example:
      sealane tap mirror watch web
      sealane tap mirror watch web --direction out
    """
    client = api()
    client.wait = wait
    service, port = client.find(SERVICES, wanted), client.find("ports", source)
    flow = {
        "tap_service_id": service["id"],
        "source_port": port["id"],
        "direction": DIRECTIONS[direction],
        "project_id": service["project_id"],
    }
    client.create(FLOWS, flow)
    show_one(client.find(SERVICES, service["id"]), output)
    settle(client, "made")


@tap.command(cls=Patient)
@click.argument("wanted", metavar="TAP", shell_complete=names(SERVICES))
@click.argument("source", metavar="PORT", shell_complete=names("ports"))
@wait_option
@output_option
def unmirror(wanted: str, source: str, wait: int | None, output: str) -> None:
    """Let a tap see no more of a port.

    \b
    Example:
      sealane tap unmirror watch web
    """
    client = api()
    client.wait = wait
    service, port = client.find(SERVICES, wanted), client.find("ports", source)
    found = client.list(FLOWS, tap_service_id=service["id"], source_port=port["id"])
    if not found:
        told = ", ".join(port.get("sealane:taps") or ())
        why = f"; it says so itself ({told}): 'sealane port unset {source} --tap all'" if told else ""
        raise click.ClickException(f"no flow leads from {source} to {wanted}{why}")
    for flow in found:
        client.delete(FLOWS, flow["id"])
    show_one(client.find(SERVICES, service["id"]), output)
    settle(client, "set")
