"""What a node may ask of the southbound database: pure, from a message and a view to a refusal or none.

OVN's own role-based access (role `ovn-controller`, ovn-architecture(7)) lets every chassis change any
Port_Binding, MAC_Binding and FDB row.  These rules are narrower, and both must agree: what ovn-controller
was seen to send passes, on rows of its own, and all else is refused.

    table            insert   update                    delete   whose
    Chassis          yes      all but the name          yes      name is the node's
    Chassis_Private  yes      all but the name          yes      name is the node's
    Encap            yes      -                         yes      chassis_name is the node's, ip its address
    Port_Binding     -        chassis, encap, up        -        requested-chassis is the node, or it holds it
                                                                 or is a gateway that may be on the node;
                                                                 within a trunk: so is the parent
    FDB              yes      port_key                  yes      a port without port security that it holds
    MAC_Binding      yes      mac, timestamp            -        a router's port that the node does work for
    BFD              -        status                    -        a gateway's that may be on the node
    Service_Monitor  -        status                    -        a server's whose port it holds
    IGMP_Group       yes      ports                     yes      chassis is the node, which holds the ports;
                                                                 or every host has them, and it machines there
    any other        -        -                         -
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from sealane.gate.view import EVERYWHERE, GATEWAY, ROUTER, View
from sealane.model import Node
from sealane.ovsdb.values import Row

DATABASE = "OVN_Southbound"

Operation = Mapping[str, object]


class Refused(Exception):
    """Why, in a sentence for the node's log and ours."""


@dataclass(frozen=True)
class Batch:
    """One transaction: who sends it, what is there, and the rows that it makes itself, by uuid-name."""

    node: Node
    view: View
    made: Mapping[str, Operation] = field(default_factory=dict)


def check_transaction(params: Sequence[object], node: Node, view: View) -> None:
    """Raises Refused for the first operation that may not be."""
    operations = [_operation(raw) for raw in params[1:]]
    made = {str(op["uuid-name"]): op for op in operations if "uuid-name" in op}
    batch = Batch(node, view, made)
    for operation in operations:
        name = operation.get("op")
        if not isinstance(name, str) or name not in _OPERATIONS:
            raise Refused(f"the operation '{str(name)[:40]}' is not for nodes")
        _OPERATIONS[name](operation, batch)


def _operation(raw: object) -> Operation:
    if not isinstance(raw, dict):
        raise Refused("an operation is an object")
    return raw


def _comment(operation: Operation, batch: Batch) -> None:
    _only(operation, "op", "comment")


def _wait(operation: Operation, batch: Batch) -> None:
    """It changes nothing; one with a time would sit in the server."""
    _rule(_table(operation))
    _target(operation)
    if operation.get("timeout") != 0:
        raise Refused("an operation 'wait' must have the timeout 0")


def _insert(operation: Operation, batch: Batch) -> None:
    _only(operation, "op", "table", "row", "uuid-name")
    table, row = _table(operation), _row(operation)
    rule = _rule(table)
    _columns(table, row, rule.insert)
    rule.own_new(row, batch)
    _references(table, row, batch)


def _update(operation: Operation, batch: Batch) -> None:
    _only(operation, "op", "table", "where", "row")
    table, row = _table(operation), _row(operation)
    rule = _rule(table)
    _columns(table, row, rule.update)
    rule.own_change(_target(operation), row, batch)
    _references(table, row, batch)


def _mutate(operation: Operation, batch: Batch) -> None:
    """Maps and numbers of its own rows; of references, only those of a set that the rule names."""
    _only(operation, "op", "table", "where", "mutations")
    table = _table(operation)
    rule = _rule(table)
    mutations = operation.get("mutations")
    if not isinstance(mutations, list) or not mutations:
        raise Refused("the mutations are no list")
    for mutation in mutations:
        _changed(operation, rule, _mutation(mutation, rule), batch)


def _mutation(mutation: object, rule: "Rule") -> Operation:
    """The row of an update that would do as much."""
    match mutation:
        case [str(column), str(), _] if column in rule.mutate:
            return {}
        case [str(column), "insert", added] if column in rule.members:
            return {column: added}
        case [str(column), "delete", _] if column in rule.members:
            return {column: ["set", []]}
    raise Refused("a mutation that is not for nodes")


def _changed(operation: Operation, rule: "Rule", row: Operation, batch: Batch) -> None:
    """A row that is there, or that the same transaction makes."""
    match operation.get("where"):
        case [["_uuid", "==", ["named-uuid", str(name)]]]:
            made = batch.made.get(name, {})
            if made.get("op") != "insert" or made.get("table") != operation["table"]:
                raise Refused("a change of a row that is not made")
            rule.own_made(_row(made), row, batch)
        case _:
            rule.own_change(_target(operation), row, batch)


def _delete(operation: Operation, batch: Batch) -> None:
    _only(operation, "op", "table", "where")
    rule = _rule(_table(operation))
    if not rule.delete:
        raise Refused(f"a row of {operation['table']} is not for nodes to delete")
    rule.own_change(_target(operation), {}, batch)


_OPERATIONS: Mapping[str, Callable[[Operation, Batch], None]] = {
    "comment": _comment,
    "wait": _wait,
    "insert": _insert,
    "update": _update,
    "mutate": _mutate,
    "delete": _delete,
}


# who owns what


def _own_name(column: str, table: str) -> tuple["NewRow", "OldRow"]:
    """Rows that bear the node's name in `column`."""

    def new(row: Operation, batch: Batch) -> None:
        if row.get(column) != batch.node.name:
            raise Refused(f"{table}.{column} must be '{batch.node.name}'")

    def old(uuid: str, row: Operation, batch: Batch) -> None:
        found = batch.view.row(table, uuid)
        if found is None or found[column] != batch.node.name:
            raise Refused(f"the row {uuid} of {table} is not that of '{batch.node.name}'")

    return new, old


def _own_encap(row: Operation, batch: Batch) -> None:
    if row.get("chassis_name") != batch.node.name or row.get("ip") != batch.node.address:
        raise Refused(f"Encap must be of '{batch.node.name}' and have the address {batch.node.address}")


def _no_new(row: Operation, batch: Batch) -> None:
    raise Refused("such rows are not for nodes to make")


def _own_binding(uuid: str, row: Operation, batch: Batch) -> None:
    """A port is taken only by whom it is meant for, and let go only by who has it."""
    binding = batch.view.row("Port_Binding", uuid)
    if binding is None:
        raise Refused(f"there is no Port_Binding {uuid}")
    meant = _is_meant(binding, batch)
    held = batch.view.holder(binding) == batch.node.name
    if not meant and not (held and row in LETTING_GO):
        raise Refused(f"the port {binding['logical_port']} is not for '{batch.node.name}'")


def _is_meant(binding: Row, batch: Batch) -> bool:
    if binding["type"] == GATEWAY:
        return batch.node.name in batch.view.gateway_hosts(binding)
    if binding["parent_port"] and not _carries(binding, batch):
        return False
    return batch.view.meant_for(binding) == batch.node.name and binding["type"] == ""


def _carries(binding: Row, batch: Batch) -> bool:
    """A port within a trunk is where its parent is. ovn-controller claims both in one transaction, so it is
    whom the parent is meant for that counts: nobody else can claim that one."""
    parent = batch.view.carrier(binding)
    if parent is None or parent["parent_port"] or parent["type"] != "":
        return False
    return batch.view.meant_for(parent) == batch.node.name


LETTING_GO = (
    {"chassis": ["set", []]},
    {"chassis": ["set", []], "up": False},
    {"chassis": ["set", []], "encap": ["set", []]},
    {"chassis": ["set", []], "encap": ["set", []], "up": False},
    {"up": False},
    {"encap": ["set", []]},
)
"""What may still be done to a port that was meant for the node and is so no more."""


def _new_fdb(row: Operation, batch: Batch) -> None:
    _learning_port(row.get("dp_key"), row.get("port_key"), batch)


def _own_fdb(uuid: str, row: Operation, batch: Batch) -> None:
    """A MAC that was learnt on another host is not to be drawn away from there."""
    entry = batch.view.row("FDB", uuid)
    if entry is None:
        raise Refused(f"there is no FDB {uuid}")
    _learning_port(entry["dp_key"], entry["port_key"], batch)
    if "port_key" in row:
        _learning_port(entry["dp_key"], row["port_key"], batch)


def _learning_port(datapath: object, port: object, batch: Batch) -> None:
    binding = batch.view.port_of(datapath, port)
    if binding is None or batch.view.holder(binding) != batch.node.name:
        raise Refused(f"FDB: '{batch.node.name}' does not hold the port {port} of the datapath {datapath}")
    if not batch.view.learns(binding):
        raise Refused("FDB: the port has port security, so its addresses are known")


def _new_neighbour(row: Operation, batch: Batch) -> None:
    binding = batch.view.port(row.get("logical_port"))
    if binding is None or row.get("datapath") != ["uuid", binding["datapath"]]:
        raise Refused("MAC_Binding: there is no such port on this datapath")
    _routing(binding, batch)


def _own_neighbour(uuid: str, row: Operation, batch: Batch) -> None:
    entry = batch.view.row("MAC_Binding", uuid)
    binding = batch.view.port(entry["logical_port"]) if entry is not None else None
    if binding is None:
        raise Refused(f"there is no MAC_Binding {uuid} of a router's port")
    _routing(binding, batch)


def _new_membership(row: Operation, batch: Batch) -> None:
    match (row.get("chassis"), row.get("datapath")):
        case (["uuid", str(uuid)], ["uuid", str(datapath)]) if _is_mine(uuid, batch):
            _listening(row.get("address"), row.get("ports", ["set", []]), datapath, batch)
        case _:
            raise Refused(f"IGMP_Group.chassis must be '{batch.node.name}', and it must have a datapath")


def _made_membership(made: Operation, row: Operation, batch: Batch) -> None:
    """The row itself is checked as an insert of its own."""
    _new_membership({**made, **row}, batch)


def _own_membership(uuid: str, row: Operation, batch: Batch) -> None:
    group = batch.view.row("IGMP_Group", uuid)
    if group is None or not _is_mine(str(group["chassis"]), batch):
        raise Refused(f"the row {uuid} of IGMP_Group is not that of '{batch.node.name}'")
    if "ports" in row:
        _listening(group["address"], row["ports"], str(group["datapath"]), batch)


def _is_mine(chassis: str, batch: Batch) -> bool:
    row = batch.view.row("Chassis", chassis)
    return row is not None and row["name"] == batch.node.name


MULTICAST_ROUTERS = "mrouters"
"""IGMP_Group.address of the ports behind which there are routers; every host has such a row, mostly without
ports, for each network that it knows."""


def _listening(address: object, ports: object, datapath: str, batch: Batch) -> None:
    """Ports of that datapath.  A group without any takes its packets from everybody, so it is for those
    whose machines are on the network."""
    members = _members(ports)
    if address == MULTICAST_ROUTERS and not members:
        return
    if address != MULTICAST_ROUTERS and not _is_group(address):
        raise Refused(f"IGMP_Group.address: '{str(address)[:50]}' is no multicast address")
    here = batch.view.takes_part(datapath, batch.node.name)
    if not here or not all(_listens(member, datapath, batch) for member in members):
        raise Refused(f"IGMP_Group: '{batch.node.name}' does not hold the ports")


def _is_group(address: object) -> bool:
    try:
        return isinstance(address, str) and ip_address(address).is_multicast
    except ValueError:
        return False


def _listens(port: object, datapath: str, batch: Batch) -> bool:
    """It is the node's, or one that is on every host: of the gateway, or of a physical network."""
    match port:
        case ["uuid", str(uuid)]:
            if (binding := batch.view.row("Port_Binding", uuid)) is not None:
                held = batch.view.holder(binding) == batch.node.name or binding["type"] in EVERYWHERE
                return held and binding["datapath"] == datapath
    return False


def _routing(binding: Row, batch: Batch) -> None:
    """Whom a router hears of is learnt where it is heard: on a host with machines beside the router, or
    where a gateway may be."""
    if binding["type"] != ROUTER or not batch.view.serves_router(binding, batch.node.name):
        raise Refused(f"MAC_Binding: '{batch.node.name}' does no work for {binding['logical_port']}")


def _own_session(uuid: str, row: Operation, batch: Batch) -> None:
    entry = batch.view.row("BFD", uuid)
    if entry is None or not batch.view.may_be_gateway(entry["logical_port"], batch.node.name):
        raise Refused(f"BFD: the session {uuid} is of no gateway that may be on '{batch.node.name}'")


def _own_check(uuid: str, row: Operation, batch: Batch) -> None:
    """Who has a server on him says whether it is there."""
    entry = batch.view.row("Service_Monitor", uuid)
    port = batch.view.port(entry["logical_port"]) if entry is not None else None
    if port is None or batch.view.holder(port) != batch.node.name:
        raise Refused(f"Service_Monitor: the server of {uuid} is not on '{batch.node.name}'")


NewRow = Callable[[Operation, Batch], None]
OldRow = Callable[[str, Operation, Batch], None]
MadeRow = Callable[[Operation, Operation, Batch], None]


@dataclass(frozen=True)
class Rule:
    """Columns that may be given, and the checks of a row that is made or changed.

    members: sets of references that may grow and shrink by mutations, also in the transaction that makes the
    row; own_made checks the latter.
    """

    own_new: NewRow = _no_new
    own_change: OldRow = field(default=lambda uuid, row, batch: _no_new(row, batch))
    insert: frozenset[str] = frozenset()
    update: frozenset[str] = frozenset()
    mutate: frozenset[str] = frozenset()
    delete: bool = False
    members: frozenset[str] = frozenset()
    own_made: MadeRow = field(default=lambda made, row, batch: _no_new(row, batch))


_CHASSIS = frozenset({"hostname", "encaps", "external_ids", "other_config", "transport_zones", "nb_cfg"})
_PRIVATE = frozenset({"chassis", "nb_cfg", "nb_cfg_timestamp", "external_ids"})
_MAPS = frozenset({"external_ids", "other_config"})
_NAME = frozenset({"name"})
_new_chassis, _old_chassis = _own_name("name", "Chassis")
_new_private, _old_private = _own_name("name", "Chassis_Private")
_, _old_encap = _own_name("chassis_name", "Encap")

RULES: Mapping[str, Rule] = {
    "Chassis": Rule(_new_chassis, _old_chassis, _CHASSIS | _NAME, _CHASSIS, _MAPS, delete=True),
    "Chassis_Private": Rule(
        _new_private, _old_private, _PRIVATE | _NAME, _PRIVATE, frozenset({"external_ids"}), delete=True
    ),
    "Encap": Rule(_own_encap, _old_encap, frozenset({"type", "ip", "options", "chassis_name"}), delete=True),
    "Port_Binding": Rule(own_change=_own_binding, update=frozenset({"chassis", "encap", "up"})),
    "FDB": Rule(
        _new_fdb,
        _own_fdb,
        frozenset({"mac", "dp_key", "port_key"}),
        frozenset({"port_key"}),
        delete=True,
    ),
    "MAC_Binding": Rule(
        _new_neighbour,
        _own_neighbour,
        frozenset({"logical_port", "ip", "mac", "datapath", "timestamp"}),
        frozenset({"mac", "timestamp"}),
    ),
    "BFD": Rule(own_change=_own_session, update=frozenset({"status"})),
    "Service_Monitor": Rule(own_change=_own_check, update=frozenset({"status"})),
    "IGMP_Group": Rule(
        _new_membership,
        _own_membership,
        frozenset({"address", "datapath", "chassis", "ports"}),
        frozenset({"ports"}),
        delete=True,
        members=frozenset({"ports"}),
        own_made=_made_membership,
    ),
}


# the parts of an operation


def _only(operation: Operation, *keys: str) -> None:
    if further := operation.keys() - set(keys):
        raise Refused(f"an operation with '{sorted(further)[0][:40]}' is not for nodes")


def _table(operation: Operation) -> str:
    table = operation.get("table")
    if not isinstance(table, str):
        raise Refused("the operation names no table")
    return table


def _rule(table: str) -> Rule:
    if table not in RULES:
        raise Refused(f"the table {table[:40]} is not for nodes to change")
    return RULES[table]


def _row(operation: Operation) -> Operation:
    row = operation.get("row")
    if not isinstance(row, dict):
        raise Refused("the operation has no row")
    return row


def _columns(table: str, row: Operation, allowed: frozenset[str]) -> None:
    if further := row.keys() - allowed:
        raise Refused(f"{table}.{sorted(further)[0][:40]} is not for nodes to set")


def _target(operation: Operation) -> str:
    """The one row that it is about: conditions of another kind could match rows that we can't see."""
    match operation.get("where"):
        case [["_uuid", "==", ["uuid", str(uuid)]]]:
            return uuid
    raise Refused("an operation must name one row by its _uuid")


def _references(table: str, row: Operation, batch: Batch) -> None:
    """Every reference leads to a row of the node's own, or to none; and the host name is its name."""
    if table == "Chassis" and row.get("hostname", batch.node.name) != batch.node.name:
        raise Refused(f"Chassis.hostname must be '{batch.node.name}'")
    for column, target in (("chassis", "Chassis"), ("encaps", "Encap"), ("encap", "Encap")):
        if column in row:
            for reference in _members(row[column]):
                _own_reference(reference, target, batch)


def _members(value: object) -> Sequence[object]:
    match value:
        case ["set", list(members)]:
            return members
        case ["uuid" | "named-uuid", str()]:
            return [value]
    raise Refused("a reference that is none")


def _own_reference(reference: object, table: str, batch: Batch) -> None:
    match reference:
        case ["uuid", str(uuid)]:
            row = batch.view.row(table, uuid)
            key = "name" if table == "Chassis" else "chassis_name"
            if row is not None and row[key] == batch.node.name:
                return
        case ["named-uuid", str(name)]:
            made = batch.made.get(name)
            if made is not None and made.get("op") == "insert" and made.get("table") == table:
                return  # it is checked as an insert of its own
    raise Refused(f"a reference to a row of {table} that is not that of '{batch.node.name}'")
