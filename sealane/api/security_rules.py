"""Rules of security groups: the table of attributes, and which of them mean something.

Whatever becomes a part of a match expression later is a number, a canonical address or an id from here on:
no text of a caller's.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sealane import protocols
from sealane.api import convert
from sealane.api.attributes import REQUIRED, Attribute, Kind, Values, standard
from sealane.api.convert import BOOLEAN, Type, nullable
from sealane.api.draft import Draft
from sealane.errors import BadRequest, Conflict, NotFound
from sealane.model import Resource, SecurityGroup, SecurityGroupRule
from sealane.names import default_group

MAX_PORT = 65535


def to_protocol(value: Any) -> str | None:
    """A name in lower case, or a number in plain digits."""
    text = str(value).lower() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if re.fullmatch(r"[0-9]{1,3}", text) and int(text) <= 255:
        return str(int(text))
    if text in protocols.NUMBERS:
        return text
    known = ", ".join(protocols.NUMBERS)
    raise ValueError(f"protocol '{value}' is not supported; give a number of 0 to 255 or one of {known}")


def to_ethertype(value: Any) -> str:
    found = {"ipv4": "IPv4", "ipv6": "IPv6"}.get(value.lower() if isinstance(value, str) else "")
    if found is None:
        raise ValueError(f"ethertype '{value}' is not supported; allowed values are IPv4, IPv6")
    return found


PROTOCOL = nullable(
    Type(to_protocol, {"type": "string", "description": "a name as in `openstack`, or a number of 0 to 255"})
)
PORT = nullable(convert.integer(0, MAX_PORT))
ETHERTYPE = Type(to_ethertype, {"type": "string", "enum": ["IPv4", "IPv6"]})
PREFIX = nullable(convert.PREFIX)
REFERENCE = nullable(convert.ID)

RULES = Kind(
    singular="security_group_rule",
    plural="security_group_rules",
    collection=lambda state: state.security_group_rules,
    attributes=(
        *(a for a in standard() if a.name not in ("name", "project_id")),
        Attribute(name="project_id", type=convert.text(255), post=True),
        Attribute(name="security_group_id", type=convert.ID, default=REQUIRED, post=True),
        Attribute(
            name="direction",
            type=Type(
                convert.one_of("ingress", "egress").convert,
                {"type": "string", "enum": ["ingress", "egress"]},
            ),
            default=REQUIRED,
            post=True,
        ),
        Attribute(name="ethertype", type=ETHERTYPE, default="IPv4", post=True),
        Attribute(name="protocol", type=PROTOCOL, default=None, post=True),
        Attribute(name="port_range_min", type=PORT, default=None, post=True),
        Attribute(name="port_range_max", type=PORT, default=None, post=True),
        Attribute(name="remote_ip_prefix", type=PREFIX, default=None, post=True),
        Attribute(name="normalized_cidr", type=PREFIX, field="remote_ip_prefix"),
        Attribute(name="remote_group_id", type=REFERENCE, default=None, post=True),
        Attribute(name="remote_address_group_id", type=REFERENCE, default=None, post=True),
        Attribute(
            name="belongs_to_default_sg",
            type=BOOLEAN,
            read=lambda rule, look: rule.security_group_id == default_group(rule.project_id),
        ),
    ),
)


def create(id: str, values: Values, draft: Draft) -> SecurityGroupRule:
    group = _group(values["security_group_id"], draft)
    given = RULES.as_fields(values)
    given.setdefault("project_id", group.project_id)
    rule = SecurityGroupRule(id=id, revision_number=1, created_at=draft.now, updated_at=draft.now, **given)
    _means_something(rule)
    _refers(rule, draft)
    _is_new(rule, draft)
    if group.id in draft.look.state.security_groups:
        draft.touch(group)
    return rule


def update(old: Any, values: Values, draft: Draft) -> SecurityGroupRule:
    changed: SecurityGroupRule = replace(old, **RULES.as_fields(values))
    return changed


def delete(rule: Any, draft: Draft) -> Sequence[Resource]:
    """A group's revision tells of its rules as well (Neutron's standard attributes)."""
    draft.touch(draft.look.state.security_groups[rule.security_group_id])
    return (rule,)


def key(rule: SecurityGroupRule) -> tuple[object, ...]:
    """Two rules with the same key let the same pass. Everybody's addresses are no restriction."""
    number = None if rule.protocol is None else protocols.number(rule.protocol, rule.ethertype)
    prefix = None if rule.remote_ip_prefix in ("0.0.0.0/0", "::/0") else rule.remote_ip_prefix
    return (
        *(rule.direction, rule.ethertype, number, rule.port_range_min, rule.port_range_max),
        *(prefix, rule.remote_group_id, rule.remote_address_group_id),
    )


def _group(id: str, draft: Draft) -> SecurityGroup:
    group = draft.group(id)
    if group is None:
        raise NotFound(f"Security group {id} does not exist", type="SecurityGroupNotFound")
    return group


def _is_new(rule: SecurityGroupRule, draft: Draft) -> None:
    known = draft.rule_keys(rule.security_group_id, key)
    if (other := known.get(key(rule))) is not None:
        if other in draft.look.state.security_group_rules:
            raise Conflict(
                f"Security group rule already exists. Rule id is {other}.", type="SecurityGroupRuleExists"
            )
        raise Conflict("Duplicate Security Group Rule in POST.", type="DuplicateSecurityGroupRuleInPost")
    known[key(rule)] = rule.id


def _refers(rule: SecurityGroupRule, draft: Draft) -> None:
    """To one remote at most, and to one that is there."""
    remotes = (rule.remote_ip_prefix, rule.remote_group_id, rule.remote_address_group_id)
    if sum(remote is not None for remote in remotes) > 1:
        raise BadRequest(
            "Only one of remote_ip_prefix, remote_group_id and remote_address_group_id may be provided.",
            type="SecurityGroupRemoteGroupAndRemoteIpPrefix",
        )
    if rule.remote_group_id is not None:
        _group(rule.remote_group_id, draft)
    others = draft.look.state.address_groups
    if rule.remote_address_group_id is not None and rule.remote_address_group_id not in others:
        raise NotFound(
            f"Address group {rule.remote_address_group_id} could not be found.", type="AddressGroupNotFound"
        )


def _means_something(rule: SecurityGroupRule) -> None:
    _family_fits(rule)
    low, high = rule.port_range_min, rule.port_range_max
    if rule.protocol is None:
        if low is not None or high is not None:
            raise BadRequest(
                "Must also specify protocol if port range is given.",
                type="SecurityGroupProtocolRequiredWithPorts",
            )
        return
    number = protocols.number(rule.protocol, rule.ethertype)
    if number in (protocols.ICMP, protocols.ICMP6):
        _icmp_fits(low, high)
    elif number in protocols.WITH_PORTS:
        _ports_fit(low, high)
    elif low is not None or high is not None:
        raise BadRequest(
            f"Invalid protocol {rule.protocol} for port range, only supported for TCP, UDP and SCTP: OVN "
            "sees the ports of no other; without port_range_min and port_range_max the rule is good.",
            type="SecurityGroupInvalidProtocolForPort",
        )


def _family_fits(rule: SecurityGroupRule) -> None:
    number = None if rule.protocol is None else protocols.number(rule.protocol, rule.ethertype)
    if number in protocols.IPV6_ONLY and rule.ethertype == "IPv4":
        raise BadRequest(
            f"Invalid ethertype {rule.ethertype} for protocol {rule.protocol}.",
            type="SecurityGroupEthertypeConflictWithProtocol",
        )
    if rule.remote_ip_prefix is not None:
        version = ipaddress.ip_network(rule.remote_ip_prefix).version
        if rule.ethertype != f"IPv{version}":
            raise BadRequest(
                f"Conflicting value ethertype {rule.ethertype} for CIDR {rule.remote_ip_prefix}",
                type="SecurityGroupRuleParameterConflict",
            )


def _ports_fit(low: int | None, high: int | None) -> None:
    if low is None and high is None:
        return
    if 0 in (low, high):
        raise BadRequest("Invalid value for port 0", type="SecurityGroupInvalidPortValue")
    if low is None or high is None or low > high:
        raise BadRequest(
            "Invalid port range: give port_range_min and port_range_max, the former not above the latter",
            type="SecurityGroupInvalidPortRange",
        )


def _icmp_fits(type: int | None, code: int | None) -> None:
    for attribute, field, value in (("port_range_min", "type", type), ("port_range_max", "code", code)):
        if value is not None and value > 255:
            raise BadRequest(
                f"Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255.",
                type="SecurityGroupInvalidIcmpValue",
            )
    if type is None and code is not None:
        raise BadRequest(
            f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing.",
            type="SecurityGroupMissingIcmpType",
        )
