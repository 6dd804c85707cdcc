"""What happened, as the difference of two moments. Pure.

    two States             -> networks, ports, routers, nodes … created, updated, deleted
    bindings that moved    -> ports bound, active, down
    two sets of ports      -> misbound (an alarm), righted
    two sets of hosts      -> nodes seen, lost (an alarm)

A moment that was missed makes fewer events, never wrong ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from sealane.model import AddressGroup, FloatingIP, Node, Port, State, Subnet, SubnetPool
from sealane.moves import moved
from sealane.ovn.southbound import Binding

What = Literal[
    "created", "updated", "deleted", "bound", "active", "down", "misbound", "righted", "seen", "lost"
]
ALARMS: frozenset[What] = frozenset({"misbound", "lost"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """fields: which attributes were updated, in the API's words. wanted_host: of a port that is misbound.
    addresses: of a port or a node; of a subnet what it spans; of a floating IP its own and where it leads.
    """

    kind: str
    what: What
    id: str
    name: str = ""
    project_id: str = ""
    network_id: str = ""
    host: str = ""
    wanted_host: str = ""
    addresses: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    @property
    def alarm(self) -> bool:
        return self.what in ALARMS


KINDS: Mapping[str, Callable[[State], Mapping[str, Any]]] = {
    "node": lambda state: state.nodes,
    "token": lambda state: state.tokens,
    "project": lambda state: state.projects,
    "user": lambda state: state.users,
    "role_assignment": lambda state: state.role_assignments,
    "quota": lambda state: state.quotas,
    "network": lambda state: state.networks,
    "address_group": lambda state: state.address_groups,
    "address_scope": lambda state: state.address_scopes,
    "subnetpool": lambda state: state.subnetpools,
    "segment": lambda state: state.segments,
    "subnet": lambda state: state.subnets,
    "security_group": lambda state: state.security_groups,
    "security_group_rule": lambda state: state.security_group_rules,
    "policy": lambda state: state.policies,
    "bandwidth_limit_rule": lambda state: state.bandwidth_limit_rules,
    "dscp_marking_rule": lambda state: state.dscp_marking_rules,
    "log": lambda state: state.logs,
    "tap_service": lambda state: state.tap_services,
    "tap_flow": lambda state: state.tap_flows,
    "tap_mirror": lambda state: state.tap_mirrors,
    "metering_label": lambda state: state.metering_labels,
    "metering_label_rule": lambda state: state.metering_label_rules,
    "rbac_policy": lambda state: state.rbac_policies,
    "router": lambda state: state.routers,
    "port": lambda state: state.ports,
    "trunk": lambda state: state.trunks,
    "sub_port": lambda state: state.sub_ports,
    "floatingip": lambda state: state.floatingips,
    "port_forwarding": lambda state: state.port_forwardings,
}
"""Parents first: so they are told of when they come, and in the opposite order when they go."""

API_NAMES: Mapping[tuple[str, str], str] = {
    ("network", "gateway"): "sealane:gateway",
    ("network", "multicast_snooping"): "sealane:multicast_snooping",
    ("router", "multicast_relay"): "sealane:multicast_relay",
    ("network", "origin"): "sealane:origin",
    ("network", "labels"): "sealane:labels",
    ("network", "external"): "router:external",
    ("subnet", "segmented"): "segment_id",
    ("subnet", "further_segment_id"): "segment_id",
    ("network", "network_type"): "provider:network_type",
    ("network", "physical_network"): "provider:physical_network",
    ("network", "segmentation_id"): "provider:segmentation_id",
    ("port", "host"): "binding:host_id",
    ("port", "vnic_type"): "binding:vnic_type",
    ("port", "profile"): "binding:profile",
    ("port", "dns_aliases"): "sealane:dns_aliases",
    ("port", "quarantine"): "sealane:quarantine",
    ("port", "services"): "sealane:services",
    ("port", "taps"): "sealane:taps",
    ("port", "log"): "sealane:log",
    ("port", "meters"): "sealane:meters",
    ("port", "withdrawn"): "sealane:withdrawn",
}
QUIET = frozenset({"revision_number", "updated_at", "tunnel_key", "deferred"})
"""Change with every update, or are nobody's wish."""


def differences(old: State, new: State) -> Iterator[Event]:
    """Deletions, then creations and updates."""
    pairs = [(kind, pick(old), pick(new)) for kind, pick in KINDS.items()]
    others = [(kind, before, after, moved(before, after)) for kind, before, after in pairs]
    for kind, before, after, ids in reversed(others):
        gone = (before[id] for id in ids if id not in after)
        yield from (_about(kind, "deleted", row) for row in sorted(gone, key=lambda row: (row.name, row.id)))
    for kind, before, after, ids in others:
        news = [(before.get(id), after[id]) for id in ids if id in after]
        for was, row in sorted(news, key=lambda pair: (pair[1].name, pair[1].id)):
            if was is None:
                yield _about(kind, "created", row)
            elif names := changed_fields(kind, was, row):
                yield _about(kind, "updated", row, fields=names)


def changed_fields(kind: str, old: Any, new: Any) -> tuple[str, ...]:
    """Names that differ, as the API calls them."""
    names = (f.name for f in fields(new) if f.name not in QUIET)
    changed = (API_NAMES.get((kind, n), n) for n in names if getattr(old, n) != getattr(new, n))
    return tuple(dict.fromkeys(changed))


def _about(kind: str, what: What, row: Any, **more: Any) -> Event:
    """With the host where one belongs to the thing."""
    host = row.host if kind == "port" else row.name if kind == "node" else ""
    return Event(
        kind=kind,
        what=what,
        id=row.id,
        name=row.name,
        project_id=row.project_id,
        network_id=row.id if kind == "network" else getattr(row, "network_id", ""),
        host=host,
        addresses=_addresses(row),
        **more,
    )


def _addresses(row: Any) -> tuple[str, ...]:
    if isinstance(row, FloatingIP):
        return (row.floating_ip_address, *((row.fixed_ip_address,) if row.fixed_ip_address else ()))
    if isinstance(row, AddressGroup):
        return row.addresses
    if isinstance(row, SubnetPool):
        return row.prefixes
    if isinstance(row, Port):
        return tuple(fixed.ip_address for fixed in row.fixed_ips)
    if isinstance(row, Subnet):
        return (row.cidr,)
    return (row.address,) if isinstance(row, Node) else ()


@dataclass(frozen=True)
class Move:
    """A port's binding before and after; hosts by name, "" for none."""

    port: str
    old_host: str = ""
    old_up: bool = False
    host: str = ""
    up: bool = False


def move(port: str, old: Binding | None, new: Binding | None, name: Callable[[str], str]) -> Move:
    """name: the name of the chassis whose row has that UUID, also of one that has just gone."""

    def place(binding: Binding | None) -> tuple[str, bool]:
        host = name(binding.chassis) if binding is not None and binding.chassis else ""
        return host, bool(host) and binding is not None and binding.up

    return Move(port, *place(old), *place(new))


def binding_events(moves: Iterable[Move], state: State) -> Iterator[Event]:
    """Of ports that are there; that a deleted port is bound no more goes without saying."""
    for one in moves:
        port = state.ports.get(one.port)
        if port is None:
            continue
        if one.old_up and not (one.up and one.host == one.old_host):
            yield _placed(port, "down", one.old_host)
        if one.host and one.host != one.old_host:
            yield _placed(port, "bound", one.host)
        if one.up and not (one.old_up and one.host == one.old_host):
            yield _placed(port, "active", one.host)


def _placed(port: Port, what: What, host: str) -> Event:
    wanted = port.host if what == "misbound" else ""
    return Event(
        kind="port",
        what=what,
        id=port.id,
        name=port.name,
        project_id=port.project_id,
        network_id=port.network_id,
        host=host,
        wanted_host=wanted,
        addresses=_addresses(port),
    )


def mismatch_events(old: Mapping[str, str], new: Mapping[str, str], state: State) -> Iterator[Event]:
    """old, new: port -> the host that has it though it should not."""
    for id in sorted(old.keys() | new.keys()):
        port = state.ports.get(id)
        if port is None or old.get(id) == new.get(id):
            continue
        yield _placed(port, "misbound", new[id]) if id in new else _placed(port, "righted", port.host)


def node_events(old: frozenset[str], new: frozenset[str], state: State) -> Iterator[Event]:
    """old, new: names of the hosts that are alive."""
    ids = {node.name: node.id for node in state.nodes.values()}
    changes: tuple[tuple[What, frozenset[str]], ...] = (("lost", old - new), ("seen", new - old))
    for what, names in changes:
        for name in sorted(names & ids.keys()):  # that a node which was removed is lost goes without saying
            yield Event(kind="node", what=what, id=ids[name], name=name, host=name)
