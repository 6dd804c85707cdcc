"""What is looked up to show a resource and to choose for it: indexes over one State, made once.

A State is immutable, so an index of it never goes stale; each is made when first asked for, and
the newest State's are kept by `Glass`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from functools import cached_property
from typing import Any, Protocol, TypeVar, cast

from sealane.api.members import EMPTY, Index
from sealane.api.meters import Meters
from sealane.model import (
    FloatingIP,
    HealthMonitor,
    Listener,
    Member,
    Port,
    PortForwarding,
    RBACPolicy,
    SecurityGroupRule,
    Segment,
    ServerPool,
    State,
    Subnet,
    SubPort,
    Trunk,
)
from sealane.names import ROUTER_INTERFACE, ROUTER_PORTS
from sealane.store import draws

Below = TypeVar("Below", Listener, ServerPool, Member, HealthMonitor)
EVERYBODY = "*"
"""Target of an RBAC policy."""


class Bindings(Protocol):
    """Where ports are bound, as the southbound database tells."""

    def up(self, port_id: str) -> bool: ...

    def chassis(self, port_id: str) -> str | None: ...

    def health(self, port_id: str, protocol: str, port: int) -> str:
        """What its checks say of a server: "online", "offline", "error"; "" while nothing is known."""
        ...


class Unbound:
    """Bindings while the southbound database was not reached yet: nothing is known to be up."""

    def up(self, port_id: str) -> bool:
        return False

    def chassis(self, port_id: str) -> str | None:
        return None

    def health(self, port_id: str, protocol: str, port: int) -> str:
        return ""


class Look:
    """One State with its indexes, and the bindings of the moment.

    `members`: the index of an earlier State, from which that of this one is made.
    """

    def __init__(
        self, state: State, bindings: Bindings, members: Index = EMPTY, meters: Meters | None = None
    ) -> None:
        self.state = state
        self.bindings = bindings
        self.meters = meters or Meters()
        self.members = members.after(state.ports)

    @cached_property
    def subnets(self) -> Mapping[str, Sequence[Subnet]]:
        """Subnets by network, in the order in which addresses are taken from them."""
        found: dict[str, list[Subnet]] = defaultdict(list)
        for subnet in sorted(self.state.subnets.values(), key=lambda s: (s.ip_version, s.created_at, s.id)):
            found[subnet.network_id].append(subnet)
        return found

    @cached_property
    def hosts(self) -> Mapping[str, int]:
        """Number of ports by host."""
        return Counter(port.host for port in self.state.ports.values())

    @cached_property
    def ways(self) -> Mapping[str, Collection[str]]:
        """Physical networks that a node has a bridge to, by its name."""
        return {node.name: node.physical_networks for node in self.state.nodes.values()}

    @cached_property
    def away(self) -> Collection[str]:
        """Names of the nodes that are away."""
        return {node.name for node in self.state.nodes.values() if node.away}

    @cached_property
    def segments(self) -> Mapping[str, Sequence[Segment]]:
        """Further segments by network, the oldest first."""
        found: dict[str, list[Segment]] = defaultdict(list)
        for segment in sorted(self.state.segments.values(), key=lambda s: (s.created_at, s.id)):
            found[segment.network_id].append(segment)
        return found

    def segments_of(self, network_id: str) -> Sequence[Segment]:
        return self.segments.get(network_id, ())

    @cached_property
    def datapaths(self) -> Mapping[str, str]:
        """Type of br-int's datapath by the name of the node."""
        return {node.name: node.datapath_type for node in self.state.nodes.values()}

    @cached_property
    def rules(self) -> Mapping[str, Sequence[SecurityGroupRule]]:
        """Rules by security group."""
        found: dict[str, list[SecurityGroupRule]] = defaultdict(list)
        for rule in sorted(self.state.security_group_rules.values(), key=lambda r: (r.created_at, r.id)):
            found[rule.security_group_id].append(rule)
        return found

    @cached_property
    def for_everybody(self) -> Set[str]:
        """Ids of what an RBAC policy shares with every project."""
        policies = self.state.rbac_policies.values()
        return {
            p.object_id for p in policies if p.action == "access_as_shared" and p.target_tenant == EVERYBODY
        }

    def rules_of(self, group_id: str) -> Sequence[SecurityGroupRule]:
        return self.rules.get(group_id, ())

    def rules_naming(self, group_id: str) -> Sequence[SecurityGroupRule]:
        """Those whose remote it is."""
        return [r for r in self.state.security_group_rules.values() if r.remote_group_id == group_id]

    def is_shared(self, id: str) -> bool:
        return id in self.for_everybody

    def asked_by(self, project: str, tenant: bool = False) -> "Look":
        """tenant: who asks is no admin."""
        return cast(Look, Asked(self, project, project if tenant else "")) if project else self

    @property
    def tenant(self) -> str:
        """The project of who asks and is no admin, or ""."""
        return ""

    @cached_property
    def router_ports(self) -> Mapping[str, Sequence[Port]]:
        """Interfaces and gateways by router."""
        found: dict[str, list[Port]] = defaultdict(list)
        for port in self.state.ports.values():
            if port.device_owner in ROUTER_PORTS:
                found[port.device_id].append(port)
        return found

    @cached_property
    def floating(self) -> Mapping[str, Sequence[FloatingIP]]:
        """Floating IPs by the port that they lead to."""
        found: dict[str, list[FloatingIP]] = defaultdict(list)
        for floating in self.state.floatingips.values():
            if floating.port_id is not None:
                found[floating.port_id].append(floating)
        return found

    @cached_property
    def forwardings(self) -> Mapping[str, Sequence[PortForwarding]]:
        """Port forwardings by floating IP."""
        found: dict[str, list[PortForwarding]] = defaultdict(list)
        for each in sorted(self.state.port_forwardings.values(), key=lambda f: (f.created_at, f.id)):
            found[each.floatingip_id].append(each)
        return found

    @cached_property
    def _below(self) -> Mapping[str, Sequence[Any]]:
        """Listeners and pools by load balancer, members and health monitors by pool."""
        found: dict[str, list[Any]] = defaultdict(list)
        state = self.state
        parts: tuple[Any, ...] = (*state.listeners.values(), *state.pools.values())
        for each in parts:
            found[each.loadbalancer_id].append(each)
        parts = (*state.members.values(), *state.healthmonitors.values())
        for each in parts:
            found[each.pool_id].append(each)
        for rows in found.values():
            rows.sort(key=lambda row: (row.created_at, row.id))
        return found

    def below(self, id: str, kind: type[Below]) -> Sequence[Below]:
        """What of a kind belongs to a load balancer or to a pool."""
        return [row for row in self._below.get(id, ()) if isinstance(row, kind)]

    @cached_property
    def holders(self) -> Mapping[tuple[str, str], Port]:
        """Ports by subnet and address."""
        return {
            (f.subnet_id, f.ip_address): port for port in self.state.ports.values() for f in port.fixed_ips
        }

    @cached_property
    def trunks(self) -> Mapping[str, Trunk]:
        """By the parent port."""
        return {trunk.port_id: trunk for trunk in self.state.trunks.values()}

    @cached_property
    def places(self) -> Mapping[str, SubPort]:
        """By the port that is within a trunk."""
        return {each.port_id: each for each in self.state.sub_ports.values()}

    @cached_property
    def _sub_ports(self) -> Mapping[str, Sequence[SubPort]]:
        found: dict[str, list[SubPort]] = defaultdict(list)
        for each in sorted(self.state.sub_ports.values(), key=lambda s: s.segmentation_id):
            found[each.trunk_id].append(each)
        return found

    def sub_ports_of(self, trunk_id: str) -> Sequence[SubPort]:
        return self._sub_ports.get(trunk_id, ())

    def floating_of(self, port_id: str) -> Sequence[FloatingIP]:
        return self.floating.get(port_id, ())

    def forwardings_of(self, floatingip_id: str) -> Sequence[PortForwarding]:
        return self.forwardings.get(floatingip_id, ())

    def ports_on(self, host: str) -> int:
        return self.hosts.get(host, 0)

    @cached_property
    def _granted(self) -> Mapping[tuple[str, str], Collection[str]]:
        """By action and object: the projects that RBAC policies name, or "*"."""
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for policy in self.state.rbac_policies.values():
            found[policy.action, policy.object_id].add(policy.target_tenant)
        return found

    def policies_of(self, object_id: str) -> Sequence[RBACPolicy]:
        """They go with what they share."""
        return self._policies.get(object_id, ())

    @cached_property
    def _policies(self) -> Mapping[str, Sequence[RBACPolicy]]:
        found: dict[str, list[RBACPolicy]] = defaultdict(list)
        for policy in self.state.rbac_policies.values():
            found[policy.object_id].append(policy)
        return found

    def is_granted(self, action: str, object_id: str, project: str) -> bool:
        """Whether an RBAC policy lets the project do that."""
        targets = self._granted.get((action, object_id), ())
        return "*" in targets or project in targets

    def interfaces_of(self, router_id: str) -> Sequence[Port]:
        ports = self.router_ports.get(router_id, ())
        return [port for port in ports if port.device_owner == ROUTER_INTERFACE]

    def subnets_of(self, network_id: str) -> Sequence[Subnet]:
        return self.subnets.get(network_id, ())

    def scope_of(self, network_id: str, ip_version: int) -> str | None:
        """Id of the address scope of its subnets of a family: they are of one."""
        mine = (s for s in self.subnets_of(network_id) if s.ip_version == ip_version)
        return next((draws.scope_of(subnet, self.state.subnetpools) for subnet in mine), None)

    def ports_of(self, network_id: str) -> Collection[Port]:
        return self.members.of(network_id).ports.values()


class Asked:
    """A Look for a project that asks: what RBAC policies share with it is shared."""

    def __init__(self, look: Look, project: str, tenant: str) -> None:
        self._look = look
        self._project = project
        self.tenant = tenant

    def __getattr__(self, name: str) -> Any:
        return getattr(self._look, name)

    def is_shared(self, id: str) -> bool:
        return self._look.is_granted("access_as_shared", id, self._project)


class Glass:
    """Gives the Look of a State; the same one as long as the State is the same."""

    def __init__(self, bindings: Bindings, meters: Meters) -> None:
        self._bindings = bindings
        self._meters = meters
        self._look: Look | None = None

    def on(self, state: State) -> Look:
        if self._look is None or self._look.state is not state:
            members = self._look.members if self._look else EMPTY
            self._look = Look(state, self._bindings, members, self._meters)
        return self._look
