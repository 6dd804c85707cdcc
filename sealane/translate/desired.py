"""The desired northbound database: one computation, for create, update, restart and repair."""

from collections.abc import Callable, Iterable

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
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Segment,
    ServerPool,
    State,
    Subnet,
    SubnetPool,
    SubPort,
    TapFlow,
    TapMirror,
    TapService,
    Trunk,
)
from sealane.translate import (
    balancers,
    dhcp,
    floatingips,
    groups,
    logs,
    ports,
    qos,
    routers,
    switches,
    tap_mirrors,
    taps,
)
from sealane.translate.memo import Memo
from sealane.translate.rows import Row

PIPELINE: tuple[Callable[[State, Memo], Iterable[Row]], ...] = (
    switches.rows,  # Network, Segment, Subnet -> Logical_Switch, localport, localnet
    dhcp.rows,  # Subnet, Port -> DHCP_Options
    ports.rows,  # Port, Trunk, SubPort -> Logical_Switch_Port
    groups.rows,  # SecurityGroup, SecurityGroupRule, AddressGroup -> Port_Group, ACL, Address_Set
    routers.rows,  # Router, Node -> Logical_Router, and what is on it
    floatingips.rows,  # FloatingIP, PortForwarding -> NAT, Load_Balancer
    balancers.rows,  # LoadBalancer, ServerPool, … -> Load_Balancer, and a Logical_Router behind the address
    logs.rows,  # Log, SecurityGroup, SecurityGroupRule -> ACL, Meter
    qos.rows,  # BandwidthLimitRule, DscpMarkingRule -> QoS
    taps.rows,  # TapService, TapFlow, Port -> a Logical_Switch of its own for each service
    tap_mirrors.rows,  # TapMirror, Port -> Mirror
)
READS = (
    *(Network, Segment, Subnet, Port, SecurityGroup, SecurityGroupRule, AddressGroup),
    *(Router, Node, FloatingIP, PortForwarding, SubnetPool, AddressScope),
    *(LoadBalancer, ServerPool, Listener, Member, HealthMonitor),
    *(BandwidthLimitRule, DscpMarkingRule, Log, Trunk, SubPort),
    *(TapService, TapFlow, TapMirror),
    *(MeteringLabel, MeteringLabelRule),
)
"""What the stages look at; the translator's state has nothing else."""


def desired(state: State, memo: Memo | None = None) -> tuple[Row, ...]:
    """All rows, in no order. With the memo of the round before, what is the same is not made anew."""
    memo = memo or Memo()
    memo.begin()
    return tuple(row for stage in PIPELINE for row in stage(state, memo))
