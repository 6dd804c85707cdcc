"""What of a row stays as it was made: its place, its keys, and what other rows rely upon."""

from collections.abc import Mapping

from sealane.errors import BadRequest
from sealane.model import (
    AddressScope,
    BandwidthLimitRule,
    DscpMarkingRule,
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
    Quota,
    RBACPolicy,
    Revocation,
    RoleAssignment,
    Router,
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
)
from sealane.store.changes import Stored

FIXED: Mapping[type[Stored], tuple[str, ...]] = {
    Network: ("tunnel_key", "network_type", "physical_network", "segmentation_id"),
    Segment: ("network_id", "network_type", "physical_network", "segmentation_id", "tunnel_key"),
    Subnet: ("network_id", "cidr", "ip_version"),
    Port: ("network_id", "tunnel_key"),
    AddressScope: ("ip_version",),
    SubnetPool: ("ip_version", "shared"),
    Node: ("name",),
    Token: ("digest", "expires_at"),
    Quota: ("project_id",),
    Router: ("tunnel_key",),
    FloatingIP: ("floating_network_id", "floating_ip_address", "floating_port_id"),
    PortForwarding: ("floatingip_id",),
    LoadBalancer: ("vip_port_id", "vip_address", "made_port"),
    ServerPool: ("loadbalancer_id", "protocol"),
    Listener: ("loadbalancer_id", "protocol", "protocol_port"),
    Member: ("pool_id", "subnet_id", "address", "protocol_port"),
    HealthMonitor: ("pool_id", "type"),
    SecurityGroupRule: (
        "security_group_id",
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "remote_group_id",
        "remote_address_group_id",
    ),
    BandwidthLimitRule: ("qos_policy_id",),
    DscpMarkingRule: ("qos_policy_id",),
    TapService: ("port_id",),
    TapMirror: ("port_id", "remote_ip", "mirror_type", "in_number", "out_number"),
    MeteringLabel: ("shared",),
    MeteringLabelRule: (
        *("metering_label_id", "direction", "excluded"),
        *("remote_ip_prefix", "source_ip_prefix", "destination_ip_prefix"),
    ),
    TapFlow: ("tap_service_id", "source_port", "direction"),
    Log: ("event", "resource_type", "resource_id", "target_id"),
    Trunk: ("port_id",),
    SubPort: ("trunk_id", "port_id", "segmentation_type", "segmentation_id"),
    RBACPolicy: ("object_type", "object_id", "action"),
    Project: ("project_id",),
    RoleAssignment: ("user_id", "project", "role"),
    Revocation: ("expires_at",),
}
"""Attributes that an Update may not change."""


def refuse_fixed(old: Stored, new: Stored) -> None:
    """Raises BadRequest that names the attribute."""
    kept = ("id", *FIXED.get(type(old), ()))
    changed = [name for name in kept if getattr(old, name) != getattr(new, name)]
    if changed:
        raise BadRequest(f"'{changed[0]}' can't be changed")
