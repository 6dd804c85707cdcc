"""`sealane tap-mirror`: a port's packets, by GRE or ERSPAN to an address outside."""

from typing import Any

import click

from sealane.cli import creating, fields, noun
from sealane.cli.api import Api, Body
from sealane.cli.fields import Field, Scope, reference
from sealane.cli.noun import Filter, Noun
from sealane.cli.output import Column

TYPES = {"gre": "gre", "erspan": "erspanv1"}


def _read(text: str, scope: Scope) -> Body:
    """in=NUMBER, out=NUMBER, or both with a comma."""
    found = {}
    for word in text.split(","):
        way, _, number = word.partition("=")
        if way not in ("in", "out") or way.upper() in found or not (number.isascii() and number.isdigit()):
            raise ValueError(f"'{text}' is to be in=NUMBER, out=NUMBER or in=NUMBER,out=NUMBER")
        found[way.upper()] = int(number)
    return found


def _directions(numbers: Body | None) -> str:
    return ", ".join(f"{way.lower()}={number}" for way, number in sorted((numbers or {}).items()))


TAP_MIRROR = Noun(
    name="tap-mirror",
    path="taas/tap_mirrors",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PORT", "port_id", of="ports"),
        Column("TYPE", "mirror_type"),
        Column("REMOTE", "remote_ip"),
        Column("DIRECTIONS", "directions", _directions),
        Column("STATUS", "status"),
        Column("PROJECT", "project_id"),
    ),
    more=(Column("DESCRIPTION", "description"), Column("TAGS", "tags"), Column("CREATED", "created_at")),
    fields=(
        reference(
            *("ports", "--port", "port_id", "Whose packets are copied (name or id)."),
            metavar="PORT",
            change=False,
        ),
        Field(
            option="--remote",
            key="remote_ip",
            metavar="ADDRESS",
            change=False,
            help="Where copies go: an IPv4 address that hosts reach.",
        ),
        Field(
            option="--type",
            key="mirror_type",
            choices=tuple(TYPES),
            read=lambda text, scope: TYPES[text],
            change=False,
            help="How they go: by GRE with a key, or by ERSPAN (type II) with a session.",
        ),
        Field(
            option="--directions",
            key="directions",
            metavar="in=NUMBER,out=NUMBER",
            read=_read,
            change=False,
            help="What the port is sent, and what it sends, each by the tunnel of its number; or one.",
        ),
        fields.DESCRIPTION,
        fields.TAG,
    ),
    filters=(Filter("--port", "port_id", "Only of this port.", parent="ports"),),
    examples={
        "group": "sealane tap-mirror create off --port web --remote 198.51.100.9 --type gre "
        "--directions in=101",
        "list": "sealane tap-mirror list",
        "show": "sealane tap-mirror show off",
        "create": "sealane tap-mirror create off --port web --remote 198.51.100.9 --type erspan "
        "--directions in=101,out=102",
        "set": "sealane tap-mirror set off --name away",
        "unset": "sealane tap-mirror unset off --description",
        "delete": "sealane tap-mirror delete off",
        "tag": "sealane tap-mirror tag set off front",
        "add": "",
    },
)


def _prepare(client: Api, body: Body, given: dict[str, Any]) -> Body:
    """It is of its port's project."""
    for option in ("port", "remote", "type", "directions"):
        if not given[option]:
            raise click.UsageError(f"Missing option '--{option}'")
    if "project_id" in body:
        return body
    return {**body, "project_id": client.find("ports", given["port"])["project_id"]}


tap_mirror = noun.group(TAP_MIRROR, creating.create(TAP_MIRROR, _prepare))
del tap_mirror.commands["add"]  # no attribute of it is a list
