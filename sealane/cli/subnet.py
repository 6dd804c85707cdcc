"""`sealane subnet`."""

from typing import Any

import click

from sealane.cli import creating, fields, noun
from sealane.cli.api import Api, Body
from sealane.cli.complete import names
from sealane.cli.fields import Field, Scope
from sealane.cli.noun import Filter
from sealane.cli.output import Column

IPV6_MODES = ("dhcpv6-stateful", "dhcpv6-stateless", "slaac")


def _pools(pools: list[Body] | None) -> str:
    return ", ".join(f"{pool['start']}-{pool['end']}" for pool in pools or ())


def _routes(routes: list[Body] | None) -> str:
    return ", ".join(f"{route['destination']}={route['nexthop']}" for route in routes or ())


def _segment(text: str, scope: Scope) -> str:
    within = {"network_id": scope.network_id} if scope.network_id else {}
    return str(scope.api.find("segments", text, **within)["id"])


SUBNET = noun.Noun(
    name="subnet",
    columns=(
        Column("ID", "id"),
        Column("NAME", "name"),
        Column("NETWORK", "network_id"),
        Column("SUBNET", "cidr"),
        Column("GATEWAY", "gateway_ip"),
        Column("DHCP", "enable_dhcp"),
    ),
    more=(
        Column("POOLS", "allocation_pools", _pools),
        Column("SUBNET POOL", "subnetpool_id"),
        Column("DNS", "dns_nameservers"),
        Column("ROUTES", "host_routes", _routes),
        Column("SEGMENT", "segment_id"),
        Column("PROJECT", "project_id"),
        Column("TAGS", "tags"),
        Column("CREATED", "created_at"),
        Column("DESCRIPTION", "description"),
    ),
    fields=(
        Field(
            option="--cidr",
            key="cidr",
            metavar="SUBNET",
            read=fields.network,
            change=False,
            help="Addresses, as 10.1.0.0/24 or fd00:1::/64; left out: a free one is chosen.",
        ),
        fields.reference(
            *("subnetpools", "--subnet-pool", "subnetpool_id", "The pool that they come from."),
            metavar="SUBNET-POOL",
            change=False,
        ),
        Field(
            option="--prefix-length",
            key="prefixlen",
            metavar="BITS",
            read=fields.number(0, 128),
            change=False,
            help="How much of the pool, as 24; left out: what the pool says.",
        ),
        Field(
            option="--segment",
            key="segment_id",
            metavar="SEGMENT",
            read=_segment,
            lookup=True,
            complete=names("segments"),
            help="The segment of its network that it is of (name or id).",
            empty=None,
        ),
        Field(
            option="--gateway",
            key="gateway_ip",
            metavar="ADDRESS|none",
            read=fields.address_or_none,
            help="The gateway's address; left out: the first one.",
            empty=None,
        ),
        Field(
            option="--pool",
            key="allocation_pools",
            metavar="FIRST-LAST",
            read=fields.pool,
            many=True,
            help="Addresses that are chosen from; may be given again.",
        ),
        Field(
            option="--dns",
            key="dns_nameservers",
            metavar="ADDRESS",
            read=fields.address,
            many=True,
            help="A DNS server for machines; may be given again.",
        ),
        Field(
            option="--route",
            key="host_routes",
            metavar="SUBNET=ADDRESS",
            read=fields.route,
            many=True,
            help="A route for machines: what is reached by which address.",
        ),
        Field(option="--dhcp/--no-dhcp", key="enable_dhcp", help="Tell machines their addresses by DHCP."),
        Field(
            option="--ra-mode",
            key="ipv6_ra_mode",
            choices=IPV6_MODES,
            change=False,
            help="What router advertisements say (IPv6).",
        ),
        Field(
            option="--address-mode",
            key="ipv6_address_mode",
            choices=IPV6_MODES,
            change=False,
            help="How machines get their address (IPv6).",
        ),
        fields.DESCRIPTION,
        fields.TAG,
    ),
    filters=(
        Filter("--network", "network_id", "Only of this network.", parent="networks"),
        Filter("--cidr", "cidr", "Only this one.", metavar="SUBNET"),
        Filter("--subnet-pool", "subnetpool_id", "Only of this pool.", parent="subnetpools"),
        Filter("--ip-version", "ip_version", "Only of this family: 4 or 6.", metavar="4|6"),
    ),
    named=False,
    within=("network", "project"),
    examples={
        "group": "sealane subnet create low --network blue --cidr 10.1.0.0/24\nsealane subnet list",
        "list": "sealane subnet list --network blue --long",
        "show": "sealane subnet show low --network blue",
        "create": """
            sealane subnet create low --network blue --cidr 10.1.0.0/24 --pool 10.1.0.10-10.1.0.99
            sealane subnet create high --network blue --cidr fd00:1::/64 --gateway none
            sealane subnet create wide --network red --subnet-pool low --prefix-length 22""",
        "set": "sealane subnet set low --dns 10.1.0.53 --route 10.2.0.0/16=10.1.0.254",
        "add": "sealane subnet add low --dns 10.1.0.54",
        "unset": "sealane subnet unset low --dns 10.1.0.54 --route all",
        "delete": "sealane subnet delete low high",
        "tag": "sealane subnet tag add low front",
    },
)
NETWORK = Field(
    option="--network",
    key="network_id",
    metavar="NETWORK",
    help="Name or id of the network.",
    read=lambda text, scope: scope.api.find("networks", text)["id"],
    complete=names("networks"),
)
FAMILY = Field(
    option="--ip-version", key="ip_version", choices=("4", "6"), help="Of which family a free one is chosen."
)


def _prepare(client: Api, body: Body, given: dict[str, Any]) -> Body:
    if not given["network"]:
        raise click.UsageError("Missing option '--network'")
    parent = client.find("networks", given["network"])
    if given["subnet_pool"] and not given["cidr"]:
        owner = {"network_id": parent["id"], "project_id": parent["project_id"]}
        family = {"ip_version": int(given["ip_version"])} if given["ip_version"] else {}
        return {**owner, **family, **body}
    cidr = given["cidr"] or client.free_cidr(int(given["ip_version"] or 4))
    SUBNET.fields[0].convert(cidr, Scope(client))
    version = 6 if ":" in cidr else 4
    return {
        "network_id": parent["id"],
        "project_id": parent["project_id"],
        "cidr": cidr,
        "ip_version": version,
        **body,
    }


subnet = noun.group(SUBNET, create := creating.create(SUBNET, _prepare))
create.params[1:1] = [NETWORK.as_option(), FAMILY.as_option()]
