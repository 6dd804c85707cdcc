"""`sealane events`: what happened, and with --follow what happens."""

import json
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from sealane.cli.api import Api, Body
from sealane.cli.noun import api
from sealane.cli.output import plain, printable
from sealane.errors import Unavailable

POLL = 25
"""Seconds that the API may hold an answer back."""
PAUSE = 0.5
"""Seconds before the next try while the API does not answer."""
KINDS = (
    "network",
    "segment",
    "subnet",
    "subnetpool",
    "address_scope",
    "port",
    "router",
    "floatingip",
    "port_forwarding",
    "security_group",
    "security_group_rule",
    "address_group",
    "policy",
    "bandwidth_limit_rule",
    "dscp_marking_rule",
    "log",
    "trunk",
    "sub_port",
    "tap_service",
    "tap_flow",
    "tap_mirror",
    "metering_label",
    "metering_label_rule",
    "rbac_policy",
    "node",
    "token",
    "quota",
    "project",
    "user",
    "role_assignment",
)
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
COLOURS = {
    "created": "green",
    "active": "green",
    "seen": "green",
    "righted": "green",
    "deleted": "yellow",
    "down": "yellow",
    "gone": "yellow",
}
HELP = """What happened: networks, ports, routers, security groups, nodes … created, updated, deleted;
ports bound to a host, active, down; ports that another host has than the one they are meant for; nodes
lost and seen again.

The API remembers the last 10,000 events; when it is restarted it forgets them, and says so.

\b
Example:
  sealane events --since 10m --kind port
  sealane events --follow -o json | jq -r 'select(.alarm)'
"""


@dataclass(frozen=True)
class Wish:
    """Which events are shown."""

    kinds: frozenset[str]
    project: str | None
    alarms: bool
    since: datetime | None

    def fits(self, event: Body) -> bool:
        return (
            (not self.kinds or event["kind"] in self.kinds)
            and self.project in (None, event["project_id"])
            and (not self.alarms or event["alarm"])
            and (self.since is None or moment_of(event) >= self.since)
        )


@click.command(help=HELP)
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens, until ^C.")
@click.option("--since", metavar="N|TIME", help="After event number N; or not older than 30s, 10m, 2h, 1d.")
@click.option("-n", "--last", type=click.IntRange(0), metavar="N", help="Only the last N of the past.")
@click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Only of this kind; may repeat."
)
@click.option("--project", help="Only of this project.")
@click.option("--alarms", is_flag=True, help="Only what should not be.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="Lines for people, or one JSON object a line.",
)
def events(follow: bool, since: str | None, last: int | None, output: str, **which: Any) -> int:
    number, moment = period(since)
    wish = Wish(frozenset(which["kinds"]), which["project"], which["alarms"], moment)
    client = api()
    show = _show_json if output == "json" else Printer(client).show
    try:
        number, past = _past(client, number, wish)
        for event in past if last is None else past[len(past) - min(last, len(past)) :]:
            show(event)
        if follow:
            for event in _future(client, number):
                if wish.fits(event) or event["kind"] == "journal":
                    show(event)
    except KeyboardInterrupt:
        return 0  # the usual way to end it
    return 0


def period(text: str | None) -> tuple[int, datetime | None]:
    if text is None:
        return 0, None
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text), None
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if found is None:
        raise click.BadParameter(
            f"'{text}' is neither the number of an event nor a time as 30s, 10m, 2h or 1d",
            param_hint="--since",
        )
    return 0, datetime.now(UTC) - timedelta(seconds=int(found[1]) * UNITS[found[2]])


def moment_of(event: Body) -> datetime:
    return datetime.fromisoformat(event["at"])


def _past(client: Api, number: int, wish: Wish) -> tuple[int, list[Body]]:
    """The number to go on after, and what has happened up to now."""
    found: list[Body] = []
    while True:
        answer = client.request("GET", f"/v2.0/sealane/events?after={number}")
        if answer["gone"]:
            found.append(_gone(answer["last"]))
        number = answer["last"]
        found += [event for event in answer["events"] if wish.fits(event)]
        if not answer["events"]:
            return number, found


def _future(client: Api, number: int) -> Iterator[Body]:
    """For ever."""
    for answer in polled(client, "/v2.0/sealane/events", number):
        if answer["gone"]:
            yield _gone(answer["last"])
        yield from answer["events"]


def polled(client: Api, path: str, number: int) -> Iterator[Body]:
    """Answers about what comes after that number, for ever; also while the API is restarted."""
    silent = False
    while True:
        try:
            answer = client.poll(f"{path}?after={number}&timeout={POLL}", POLL)
        except Unavailable as exc:
            if not silent:
                click.echo(f"sealane: {exc.message}; still trying", err=True)
            silent = True
            time.sleep(PAUSE)
            continue
        silent = False
        yield answer
        number = answer["last"]


def _gone(number: int) -> Body:
    """In the shape of an event."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    empty = dict.fromkeys(("id", "name", "project_id", "network_id", "host", "wanted_host"), "")
    return {
        "number": number,
        "at": now,
        "kind": "journal",
        "what": "gone",
        **empty,
        "addresses": [],
        "fields": [],
        "alarm": False,
    }


def _show_json(event: Body) -> None:
    click.echo(json.dumps(event))


@dataclass
class Printer:
    """Lines for people; with colours and the local time on a terminal."""

    client: Api
    names: dict[str, str] = field(default_factory=dict)
    """Networks, as far as they are known."""

    def show(self, event: Body) -> None:
        if event["kind"] == "network":
            self.names[event["id"]] = event["name"]
        what = event["what"]
        name = printable(event["name"]) or plain(event["addresses"]) or event["id"]
        words = (f"{event['kind']:<7}", f"{what:<8}", f"{name:<20}", self._more(event))
        kind, verb, name, more = words
        if not sys.stdout.isatty():
            return click.echo(f"{event['at']}  {kind}  {verb}  {name}  {more}".rstrip())
        at = moment_of(event).astimezone().strftime("%H:%M:%S.%f")[:-3]
        colour = "red" if event["alarm"] else COLOURS.get(what)
        line = (
            click.style(at, dim=True),
            kind,
            click.style(verb, fg=colour, bold=event["alarm"]),
            click.style(name, bold=True),
            more,
        )
        click.echo("  ".join(line))

    def _more(self, event: Body) -> str:
        """What is to be said besides."""
        told = []
        if event["kind"] in ("subnet", "port"):
            told.append(f"on {self._name(event['network_id'])}")
        if event["what"] == "misbound":
            told.append(f"bound by {event['host']}, meant for {event['wanted_host'] or 'no host'}")
        elif event["kind"] == "port" and event["host"]:
            told.append(f"host {event['host']}")
        if event["name"] and event["what"] in ("created", "active", "seen"):
            told.append(plain(event["addresses"]))
        if event["fields"]:
            told.append(f"changed: {plain(event['fields'])}")
        if event["kind"] == "journal":
            told.append("earlier events are forgotten: the API was restarted, or they were too many")
        return ", ".join(text for text in told if text)

    def _name(self, network: str) -> str:
        if network not in self.names:
            self.names |= _networks(self.client)
        return printable(self.names.setdefault(network, network) or network)


def _networks(client: Api) -> dict[str, str]:
    try:
        rows: Iterable[Body] = client.list("networks", ("fields", "id"), ("fields", "name"))
    except Unavailable:
        return {}
    return {row["id"]: row["name"] for row in rows}
