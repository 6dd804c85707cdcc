"""The things that Sealane knows: plain frozen values, shared by every stage.

Attributes are named as in the OpenStack Networking API v2.0
(https://docs.openstack.org/api-ref/network/v2/), so that one word means one thing from the
HTTP body to the northbound row.  Nothing here imports anything of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

GatewayMode = Literal["host", "router", "docker", "none"]
"""Who is the default gateway of a network's containers.

host: the host's kernel, behind a localport (the default); router: a Neutron router;
docker: docker_gwbridge, past every policy; none: nobody, the network is internal.
"""

Origin = Literal["api", "docker"]
"""Who made a network: `docker network rm` deletes only what Docker made."""

NetworkType = Literal["geneve", "vlan", "flat"]
"""geneve: an overlay; the others are a segment of a physical network that hosts have a bridge to."""

DatapathType = Literal["system", "netdev"]
"""Bridge.datapath_type (ovs-vswitchd.conf.db(5)): in the kernel, in user space."""

Direction = Literal["ingress", "egress"]
EtherType = Literal["IPv4", "IPv6"]
LoggedEvent = Literal["ALL", "ACCEPT", "DROP"]
TapDirection = Literal["IN", "OUT", "BOTH"]
MirrorType = Literal["gre", "erspanv1"]
"""IN: what a port is sent; OUT: what it sends."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """What Neutron calls the standard attributes."""

    id: str
    project_id: str
    name: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    revision_number: int = 0
    created_at: str = ""
    updated_at: str = ""


@dataclass(frozen=True, kw_only=True)
class Network(Resource):
    admin_state_up: bool = True
    shared: bool = False
    mtu: int = 1442
    port_security_enabled: bool = True
    dns_domain: str = ""
    gateway: GatewayMode = "host"
    origin: Origin = "api"
    labels: Mapping[str, str] = field(default_factory=dict)
    tunnel_key: int = 0
    external: bool = False
    """Routers may have their gateway in it (`router:external`)."""
    network_type: NetworkType = "geneve"
    physical_network: str | None = None
    segmentation_id: int | None = None
    """VLAN of a network of type vlan; the key of an overlay is `tunnel_key`."""
    qos_policy_id: str | None = None
    """Of each of its ports that has none of its own."""
    multicast_snooping: bool = False  # a group's packets reach those only who have joined it
    segment_name: str = ""  # of its own segment
    segment_description: str = ""


@dataclass(frozen=True, kw_only=True)
class Segment(Resource):
    """A part of a network. Its own one is not kept, but follows from the network; further ones are kept."""

    network_id: str
    network_type: NetworkType
    physical_network: str | None = None
    segmentation_id: int | None = None
    tunnel_key: int = 0


@dataclass(frozen=True, kw_only=True)
class Pool:
    """An allocation pool: the first and the last address, both included."""

    start: str
    end: str


@dataclass(frozen=True, kw_only=True)
class HostRoute:
    destination: str
    nexthop: str


@dataclass(frozen=True, kw_only=True)
class Subnet(Resource):
    network_id: str
    cidr: str
    ip_version: int = 4
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    allocation_pools: tuple[Pool, ...] = ()
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[HostRoute, ...] = ()
    ipv6_ra_mode: str | None = None
    ipv6_address_mode: str | None = None
    segmented: bool = False  # it says that it is of its network's own segment
    further_segment_id: str | None = None  # or of this one
    subnetpool_id: str | None = None
    """The pool that its addresses come from, and go back to with it."""


@dataclass(frozen=True, kw_only=True)
class AddressScope(Resource):
    """Within it no two pools have an address in common, so what comes from them is routed as it is."""

    ip_version: int = 4
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class SubnetPool(Resource):
    """Addresses of which subnets are made, none over another."""

    prefixes: tuple[str, ...]
    """CIDRs of one family, none within another, in ascending order."""
    ip_version: int = 4
    min_prefixlen: int = 8
    max_prefixlen: int = 32
    default_prefixlen: int = 8
    default_quota: int | None = None
    """What a project may take of it: addresses (IPv4), networks of /64 (IPv6)."""
    shared: bool = False
    is_default: bool = False
    """For who asks for no pool by name; one a family at most."""
    address_scope_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class FixedIP:
    subnet_id: str
    ip_address: str


@dataclass(frozen=True, kw_only=True)
class AddressPair:
    ip_address: str
    mac_address: str


@dataclass(frozen=True, kw_only=True)
class DhcpOption:
    """One of a port's `extra_dhcp_opts`."""

    opt_name: str
    opt_value: str
    ip_version: int = 4


@dataclass(frozen=True, kw_only=True)
class Port(Resource):
    network_id: str
    mac_address: str
    admin_state_up: bool = True
    fixed_ips: tuple[FixedIP, ...] = ()
    deferred: bool = False  # it gets addresses when it is known which host, and so which segment, it is in
    device_id: str = ""
    device_owner: str = ""
    host: str = ""
    vnic_type: str = "normal"
    profile: Mapping[str, object] = field(default_factory=dict)
    port_security_enabled: bool = True
    allowed_address_pairs: tuple[AddressPair, ...] = ()
    dns_name: str = ""
    dns_aliases: tuple[str, ...] = ()
    tunnel_key: int = 0
    security_groups: tuple[str, ...] = ()
    """Ids, in ascending order."""
    quarantine: bool = False
    """In no group at all until somebody has looked at what it belongs to."""
    extra_dhcp_opts: tuple[DhcpOption, ...] = ()
    qos_policy_id: str | None = None
    services: tuple[str, ...] = ()
    """What it offers, NAME:PORT:PORT/PROTOCOL: the name, the port of the load balancer and its own."""
    withdrawn: bool = False
    """Offers them to nobody new at the moment."""
    taps: tuple[str, ...] = ()
    """Tap services of its project that see what it sends and is sent: NAME:DIRECTION, or an id."""
    log: str = ""
    """Which of its packets are logged: a LoggedEvent, or none."""
    meters: tuple[str, ...] = ()
    """Metering labels of its project, or shared ones, that count what it exchanges with the outside: names or
    ids."""


@dataclass(frozen=True, kw_only=True)
class Router(Resource):
    """Its interfaces are the ports whose `device_id` is its id, by their `device_owner`."""

    admin_state_up: bool = True
    routes: tuple[HostRoute, ...] = ()
    gateway_ports: tuple[str, ...] = ()
    """Ports in external networks, the one of `external_gateway_info` first."""
    enable_snat: bool = True
    enable_default_route_ecmp: bool = False
    enable_default_route_bfd: bool = False
    multicast_relay: bool = False
    """A group's packets pass between its networks that snoop."""
    tunnel_key: int = 0


@dataclass(frozen=True, kw_only=True)
class FloatingIP(Resource):
    floating_network_id: str
    floating_ip_address: str
    floating_port_id: str
    """The port that holds the address in the external network."""
    port_id: str | None = None
    """The port that is reached by it; its fixed address and its router go with it."""
    fixed_ip_address: str | None = None
    router_id: str | None = None
    dns_name: str = ""
    dns_domain: str = ""
    qos_policy_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class PortForwarding(Resource):
    floatingip_id: str
    protocol: str
    external_port: int
    internal_port_id: str
    internal_ip_address: str
    internal_port: int
    external_last: int = 0
    """The last one, of several from `external_port` on; 0: that is the only one."""
    internal_last: int = 0
    """Of one or of as many as there are external ones."""

    @property
    def external_ports(self) -> range:
        return range(self.external_port, max(self.external_port, self.external_last) + 1)

    @property
    def internal_ports(self) -> range:
        return range(self.internal_port, max(self.internal_port, self.internal_last) + 1)


@dataclass(frozen=True, kw_only=True)
class LoadBalancer(Resource):
    """An address, of a port of its own, that listeners are at."""

    vip_port_id: str
    vip_address: str
    admin_state_up: bool = True
    made_port: bool = True
    """The port came with it, and goes with it."""


@dataclass(frozen=True, kw_only=True)
class ServerPool(Resource):
    """Servers to choose from; the API calls it a pool, which is a range of addresses here."""

    loadbalancer_id: str
    protocol: str
    """"TCP", "UDP", "SCTP"."""
    admin_state_up: bool = True
    persistence: str = ""
    """"SOURCE_IP": a client stays with its server; "": a connection does."""
    persistence_timeout: int = 0
    """Seconds without a new connection after which the client is forgotten; 0: servers are chosen by it."""


@dataclass(frozen=True, kw_only=True)
class Listener(Resource):
    loadbalancer_id: str
    protocol: str
    protocol_port: int
    default_pool_id: str | None = None
    admin_state_up: bool = True


@dataclass(frozen=True, kw_only=True)
class Member(Resource):
    """A server of a pool."""

    pool_id: str
    subnet_id: str
    address: str
    protocol_port: int
    weight: int = 1
    """Its share; 0: no new connections."""
    admin_state_up: bool = True


@dataclass(frozen=True, kw_only=True)
class HealthMonitor(Resource):
    pool_id: str
    type: str
    """"TCP", "UDP-CONNECT"."""
    delay: int
    """Seconds between two checks."""
    timeout: int
    """Seconds for an answer."""
    max_retries: int
    """Good checks in a row until a server counts as well."""
    max_retries_down: int = 3
    """Bad ones until it does not."""
    admin_state_up: bool = True


@dataclass(frozen=True, kw_only=True)
class SecurityGroup(Resource):
    stateful: bool = True
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class SecurityGroupRule(Resource):
    """What may pass; what no rule names may not."""

    security_group_id: str
    direction: Direction
    ethertype: EtherType = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    remote_address_group_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class AddressGroup(Resource):
    addresses: tuple[str, ...] = ()
    """CIDRs."""
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class QosPolicy(Resource):
    """Of quality of service; its rules say what it is good for."""

    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class BandwidthLimitRule(Resource):
    """Rates are in kilobits a second, bursts in kilobits. egress: what the port sends."""

    qos_policy_id: str
    max_kbps: int
    max_burst_kbps: int = 0
    """0: left to the translation."""
    direction: Direction = "egress"


@dataclass(frozen=True, kw_only=True)
class DscpMarkingRule(Resource):
    """What the port sends bears that mark (RFC 2474)."""

    qos_policy_id: str
    dscp_mark: int


@dataclass(frozen=True, kw_only=True)
class Log(Resource):
    """Of packets of its project's ports: of a group, of a port, of both or, with neither, of all."""

    enabled: bool = True
    event: LoggedEvent = "ALL"
    resource_type: str = "security_group"
    resource_id: str | None = None
    """A security group, which may be gone: then it logs nothing."""
    target_id: str | None = None
    """A port, which may be gone, too."""


@dataclass(frozen=True, kw_only=True)
class Trunk(Resource):
    """Makes a port carry others, its sub-ports, each with a VLAN tag of its own."""

    port_id: str
    """The parent: what has no tag is its own."""
    admin_state_up: bool = True
    """While false, sub-ports neither come nor go."""


@dataclass(frozen=True, kw_only=True)
class SubPort(Resource):
    """A port within a trunk; it is on whatever host the parent is on."""

    trunk_id: str
    port_id: str
    segmentation_id: int
    segmentation_type: str = "vlan"


@dataclass(frozen=True, kw_only=True)
class TapService(Resource):
    """A port that is given copies of what other ports send or are sent."""

    port_id: str


@dataclass(frozen=True, kw_only=True)
class TapFlow(Resource):
    """Copies of the source port's packets go to the service's port."""

    tap_service_id: str
    source_port: str
    direction: TapDirection


@dataclass(frozen=True, kw_only=True)
class TapMirror(Resource):
    """Copies of a port's packets go to an address outside, by a tunnel for each direction."""

    port_id: str
    remote_ip: str
    mirror_type: MirrorType
    in_number: int | None = None
    """Of the tunnel with what the port is sent; None: that is not mirrored."""
    out_number: int | None = None


@dataclass(frozen=True, kw_only=True)
class MeteringLabel(Resource):
    """What crosses its project's routers, or all routers (shared), is counted by its rules."""

    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class MeteringLabelRule(Resource):
    """Packets of one direction that a label counts or, excluded, does not.

    remote_ip_prefix: of the project's own address, whatever its name says, as in Neutron.
    """

    metering_label_id: str
    direction: Direction
    remote_ip_prefix: str | None = None
    source_ip_prefix: str | None = None
    destination_ip_prefix: str | None = None
    excluded: bool = False


@dataclass(frozen=True, kw_only=True)
class RBACPolicy(Resource):
    """Lets a project use what belongs to another."""

    object_type: str
    """"network", "security_group", "address_group", "address_scope", "subnetpool", "qos_policy"."""
    object_id: str
    action: str
    """"access_as_shared", "access_as_external"."""
    target_tenant: str
    """A project's id, or "*"."""


@dataclass(frozen=True, kw_only=True)
class Node(Resource):
    """A host of the deployment. Nodes and tokens are the operator's: their `project_id` is empty."""

    address: str
    """On the underlay; no two nodes have the same."""
    projects: tuple[str, ...] = ("*",)
    """Whose networks it may use; "*" is everybody's."""
    serials: tuple[str, ...] = ()
    """Of its certificates that count, in lower-case hexadecimal; none for the central part's own node."""
    physical_networks: tuple[str, ...] = ()
    """That it has a bridge to."""
    datapath_type: DatapathType = "system"
    """Of its br-int, in Open vSwitch's words: the kernel's is "system", that in user space "netdev"."""
    away: bool = False  # whether its ovn-controller has not been heard of for long (api/absence.py)


@dataclass(frozen=True, kw_only=True)
class Token(Resource):
    """The right to join as a node, once."""

    digest: str
    """SHA-256 of the secret, in hexadecimal."""
    expires_at: int
    """Unix time in seconds."""
    projects: tuple[str, ...] = ("*",)
    """What the node that joins with it gets."""


@dataclass(frozen=True, kw_only=True)
class Quota(Resource):
    """How many of each kind a project may have; a kind that is not named has the default."""

    limits: Mapping[str, int] = field(default_factory=dict)
    """"network", "security_group_rule", … -> count; -1 is without limit."""


@dataclass(frozen=True, kw_only=True)
class Project(Resource):
    """`project_id` is what its rows bear, and what the identity API calls its id; `name` may change."""

    enabled: bool = True


@dataclass(frozen=True, kw_only=True)
class User(Resource):
    """`project_id` is the project that a client logs in to by default, or empty."""

    password: str = field(repr=False)
    """As pki/password.py writes it; empty: nobody can log in with one."""
    enabled: bool = True
    email: str = ""
    epoch: int = 0
    """Raised when the password changes or the user is disabled: tokens of an earlier one are void."""


@dataclass(frozen=True, kw_only=True)
class RoleAssignment(Resource):
    user_id: str
    project: str
    """The `id` of the Project whose `project_id` it has."""
    role: str
    """"admin", "member", "reader"."""


@dataclass(frozen=True, kw_only=True)
class Revocation(Resource):
    """Of one log-in token, before its time: `id` is the token's audit id."""

    expires_at: int
    """Unix time in seconds, from which on the token is void anyway."""


@dataclass(frozen=True)
class State:
    """One immutable snapshot of everything desired; the input of every translator."""

    networks: Mapping[str, Network] = field(default_factory=dict)
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    ports: Mapping[str, Port] = field(default_factory=dict)
    sequence: int = 0
    moved: Mapping[str, int] = field(default_factory=dict, compare=False)
    """Name of a collection ("ports") -> sequence of the last change that was seen in it."""
    segments: Mapping[str, Segment] = field(default_factory=dict)  # further ones
    nodes: Mapping[str, Node] = field(default_factory=dict)
    tokens: Mapping[str, Token] = field(default_factory=dict)
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    routers: Mapping[str, Router] = field(default_factory=dict)
    floatingips: Mapping[str, FloatingIP] = field(default_factory=dict)
    port_forwardings: Mapping[str, PortForwarding] = field(default_factory=dict)
    loadbalancers: Mapping[str, LoadBalancer] = field(default_factory=dict)
    pools: Mapping[str, ServerPool] = field(default_factory=dict)
    listeners: Mapping[str, Listener] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    healthmonitors: Mapping[str, HealthMonitor] = field(default_factory=dict)
    security_groups: Mapping[str, SecurityGroup] = field(default_factory=dict)
    security_group_rules: Mapping[str, SecurityGroupRule] = field(default_factory=dict)
    address_groups: Mapping[str, AddressGroup] = field(default_factory=dict)
    address_scopes: Mapping[str, AddressScope] = field(default_factory=dict)
    subnetpools: Mapping[str, SubnetPool] = field(default_factory=dict)
    rbac_policies: Mapping[str, RBACPolicy] = field(default_factory=dict)
    policies: Mapping[str, QosPolicy] = field(default_factory=dict)
    """Of quality of service, as Neutron calls them."""
    bandwidth_limit_rules: Mapping[str, BandwidthLimitRule] = field(default_factory=dict)
    dscp_marking_rules: Mapping[str, DscpMarkingRule] = field(default_factory=dict)
    logs: Mapping[str, Log] = field(default_factory=dict)
    trunks: Mapping[str, Trunk] = field(default_factory=dict)
    sub_ports: Mapping[str, SubPort] = field(default_factory=dict)
    tap_services: Mapping[str, TapService] = field(default_factory=dict)
    tap_flows: Mapping[str, TapFlow] = field(default_factory=dict)
    tap_mirrors: Mapping[str, TapMirror] = field(default_factory=dict)
    metering_labels: Mapping[str, MeteringLabel] = field(default_factory=dict)
    metering_label_rules: Mapping[str, MeteringLabelRule] = field(default_factory=dict)
    projects: Mapping[str, Project] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)
    role_assignments: Mapping[str, RoleAssignment] = field(default_factory=dict)
    revocations: Mapping[str, Revocation] = field(default_factory=dict)
