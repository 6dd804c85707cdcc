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

from sealane.gate import asked, owners
from sealane.gate.asked import Batch, Operation, Refused
from sealane.gate.owners import MadeRow, NewRow, OldRow
from sealane.gate.view import View
from sealane.model import Node

DATABASE = "OVN_Southbound"


@dataclass(frozen=True)
class Rule:
    """Columns that may be given, and the checks of a row that is made or changed.

    members: sets of references that may grow and shrink by mutations, also in the transaction that makes the
    row; own_made checks the latter.
    """

    own_new: NewRow = owners.no_new
    own_change: OldRow = field(default=lambda uuid, row, batch: owners.no_new(row, batch))
    insert: frozenset[str] = frozenset()
    update: frozenset[str] = frozenset()
    mutate: frozenset[str] = frozenset()
    delete: bool = False
    members: frozenset[str] = frozenset()
    own_made: MadeRow = field(default=lambda made, row, batch: owners.no_new(row, batch))


_CHASSIS = frozenset({"hostname", "encaps", "external_ids", "other_config", "transport_zones", "nb_cfg"})
_PRIVATE = frozenset({"chassis", "nb_cfg", "nb_cfg_timestamp", "external_ids"})
_MAPS = frozenset({"external_ids", "other_config"})
_NAME = frozenset({"name"})
_new_chassis, _old_chassis = owners.own_name("name", "Chassis")
_new_private, _old_private = owners.own_name("name", "Chassis_Private")
_, _old_encap = owners.own_name("chassis_name", "Encap")

RULES: Mapping[str, Rule] = {
    "Chassis": Rule(_new_chassis, _old_chassis, _CHASSIS | _NAME, _CHASSIS, _MAPS, delete=True),
    "Chassis_Private": Rule(
        _new_private, _old_private, _PRIVATE | _NAME, _PRIVATE, frozenset({"external_ids"}), delete=True
    ),
    "Encap": Rule(
        owners.own_encap, _old_encap, frozenset({"type", "ip", "options", "chassis_name"}), delete=True
    ),
    "Port_Binding": Rule(own_change=owners.own_binding, update=frozenset({"chassis", "encap", "up"})),
    "FDB": Rule(
        owners.new_fdb,
        owners.own_fdb,
        frozenset({"mac", "dp_key", "port_key"}),
        frozenset({"port_key"}),
        delete=True,
    ),
    "MAC_Binding": Rule(
        owners.new_neighbour,
        owners.own_neighbour,
        frozenset({"logical_port", "ip", "mac", "datapath", "timestamp"}),
        frozenset({"mac", "timestamp"}),
    ),
    "BFD": Rule(own_change=owners.own_session, update=frozenset({"status"})),
    "Service_Monitor": Rule(own_change=owners.own_check, update=frozenset({"status"})),
    "IGMP_Group": Rule(
        owners.new_membership,
        owners.own_membership,
        frozenset({"address", "datapath", "chassis", "ports"}),
        frozenset({"ports"}),
        delete=True,
        members=frozenset({"ports"}),
        own_made=owners.made_membership,
    ),
}


def check_transaction(params: Sequence[object], node: Node, view: View) -> None:
    """Raises Refused for the first operation that may not be."""
    operations = [asked.operation(raw) for raw in params[1:]]
    made = {str(op["uuid-name"]): op for op in operations if "uuid-name" in op}
    batch = Batch(node, view, made)
    for operation in operations:
        name = operation.get("op")
        if not isinstance(name, str) or name not in _OPERATIONS:
            raise Refused(f"the operation '{str(name)[:40]}' is not for nodes")
        _OPERATIONS[name](operation, batch)


def _comment(operation: Operation, batch: Batch) -> None:
    asked.only(operation, "op", "comment")


def _wait(operation: Operation, batch: Batch) -> None:
    """It changes nothing; one with a time would sit in the server."""
    _rule(asked.table(operation))
    asked.target(operation)
    if operation.get("timeout") != 0:
        raise Refused("an operation 'wait' must have the timeout 0")


def _insert(operation: Operation, batch: Batch) -> None:
    asked.only(operation, "op", "table", "row", "uuid-name")
    table, row = asked.table(operation), asked.row(operation)
    rule = _rule(table)
    _columns(table, row, rule.insert)
    rule.own_new(row, batch)
    _references(table, row, batch)


def _update(operation: Operation, batch: Batch) -> None:
    asked.only(operation, "op", "table", "where", "row")
    table, row = asked.table(operation), asked.row(operation)
    rule = _rule(table)
    _columns(table, row, rule.update)
    rule.own_change(asked.target(operation), row, batch)
    _references(table, row, batch)


def _mutate(operation: Operation, batch: Batch) -> None:
    """Maps and numbers of its own rows; of references, only those of a set that the rule names."""
    asked.only(operation, "op", "table", "where", "mutations")
    table = asked.table(operation)
    rule = _rule(table)
    mutations = operation.get("mutations")
    if not isinstance(mutations, list) or not mutations:
        raise Refused("the mutations are no list")
    for mutation in mutations:
        _changed(operation, rule, _mutation(mutation, rule), batch)


def _mutation(mutation: object, rule: Rule) -> Operation:
    """The row of an update that would do as much."""
    match mutation:
        case [str(column), str(), _] if column in rule.mutate:
            return {}
        case [str(column), "insert", added] if column in rule.members:
            return {column: added}
        case [str(column), "delete", _] if column in rule.members:
            return {column: ["set", []]}
    raise Refused("a mutation that is not for nodes")


def _changed(operation: Operation, rule: Rule, row: Operation, batch: Batch) -> None:
    """A row that is there, or that the same transaction makes."""
    match operation.get("where"):
        case [["_uuid", "==", ["named-uuid", str(name)]]]:
            made = batch.made.get(name, {})
            if made.get("op") != "insert" or made.get("table") != operation["table"]:
                raise Refused("a change of a row that is not made")
            rule.own_made(asked.row(made), row, batch)
        case _:
            rule.own_change(asked.target(operation), row, batch)


def _delete(operation: Operation, batch: Batch) -> None:
    asked.only(operation, "op", "table", "where")
    rule = _rule(asked.table(operation))
    if not rule.delete:
        raise Refused(f"a row of {operation['table']} is not for nodes to delete")
    rule.own_change(asked.target(operation), {}, batch)


_OPERATIONS: Mapping[str, Callable[[Operation, Batch], None]] = {
    "comment": _comment,
    "wait": _wait,
    "insert": _insert,
    "update": _update,
    "mutate": _mutate,
    "delete": _delete,
}


def _rule(table: str) -> Rule:
    if table not in RULES:
        raise Refused(f"the table {table[:40]} is not for nodes to change")
    return RULES[table]


def _columns(table: str, row: Operation, allowed: frozenset[str]) -> None:
    if further := row.keys() - allowed:
        raise Refused(f"{table}.{sorted(further)[0][:40]} is not for nodes to set")


def _references(table: str, row: Operation, batch: Batch) -> None:
    """Every reference leads to a row of the node's own, or to none; and the host name is its name."""
    if table == "Chassis" and row.get("hostname", batch.node.name) != batch.node.name:
        raise Refused(f"Chassis.hostname must be '{batch.node.name}'")
    for column, target in (("chassis", "Chassis"), ("encaps", "Encap"), ("encap", "Encap")):
        if column in row:
            for reference in asked.members(row[column]):
                _own_reference(reference, target, batch)


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
