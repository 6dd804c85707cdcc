"""Where the API is not Neutron's, and why. docs/reference/api.md says the same to users."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

MISSING: dict[tuple[str, str], str] = {}

STANDARD = "standard attributes: neutron-lib keeps them in another place"
LATER = "belongs to an extension that is not advertised; a client that prints it gets its only value"
RULES = "security groups: Neutron's own tree defines them, neutron-lib only what was added since"
GROUPS = ("address_group", "security_group", "security_group_rule")
POOLS = ("subnetpool", "address_scope")
DESCRIBED = ("network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule")
EXTRA: dict[str, tuple[str, ...]] = {
    # STANDARD
    **dict.fromkeys(
        ("created_at", "updated_at", "revision_number", "tags"),
        ("network", "subnet", "port", "router", "floatingip", *GROUPS, *POOLS),
    ),
    "description": (*DESCRIBED, "subnetpool"),
    "project_id": (*DESCRIBED, *POOLS),
    "tenant_id": ("address_group", "security_group", "security_group_rule"),
    # RULES
    "id": ("security_group", "security_group_rule"),
    **dict.fromkeys(("name", "security_group_rules"), ("security_group",)),
    **dict.fromkeys(
        (
            *("direction", "ethertype", "port_range_max", "port_range_min", "protocol"),
            *("remote_group_id", "remote_ip_prefix", "security_group_id"),
        ),
        ("security_group_rule",),
    ),
    # LATER
    "flavor_id": ("router",),
    **dict.fromkeys(("is_default", "l2_adjacency"), ("network",)),
    **dict.fromkeys(("dns_publish_fixed_ip", "router:external", "service_types"), ("subnet",)),
    **dict.fromkeys(("ip_allocation", "security_groups"), ("port",)),
    # our own
    **dict.fromkeys(
        ("sealane:gateway", "sealane:labels", "sealane:multicast_snooping", "sealane:origin"), ("network",)
    ),
    "sealane:multicast_relay": ("router",),
    **dict.fromkeys(("sealane:allocate_from", "sealane:dns_aliases", "sealane:quarantine"), ("port",)),
    **dict.fromkeys(("sealane:services", "sealane:taps", "sealane:withdrawn"), ("port",)),
    **dict.fromkeys(("sealane:log", "sealane:meters"), ("port",)),
}

TENANT = "another word for project_id: taken in a POST, and without both it is the project 'default'"
PROVIDER = "a network stays on the wire on which it was made"
ASPECTS: dict[str, dict[str, str]] = {
    **{
        f"{r}.tenant_id": {"post": TENANT, "default": TENANT}
        for r in ("network", "subnet", "port", "router", "floatingip", *POOLS)
    },
    **{
        f"network.provider:{name}": {"put": PROVIDER}
        for name in ("network_type", "physical_network", "segmentation_id")
    },
    "network.segments": {"put": PROVIDER},
    "address_group.project_id": {"default": TENANT},
    **{
        f"router.enable_default_route_{what}": {"default": "left to a setting there, and off here"}
        for what in ("bfd", "ecmp")
    },
    "network.mtu": {"default": "0 there means what its segments carry, and here too; absent is the same"},
    "network.availability_zone_hints": {"sort": "it is always empty"},
    "subnet.ip_version": {"default": "it follows from the CIDR"},
}

Test = Callable[[Any], bool]
Reasons = dict[str, list[tuple[Test, str]]]


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, int | float)


def _records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) for v in value)


def _empty(value: Any) -> bool:
    return value in ("", {}, []) or value is None


def _has_host_bits(value: Any) -> bool:
    return _text(value) and "/" in value and ip_interface(value) != ip_interface(ip_network(value, False))


STRICTER: Reasons = {
    "all": [
        (lambda v: _text(v) and "\0" in v, "can't be stored in OVSDB, and no name needs it"),
        (lambda v: v in ("", {}) and not isinstance(v, list), "an empty string is no list"),
    ],
    **{
        name: [(lambda v: _text(v) and len(v) > 255, "255 characters, as everywhere else")]
        for name in ("description", "name")
    },
    "remote_address_group_id": [(lambda v: True, "it is an id")],
    "provider:network_type": [(_text, "geneve, vlan and flat are the types that there are")],
    "provider:physical_network": [(_text, "it is written into a list with commas and colons")],
    "provider:segmentation_id": [(lambda v: True, "a VLAN's number, 1 to 4094, that the caller has to know")],
    "external_gateway_info": [(lambda v: not v, "no gateway is null or {}")],
    **{
        f"enable_default_route_{what}": [(lambda v: v is None, "it is on or off")] for what in ("bfd", "ecmp")
    },
    "distributed": [(lambda v: True, "every router is on every host")],
    "ha": [(lambda v: True, "every router's gateway moves to another host when its own is lost")],
    "availability_zone_hints": [(lambda v: isinstance(v, list), "there is one zone")],
    "mtu": [
        (lambda v: _number(v) or _text(v), "a number is a JSON number or its plain digits, and 9000 at most")
    ],
    "ip_version": [(lambda v: v in (" 4", 4.0), "a number is a JSON integer or its plain digits")],
    "cidr": [
        (_number, "a number is no network"),
        (_has_host_bits, "bits of a host are a slip of the hand; Neutron cuts them off without a word"),
    ],
    "gateway_ip": [(_number, "a number is no address")],
    **{
        f"{what}_id": [(lambda v: _text(v) and "-" not in v, "ids have one spelling")]
        for what in (
            "network",
            "floating_network",
            "subnet",
            "subnetpool",
            "address_scope",
            "port",
            "qos_policy",
            "segment",
        )
    },
    **{f"{what}_address": [(_number, "a number is no address")] for what in ("floating_ip", "fixed_ip")},
    "mac_address": [
        (lambda v: _number(v) or (_text(v) and len(v) < 12), "a number or a part is no MAC address"),
        (lambda v: v == "01:00:5e:00:00:01", "a multicast address is no station's"),
    ],
    "fixed_ips": [(_records, "unknown keys are refused rather than ignored")],
    "allowed_address_pairs": [(_records, "unknown keys are refused rather than ignored")],
    "extra_dhcp_opts": [
        (lambda v: _records(v) and v[0].get("ip_version") == 6, "DHCPv6 is not served: CVE-2026-5367"),
        (lambda v: _records(v) and v[0]["opt_name"] == "client-id", "an option that OVN can't serve"),
    ],
    "dns_nameservers": [(lambda v: v == ["fd00::1", "FD00::1"], "the same server in two spellings")],
    **{
        f"{which}prefixlen": [(lambda v: True, "an integer or its plain digits, of 0 to 128")]
        for which in ("", "min_", "default_", "max_")
    },
    "default_quota": [(lambda v: True, "an integer or its plain digits, below 2^31")],
    "segments": [(lambda v: v == [{}], "a segment has a type at least")],
    "binding:host_id": [(lambda v: True, "it is the name of a host: letters, digits, dots and hyphens")],
    "binding:profile": [(lambda v: isinstance(v, dict), "4095 bytes of JSON at most")],
    "binding:vnic_type": [(lambda v: v == "direct", "there is no hardware offload")],
    "dns_name": [(lambda v: v == "name\n", "a line's end is no part of a name")],
    "allocation_pools": [
        (lambda v: _records(v) and v[0] == v[1], "the same pool twice, which the plugin refuses")
    ],
}
WIDER: Reasons = {
    "default_quota": [(_empty, "null takes it away")],
    "prefixlen": [(_empty, "null is as if it was not given")],
    "addresses": [(lambda v: isinstance(v, list), "an address is a network of its own")],
    "name": [(_text, "a name is any text: of containers, of people")],
    "segments": [(_empty, "null is as if it was not given")],
    "dns_domain": [(_text, "the dot at the end may be left away; labels may have an underscore")],
    "dns_name": [(_text, "labels may have an underscore, as containers' names do")],
    "availability_zone_hints": [(_empty, "null is nothing")],
    **{
        f"provider:{what}": [(_empty, "null is as if it was not given")]
        for what in ("network_type", "physical_network", "segmentation_id")
    },
    "allowed_address_pairs": [(_empty, "null is nothing")],
    "fixed_ips": [(_records, "a null member is as if it was not there")],
    "dns_nameservers": [(_empty, "null is nothing")],
}


def normal(value: Any) -> Any:
    """The two sides' forms of the same value, made the same."""
    if value in (None, "", {}, (), []):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return normal({k: v for k, v in asdict(value).items() if v not in (None, "")})
    if isinstance(value, dict):
        return {k: normal(v) for k, v in value.items() if v not in (None, "")}
    if isinstance(value, list | tuple):
        return [normal(v) for v in value]
    if isinstance(value, str):
        return _spelling(value)
    return value


def _spelling(value: str) -> str:
    """Upper and lower case: DNS does not tell them apart, and containers' names are kept as they are.

    A CIDR without its host part: Neutron's plugin cuts it off, after the validation. An IPv6 address has one
    spelling here.
    """
    if ":" in value and "/" not in value:
        with suppress(ValueError):
            return str(ip_address(value))
    if "/" in value:
        with suppress(ValueError):
            return str(ip_network(value, strict=False))
    return value.lower()
