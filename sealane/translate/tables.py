"""Which tables of the northbound database are ours to write, and how their rows hold together.

    Logical_Switch ──ports──> Logical_Switch_Port ··dhcpv4_options··> DHCP_Options
         ·load_balancer·> Load_Balancer <·load_balancer·  Load_Balancer ──health_check──> …_Health_Check
         ──qos_rules──> QoS
    Logical_Router ──ports──> Logical_Router_Port ──gateway_chassis──> Gateway_Chassis
         ──nat──> NAT    ──static_routes──> Logical_Router_Static_Route ··bfd··> BFD    ──policies──> …_Policy
    Logical_Switch_Port ··mirror_rules··> Mirror
    Port_Group ··ports··> Logical_Switch_Port        Port_Group ──acls──> ACL    Meter ──bands──> Meter_Band

    ──>  strong: the child is the parent's own, and goes when nothing of that kind refers to it
    ··>  weak: any number of parents, foreign ones as well; OVSDB takes it back when the child goes

Tables, columns and keys are those of ovn-nb(5); what is strong, weak, a root or unique is read from the
schema (RFC 7047 3.2), and a test compares it with the one that is installed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sealane import names

ALL = ("",)
"""Keys of a map that is ours altogether."""


@dataclass(frozen=True)
class Table:
    """What of a table is ours.

    columns: what is read and may be written.
    maps: for each map column the keys that are ours; a name that ends in ':' stands for all keys that
    begin so.  Other keys of our rows belong to others (northd, an operator) and stay as they are.
    holds, shares: column -> table of the rows that it refers to, strongly or weakly, as their parent.
    refers: column -> table of the one row that it may point to.
    named: a row is known by its name; else by external_ids[names.ROW_KEY].
    """

    columns: tuple[str, ...]
    maps: Mapping[str, tuple[str, ...]]
    holds: Mapping[str, str] = field(default_factory=dict)
    shares: Mapping[str, str] = field(default_factory=dict)
    refers: Mapping[str, str] = field(default_factory=dict)
    named: bool = True
    unique_name: bool = False
    root: bool = False

    @property
    def children(self) -> Mapping[str, str]:
        return {**self.holds, **self.shares}


IDS = {"external_ids": ("neutron:", "sealane:")}

TABLES: Mapping[str, Table] = {
    "Logical_Switch": Table(
        columns=("name", "ports", "qos_rules", "load_balancer", "external_ids", "other_config"),
        maps={
            **IDS,
            "other_config": (
                "requested-tnl-key",
                "mcast_snoop",
                "mcast_flood_unregistered",
                "mcast_querier",
                "mcast_eth_src",
                "mcast_ip4_src",
                "mcast_ip6_src",
                "mcast_query_interval",
                "mcast_idle_timeout",
                "vlan-passthru",
            ),
        },
        holds={"ports": "Logical_Switch_Port", "qos_rules": "QoS"},
        shares={"load_balancer": "Load_Balancer"},
        root=True,
    ),
    "Logical_Router": Table(
        columns=(
            "name",
            "enabled",
            "ports",
            "static_routes",
            "policies",
            "nat",
            "load_balancer",
            "external_ids",
            "options",
        ),
        maps={
            **IDS,
            "options": (
                "always_learn_from_arp_request",
                "chassis",
                "dynamic_neigh_routers",
                "lb_force_snat_ip",
                "mac_binding_age_threshold",
                "mcast_relay",
                "requested-tnl-key",
                "snat-ct-zone",
            ),
        },
        holds={
            "ports": "Logical_Router_Port",
            "static_routes": "Logical_Router_Static_Route",
            "policies": "Logical_Router_Policy",
            "nat": "NAT",
        },
        shares={"load_balancer": "Load_Balancer"},
        root=True,
    ),
    "Port_Group": Table(
        columns=("name", "ports", "acls", "external_ids"),
        maps=IDS,
        holds={"acls": "ACL"},
        shares={"ports": "Logical_Switch_Port"},
        unique_name=True,
        root=True,
    ),
    "Address_Set": Table(
        columns=("name", "addresses", "external_ids"), maps=IDS, unique_name=True, root=True
    ),
    "DHCP_Options": Table(
        columns=("cidr", "options", "external_ids"), maps={**IDS, "options": ALL}, named=False, root=True
    ),
    "Load_Balancer": Table(
        columns=(
            *("name", "vips", "protocol", "health_check", "ip_port_mappings", "selection_fields"),
            *("external_ids", "options"),
        ),
        maps={
            **IDS,
            "vips": ALL,
            "ip_port_mappings": ALL,
            "options": (
                "add_route",
                "affinity_timeout",
                "event",
                "hairpin_snat_ip",
                "neighbor_responder",
                "reject",
                "skip_snat",
            ),
        },
        holds={"health_check": "Load_Balancer_Health_Check"},
        root=True,
    ),
    "Load_Balancer_Health_Check": Table(
        columns=("vip", "options", "external_ids"), maps={**IDS, "options": ALL}, named=False
    ),
    "Logical_Switch_Port": Table(
        columns=(
            "name",
            "type",
            "parent_name",
            "tag",
            "tag_request",
            "addresses",
            "port_security",
            "enabled",
            "dhcpv4_options",
            "dhcpv6_options",
            "mirror_rules",
            "external_ids",
            "options",
        ),
        maps={
            **IDS,
            "options": (
                "arp_proxy",
                "exclude-lb-vips-from-garp",
                "hostname",
                "localnet_learn_fdb",
                "mcast_flood",
                "mcast_flood_reports",
                "nat-addresses",
                "network_name",
                "requested-chassis",
                "requested-tnl-key",
                "router-port",
                "virtual-ip",
                "virtual-parents",
            ),
        },
        shares={"mirror_rules": "Mirror"},
        refers={"dhcpv4_options": "DHCP_Options", "dhcpv6_options": "DHCP_Options"},
        unique_name=True,
    ),
    "Mirror": Table(
        columns=("name", "type", "filter", "sink", "index", "external_ids"),
        maps=IDS,
        unique_name=True,
        root=True,
    ),
    "Logical_Router_Port": Table(
        columns=(
            "name",
            "mac",
            "networks",
            "enabled",
            "gateway_chassis",
            "ipv6_ra_configs",
            "external_ids",
            "options",
        ),
        maps={
            **IDS,
            "ipv6_ra_configs": ALL,
            "options": (
                "gateway_mtu",
                "gateway_mtu_bypass",
                "mcast_flood",
                "redirect-type",
                "requested-tnl-key",
                "reside-on-redirect-chassis",
            ),
        },
        holds={"gateway_chassis": "Gateway_Chassis"},
        unique_name=True,
    ),
    "Gateway_Chassis": Table(
        columns=("name", "chassis_name", "priority", "external_ids", "options"),
        maps={**IDS, "options": ALL},
        unique_name=True,
    ),
    "ACL": Table(
        columns=(
            "name",
            "priority",
            "direction",
            "match",
            "action",
            "log",
            "severity",
            "meter",
            "label",
            "external_ids",
            "options",
        ),
        maps={**IDS, "options": ALL},
        named=False,
    ),
    "NAT": Table(
        columns=(
            "type",
            "external_ip",
            "external_mac",
            "external_port_range",
            "logical_ip",
            "logical_port",
            "gateway_port",
            "external_ids",
            "options",
        ),
        maps={**IDS, "options": ALL},
        refers={"gateway_port": "Logical_Router_Port"},
        named=False,
    ),
    "Meter": Table(
        columns=("name", "unit", "fair", "bands", "external_ids"),
        maps=IDS,
        holds={"bands": "Meter_Band"},
        unique_name=True,
        root=True,
    ),
    "Meter_Band": Table(columns=("action", "rate", "burst_size", "external_ids"), maps=IDS, named=False),
    "QoS": Table(
        columns=("priority", "direction", "match", "bandwidth", "action", "external_ids"),
        maps={**IDS, "bandwidth": ALL, "action": ALL},
        named=False,
    ),
    "BFD": Table(columns=("logical_port", "dst_ip", "external_ids"), maps=IDS, named=False, root=True),
    "Logical_Router_Static_Route": Table(
        columns=(
            *("ip_prefix", "nexthop", "output_port", "policy", "route_table", "bfd"),
            *("external_ids", "options"),
        ),
        maps={**IDS, "options": ("ecmp_symmetric_reply",)},
        refers={"bfd": "BFD"},
        named=False,
    ),
    "Logical_Router_Policy": Table(
        columns=("priority", "match", "action", "nexthops", "external_ids", "options"),
        maps={**IDS, "options": ALL},
        named=False,
    ),
}
"""Every table that Sealane writes; one that another holds or points to stands where it can be settled by
then: parents before children, what is pointed to before what points.  DNS, and ACLs that reject, are not
among them (ovn CVE-2025-0650)."""


def key_of(table: str, columns: Mapping[str, object]) -> str:
    """What a row that is there is known by; of a table without names, "" when it has lost it."""
    if TABLES[table].named:
        return str(columns["name"])
    ids = columns.get("external_ids")
    return str(ids.get(names.ROW_KEY, "")) if isinstance(ids, Mapping) else ""


def owns_key(table: str, column: str, key: str) -> bool:
    """Whether a key of a map column in a row of ours is ours to change."""
    return any(
        key.startswith(name) if name.endswith(":") or not name else key == name
        for name in TABLES[table].maps[column]
    )
