"""What may be asked of the store: plain values, any number of them in one transaction."""

from dataclasses import dataclass

from sealane.model import (
    AddressGroup,
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

Stored = (
    Network
    | Segment
    | Subnet
    | Port
    | Node
    | Token
    | Quota
    | Router
    | FloatingIP
    | PortForwarding
    | LoadBalancer
    | ServerPool
    | Listener
    | Member
    | HealthMonitor
    | SecurityGroup
    | SecurityGroupRule
    | AddressGroup
    | AddressScope
    | SubnetPool
    | RBACPolicy
    | QosPolicy
    | BandwidthLimitRule
    | DscpMarkingRule
    | Log
    | Trunk
    | SubPort
    | TapService
    | TapFlow
    | TapMirror
    | MeteringLabel
    | MeteringLabelRule
    | Project
    | User
    | RoleAssignment
    | Revocation
)


@dataclass(frozen=True)
class Create:
    """A resource that is there already with the same content counts as made: requests are repeated.

    counted: against the quota of its project; what nobody has asked for is not.
    """

    obj: Stored
    counted: bool = True


@dataclass(frozen=True)
class Update:
    """Refused with RevisionMismatch unless the row is still at `old.revision_number`.

    The row's new revision is one above, whatever `new` says.
    """

    old: Stored
    new: Stored


@dataclass(frozen=True)
class Delete:
    """What is gone already counts as deleted; guarded: refused unless at `obj.revision_number`."""

    obj: Stored
    guarded: bool = False


Change = Create | Update | Delete
