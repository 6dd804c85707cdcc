"""`sealane port`."""

from typing import Any

import click

from sealane.cli import creating, fields, noun
from sealane.cli.api import Api, Body
from sealane.cli.complete import hosts, names
from sealane.cli.fields import Field
from sealane.cli.log import EVENTS
from sealane.cli.noun import Filter
from sealane.cli.output import Column
from sealane.cli.subnet import NETWORK
from sealane.names import READY


def _addresses(fixed: list[Body] | None) -> str:
    return ", ".join(ip["ip_address"] for ip in fixed or ())


def _pairs(pairs: list[Body] | None) -> str:
    return ", ".join(f"{pair['ip_address']}={pair['mac_address']}" for pair in pairs or ())


def _options(options: list[Body] | None) -> str:
    return ", ".join(f"{option['opt_name']}={option['opt_value']}" for option in options or ())


PORT = noun.Noun(
    name="port",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("NETWORK", "network_id"),
        Column("MAC", "mac_address"),
        Column("ADDRESSES", "fixed_ips", _addresses),
        Column("HOST", "binding:host_id"),
        Column("STATUS", "status"),
    ),
    more=(
        Column("ADMIN UP", "admin_state_up"),
        Column("SECURITY", "port_security_enabled"),
        Column("GROUPS", "security_groups"),
        Column("PAIRS", "allowed_address_pairs", _pairs),
        Column("DNS NAME", "dns_name"),
        Column("DHCP OPTIONS", "extra_dhcp_opts", _options),
        Column("OWNER", "device_owner"),
        Column("DEVICE", "device_id"),
        Column("PROJECT", "project_id"),
        Column("TAGS", "tags"),
        Column("CREATED", "created_at"),
        Column("DESCRIPTION", "description"),
    ),
    fields=(
        Field(
            option="--ip",
            key="fixed_ips",
            metavar="ADDRESS",
            read=fields.fixed_address,
            many=True,
            help="An address; left out: the lowest free one of each family.",
        ),
        Field(
            option="--subnet",
            key="fixed_ips",
            metavar="SUBNET",
            read=fields.fixed_subnet,
            lookup=True,
            complete=names("subnets"),
            many=True,
            help="Any free address of this subnet (name or id).",
        ),
        Field(
            option="--mac",
            key="mac_address",
            metavar="MAC",
            read=fields.mac,
            help="The hardware address; left out: chosen.",
        ),
        Field(option="--enable/--disable", key="admin_state_up", help="Carry traffic, or none."),
        Field(
            option="--port-security/--no-port-security",
            key="port_security_enabled",
            help="Only packets from its own addresses and pairs, or all.",
        ),
        Field(
            option="--pair",
            key="allowed_address_pairs",
            metavar="ADDRESS[=MAC]",
            read=fields.pair,
            many=True,
            help="A further address or subnet that it may send from; may be given again.",
        ),
        Field(
            option="--security-group",
            key="security_groups",
            metavar="GROUP",
            read=fields.security_group,
            lookup=True,
            complete=names("security-groups"),
            many=True,
            help="A group whose rules say what reaches it; left out: the project's default one.",
        ),
        Field(
            option="--qos",
            key="qos_policy_id",
            metavar="POLICY",
            read=fields.policy,
            lookup=True,
            complete=names("qos/policies"),
            help="Its limits and marks; left out: those of its network.",
            empty=None,
        ),
        Field(
            option="--tap",
            key="sealane:taps",
            metavar="NAME[:in|:out]",
            many=True,
            help="A tap of its project that sees what it carries, once there is one of that name.",
        ),
        Field(
            option="--log",
            key="sealane:log",
            choices=tuple(EVENTS),
            read=lambda text, _: EVENTS[text],
            help="Which of its packets are logged.",
            empty="",
        ),
        Field(
            option="--meter",
            key="sealane:meters",
            metavar="LABEL",
            many=True,
            help="A metering label that counts what it exchanges with the outside.",
        ),
        Field(option="--dns-name", key="dns_name", metavar="NAME", help="A name for it in DNS.", empty=""),
        Field(
            option="--dns-alias",
            key="sealane:dns_aliases",
            metavar="NAME",
            many=True,
            help="A further name for it in DNS.",
        ),
        Field(
            option="--extra-dhcp-option",
            key="extra_dhcp_opts",
            metavar="NAME=VALUE",
            read=fields.dhcp_option,
            many=True,
            merged="opt_name",
            help="What it is told by DHCP beside its address, as ntp-server=10.1.0.5.",
        ),
        Field(option="--device", key="device_id", metavar="ID", help="What the port belongs to.", empty=""),
        Field(
            option="--device-owner",
            key="device_owner",
            metavar="KIND",
            help="What kind of thing that is, as compute:nova.",
            empty="",
        ),
        Field(
            option="--host",
            key="binding:host_id",
            metavar="HOST",
            help="The host that may bind it.",
            empty="",
            complete=hosts,
        ),
        Field(option="--vnic-type", key="binding:vnic_type", choices=("normal",), help="How it is bound."),
        Field(
            option="--profile",
            key="binding:profile",
            metavar="JSON",
            read=fields.dictionary,
            help="What the host is to know for binding it, a JSON object.",
            empty={},
        ),
        fields.DESCRIPTION,
        fields.TAG,
    ),
    filters=(
        Filter("--network", "network_id", "Only on this network.", parent="networks"),
        Filter(
            "--subnet",
            "fixed_ips",
            "Only with an address of this subnet.",
            parent="subnets",
            prefix="subnet_id=",
        ),
        Filter("--ip", "fixed_ips", "Only with this address.", prefix="ip_address=", metavar="ADDRESS"),
        Filter("--mac", "mac_address", "Only with this hardware address.", metavar="MAC"),
        Filter("--security-group", "security_groups", "Only in this group.", parent="security-groups"),
        Filter("--host", "binding:host_id", "Only on this host.", metavar="HOST"),
        Filter("--device", "device_id", "Only of this device.", metavar="ID"),
        Filter("--device-owner", "device_owner", "Only of this kind of device.", metavar="KIND"),
    ),
    named=False,
    unlisted=("device_id", READY),
    within=("network", "project"),
    examples={
        "group": "sealane port create web --network blue\nsealane port list --network blue",
        "list": "sealane port list --network blue --status ACTIVE --sort name",
        "show": "sealane port show web -o json",
        "create": """
            sealane port create web --network blue --ip 10.1.0.9 --dns-name web --tag front
            sealane port create node --network blue --count 3
            sealane port create --file - < ports.yaml""",
        "set": "sealane port set web --ip 10.1.0.10 --security-group web",
        "add": """
            sealane port add web --pair 10.1.0.200
            sealane port add web --extra-dhcp-option ntp-server=10.1.0.5""",
        "unset": "sealane port unset web --pair all --dns-name",
        "delete": "sealane port delete web node-1 node-2",
        "tag": "sealane port tag set web front green",
    },
)


def _prepare(client: Api, body: Body, given: dict[str, Any]) -> Body:
    """A container adopts a port with driver-opt sealane.port=ID."""
    if not given["network"]:
        raise click.UsageError("Missing option '--network'")
    if given["no_ip"] and (given["ip"] or given["subnet"]):
        raise click.UsageError("--no-ip and --ip or --subnet exclude each other")
    parent = client.find("networks", given["network"])
    if given["no_security_group"] and given["security_group"]:
        raise click.UsageError("--no-security-group and --security-group exclude each other")
    none: Body = {"fixed_ips": []} if given["no_ip"] else {}
    if given["no_security_group"]:
        none["security_groups"] = []
    return {"network_id": parent["id"], "project_id": parent["project_id"], **none, **body}


port = noun.group(PORT, create := creating.create(PORT, _prepare))
create.params[1:1] = [
    NETWORK.as_option(),
    click.Option(["--no-ip"], is_flag=True, help="No address at all."),
    click.Option(["--no-security-group"], is_flag=True, help="In no group: nothing passes."),
]
