"""What one request is about to write: a Look plus the rows made so far in this request.

Rules and choices of a bulk request read the draft, so its members see each other.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sealane import names
from sealane.api import ipam
from sealane.api.look import Below, Look
from sealane.api.underlay import Room
from sealane.model import (
    Direction,
    EtherType,
    HealthMonitor,
    Member,
    MeteringLabelRule,
    Network,
    Port,
    PortForwarding,
    SecurityGroup,
    SecurityGroupRule,
    Segment,
    Subnet,
    SubnetPool,
    SubPort,
    Trunk,
)
from sealane.store.changes import Change, Create, Delete, Update

Key = tuple[object, ...]
R = TypeVar("R", SecurityGroup, SecurityGroupRule)
ETHERTYPES: tuple[EtherType, ...] = ("IPv4", "IPv6")


@dataclass
class Draft:
    look: Look
    now: str
    room: Room = field(default_factory=Room)
    chance: random.Random = field(default_factory=random.SystemRandom)
    lost: int = 0
    """How often the same request was refused because another process was faster."""
    networks: dict[str, Network] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    subnets: list[Subnet] = field(default_factory=list)
    pools: dict[str, SubnetPool] = field(default_factory=dict)
    ports: list[Port] = field(default_factory=list)
    groups: dict[str, SecurityGroup] = field(default_factory=dict)
    forwardings: list[PortForwarding] = field(default_factory=list)
    balancing: list[Any] = field(default_factory=list)
    """Load balancers, listeners, pools, members and health monitors."""
    trunks: list[Trunk] = field(default_factory=list)
    sub_ports: list[SubPort] = field(default_factory=list)
    meter_rules: list[MeteringLabelRule] = field(default_factory=list)
    also: list[Change] = field(default_factory=list)
    """What follows from what was asked for: written with it, and not judged by the policy once more."""
    last: list[Change] = field(default_factory=list)
    """The same, where it builds upon what was asked for."""
    gone: set[str] = field(default_factory=set)
    """Ids of ports, of what belongs to load balancers, and of rules of policies, that go with it."""
    _used: dict[str, ipam.Taken] = field(default_factory=dict)
    _macs: dict[str, set[str]] = field(default_factory=dict)
    _rule_keys: dict[str, dict[Key, str]] = field(default_factory=dict)
    _touched: set[str] = field(default_factory=set)

    def network(self, id: str) -> Network | None:
        return self.networks.get(id) or self.look.state.networks.get(id)

    def segments_of(self, network_id: str) -> list[Segment]:
        """The further ones."""
        mine = [s for s in self.segments if s.network_id == network_id]
        return [*self.look.segments_of(network_id), *mine]

    def subnets_of(self, network_id: str) -> list[Subnet]:
        mine = [s for s in self.subnets if s.network_id == network_id]
        return [*self.look.subnets_of(network_id), *mine]

    def subnets_by_id(self, network_id: str) -> dict[str, Subnet]:
        return {subnet.id: subnet for subnet in self.subnets_of(network_id)}

    def all_pools(self) -> dict[str, SubnetPool]:
        """Of which subnets are made."""
        return {**self.look.state.subnetpools, **self.pools}

    def ports_of_router(self, router_id: str) -> list[Port]:
        """Interfaces and gateways, as this request leaves them."""
        there = {port.id: port for port in self.look.router_ports.get(router_id, ())}
        made = {port.id: port for port in self.ports if port.device_id == router_id}
        return [port for id, port in (there | made).items() if id not in self.gone]

    def used(self, subnet: Subnet) -> ipam.Taken:
        """Addresses of the subnet that are taken, the gateway's too; add to it what is chosen."""
        if subnet.id not in self._used:
            held = self.look.members.of(subnet.network_id).numbers.get(subnet.id, ())
            gateway = () if subnet.gateway_ip is None else (ipam.number(subnet.gateway_ip),)
            self._used[subnet.id] = ipam.Taken((*held, *gateway))
        return self._used[subnet.id]

    def dismiss(self, network_id: str, is_in_the_way: Callable[[Port], bool]) -> bool:
        """Let a port go that waits for a container and is in the way; False: there is none.

        Its host, whichever that is, finds it gone.  What somebody has meanwhile given a use is not one.
        """
        waiting = filter(names.waits, self.look.ports_of(network_id))
        fitting = (p for p in waiting if p.id not in self.gone and not self._is_used(p) and is_in_the_way(p))
        port = next(fitting, None)
        if port is None:
            return False
        self.gone.add(port.id)
        self.also.append(Delete(port, guarded=True))
        self.macs(network_id).discard(port.mac_address)
        for subnet in self.subnets_of(network_id):
            mine = [ipam.number(f.ip_address) for f in port.fixed_ips if f.subnet_id == subnet.id]
            for number in mine:
                self.used(subnet).discard(number)
        return True

    def _is_used(self, port: Port) -> bool:
        flows = self.look.state.tap_flows.values()
        return bool(
            self.look.floating_of(port.id)
            or port.id in self.look.trunks
            or port.id in self.look.places
            or any(flow.source_port == port.id for flow in flows)
        )

    def skip(self) -> int:
        """Free addresses to pass over: who lost a race looks the wider the more often he lost."""
        return self.chance.randrange(8 * self.lost + 1)

    def macs(self, network_id: str) -> set[str]:
        """MAC addresses of the network that are taken; add to it what is chosen."""
        if network_id not in self._macs:
            self._macs[network_id] = set(self.look.members.of(network_id).macs)
        return self._macs[network_id]

    def forwardings_of(self, floatingip_id: str) -> list[PortForwarding]:
        made = [f for f in self.forwardings if f.floatingip_id == floatingip_id]
        return [*self.look.forwardings_of(floatingip_id), *made]

    def balanced(self, id: str) -> Any:
        """A load balancer, listener or pool, also one that is made here; None: there is none."""
        made: dict[str, Any] = {row.id: row for row in self.balancing}
        state = self.look.state
        places: tuple[Mapping[str, Any], ...] = (made, state.loadbalancers, state.listeners, state.pools)
        return next((rows[id] for rows in places if id in rows), None)

    def below(self, id: str, kind: type[Below]) -> list[Below]:
        """What of a kind belongs to a load balancer or to a pool, as this request leaves it."""
        rows = list(self.look.below(id, kind))
        rows += [row for row in self.balancing if isinstance(row, kind) and above(row) == id]
        return [row for row in rows if row.id not in self.gone]

    # security groups

    def group(self, id: str) -> SecurityGroup | None:
        return self.groups.get(id) or self.look.state.security_groups.get(id)

    def default_group(self, project_id: str) -> str:
        """Id of the project's default group, which is made where it is not there yet."""
        id = names.default_group(project_id)
        if self.group(id) is None:
            what = "Default security group"
            group = self._resource(SecurityGroup, id, project_id, name="default", description=what)
            self.also.append(Create(group, counted=False))
            self.add_group(group)
            self._let(group, "ingress", group.id)
        return id

    def add_group(self, group: SecurityGroup) -> None:
        """It lets everything out until its owner says otherwise."""
        self.groups[group.id] = group
        self._let(group, "egress", None)

    def touch(self, group: SecurityGroup) -> None:
        """Its revision tells of its rules as well."""
        if group.id not in self._touched:
            self._touched.add(group.id)
            newer = replace(group, updated_at=self.now, revision_number=group.revision_number + 1)
            self.also.append(Update(group, newer))

    def rule_keys(self, group_id: str, key: Callable[[SecurityGroupRule], Key]) -> dict[Key, str]:
        """Ids of the group's rules by what they let pass; add to it what is made."""
        if group_id not in self._rule_keys:
            self._rule_keys[group_id] = {key(rule): rule.id for rule in self.look.rules_of(group_id)}
        return self._rule_keys[group_id]

    def _let(self, group: SecurityGroup, direction: Direction, remote: str | None) -> None:
        for ethertype in ETHERTYPES:
            rule = self._resource(
                SecurityGroupRule,
                names.default_rule(group.id, direction, ethertype),
                group.project_id,
                security_group_id=group.id,
                direction=direction,
                ethertype=ethertype,
                remote_group_id=remote,
            )
            self.also.append(Create(rule, counted=False))

    def _resource(self, kind: type[R], id: str, project_id: str, **values: object) -> R:
        times = {"created_at": self.now, "updated_at": self.now}
        return kind(id=id, project_id=project_id, revision_number=1, **times, **values)  # type: ignore[arg-type]


def above(row: Any) -> str:
    """Id of the load balancer or the pool that it belongs to."""
    return str(row.pool_id if isinstance(row, Member | HealthMonitor) else row.loadbalancer_id)
