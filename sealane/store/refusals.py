"""What the database's refusal of a plan means to the caller, or that another try may do."""

import re

from sealane.errors import AddressInUse, BadRequest, Conflict, NotFound, RevisionMismatch, SealaneError
from sealane.ovsdb import errors
from sealane.store.claims import DEFAULT_POOL, SEGMENT
from sealane.store.plan import Plan
from sealane.store.rows import TABLES

_INDEX = re.compile(r'multiple rows in "(\w+)" table to have identical values \((.*?)\) for index on (.*?)\.')
_HELD = re.compile(r"cannot delete (\w+) row (\S+) because")
_DANGLING = re.compile(r"references nonexistent row (\S+) in table (\w+)")

_DUPLICATES = {
    "Association": (
        "FloatingIPPortAlreadyAssociated",
        "the fixed address has a floating IP already: disassociate that one first",
    ),
    "PortForwarding": ("BadRequest", "the floating IP forwards this protocol and port already"),
    "Listener": ("Conflict", "the load balancer has a listener with this protocol and protocol_port already"),
    "Member": ("Conflict", "the pool has a member with this address and protocol_port already"),
    "HealthMonitor": ("Conflict", "the pool has a health monitor already"),
    "SecurityGroupRule": ("SecurityGroupRuleExists", "Security group rule already exists"),
    "BandwidthLimitRule": ("QoSRulesConflict", "the policy limits this direction already"),
    "DscpMarkingRule": ("QoSRulesConflict", "the policy has a mark already"),
    "SubPort": ("DuplicateSubPort", "the trunk has a sub-port with this segmentation_id already"),
    "TrunkPlace": ("PortInUse", "the port is a trunk's parent or sub-port already"),
    "TapFlow": ("TapFlowExists", "the tap service has this source port already: delete that flow first"),
    "TapMirror": ("TapMirrorTunnelConflict", "a tap mirror goes there by these numbers already: give others"),
    "RBACPolicy": ("RbacPolicyExists", "an RBAC policy says the same already"),
    "Segment": (
        "SegmentNotSupported",
        "the network has a segment on this physical_network, or two were made at once: try again",
    ),
    "Project": ("Conflict", "another project has this name or id: choose another"),
    "User": ("Conflict", "another user has this name: choose another"),
    "RoleAssignment": ("Conflict", "the user has the role already"),
}
"""table -> type and message of what its index refuses."""

_HOLDERS = {
    "Segment": "delete the subnets that are of it first",
    "Network": "delete the subnets and ports in it first",
    "Router": "remove its interfaces, its gateway and its floating IPs first",
    "SecurityGroup": "take it from its ports, and delete the rules that name it, first",
    "QosPolicy": "take it from its ports, networks and floating IPs first",
    "AddressGroup": "delete the rules that name it first",
    "AddressScope": "delete the subnet pools in it, or take them out of it, first",
    "SubnetPool": "delete the subnets that are of it first",
    "Port": "disassociate its floating IPs, delete its port forwardings, load balancers, taps and trunk, and "
    "remove it from its trunk first",
    "TapService": "delete its flows first",
    "MeteringLabel": "delete its rules first",
    "LoadBalancer": "delete its listeners and pools first, or delete it with cascade=true",
    "ServerPool": "delete its members and take it from its listeners first",
    "Trunk": "remove its sub-ports first",
    "Subnet": "delete the members of load balancers in it first",
}
"""table -> what to do before a row of it can go."""


def refusal(error: errors.OvsdbError, plan: Plan) -> SealaneError | None:
    """None: what the plan was built upon has changed, so make it anew from the newer state."""
    match error:
        case errors.ConstraintViolation():
            return _constraint(error, plan)
        case errors.ReferentialIntegrity():
            return _reference(error)
        case errors.WaitFailed():
            return _wait(error, plan)
        case errors.DuplicateUuid():
            return None
    return error


def _constraint(error: errors.OvsdbError, plan: Plan) -> SealaneError | None:
    match = _INDEX.search(error.details)
    if match is None:
        return error
    table, values, columns = match.groups()
    if table == "Allocation":
        address = next((a for a in plan.addresses if a in re.split(r'[\s,"]+', values)), values)
        return AddressInUse(f"IP address {address} is in use in the subnet")
    if "mac_address" in columns:
        return Conflict(f"MAC address is in use in the network ({values})", type="MacAddressInUse")
    if table in _DUPLICATES:
        kind, message = _DUPLICATES[table]
        return Conflict(f"{message} ({values})", type=kind)
    if table in ("Node", "Quota"):
        return Conflict(f"another {table.lower()} has the same {columns.strip(chr(34))} ({values})")
    if DEFAULT_POOL in values:
        return BadRequest(
            "Invalid input for is_default. Reason: the family has a default subnet pool already.",
            type="InvalidInput",
        )
    if (segment := _segment_of(values)) is not None:
        return Conflict(f"The segment {segment} is in use by another network", type="VlanIdInUse")
    if plan.chose_keys:
        return None
    return Conflict(f"tunnel key is in use ({values})", type="TunnelKeyInUse")


def _reference(error: errors.OvsdbError) -> SealaneError:
    if match := _HELD.search(error.details):
        table, row = match.groups()
        message = f"{table} {row} is in use: {_HOLDERS.get(table, 'delete what refers to it first')}"
        return Conflict(message, type=f"{table}InUse")
    if match := _DANGLING.search(error.details):
        row, table = match.groups()
        return NotFound(f"{table} {row} could not be found.", type=f"{table}NotFound")
    return error


def _wait(error: errors.OvsdbError, plan: Plan) -> SealaneError | None:
    obj = plan.guards.get(error.index)
    if obj is None:
        return None
    kind = TABLES[type(obj)]
    return RevisionMismatch(f"{kind} {obj.id} has changed since revision {obj.revision_number}")


def _segment_of(values: str) -> str | None:
    """Of the values of a TunnelKey row; None where it is another scope's."""
    return values if SEGMENT in values else None
