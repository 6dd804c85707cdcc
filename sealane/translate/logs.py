"""Logs of security groups -> the ACLs that they are about once more, one step above, with a name and a meter.

    a rule's ACL      1002    logged  1003    ACL.name is the rule's id
    the drop group's  1000    logged  1001    drop-<group>, drop-<port>
                      1004    logged  1005

So what has no log is as it is without, and what passes by two groups is logged if one of them is.  A row
is for all of a group or for some ports of it; which log a packet belongs to is found out where it is read
(api/log_lines.py), by `covers`.  A port can ask for a log of its own (`sealane:log`), and a network for its
containers (its label sealane.log).  ovn-controller writes a line for each packet that the meter lets pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import get_args

from sealane import names
from sealane.model import Log, LoggedEvent, Network, Port, SecurityGroup, SecurityGroupRule, State, Subnet
from sealane.translate import groups
from sealane.translate.memo import Memo
from sealane.translate.rows import Parent, Ref, Row, row
from sealane.translate.switches import by_network

RATE, BURST = 50, 100
"""Packets a second, and at once, that each ACL may have logged by each host."""
METER = (
    row("Meter", names.LOG_METER, {"unit": "pktps", "fair": True}),
    row(
        "Meter_Band",
        names.LOG_METER,
        {"action": "drop", "rate": RATE, "burst_size": BURST},
        Parent(Ref("Meter", names.LOG_METER), "bands"),
    ),
)
Ports = tuple[str, ...]
"""Ids; empty: all of the group."""


@dataclass
class Reach:
    """What is logged. Of groups and networks that are not here nothing is."""

    accepted: dict[str, set[str]] = field(default_factory=dict)
    """Group -> ports; "" among them is all of its ports."""
    by_network: dict[str, set[str]] = field(default_factory=dict)
    """Network -> ports that are in no group that anybody has chosen."""
    dropped_of_groups: set[str] = field(default_factory=set)
    dropped_of_ports: set[str] = field(default_factory=set)


def all_logs(state: State) -> Iterator[Log]:
    """With what ports and containers' networks ask for themselves, each as a log of that port."""
    yield from state.logs.values()
    asked = {id: event for id, n in state.networks.items() if (event := event_of(n.labels.get(names.LOG)))}
    for port in state.ports.values():
        inherits = bool(asked) and port.device_owner in names.CONTAINER_PORTS
        event = event_of(port.log) or (asked.get(port.network_id) if inherits else None)
        if event is not None:
            yield Log(
                id=port.id,
                name=names.LOG,
                project_id=port.project_id,
                revision_number=1,
                created_at="",
                updated_at="",
                resource_type="security_group",
                target_id=port.id,
                event=event,
            )


def event_of(text: str | None) -> LoggedEvent | None:
    """None where it is none: a network's label can be anything."""
    return next((event for event in get_args(LoggedEvent) if event == text), None)


def reach(state: State) -> Reach:
    found = Reach()
    for log in all_logs(state):
        if log.enabled:
            _add(log, state, found)
    return found


def _add(log: Log, state: State, found: Reach) -> None:
    ports = _ports(log, state)
    if log.target_id is None:
        for id in _groups(log, state):
            if log.event != "DROP":
                found.accepted.setdefault(id, set()).add("")
            if log.event != "ACCEPT":
                found.dropped_of_groups.add(id)
    for port in ports:
        if log.event != "ACCEPT":
            found.dropped_of_ports.add(port.id)
        if log.event == "DROP":
            continue
        for id in port.security_groups if log.target_id is not None else ():
            if log.resource_id in (None, id):
                found.accepted.setdefault(id, set()).add(port.id)
        if groups.is_as_docker_has_it(port) and log.resource_id is None:
            found.by_network.setdefault(port.network_id, set()).add(port.id)


def _groups(log: Log, state: State) -> Iterator[str]:
    if log.resource_id is not None:
        yield from (log.resource_id,) if log.resource_id in state.security_groups else ()
        return
    yield from (group.id for group in state.security_groups.values() if group.project_id == log.project_id)


def _ports(log: Log, state: State) -> Iterator[Port]:
    """Of a port's log that port; of a project's log those that its groups don't stand for."""
    if log.target_id is not None:
        port = state.ports.get(log.target_id)
        if port is not None and groups.is_held(port) and covers(log, port):
            yield port
    elif log.resource_id is None:
        yield from (
            p for p in state.ports.values() if groups.is_held(p) and not p.security_groups and covers(log, p)
        )


def covers(log: Log, port: Port) -> bool:
    """Whether a log is about packets of that port."""
    return (
        log.enabled
        and log.project_id == port.project_id
        and log.target_id in (None, port.id)
        and (log.resource_id is None or log.resource_id in port.security_groups)
    )


def rows(state: State, memo: Memo) -> Iterator[Row]:
    if not any(log.enabled for log in all_logs(state)):
        return
    yield from METER
    found = reach(state)
    rule, network, group, port = memo.of(_rule), memo.of(_network), memo.of(_group), memo.of(_port)
    for one in state.security_group_rules.values():
        owner = state.security_groups.get(one.security_group_id)
        if owner is not None and (ports := found.accepted.get(owner.id)):
            acl = rule(one.id, one, owner, _some(ports))
            yield from (acl,) if acl is not None else ()
    subnets = by_network(state)
    for id, members in sorted(found.by_network.items()):
        if (there := state.networks.get(id)) is not None:
            yield from network(id, there, _some(members), *subnets.get(id, ()))
    for id in sorted(found.dropped_of_groups):
        yield from group(id, id)
    for id in sorted(found.dropped_of_ports):
        yield from port(id, id)


def _some(ports: set[str]) -> Ports:
    return () if "" in ports else tuple(sorted(ports))


def _rule(rule: SecurityGroupRule, group: SecurityGroup, ports: Ports) -> Row | None:
    acl = groups.rule_row(rule, group)
    return _logged(acl, rule.id, ports) if acl is not None else None


def _network(network: Network, ports: Ports, *subnets: Subnet) -> tuple[Row, ...]:
    name = f"{names.LOGGED_NETWORK}{network.id}"
    acls = (one for one in groups.network_rows(network, *subnets) if one.table == "ACL")
    return tuple(_logged(acl, name, ports) for acl in acls)


def _group(id: str) -> tuple[Row, ...]:
    """The drop group's, for one group alone."""
    name, holder = f"{names.LOGGED_DROP}{id}", names.port_group(id)
    made = []
    for acl in groups.DROPS:
        match = str(acl.columns["match"]).replace(f"@{names.DROP_GROUP}", f"@{holder}")
        parent = Parent(Ref("Port_Group", holder), "acls")
        moved = Row(acl.table, f"{acl.key}-{id}", {**acl.columns, "match": match}, (parent,))
        made.append(_logged(moved, name, ()))
    return tuple(made)


def _port(id: str) -> tuple[Row, ...]:
    name = f"{names.LOGGED_DROP}{id}"
    return tuple(
        _logged(Row(acl.table, f"{acl.key}-{id}", acl.columns, acl.parents), name, (id,))
        for acl in groups.DROPS
    )


def _logged(acl: Row, name: str, ports: Ports) -> Row:
    columns = dict(acl.columns)
    if ports:
        side, _, rest = str(columns["match"]).partition(" == ")
        quoted = ", ".join(f'"{id}"' for id in ports)
        columns["match"] = f"{side} == {{{quoted}}} && {rest.partition(' && ')[2]}"
    priority = columns["priority"]
    assert isinstance(priority, int)
    columns |= {
        "priority": priority + 1,
        "name": name,
        "log": True,
        "severity": "info",
        "meter": names.LOG_METER,
    }
    del columns["external_ids"]
    return row("ACL", f"log-{acl.key}", columns, *acl.parents)
