"""Answers that say what the API is: versions, extensions, zones."""

from collections.abc import Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sealane.api import keystone_json
from sealane.api.answers import answer
from sealane.api.attributes import Kind
from sealane.api.links import origin
from sealane.errors import BadRequest, NotFound

EXTENSIONS = {
    "address-group": ("Address group", "Address groups"),
    "address-scope": ("Address scope", "Address scopes"),
    "agent": ("agent", "Hosts, as agents"),
    "allowed-address-pairs": ("Allowed Address Pairs", "Allowed address pairs"),
    "availability_zone": ("Availability Zone", "Availability zones"),
    "binding": ("Port Binding", "Port binding"),
    "default-subnetpools": ("Default Subnetpools", "A subnet pool for who names none"),
    "dvr": ("Distributed Virtual Router", "Routers on every host"),
    "dns-integration": ("DNS Integration", "DNS names of ports and networks"),
    "empty-string-filtering": ("Empty String Filtering Extension", "Filters with an empty value"),
    "enable-default-route-bfd": ("Enable Default Route BFD", "BFD to gateways"),
    "enable-default-route-ecmp": ("Enable Default Route ECMP", "Several gateways at once"),
    "ext-gw-mode": ("Neutron L3 Configurable external gateway mode", "SNAT on and off"),
    "external-gateway-multihoming": (
        "Neutron L3 External Gateway Multihoming",
        "Several gateways of a router",
    ),
    "external-net": ("Neutron external network", "External networks"),
    "extra_dhcp_opt": ("Neutron Extra DHCP options", "What a port is told by DHCP beside its address"),
    "extraroute": ("Neutron Extra Route", "Extra routes"),
    "extraroute-atomic": ("Atomically add/remove extra routes", "Extra routes one by one"),
    "expose-port-forwarding-in-fip": (
        "Expose Floating IP port forwardings",
        "Port forwardings shown with their floating IP",
    ),
    "fip-port-details": ("Floating IP Port Details Extension", "The port that a floating IP leads to"),
    "floating-ip-port-forwarding": ("Floating IP Port Forwarding", "Ports of a floating IP, one by one"),
    "floating-ip-port-forwarding-description": (
        "Floating IP Port Forwarding new attribute description",
        "Descriptions of port forwardings",
    ),
    "floating-ip-port-forwarding-detail": (
        "Floating IP port forwarding detail",
        "Ids of the port forwardings shown with their floating IP",
    ),
    "floating-ip-port-forwarding-port-ranges": (
        "Floating IP Port Forwarding support port ranges",
        "Several ports forwarded as one",
    ),
    "filter-validation": ("Filter parameters validation", "Unknown filters are refused"),
    "ip-substring-filtering": ("IP address substring filtering", "Filter by a part of an address"),
    "l3-ha": ("HA Router extension", "Gateways move to another host"),
    "taas": ("Neutron Tap as a Service", "Copies of what ports send and are sent"),
    "tap-mirror": (
        "Tap as a Service GRE or ERSPAN mirror",
        "Copies of what ports send and are sent, by tunnels",
    ),
    "metering": ("Neutron Metering", "What crosses routers, counted by labels"),
    "metering_source_and_destination_fields": (
        "Neutron Metering with source and destination filtering",
        "Rules of labels by source and destination",
    ),
    "logging": ("Logging API Extension", "Logs of security groups"),
    "multi-provider": ("Multi Provider Network", "A network's segment among its segments"),
    "net-mtu": ("Network MTU", "MTU of networks"),
    "net-mtu-writable": ("Network MTU (writable)", "MTU of networks can be set"),
    "network-ip-availability": ("Network IP Availability", "Addresses of networks, and how many are taken"),
    "network_availability_zone": ("Network Availability Zone", "Availability zones of networks"),
    "pagination": ("Pagination support", "Pages"),
    "port-security": ("Port Security", "Port security"),
    "port-security-groups-filtering": (
        "Port filtering on security groups",
        "Filter ports by security group",
    ),
    "project-id": ("project_id field enabled", "project_id as tenant_id"),
    "provider": ("Provider Network", "Provider network attributes"),
    "qos": ("Quality of Service", "Limits and marks of ports, networks and floating IPs"),
    "qos-bw-limit-direction": (
        "Direction for QoS bandwidth limit rule",
        "Limits in both directions",
    ),
    "qos-fip": ("Floating IP QoS", "Limits of floating IPs"),
    "qos-port-network-policy": ("QoS port network policy ID", "The policy of a port's network"),
    "qos-rule-type-details": (
        "Details of QoS rule types",
        "What rules of a type can say",
    ),
    "qos-rule-type-filter": (
        "Allow to filter the list of QoS rule types",
        "Rule types that there are, or that are known",
    ),
    "quota-check-limit": ("Quota engine limit check", "Quotas no lower than what is used"),
    "quota-check-limit-default": (
        "Quota engine limit check by default",
        "Quotas no lower than what is used, unless `force` is given",
    ),
    "quota_details": ("Quota details management support", "Quotas with what is used"),
    "quotas": ("Quota management support", "Quotas"),
    "rbac-address-group": ("Add address_group type to RBAC", "RBAC policies for address groups"),
    "rbac-address-scope": ("Add address_scope type to RBAC", "RBAC policies for address scopes"),
    "rbac-policies": ("RBAC Policies", "Networks … for other projects"),
    "rbac-security-groups": ("Add security_group type to network RBAC", "RBAC policies for security groups"),
    "rbac-subnetpool": ("Add subnetpool type to RBAC", "RBAC policies for subnet pools"),
    "revision-if-match": ("If-Match constraints based on revision_number", "If-Match with revision_number"),
    "router": ("Neutron L3 Router", "Routers"),
    "router_availability_zone": ("Router Availability Zone", "Availability zones of routers"),
    "sealane": ("Sealane", "Sealane's own attributes, named sealane:…"),
    "sealane-multicast": (
        "Sealane's multicast",
        "Snooping in networks (sealane:multicast_snooping), relay by routers (sealane:multicast_relay)",
    ),
    "security-group": ("security-group", "Security groups"),
    "security-groups-normalized-cidr": (
        "Normalized CIDR field for security group rules",
        "normalized_cidr of rules",
    ),
    "security-groups-remote-address-group": (
        "Remote address group id field for security group rules",
        "Address groups as remotes of rules",
    ),
    "security-groups-rules-belongs-to-default-sg": (
        "Security group rule belongs to the project's default security group",
        "belongs_to_default_sg of rules",
    ),
    "security-groups-shared-filtering": (
        "Security group filtering on the shared field",
        "Filter security groups by shared",
    ),
    "service-type": ("Neutron Service Type Management", "Who does what"),
    "segment": ("Segment", "Segments of networks"),
    "sorting": ("Sorting support", "Sorting"),
    "standard-attr-description": ("standard-attr-description", "Descriptions"),
    "standard-attr-revisions": ("standard-attr-revisions", "Revision numbers"),
    "standard-attr-segment": (
        "Standard Attribute Segment Extension",
        "Timestamps and revision numbers of segments",
    ),
    "standard-attr-tag": ("Tag support", "Tags"),
    "standard-attr-timestamp": ("standard-attr-timestamp", "Timestamps"),
    "subnet-segmentid-writable": ("Subnet SegmentID (writable)", "segment_id of subnets can be set"),
    "stateful-security-group": ("Stateful security group", "Groups without connection tracking"),
    "subnet_allocation": ("Subnet Allocation", "Subnets of pools"),
    "subnet_onboard": ("Subnet Onboard", "Subnets that are there become a pool's"),
    "subnetpool-prefix-ops": (
        "Subnet Pool Prefix Operations",
        "Prefixes are added to pools and taken away",
    ),
    "tag-ports-during-bulk-creation": (
        "Tag Ports During Bulk Creation",
        "Tags of ports that are made in bulk",
    ),
    "trunk": ("Trunk Extension", "Trunks: ports that carry others by VLAN tags"),
    "trunk-details": ("Trunk port details", "What a port carries as the parent of a trunk"),
}
"""Alias -> the name, by which some clients look for it, and what it is."""
UPDATED = "2026-01-01T00:00:00-00:00"


def _version(request: Request) -> dict[str, Any]:
    link = {"rel": "self", "href": f"{origin(request)}/v2.0/"}
    return {"id": "v2.0", "status": "CURRENT", "links": [link]}


async def versions(request: Request) -> Response:
    return answer({"versions": [_version(request), keystone_json.version_of(request)]})


def version(kinds: Iterable[Kind]) -> Any:
    """/v2.0: for those who look for a version document and for those who look for the resources."""
    names = [(k.singular, k.path) for k in kinds]

    async def version_document(request: Request) -> Response:
        base = f"{origin(request)}/v2.0/"
        resources = [
            {"name": s, "collection": p, "links": [{"rel": "self", "href": base + p}]} for s, p in names
        ]
        return answer({"version": _version(request), "resources": resources})

    return version_document


def _extension(alias: str) -> dict[str, Any]:
    name, text = EXTENSIONS[alias]
    return {"alias": alias, "name": name, "description": text, "updated": UPDATED, "links": []}


async def extensions(request: Request) -> Response:
    return answer({"extensions": [_extension(alias) for alias in EXTENSIONS]})


async def extension(request: Request) -> Response:
    alias = request.path_params["alias"]
    if alias not in EXTENSIONS:
        raise NotFound(f"Extension with alias {alias} does not exist", type="ExtensionNotFound")
    return answer({"extension": _extension(alias)})


ZONES = tuple(
    {"name": "default", "resource": resource, "state": "available"} for resource in ("network", "router")
)
PROVIDERS = ({"service_type": "L3_ROUTER_NAT", "name": "ovn", "default": True},)


def _asked_for(rows: Iterable[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    """Those that fit the query. Raises BadRequest for what is no attribute."""
    rows, asked = list(rows), request.query_params
    wanted = {key: {v.lower() for v in asked.getlist(key)} for key in asked if key != "fields"}
    if unknown := sorted(set(wanted) - set(rows[0])):
        raise BadRequest(f"'{unknown[0][:255]}' is invalid attribute for filtering", type="HTTPBadRequest")
    fields = set(asked.getlist("fields")) or set(rows[0])
    return [
        {key: value for key, value in row.items() if key in fields}
        for row in rows
        if all(str(row[key]).lower() in values for key, values in wanted.items())
    ]


async def availability_zones(request: Request) -> Response:
    return answer({"availability_zones": _asked_for(ZONES, request)})


async def service_providers(request: Request) -> Response:
    return answer({"service_providers": _asked_for(PROVIDERS, request)})


def none_of(plural: str) -> Any:
    """Of what can't be made here, for clients that look through it."""

    async def nothing(request: Request) -> Response:
        return answer({plural: []})

    return nothing
