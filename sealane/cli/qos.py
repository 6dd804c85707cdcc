"""`sealane qos`: policies; their limits and marks are set by one command each, and taken off by `none`."""

import click

from sealane.cli import creating, fields, noun
from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.fields import Field
from sealane.cli.noun import Noun, api
from sealane.cli.output import Column, output_option, show_one
from sealane.cli.waiting import Patient, settle, wait_option

POLICIES = "qos/policies"
NONE = "none"


class Policies(Noun):
    @property
    def words(self) -> str:
        return "policy"

    @property
    def several(self) -> str:
        return "policies"

    @property
    def one(self) -> str:
        return "a policy"

    @property
    def title(self) -> str:
        return "Policies of quality of service"


def _rules(rules: list[Body] | None) -> str:
    return ", ".join(map(_told, rules or ()))


def _told(rule: Body) -> str:
    if rule["type"] == "dscp_marking":
        return f"mark {rule['dscp_mark']}"
    return f"{rule['direction']} {rule['max_kbps']} kbit/s"


QOS = Policies(
    name="qos",
    path=POLICIES,
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROJECT", "project_id"),
        Column("SHARED", "shared"),
        Column("RULES", "rules", _rules),
        Column("DESCRIPTION", "description"),
    ),
    more=(Column("TAGS", "tags"), Column("CREATED", "created_at")),
    fields=(
        Field(option="--share/--no-share", key="shared", help="Other projects may use it, or not."),
        fields.DESCRIPTION,
        fields.TAG,
    ),
    examples={
        "group": "sealane qos create slow\nsealane qos limit slow 20000\n"
        "sealane qos limit slow 50000 --ingress\nsealane port set web --qos slow",
        "list": "sealane qos list",
        "show": "sealane qos show slow",
        "create": "sealane qos create slow --share",
        "set": "sealane qos set slow --name slower",
        "unset": "sealane qos unset slow --description",
        "delete": "sealane qos delete slow",
        "tag": "sealane qos tag set slow front",
        "add": "sealane qos add slow",
    },
)

qos = noun.group(QOS, creating.create(QOS))
del qos.commands["add"]  # no attribute of a policy is a list


def _number(text: str, low: int, high: int, what: str) -> int | None:
    """None: it is to be taken off. Raises BadParameter."""
    if text == NONE:
        return None
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise click.BadParameter(f"'{text}' is no {what}: give {low} to {high}, or '{NONE}'")
    return int(text)


@qos.command(cls=Patient)
@click.argument("wanted", metavar="POLICY", shell_complete=names(POLICIES))
@click.argument("rate", metavar="KBPS|none")
@click.option("--egress", "direction", flag_value="egress", help="What a port sends; so it is left out, too.")
@click.option("--ingress", "direction", flag_value="ingress", help="What a port is sent.")
@click.option(
    "--burst",
    type=click.IntRange(72),
    metavar="KBIT",
    help="What may pass at once; left out: 0.8 s of the rate.",
)
@wait_option
@output_option
def limit(
    wanted: str, rate: str, direction: str | None, burst: int | None, wait: int | None, output: str
) -> None:
    """Limit what each port of the policy sends, or is sent, in kilobits a second.

    \b
    Example:
      sealane qos limit slow 20000
      sealane qos limit slow 50000 --ingress --burst 10000
      sealane qos limit slow none --ingress
    """
    kbps = _number(rate, 1, 2**31 - 1, "rate")
    side = direction or "egress"
    values = None if kbps is None else {"max_kbps": kbps, "max_burst_kbps": burst or 0}
    _set(wanted, "bandwidth_limit_rules", {"direction": side}, values, wait, output)


@qos.command(cls=Patient)
@click.argument("wanted", metavar="POLICY", shell_complete=names(POLICIES))
@click.argument("dscp", metavar="DSCP|none")
@wait_option
@output_option
def mark(wanted: str, dscp: str, wait: int | None, output: str) -> None:
    """Mark what each port of the policy sends (DSCP, RFC 2474).

    \b
    Example:
      sealane qos mark voice 46
      sealane qos mark voice none
    """
    number = _number(dscp, 0, 56, "mark")
    values = None if number is None else {"dscp_mark": number}
    _set(wanted, "dscp_marking_rules", {}, values, wait, output)


def _set(
    wanted: str, kind: str, which: dict[str, str], values: Body | None, wait: int | None, output: str
) -> None:
    """The rule of that kind, made, changed or (None) taken off; shows the policy."""
    client = api()
    client.wait = wait
    id = str(client.find(POLICIES, wanted)["id"])
    below = f"{POLICIES}/{id}/{kind}"
    there = client.list(below, **which)
    if values is None:
        for rule in there:
            client.delete(below, rule["id"])
    elif there:
        client.update(below, there[0]["id"], values)
    else:
        client.create(below, {**which, **values})
    show_one(_shown(client, id), output)
    settle(client, "set")


def _shown(client: Api, id: str) -> Body:
    return client.find(POLICIES, id)
