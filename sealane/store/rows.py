"""Model <-> rows of the database `Sealane`: pure, one object to one row.

A column is called like the attribute, but for references.  What has an order or a structure of its own
(addresses, pools, routes, tags) is JSON text in a string column: OVSDB's sets have no order.
"""

import ipaddress
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import msgspec

from sealane.errors import BadRequest
from sealane.model import (
    AddressGroup,
    AddressScope,
    BandwidthLimitRule,
    DscpMarkingRule,
    FixedIP,
    FloatingIP,
    HealthMonitor,
    Listener,
    LoadBalancer,
    Log,
    Member,
    MeteringLabel,
    MeteringLabelRule,
    Network,
    Node,
    Port,
    PortForwarding,
    Project,
    QosPolicy,
    Quota,
    RBACPolicy,
    Revocation,
    RoleAssignment,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Segment,
    ServerPool,
    Subnet,
    SubnetPool,
    SubPort,
    TapFlow,
    TapMirror,
    TapService,
    Token,
    Trunk,
    User,
)
from sealane.ovsdb.values import Row
from sealane.store.changes import Stored

COLLECTIONS: Mapping[type[Stored], str] = {
    Network: "networks",
    Segment: "segments",
    Subnet: "subnets",
    Port: "ports",
    Node: "nodes",
    Token: "tokens",
    Quota: "quotas",
    Router: "routers",
    FloatingIP: "floatingips",
    PortForwarding: "port_forwardings",
    LoadBalancer: "loadbalancers",
    ServerPool: "pools",
    Listener: "listeners",
    Member: "members",
    HealthMonitor: "healthmonitors",
    SecurityGroup: "security_groups",
    SecurityGroupRule: "security_group_rules",
    AddressGroup: "address_groups",
    AddressScope: "address_scopes",
    SubnetPool: "subnetpools",
    RBACPolicy: "rbac_policies",
    QosPolicy: "policies",
    BandwidthLimitRule: "bandwidth_limit_rules",
    DscpMarkingRule: "dscp_marking_rules",
    Log: "logs",
    Trunk: "trunks",
    SubPort: "sub_ports",
    TapService: "tap_services",
    TapFlow: "tap_flows",
    TapMirror: "tap_mirrors",
    MeteringLabel: "metering_labels",
    MeteringLabelRule: "metering_label_rules",
    Project: "projects",
    User: "users",
    RoleAssignment: "role_assignments",
    Revocation: "revocations",
}
"""The attribute of a State that holds the objects of a kind."""
TABLES: Mapping[type[Stored], str] = {kind: kind.__name__ for kind in COLLECTIONS}
RESOURCES: Mapping[type[Stored], str] = {
    kind: f"{name[:-3]}y" if name.endswith("ies") else name[:-1] for kind, name in COLLECTIONS.items()
}
"""What quotas call one of a kind."""
_RENAMED = {
    "network_id": "network",
    "security_group_id": "security_group",
    "remote_group_id": "remote_group",
    "remote_address_group_id": "remote_address_group",
    "floating_network_id": "floating_network",
    "floating_port_id": "floating_port",
    "port_id": "port",
    "router_id": "router",
    "floatingip_id": "floatingip",
    "internal_port_id": "target",
    "user_id": "user",
    "loadbalancer_id": "loadbalancer",
    "vip_port_id": "vip_port",
    "default_pool_id": "default_pool",
    "pool_id": "pool",
    "subnet_id": "subnet",
    "further_segment_id": "segment",
    "qos_policy_id": "qos_policy",
    "subnetpool_id": "subnetpool",
    "address_scope_id": "address_scope",
    "trunk_id": "trunk",
    "tap_service_id": "tap_service",
    "metering_label_id": "metering_label",
}
"""attribute -> the column that refers to the row."""
_JSON = {
    "tags",
    "allocation_pools",
    "dns_nameservers",
    "host_routes",
    "fixed_ips",
    "profile",
    "allowed_address_pairs",
    "dns_aliases",
    "projects",
    "serials",
    "physical_networks",
    "extra_dhcp_opts",
    "routes",
    "gateway_ports",
    "addresses",
    "prefixes",
    "services",
    "taps",
    "meters",
}
_SETS = {"security_groups"}
_SINCE = {
    "network_type": "geneve",
    "extra_dhcp_opts": "[]",
    "physical_networks": "[]",
    "services": "[]",
    "datapath_type": "system",
    "taps": "[]",
    "meters": "[]",
}
"""What a row means that is older than the column, which is empty then."""
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True)
class _Field:
    """How one attribute is kept."""

    attribute: str
    column: str
    encode: Callable[[object], object]
    decode: Callable[[object], object]


def _same(value: object) -> object:
    return value


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _sorted(value: object) -> tuple[str, ...]:
    return tuple(sorted(typing.cast(frozenset[str], value)))


def _reader(kind: object, empty: str | None) -> Callable[[object], object]:
    decoder: msgspec.json.Decoder[object] = msgspec.json.Decoder(kind)
    return lambda text: decoder.decode(str(text) or empty or "")


def _decoder(name: str, kind: object) -> Callable[[object], object]:
    empty = _SINCE.get(name)
    if name in _JSON:
        return _reader(kind, empty)
    if name in _SETS:
        return _sorted
    return _same if empty is None else lambda value: value or empty


def _fields_of(kind: type[Stored]) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(kind)
    return tuple(
        _Field(
            field.name,
            _RENAMED.get(field.name, field.name),
            _text if field.name in _JSON else _same,
            _decoder(field.name, hints[field.name]),
        )
        for field in fields(kind)
        if field.name != "id"
    )


_FIELDS = {kind: _fields_of(kind) for kind in TABLES}
COLUMNS: Mapping[str, tuple[str, ...]] = {
    TABLES[kind]: tuple(field.column for field in kept) for kind, kept in _FIELDS.items()
}
"""The columns of each table that hold the model's attributes."""


def to_row(obj: Stored) -> dict[str, object]:
    """The row of an object, without what the store adds of its own (claims, guards)."""
    return {field.column: field.encode(getattr(obj, field.attribute)) for field in _FIELDS[type(obj)]}


def from_row(kind: type[Stored], uuid: str, row: Row) -> Stored:
    """The object of a row."""
    values = {field.attribute: field.decode(row[field.column]) for field in _FIELDS[kind]}
    return kind(id=uuid, **values)  # type: ignore[arg-type]  # the schema and a test hold the types


def canonical(obj: Stored) -> Stored:
    """The same with ids, addresses and MACs in the one spelling that indexes compare. Raises BadRequest."""
    check_id(obj.id)
    if isinstance(obj, Subnet):
        check_id(obj.network_id)
        gateway = obj.gateway_ip and _address(obj.gateway_ip)
        return replace(obj, cidr=str(network_of(obj.cidr)), gateway_ip=gateway)
    if isinstance(obj, Port):
        check_id(obj.network_id)
        fixed = tuple(
            FixedIP(subnet_id=check_id(f.subnet_id), ip_address=_address(f.ip_address)) for f in obj.fixed_ips
        )
        groups = tuple(sorted({check_id(id) for id in obj.security_groups}))
        return replace(obj, mac_address=_mac(obj.mac_address), fixed_ips=fixed, security_groups=groups)
    if isinstance(obj, Node):
        return replace(obj, address=_address(obj.address))
    return obj


def same_content(one: Stored, other: Stored) -> bool:
    """Whether a repeated Create asks for what is there: all but what the server side fills in."""
    filled = {"revision_number": 0, "created_at": "", "updated_at": ""}
    if isinstance(one, Network | Segment | Port | Router) and 0 in (
        one.tunnel_key,
        getattr(other, "tunnel_key", 0),
    ):
        filled["tunnel_key"] = 0
    return replace(one, **filled) == replace(other, **filled)  # type: ignore[arg-type]


def check_id(text: str) -> str:
    """A uuid in lower case, as OVSDB writes it. Raises BadRequest."""
    if not _UUID.fullmatch(text):
        raise BadRequest(f"'{text}' is no uuid; give 8-4-4-4-12 hexadecimal digits in lower case")
    return text


def network_of(cidr: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Raises BadRequest."""
    try:
        return ipaddress.ip_network(cidr)
    except ValueError as exc:
        raise BadRequest(f"'{cidr}' is no CIDR: {exc}") from exc


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as exc:
        raise BadRequest(f"'{text}' is no IP address") from exc


def _mac(text: str) -> str:
    lower = text.lower().replace("-", ":")
    if not _MAC.fullmatch(lower):
        raise BadRequest(f"'{text}' is no MAC address; give six pairs of hexadecimal digits")
    return lower
