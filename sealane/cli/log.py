"""`sealane log`: logs of security groups, and the packets that were logged."""

import json
from typing import Any

import click

from sealane.cli import creating, fields, noun
from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.events import moment_of, period, polled
from sealane.cli.fields import Field, Scope
from sealane.cli.noun import Filter, Noun, api
from sealane.cli.output import Column, printable

LOGS = "log/logs"
ENTRIES = "/v2.0/log/entries"
EVENTS = {"all": "ALL", "accepted": "ACCEPT", "dropped": "DROP"}
SHOWN = {"ACCEPT": "accepted", "DROP": "dropped"}


class Logs(Noun):
    @property
    def collection(self) -> str:
        return LOGS


def _group(text: str, scope: Scope) -> str:
    return str(scope.api.find("security-groups", text)["id"])


def _port(text: str, scope: Scope) -> str:
    return str(scope.api.find("ports", text)["id"])


LOG = Logs(
    name="log",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("ENABLED", "enabled"),
        Column("EVENT", "event"),
        Column("GROUP", "resource_id", of="security-groups"),
        Column("PORT", "target_id", of="ports"),
        Column("PROJECT", "project_id"),
    ),
    more=(Column("DESCRIPTION", "description"), Column("TAGS", "tags"), Column("CREATED", "created_at")),
    fields=(
        Field(
            option="--security-group",
            key="resource_id",
            metavar="GROUP",
            read=_group,
            lookup=True,
            change=False,
            complete=names("security-groups"),
            help="What this group lets pass, and what its ports drop; left out: all groups of the project.",
        ),
        Field(
            option="--port",
            key="target_id",
            metavar="PORT",
            read=_port,
            lookup=True,
            change=False,
            complete=names("ports"),
            help="Of this port alone.",
        ),
        Field(
            option="--event",
            key="event",
            choices=tuple(EVENTS),
            read=lambda text, scope: EVENTS[text],
            change=False,
            help="Left out: all.",
        ),
        Field(option="--enable/--disable", key="enabled", help="Log, or do not."),
        fields.DESCRIPTION,
        fields.TAG,
    ),
    filters=(
        Filter("--security-group", "resource_id", "Only of this group.", parent="security-groups"),
        Filter("--port", "target_id", "Only of this port.", parent="ports"),
    ),
    examples={
        "group": "sealane log create refused --security-group web --event dropped\n"
        "sealane log entries --follow",
        "list": "sealane log list",
        "show": "sealane log show refused",
        "create": "sealane log create refused --security-group web --port web-1 --event dropped",
        "set": "sealane log set refused --disable",
        "unset": "sealane log unset refused --description",
        "delete": "sealane log delete refused",
        "tag": "sealane log tag set refused front",
        "add": "sealane log add refused",
    },
)


def _prepare(client: Api, body: Body, given: dict[str, Any]) -> Body:
    """It is about its own project's packets: that of the group or of the port."""
    body = {"resource_type": "security_group", **body}
    for collection, option in (("ports", "port"), ("security-groups", "security_group")):
        if given[option] and "project_id" not in body:
            body["project_id"] = client.find(collection, given[option])["project_id"]
    return body


log = noun.group(LOG, creating.create(LOG, _prepare))
del log.commands["add"]  # no attribute of a log is a list


@log.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what is logged, until ^C.")
@click.option("--since", metavar="N|TIME", help="After packet number N; or not older than 30s, 10m, 2h, 1d.")
@click.option("-n", "--last", type=click.IntRange(0), metavar="N", help="Only the last N of the past.")
@click.option("--log", "wanted", metavar="LOG", help="Only of the log of this name.")
@click.option("--dropped", "verdict", flag_value="DROP", help="Only what was dropped.")
@click.option("--accepted", "verdict", flag_value="ACCEPT", help="Only what was accepted.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="Lines for people, or one JSON object a line.",
)
def entries(
    follow: bool, since: str | None, last: int | None, wanted: str | None, verdict: str | None, output: str
) -> int:
    """Packets that were logged, with the names of ports, groups and rules.

    \b
    Example:
      sealane log entries --since 10m --dropped
      sealane log entries --follow -o json | jq -r .port
    """
    number, moment = period(since)

    def fits(entry: Body) -> bool:
        return (
            verdict in (None, entry["verdict"])
            and (wanted is None or wanted in entry["logs"])
            and (moment is None or moment_of(entry) >= moment)
        )

    client = api()
    show = (lambda entry: click.echo(json.dumps(entry))) if output == "json" else _show
    try:
        past: list[Body] = []
        while True:
            number, some = _next(client, number)
            past += filter(fits, some)
            if not some:
                break
        for entry in past if last is None else past[len(past) - min(last, len(past)) :]:
            show(entry)
        for answer in polled(client, ENTRIES, number) if follow else ():
            for entry in answer["entries"]:
                if fits(entry):
                    show(entry)
    except KeyboardInterrupt:
        return 0  # the usual way to end it
    return 0


def _next(client: Api, number: int) -> tuple[int, list[Body]]:
    """What to go on after, and what was logged up to there."""
    answer = client.request("GET", f"{ENTRIES}?after={number}")
    if answer["gone"]:
        click.echo("sealane: earlier packets are forgotten", err=True)
    return answer["last"], answer["entries"]


def _show(entry: Body) -> None:
    port = printable(entry["port"]) or entry["port_id"]
    arrow = "<-" if entry["direction"] == "ingress" else "->"
    own, other = ("destination", "source") if entry["direction"] == "ingress" else ("source", "destination")
    ends = (_end(entry, own), _end(entry, other))
    peer = f" ({printable(entry['peer'])})" if entry["peer"] else ""
    why = printable(entry["rule"]) or ("no rule" if entry["verdict"] == "DROP" else "its network")
    groups = ", ".join(map(printable, entry["security_groups"]))
    click.echo(
        f"{entry['at']}  {SHOWN[entry['verdict']]:<8}  {port:<16}  {entry['protocol']:<5} {ends[0]} {arrow} "
        f"{ends[1]}{peer}  {why}{f' of {groups}' if groups else ''}, on {printable(entry['network'])}, "
        f"host {entry['host']}"
    )


def _end(entry: Body, side: str) -> str:
    address, port = entry[side], entry[f"{side}_port"]
    if port is None:
        return str(address)
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
