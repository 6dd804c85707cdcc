"""Taps: copies of what ports send and are sent, on their way to the port that is to see them.

    source's host                                           host of the service's port
    container ─ veth ──────> br-int
                 └─ copy ──> tapin-<service>-<host> ┐
                                 Logical_Switch tap-<service> ─ tunnel ─> tapout-<service> ──> veth

OVN 23.03 mirrors to an IP address outside only (ovn-nb(5), Mirror), so the agents copy (agent/taps.py), and a
logical switch of its own carries the copies of each service: no other switch knows it, no container has a
port in it, and a host may only claim the ends that are its own (requested-chassis).  Whatever address a copy
is for, it goes to the one port whose addresses are 'unknown'.  Nothing enters by that one, and nobody but it
is flooded (the agent takes the group bit from what enters).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sealane import names
from sealane.model import Port, State, TapDirection, TapService
from sealane.translate.memo import Memo
from sealane.translate.rows import OWNED, Parent, Ref, Row, Value
from sealane.translate.switches import FLOODING

MOST = 16
"""Services that see one port at most: each copy costs its sender time."""


@dataclass(frozen=True)
class Source:
    """A port whose packets are copied: those that it sends, those that it is sent."""

    port_id: str
    host: str
    outward: bool
    inward: bool


@dataclass(frozen=True)
class Tap:
    """A service whose port is there, and whose packets it gets."""

    id: str
    project_id: str
    port: Port
    mtu: int
    """Of the widest of the networks."""
    sources: tuple[Source, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(sorted({source.host for source in self.sources if source.host}))


def taps(state: State) -> Iterator[Tap]:
    """Also by what ports say of themselves. A port that is given copies is no source, whoever asks for it."""
    if not state.tap_services:
        return
    flows = _flows(state)
    sinks = {service.port_id for service in state.tap_services.values()}
    for service in sorted(state.tap_services.values(), key=lambda s: s.id):
        port = state.ports.get(service.port_id)
        if port is not None:
            found = [
                _source(source, directions)
                for id, directions in sorted(flows.get(service.id, {}).items())
                if (source := state.ports.get(id)) is not None and id not in sinks
            ]
            yield Tap(service.id, service.project_id, port, _mtu(state, port, found), tuple(found))


def rows(state: State, memo: Memo) -> Iterator[Row]:
    make = memo.of(_rows)
    for tap in taps(state):
        yield from make(tap.id, tap.id, tap.project_id, tap.port.host, tap.port.admin_state_up, tap.hosts)


def wanted(text: str) -> tuple[str, TapDirection]:
    """Of what a port says: the service's name or id, and the direction."""
    name, _, direction = text.rpartition(":")
    return name, direction  # type: ignore[return-value]  # the API writes nothing else


def _flows(state: State) -> Mapping[str, Mapping[str, frozenset[TapDirection]]]:
    """Service -> source -> directions."""
    found: dict[str, dict[str, frozenset[TapDirection]]] = {}
    named: dict[tuple[str, str], list[TapService]] = {}
    counts: dict[str, int] = {}

    def put(service: str, source: str, direction: TapDirection) -> None:
        known = found.setdefault(service, {})
        if source not in known:
            counts[source] = counts.get(source, 0) + 1
        if source in known or counts[source] <= MOST:
            known[source] = known.get(source, frozenset()) | {direction}

    for flow in sorted(state.tap_flows.values(), key=lambda f: (f.created_at, f.id)):
        put(flow.tap_service_id, flow.source_port, flow.direction)
    for service in state.tap_services.values():
        for name in {service.name, service.id}:
            named.setdefault((service.project_id, name), []).append(service)
    by_network = _by_network(state)
    for port in state.ports.values():
        inherits = bool(by_network) and not port.taps and port.device_owner in names.CONTAINER_PORTS
        for text in by_network.get(port.network_id, ()) if inherits else port.taps:
            name, direction = wanted(text)
            meant = named.get((port.project_id, name), ())
            if len(meant) == 1:
                put(meant[0].id, port.id, direction)
    return found


def _by_network(state: State) -> Mapping[str, tuple[str, ...]]:
    """What networks say for their containers by their label, which can be anything: NAME:DIRECTION."""
    labelled = {id: n.labels[names.TAP] for id, n in state.networks.items() if names.TAP in n.labels}
    return {id: tuple(_told(text)) for id, text in labelled.items()}


def _told(text: str) -> Iterator[str]:
    for word in filter(None, (word.strip() for word in text.split(",")[:MOST])):
        name, _, direction = word.rpartition(":")
        yield f"{name}:{direction.upper()}" if name and direction in ("in", "out", "both") else f"{word}:BOTH"


def _source(port: Port, directions: frozenset[TapDirection]) -> Source:
    out, inward = bool(directions & {"OUT", "BOTH"}), bool(directions & {"IN", "BOTH"})
    return Source(port.id, port.host, out, inward)


def _mtu(state: State, port: Port, sources: list[Source]) -> int:
    ports = (port, *(state.ports[source.port_id] for source in sources))
    known = (state.networks.get(port.network_id) for port in ports)
    return max((network.mtu for network in known if network is not None), default=0)


def _rows(id: str, project: str, host: str, enabled: bool, hosts: tuple[str, ...]) -> tuple[Row, ...]:
    switch = names.tap_switch(id)
    columns: dict[str, Value] = {
        "name": switch,
        "external_ids": {**OWNED, "neutron:project_id": project},
        "other_config": {**FLOODING, "vlan-passthru": "true"},
    }
    held = Parent(Ref("Logical_Switch", switch), "ports")
    entries = (_end(names.tap_entry(id, at), at, frozenset[str](), True, held) for at in hosts)
    out = _end(names.tap_exit(id), host or names.NOWHERE, frozenset({"unknown"}), enabled, held)
    return (Row("Logical_Switch", switch, columns), out, *entries)


def _end(name: str, host: str, addresses: frozenset[str], enabled: bool, held: Parent) -> Row:
    columns: dict[str, Value] = {
        "name": name,
        "type": "",
        "addresses": addresses,
        "port_security": frozenset[str](),
        "enabled": enabled,
        "external_ids": OWNED,
        "options": {"requested-chassis": host},
    }
    return Row("Logical_Switch_Port", name, columns, (held,))
