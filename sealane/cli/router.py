"""`sealane router`."""

from typing import Any

import click

from sealane.cli import creating, fields, noun
from sealane.cli.api import Body
from sealane.cli.complete import names
from sealane.cli.fields import Field, Scope
from sealane.cli.output import Column
from sealane.cli.router_interface import interface


def gateway(text: str, scope: Scope) -> Body:
    """NETWORK[,snat=on|off][,ip=ADDRESS]… Raises ValueError."""
    network, *more = text.split(",")
    if not network:
        raise ValueError(f"'{text}' names no network; give NETWORK[,snat=off][,ip=ADDRESS]")
    found: Body = {"network_id": scope.api.find("networks", network)["id"]}
    for word in more:
        key, _, value = word.partition("=")
        if key == "snat" and value in ("on", "off"):
            found["enable_snat"] = value == "on"
        elif key == "ip":
            address = {"ip_address": fields.address(value, scope)}
            found["external_fixed_ips"] = [*found.get("external_fixed_ips", ()), address]
        else:
            raise ValueError(f"'{word}' is none of snat=on, snat=off and ip=ADDRESS")
    return found


def _gateway_text(info: Any) -> str:
    if not info:
        return ""
    return " ".join(fixed["ip_address"] for fixed in info["external_fixed_ips"]) or str(info["network_id"])


ROUTER = noun.Noun(
    name="router",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("PROJECT", "project_id"),
        Column("GATEWAY", "external_gateway_info", _gateway_text),
        Column("STATUS", "status"),
    ),
    more=(
        Column("ADMIN UP", "admin_state_up"),
        Column("ROUTES", "routes"),
        Column("ECMP", "enable_default_route_ecmp"),
        Column("BFD", "enable_default_route_bfd"),
        Column("MULTICAST RELAY", "sealane:multicast_relay"),
        Column("TAGS", "tags"),
        Column("CREATED", "created_at"),
        Column("DESCRIPTION", "description"),
    ),
    fields=(
        fields.DESCRIPTION,
        Field(
            option="--gateway",
            key="external_gateway_info",
            metavar="NETWORK[,snat=off][,ip=ADDRESS]",
            read=gateway,
            lookup=True,
            help="The way out: an external network; addresses behind the router are translated unless told.",
            empty=None,
            complete=names("networks"),
        ),
        Field(
            option="--route",
            key="routes",
            metavar="SUBNET=ADDRESS",
            read=fields.route,
            many=True,
            create=False,
            help="What is reached by way of a station beside the router.",
        ),
        Field(
            option="--ecmp/--no-ecmp",
            key="enable_default_route_ecmp",
            help="Share what leaves between all gateways, or send it by the first.",
        ),
        Field(
            option="--bfd/--no-bfd",
            key="enable_default_route_bfd",
            help="Send by a gateway's station only while that answers BFD.",
        ),
        Field(
            option="--multicast-relay/--no-multicast-relay",
            key="sealane:multicast_relay",
            help="Carry what is sent to groups between its networks that snoop, or not.",
        ),
        Field(option="--enable/--disable", key="admin_state_up", help="Carry traffic, or none."),
        fields.TAG,
    ),
    examples={
        "group": "sealane router create edge --gateway world\n"
        "sealane router interface add edge --subnet blue-v4",
        "list": "sealane router list --long",
        "show": "sealane router show edge",
        "create": "sealane router create edge --gateway world,snat=off,ip=203.0.113.9",
        "set": "sealane router set edge --gateway world",
        "add": "sealane router add edge --route 192.0.2.0/24=10.1.0.9",
        "unset": "sealane router unset edge --gateway --route 192.0.2.0/24=10.1.0.9",
        "delete": "sealane router delete edge --wait",
        "tag": "sealane router tag add edge front",
    },
)
router: click.Group = noun.group(ROUTER, creating.create(ROUTER))
router.add_command(interface)
