"""`sealane security-group rule`: a rule has no name, so it is made for a group and known by its id."""

import re
from collections.abc import Sequence
from typing import Any

import click

from sealane.cli import fields
from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.failures import Several
from sealane.cli.fields import Scope
from sealane.cli.noun import Ordered, api
from sealane.cli.output import Column, output_option, show_many, show_one
from sealane.cli.waiting import Patient, settle, wait_option
from sealane.errors import SealaneError

RULES, GROUPS, ADDRESSES = "security-group-rules", "security-groups", "address-groups"
COLUMNS = (
    Column("ID", "id"),
    Column("GROUP", "security_group_id"),
    Column("DIRECTION", "direction"),
    Column("FAMILY", "ethertype"),
    Column("PROTOCOL", "protocol"),
    Column("PORTS", "ports"),
    Column("REMOTE", "remote"),
)
PORTS = re.compile(r"^([0-9]{1,5})(?:[:-]([0-9]{1,5}))?$")
ICMP = ("icmp", "ipv6-icmp", "icmpv6", "1", "58")

rule = Ordered(
    "rule",
    help="Rules of security groups: list, show, create, set, delete.\n\n"
    "\b\nExample:\n"
    "  sealane security-group rule create web --port 80\n"
    "  sealane security-group rule create db --port 5432 --remote-group web",
)
project_option = click.option("--project", help="Of this project, when a group's name is ambiguous.")


@rule.command("list")
@click.argument("group", default="", shell_complete=names(GROUPS))
@click.option("--direction", type=click.Choice(("ingress", "egress")), help="Only of this direction.")
@click.option("--protocol", help="Only for this protocol.")
@click.option(
    "--remote-group", metavar="GROUP", help="Only for members of this group.", shell_complete=names(GROUPS)
)
@click.option("-q", "--quiet", is_flag=True, help="Only the ids, one a line.")
@project_option
@output_option
def list_rules(
    group: str, remote_group: str | None, quiet: bool, project: str | None, output: str, **plain: str | None
) -> None:
    """Rules of a group, or of all.

    \b
    Example:
      sealane security-group rule list web --direction ingress
    """
    client = api()
    filters = {key: value for key, value in plain.items() if value}
    if group:
        filters["security_group_id"] = _group(client, group, project)
    if remote_group:
        filters["remote_group_id"] = _group(client, remote_group, project)
    rows = client.list(RULES, **filters)
    if quiet:
        for row in rows:
            click.echo(row["id"])
        return
    show_many(rows if output == "json" else _told(client, rows), COLUMNS, output)


@rule.command()
@click.argument("wanted", metavar="RULE")
@output_option
def show(wanted: str, output: str) -> None:
    """All attributes of one rule, by its id.

    \b
    Example:
      sealane security-group rule show 0b1d2c7a-5a3e-4d1e-9d3f-2a7b8c9d0e1f
    """
    show_one(_one(api(), wanted), output)


@rule.command(cls=Patient)
@click.argument("group", shell_complete=names(GROUPS))
@click.option(
    "--egress", "direction", flag_value="egress", help="For what goes out; left out: for what comes in."
)
@click.option("--ingress", "direction", flag_value="ingress", default="ingress", hidden=True)
@click.option("--protocol", metavar="NAME|NUMBER", help="Left out: all, or tcp where --port is given.")
@click.option("--port", "ports", metavar="PORT[:PORT]", help="The port, or the first and the last.")
@click.option("--icmp-type", type=click.IntRange(0, 255), metavar="N", help="With --protocol icmp.")
@click.option("--icmp-code", type=click.IntRange(0, 255), metavar="N", help="With --icmp-type.")
@click.option("--remote", metavar="SUBNET", help="From (to) there; left out: anywhere.")
@click.option(
    "--remote-group", metavar="GROUP", help="From (to) members of it.", shell_complete=names(GROUPS)
)
@click.option(
    "--remote-address-group",
    metavar="GROUP",
    help="From (to) its addresses.",
    shell_complete=names(ADDRESSES),
)
@click.option("--ipv6", is_flag=True, help="For IPv6; follows from --remote.")
@click.option("--description", default="", help="A text for people.")
@project_option
@wait_option
@output_option
def create(group: str, wait: int | None, output: str, **given: Any) -> None:
    """Let something pass that no rule did yet.

    \b
    Example:
      sealane security-group rule create web --port 80
      sealane security-group rule create web --port 8000:8010 --remote 192.0.2.0/24
      sealane security-group rule create web --protocol icmp --icmp-type 8
      sealane security-group rule create db --port 5432 --remote-group web
      sealane security-group rule create db --egress --protocol udp --ipv6
    """
    body = _body(given)
    client = api()
    client.wait = wait
    body["security_group_id"] = _group(client, group, given["project"])
    if given["remote_group"]:
        body["remote_group_id"] = _group(client, given["remote_group"], given["project"])
    if given["remote_address_group"]:
        body["remote_address_group_id"] = client.find(ADDRESSES, given["remote_address_group"])["id"]
    show_one(client.create(RULES, body), output)
    settle(client, "made")


@rule.command("set", cls=Patient)
@click.argument("wanted", metavar="RULE")
@click.option("--description", required=True, help="A text for people; all else of a rule stays as it is.")
@output_option
def set_(wanted: str, description: str, output: str) -> None:
    """Describe a rule.

    \b
    Example:
      sealane security-group rule set 0b1d2c7a-5a3e-4d1e-9d3f-2a7b8c9d0e1f --description 'the web'
    """
    client = api()
    show_one(client.update(RULES, _one(client, wanted)["id"], {"description": description}), output)


@rule.command(cls=Patient)
@click.argument("wanted", metavar="RULE…", nargs=-1, required=True)
@wait_option
def delete(wanted: Sequence[str], wait: int | None) -> None:
    """Delete rules: what they let pass stops, also within connections that are there.

    \b
    Example:
      sealane security-group rule delete $(sealane security-group rule list web -q)
    """
    client = api()
    client.wait = wait
    failures = []
    for one in wanted:
        try:
            client.delete(RULES, one)
        except SealaneError as exc:
            failures.append(exc.message)
    if failures:
        raise Several(failures)
    settle(client, "deleted")


def _one(client: Api, id: str) -> Body:
    return client.find(RULES, id)


def _group(client: Api, wanted: str, project: str | None) -> str:
    within = {"project_id": project} if project else {}
    return str(client.find(GROUPS, wanted, **within)["id"])


def _body(given: dict[str, Any]) -> Body:
    """What of a rule the options say by themselves. Raises BadParameter."""
    remote = _span(given["remote"])
    body: Body = {"direction": given["direction"], "description": given["description"]}
    body["ethertype"] = "IPv6" if given["ipv6"] or (remote and ":" in remote) else "IPv4"
    body |= {"remote_ip_prefix": remote} if remote else {}
    low, high = _ports(given["ports"])
    protocol = given["protocol"] or ("tcp" if low is not None else None)
    if given["icmp_type"] is not None or given["icmp_code"] is not None:
        if low is not None or protocol not in ICMP:
            raise click.UsageError("--icmp-type and --icmp-code are for --protocol icmp, without --port")
        low, high = given["icmp_type"], given["icmp_code"]
    return body | {"protocol": protocol, "port_range_min": low, "port_range_max": high}


def _span(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return fields.span(text, Scope(None))  # type: ignore[arg-type]  # it asks nobody
    except ValueError as exc:
        raise click.BadParameter(str(exc), param_hint="--remote") from exc


def _ports(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    found = PORTS.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"'{text}' is no port; give it as 80, or 8000:8010", param_hint="--port")
    return int(found[1]), int(found[2] or found[1])


def _told(client: Api, rows: list[Body]) -> list[Body]:
    """For people: groups by name, ports and ICMP types in one word."""
    groups, sets = _names(client, GROUPS), _names(client, ADDRESSES)
    return [
        {
            **row,
            "security_group_id": groups.get(row["security_group_id"], row["security_group_id"]),
            "protocol": row["protocol"] or "any",
            "ports": _in_a_word(row),
            "remote": row["remote_ip_prefix"]
            or groups.get(row["remote_group_id"] or "")
            or sets.get(row["remote_address_group_id"] or "")
            or "any",
        }
        for row in rows
    ]


def _names(client: Api, collection: str) -> dict[str, str]:
    rows = client.list(collection, ("fields", "id"), ("fields", "name"))
    return {row["id"]: row["name"] or row["id"] for row in rows}


def _in_a_word(row: Body) -> str:
    low, high = row["port_range_min"], row["port_range_max"]
    if row["protocol"] in ICMP:
        return "" if low is None else f"type {low}" + ("" if high is None else f" code {high}")
    return "" if low is None else str(low) if low == high else f"{low}:{high}"
