"""`sealane metering`: labels, their rules, and what was counted."""

from typing import Any

import click

from sealane.cli import creating, fields, noun
from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.fields import Field
from sealane.cli.noun import Filter, Noun, Ordered, api
from sealane.cli.output import Column, output_option, show_one

LABELS, RULES = "metering/metering-labels", "metering/metering-label-rules"
COUNTED = (Column("PACKETS", "sealane:packets"), Column("BYTES", "sealane:bytes"))


LABEL = Noun(
    name="metering label",
    path=LABELS,
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("SHARED", "shared"),
        *COUNTED,
        Column("PROJECT", "project_id"),
    ),
    more=(Column("DESCRIPTION", "description"), Column("TAGS", "tags"), Column("CREATED", "created_at")),
    fields=(
        Field(option="--shared/--no-shared", key="shared", change=False, help="Of all routers."),
        Field(option="--description", key="description", change=False, help="A text for people."),
        fields.TAG,
    ),
    examples={
        "group": "sealane metering label create out\nsealane metering show out",
        "list": "sealane metering label list",
        "show": "sealane metering label show out",
        "create": "sealane metering label create out --project blue",
        "set": "",
        "unset": "",
        "delete": "sealane metering label delete out",
        "tag": "sealane metering label tag set out front",
        "add": "",
    },
)
RULE = Noun(
    name="metering rule",
    path=RULES,
    named=False,
    columns=(
        Column("ID", "id"),
        Column("LABEL", "metering_label_id"),
        Column("DIRECTION", "direction"),
        Column("SOURCE", "source_ip_prefix"),
        Column("DESTINATION", "destination_ip_prefix"),
        Column("REMOTE", "remote_ip_prefix"),
        Column("EXCLUDED", "excluded"),
    ),
    more=(Column("TAGS", "tags"), Column("CREATED", "created_at"), Column("PROJECT", "project_id")),
    fields=(
        fields.reference(
            *(LABELS, "--label", "metering_label_id", "The label that counts (name or id)."),
            metavar="LABEL",
            change=False,
        ),
        Field(
            option="--direction",
            key="direction",
            choices=("ingress", "egress"),
            change=False,
            help="What comes from outside, or what goes there; left out: ingress.",
        ),
        Field(
            option="--source", key="source_ip_prefix", metavar="PREFIX", change=False, help="Packets' source."
        ),
        Field(
            option="--destination",
            key="destination_ip_prefix",
            metavar="PREFIX",
            change=False,
            help="Packets' destination.",
        ),
        Field(
            option="--exclude/--include",
            key="excluded",
            change=False,
            help="Leave such packets out, whatever other rules of the label say.",
        ),
        fields.TAG,
    ),
    filters=(Filter("--label", "metering_label_id", "Only of this label.", parent=LABELS),),
    examples={
        "group": "sealane metering rule create --label out --direction egress --destination 0.0.0.0/0",
        "list": "sealane metering rule list --label out",
        "show": "sealane metering rule show ID",
        "create": "sealane metering rule create --label out --direction egress --destination 0.0.0.0/0",
        "set": "",
        "unset": "",
        "delete": "sealane metering rule delete ID",
        "tag": "sealane metering rule tag set ID front",
        "add": "",
    },
)


def _prepare(client: Api, body: Body, given: dict[str, Any]) -> Body:
    return body


def _prepare_rule(client: Api, body: Body, given: dict[str, Any]) -> Body:
    if not given["label"]:
        raise click.UsageError("Missing option '--label'")
    return body


@click.group(cls=Ordered)
def metering() -> None:
    """What crosses routers to and from outside, counted by labels."""


for _noun, _name, _ready in ((LABEL, "label", _prepare), (RULE, "rule", _prepare_rule)):
    _group = noun.group(_noun, creating.create(_noun, _ready))
    for _verb in ("set", "unset", "add"):
        del _group.commands[_verb]  # nothing of it can be changed
    metering.add_command(_group, _name)


@metering.command()
@click.argument("wanted", metavar="LABEL", shell_complete=names(LABELS))
@output_option
def show(wanted: str, output: str) -> None:
    """Packets and bytes that a label has counted, on all hosts.

    \b
    Example:
      sealane metering show out
    """
    show_one(api().find(LABELS, wanted), output)
