"""`sealane network`."""

from collections.abc import Sequence
from typing import Any, get_args

import click

from sealane.cli import creating, fields, noun
from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.fields import Field, Scope
from sealane.cli.noun import Filter
from sealane.cli.output import Column
from sealane.errors import SealaneError
from sealane.model import GatewayMode

NETWORK = noun.Noun(
    name="network",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROJECT", "project_id"),
        Column("SUBNETS", "subnets"),
        Column("MTU", "mtu"),
        Column("GATEWAY", "sealane:gateway"),
        Column("STATUS", "status"),
    ),
    more=(
        Column("ADMIN UP", "admin_state_up"),
        Column("PORT SECURITY", "port_security_enabled"),
        Column("SHARED", "shared"),
        Column("DNS DOMAIN", "dns_domain"),
        Column("MULTICAST SNOOPING", "sealane:multicast_snooping"),
        Column("KEY", "provider:segmentation_id"),
        Column("MADE BY", "sealane:origin"),
        Column("TAGS", "tags"),
        Column("CREATED", "created_at"),
        Column("DESCRIPTION", "description"),
    ),
    fields=(
        fields.DESCRIPTION,
        Field(
            option="--gateway",
            key="sealane:gateway",
            choices=get_args(GatewayMode),
            help="Who is the containers' gateway; none: there is no way out.",
        ),
        Field(
            option="--mtu",
            key="mtu",
            metavar="BYTES",
            read=fields.number(68, 9000),
            help="Largest packet; left out: the largest that what carries it lets through.",
            empty=0,
        ),
        Field(
            option="--dns-domain",
            key="dns_domain",
            metavar="NAME",
            help="Domain of the names on it.",
            empty="",
        ),
        Field(
            option="--qos",
            key="qos_policy_id",
            metavar="POLICY",
            read=fields.policy,
            lookup=True,
            complete=names("qos/policies"),
            help="Limits and marks of each of its ports that has none of its own.",
            empty=None,
        ),
        Field(option="--enable/--disable", key="admin_state_up", help="Carry traffic, or none."),
        Field(
            option="--port-security/--no-port-security",
            key="port_security_enabled",
            help="What new ports have: only packets from their own addresses, or all.",
        ),
        Field(option="--share/--no-share", key="shared", help="Other projects may use it, or not."),
        Field(
            option="--external/--no-external",
            key="router:external",
            help="Routers may have their way out in it, or not.",
        ),
        Field(
            option="--multicast-snooping/--no-multicast-snooping",
            key="sealane:multicast_snooping",
            help="What is sent to a group reaches those only who have joined it, or everybody.",
        ),
        Field(
            option="--physical-network",
            key="provider:physical_network",
            metavar="NAME",
            change=False,
            help="It is a segment of this network outside (setting bridge_mappings).",
        ),
        Field(
            option="--vlan",
            key="provider:segmentation_id",
            metavar="NUMBER",
            read=fields.number(1, 4094),
            change=False,
            help="The VLAN there; left out: what has no tag.",
        ),
        Field(
            option="--label",
            key="sealane:labels",
            metavar="KEY=VALUE",
            read=fields.label,
            many=True,
            pairs=True,
            help="A label, as Docker's networks have.",
        ),
        fields.TAG,
    ),
    filters=(
        Filter("--gateway", "sealane:gateway", "Only with this kind of gateway.", metavar="KIND"),
        Filter("--made-by", "sealane:origin", "Only what was made by this: api or docker.", metavar="WHO"),
    ),
    examples={
        "group": "sealane network create blue\nsealane network list --long",
        "list": "sealane network list --project default --sort name",
        "show": "sealane network show blue",
        "create": "sealane network create blue --subnet 10.1.0.0/24 --subnet fd00:1::/64 --tag front",
        "set": "sealane network set blue --mtu 1400 --description 'the blue team'",
        "add": "sealane network add blue --label team=sea",
        "unset": "sealane network unset blue --description --label team",
        "delete": "sealane network delete blue red --wait",
        "tag": "sealane network tag add blue front",
    },
)


def _prepare(client: Api, body: Body, given: dict[str, Any]) -> Body:
    if given["no_subnet"] and (given["subnet"] or given["ipv6"]):
        raise click.UsageError("--no-subnet and --subnet or --ipv6 exclude each other")
    if given["internal"] and given["gateway"] not in (None, "none"):
        raise click.UsageError("--internal and --gateway exclude each other")
    if given["subnet"] and given["count"]:
        raise click.UsageError("--count and --subnet exclude each other: subnets would overlap")
    _check_wire(given)
    for cidr in given["subnet"]:
        CIDR.convert(cidr, Scope(client))
    if given["physical_network"]:
        body = body | {"provider:network_type": "vlan" if given["vlan"] else "flat"}
    return body | ({"sealane:gateway": "none"} if given["internal"] else {})


def _check_wire(given: dict[str, Any]) -> None:
    """Addresses of a network that reaches outside are not ours to invent."""
    if given["vlan"] and not given["physical_network"]:
        raise click.UsageError("--vlan is for --physical-network")
    outside = given["external"] or given["physical_network"]
    if outside and not given["subnet"] and not given["no_subnet"]:
        raise click.UsageError("give its --subnet, or --no-subnet, with --external or --physical-network")


CIDR = Field(option="--subnet", key="cidr", metavar="SUBNET", read=fields.network, many=True, help="")


def _alone(given: dict[str, Any]) -> bool:
    return bool(given["no_subnet"])


def _finish(client: Api, made: Sequence[Body], given: dict[str, Any]) -> Sequence[Body]:
    """The subnets; the networks go again when they can't be had."""
    if _alone(given):
        return made
    wait = client.wait
    try:
        for one in made:
            client.wait = wait if one is made[-1] else None
            _add_subnets(client, one, given["subnet"], given["ipv6"])
    except SealaneError:
        client.wait = None
        for one in made:
            client.delete("networks", one["id"])
        raise
    return [client.find("networks", one["id"]) for one in made]


def _add_subnets(client: Api, made: Body, cidrs: Sequence[str], ipv6: bool) -> None:
    wanted = list(cidrs) or [client.free_cidr(4)]
    if ipv6 and not any(":" in cidr for cidr in wanted):
        wanted.append(client.free_cidr(6))
    common = {"network_id": made["id"], "project_id": made["project_id"]}
    client.create_many(
        "subnets", [{**common, "cidr": cidr, "ip_version": 6 if ":" in cidr else 4} for cidr in wanted]
    )


network = noun.group(NETWORK, create := creating.create(NETWORK, _prepare, _finish, _alone))
create.params[1:1] = [
    CIDR.as_option("A subnet as 10.1.0.0/24, may be given again; none: a free one is chosen."),
    click.Option(["--no-subnet"], is_flag=True, help="Make no subnet."),
    click.Option(["--ipv6"], is_flag=True, help="Choose a free IPv6 subnet as well."),
    click.Option(["--internal"], is_flag=True, help="The same as --gateway none."),
]
