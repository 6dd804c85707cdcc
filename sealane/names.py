"""Every name that is derived from another, made here and nowhere else.

Interface names have 15 bytes at most (IFNAMSIZ, netdevice(7)); `tap` + 11 characters of the
port's id is what Neutron uses, so tools for OVN recognise what they see.
"""

import hashlib
import uuid
from typing import Protocol

OWNER_KEY = "sealane:owner"
OWNER = "sealane"
"""external_ids[OWNER_KEY] == OWNER marks every OVSDB row that is ours to change or delete."""

ROW_KEY = "sealane:key"
"""external_ids[ROW_KEY] of a northbound row that has no name (an ACL, a NAT): what it is known by."""

LINK_MARK = "sealane:"
"""Every link of ours has an alias (IFLA_IFALIAS) that begins so; then the kind and an id."""

DOCKER_PORT = "sealane:docker"
"""device_owner of a port whose life is that of a container's endpoint."""

ADOPTED_PORT = "sealane:docker:adopted"
"""device_owner of a port that was made by somebody else and is used by an endpoint."""

AUXILIARY_PORT = "sealane:auxiliary"
"""device_owner of what keeps an --aux-address from being given to a container."""

NETNS_PORT = "sealane:netns"
"""device_owner of a port that was made for a network namespace (`sealane attach`)."""

RUNTIME_PORT = "sealane:container"
"""device_owner of a port that a container runtime wanted by CNI or netavark; policy as Docker's."""

READY = "ready:"
"""How the `device_id` of such a port begins while no container has it (agent/ready.py)."""

CONTAINER_PORTS = frozenset({DOCKER_PORT, RUNTIME_PORT})
"""Made for containers: their network says what reaches them, and published ports are open."""

NETNS_ADOPTED_PORT = "sealane:netns:adopted"
"""device_owner of a port that was made by somebody else and is used by a network namespace."""

ADOPTED_PORTS = frozenset({ADOPTED_PORT, NETNS_ADOPTED_PORT})

SUBPORT = "trunk:subport"
"""device_owner of a port within a trunk, as Neutron calls it."""

ROUTER_INTERFACE = "network:router_interface"
ROUTER_GATEWAY = "network:router_gateway"
FLOATING_PORT = "network:floatingip"
"""device_owner of a router's ports and of a floating IP's, as Neutron calls them."""

LBAAS_PORT = "neutron:LOADBALANCERV2"
"""device_owner of a port that Neutron has made for a load balancer's address, which is to be adopted."""
BALANCER_PORT = "Octavia"
"""device_owner of the port that has a load balancer's address, as Octavia calls it; its `device_id` is "lb-"
and the load balancer's id."""

HEALTH_PORT = "ovn-lb-hm:distributed"
"""device_owner of the address from which a subnet's servers are asked for their health, as OVN's provider for
Octavia calls it."""

ROUTER_PORTS = frozenset({ROUTER_INTERFACE, ROUTER_GATEWAY})
"""Owners of ports whose `device_id` is a router."""

SECURITY_GROUPS = "sealane.security-groups"
"""Docker's option and label, and the label of a network: names or ids of groups, with commas between."""
SERVICE = "sealane.service"
"""A container's label and an endpoint's option: what it offers, NAME:PORT[:PORT][/PROTOCOL], with commas."""
ROUTER = "sealane.router"
"""Docker's option of a network, by name or id, and the label of a network: id of its router."""
QOS = "sealane.qos"
"""Docker's option of a network and of an endpoint, and a container's label: name or id of a policy."""
SUBNET_POOL = "sealane.subnetpool"
"""Docker's option of a pool: names or ids of subnet pools, with commas between."""
TAP = "sealane.tap"
"""Docker's option of a network and of an endpoint, a container's label, and the label of a network:
NAME[:in|:out|:both] of tap services, with commas between."""
TAP_PORT = "sealane.tap-port"
"""Docker's option of an endpoint, and a container's label: the name of the tap whose copies it is given."""
LOG = "sealane.log"
"""Docker's option of a network and of an endpoint, a container's label, and the label of a network: which of
its packets are logged, `all`, `accepted` or `dropped`."""
METERING = "sealane.metering"
"""Docker's option of a network and of an endpoint, a container's label, and the label of a network: names or
ids of metering labels that count what it exchanges with the outside, with commas between."""
BY_LABEL = "sealane.security-groups-by-label"
"""Label of a network, or tag of a project's default group: what a container is in, its label says."""

NOWHERE = "(unbound)"
"""requested-chassis of a port that belongs to no host yet: no host can be called so, so none claims it."""

GATEWAY_PORT_KEY = 1
"""Tunnel key of the localport with the gateway's address, in every network."""


PHYSICAL_PORT_KEY = (1 << 15) - 1
"""Tunnel key of the localnet port, in every network on a physical one."""

RESOLVER = "169.254.169.253"
"""Where the resolver answers in a network whose gateway is not this host, or that has none."""


def logical_switch(network_id: str) -> str:
    return f"neutron-{network_id}"


def logical_port(port_id: str) -> str:
    return port_id


def gateway_port(network_id: str) -> str:
    """Logical_Switch_Port name of the network's localport, also its iface-id on every host."""
    return f"gw-{network_id}"


def physical_port(network_id: str) -> str:
    """Logical_Switch_Port name of the network's way to its physical network."""
    return f"provnet-{network_id}"


def further_physical_port(segment_id: str) -> str:
    """Logical_Switch_Port name of the way to the physical network of one of a network's further segments."""
    return f"provnet-{segment_id}"


def gateway_mac(network_id: str) -> str:
    """The same on every host: a container may be moved without a stale neighbour."""
    digest = hashlib.sha256(network_id.encode()).digest()
    return "0a:" + ":".join(f"{b:02x}" for b in digest[:5])


def resolver_mac(network_id: str) -> str:
    """Of the localport where it is no gateway: the gateway's MAC may be a router's then."""
    return f"0e{gateway_mac(network_id)[2:]}"


QUERIER = "0.0.0.0"
"""Source of questions which IPv4 groups are wanted: nobody's, and no filter of a host takes offence (RFC 4541
2.1.1)."""


def querier_mac(network_id: str) -> str:
    """Of who asks in a network which groups are wanted; on every host the same."""
    return f"12{gateway_mac(network_id)[2:]}"


def querier_address(network_id: str) -> str:
    """The link-local address that goes with its MAC (RFC 4291, appendix A)."""
    a, b, c, d, e, f = (int(word, 16) for word in querier_mac(network_id).split(":"))
    return f"fe80::{a ^ 2:02x}{b:02x}:{c:02x}ff:fe{d:02x}:{e:02x}{f:02x}"


def ovs_port(port_id: str) -> str:
    """The port on br-int."""
    return f"tap{port_id[:11]}"


def lent_port(port_id: str) -> str:
    """The port on br-int of a device that its owner put there too: nova under the name of `ovs_port`."""
    return f"slt{port_id[:11]}"


def host_link(port_id: str) -> str:
    """Host's end of the container's veth pair."""
    return f"slh{port_id[:11]}"


def container_link(port_id: str) -> str:
    """Container's end of the veth pair, until the container's runtime takes and renames it."""
    return f"slc{port_id[:11]}"


def switch_link(port_id: str) -> str:
    """Userspace datapath: host's end of the second veth pair, that leads into the switch namespace."""
    return f"sls{port_id[:11]}"


def turned_at(link: str) -> str:
    """The link which those packets pass that arrive from a container by `link`, on their way to br-int."""
    return f"sls{link[3:]}" if link.startswith("slh") else link


TUNNEL_LINK = "slx0"
"""The host's end of the link to ovs-vswitchd's namespace, by which its tunnels' packets come and go."""

FASTPATH_OPTION = "sealane-fastpath"
"""Word of external_ids:ovn-cms-options, as `word=NUMBER`: the host's fast path knows no rule older than
nb_cfg NUMBER.  ovn-controller copies the options to the host's Chassis."""


def gateway_ovs_port(network_id: str) -> str:
    return f"tgw{network_id[:11]}"


def gateway_link(network_id: str) -> str:
    """Userspace datapath: host's end of the gateway's link, as `host_link` is of a container's."""
    return f"slg{network_id[:11]}"


def gateway_switch_link(network_id: str) -> str:
    """Userspace datapath: host's end of the gateway's second pair, as `switch_link` is of a container's."""
    return f"slw{network_id[:11]}"


def gateway_namespace(network_id: str) -> str:
    """File name of the gateway's namespace below RUN/netns."""
    return f"gw-{network_id}"


def uplink(network_id: str) -> str:
    """Host's end of the veth pair between the gateway's namespace and the host."""
    return f"slu{network_id[:11]}"


PHYSICAL_KEY = "sealane:physical"
"""external_ids[PHYSICAL_KEY] of an OVS bridge of ours: the physical network that it leads to."""


def patched(port: str) -> str | None:
    """Of ovn-controller's patch port on a bridge to a physical network: its peer on br-int."""
    inner = port.removeprefix("patch-").removesuffix("-to-br-int")
    return f"patch-br-int-to-{inner}" if port == f"patch-{inner}-to-br-int" else None


def physical_bridge(physical_network: str) -> str:
    """OVS bridge between br-int and a physical network."""
    return f"slb{_short(physical_network)}"


def physical_links(physical_network: str) -> tuple[str, str]:
    """The veth pair between the host's bridge or interface and that OVS bridge: host's end, OVS's end."""
    return f"slp{_short(physical_network)}", f"slq{_short(physical_network)}"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:11]


def tap_switch(service_id: str) -> str:
    """Logical_Switch that carries the copies of a tap service."""
    return f"tap-{service_id}"


def tap_entry(service_id: str, host: str) -> str:
    """Logical_Switch_Port by which a host's copies enter it."""
    return f"tapin-{service_id}-{host}"


def tap_exit(service_id: str) -> str:
    """Logical_Switch_Port by which they leave it, on the host of the service's port."""
    return f"tapout-{service_id}"


def tap_links(service_id: str, *, entry: bool) -> tuple[str, str]:
    """The veth pair between the host and br-int for an entry or the exit: host's end, the port on br-int."""
    one, other = ("slm", "tmi") if entry else ("slo", "tmo")
    return f"{one}{service_id[:11]}", f"{other}{service_id[:11]}"


def mirror(mirror_id: str, way: str) -> str:
    """Mirror of one direction of a tap mirror, "IN" or "OUT". Its link, ovn-NAME, has 15 bytes at most."""
    return f"{mirror_id[-10:]}{way[0].lower()}"


def logical_router(router_id: str) -> str:
    return f"neutron-{router_id}"


def router_port(port_id: str) -> str:
    """Logical_Router_Port of a port whose device is a router."""
    return f"lrp-{port_id}"


def balancer_device(loadbalancer_id: str) -> str:
    """device_id of the port that has its address."""
    return f"lb-{loadbalancer_id}"


def balancer_router(loadbalancer_id: str) -> str:
    """Logical_Router that stands behind its address."""
    return f"lb-{loadbalancer_id}"


def balancer(listener_id: str) -> str:
    """Load_Balancer of a listener."""
    return f"listener-{listener_id}"


def gateway_place(port_id: str) -> str:
    """Port_Binding that ovn-northd makes of a router's gateway, on the host that it is at (ovn-sb(5))."""
    return f"cr-{router_port(port_id)}"


def port_group(group_id: str) -> str:
    """Without hyphens, which match expressions take for something else (ovn-sb(5), Logical_Flow)."""
    return f"pg_{group_id.replace('-', '_')}"


DROP_GROUP = "neutron_pg_drop"
"""Port_Group of all ports with port security, by which they drop what nobody lets pass."""

AWAITING_GROUP = "sealane_pg_awaiting"
"""Port_Group of the ports to which a LAN's DHCP server is to tell their address."""


ACL_LOG = "acl.log"
"""File in the run directory to which ovn-controller writes what packets are logged, and nothing else."""
LOG_METER = "sealane-log"
"""Meter of what is logged, one for each ACL (ovn-nb(5), Meter.fair)."""
LOGGED_DROP = "drop-"
"""ACL.name, before the id of the group or port whose dropped packets it logs. A rule's ACL has its id."""
LOGGED_NETWORK = "net-"
"""The same of what passes because no group is chosen, before the network's id."""


def network_group(network_id: str) -> str:
    """Port_Group of the containers in a network that are in no security group."""
    return f"pg_net_{network_id.replace('-', '_')}"


def member_addresses(port_group: str, family: int) -> str:
    """Address_Set that northd keeps of a Port_Group's members (ovn-nb(5), Port_Group)."""
    return f"{port_group}_ip{family}"


def address_set(group_id: str, family: int) -> str:
    """Address_Set of an address group's networks of one family."""
    return f"ag_{group_id.replace('-', '_')}_ip{family}"


_SEGMENTS = uuid.UUID("5ea1a000-0000-4000-8000-000000000007")


def segment(network_id: str) -> str:
    """Id of a network's segment."""
    return str(uuid.uuid5(_SEGMENTS, network_id))


_GROUPS = uuid.UUID("5ea1a000-0000-4000-8000-000000000005")


class Owned(Protocol):
    """A port, as far as it says whose it is."""

    @property
    def device_owner(self) -> str: ...
    @property
    def device_id(self) -> str: ...
    @property
    def host(self) -> str: ...


def waits(port: Owned) -> bool:
    """Is the port nobody's yet, kept ready on a host for a container (agent/ready.py)?

    It goes with its network as a subnet does, counts in no quota, and gives way to whoever needs what it has.
    Only a node or an admin can make one: to others no host is theirs to give.
    """
    return bool(port.host) and port.device_owner == RUNTIME_PORT and port.device_id.startswith(READY)


def default_group(project_id: str) -> str:
    """Id of the group that a project's ports have if nobody says anything: whoever makes it first makes
    the same one."""
    return str(uuid.uuid5(_GROUPS, project_id))


def default_rule(group_id: str, direction: str, ethertype: str) -> str:
    """Id of a rule that comes with the group."""
    return str(uuid.uuid5(uuid.UUID(group_id), f"{direction} {ethertype}"))


def plural_in_body(collection: str) -> str:
    """A collection within bodies of the API: not as in URLs, and not as below another resource."""
    return collection.rpartition("/")[2].replace("-", "_")


def singular_in_body(collection: str) -> str:
    """What one of a collection is called within bodies."""
    plural = plural_in_body(collection)
    return f"{plural[:-3]}y" if plural.endswith("ies") else plural[:-1]
