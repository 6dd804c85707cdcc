"""Whose a row of the southbound database is, and whose it may become: pure, each check raises Refused."""

from collections.abc import Callable
from ipaddress import ip_address

from sealane.gate import asked
from sealane.gate.asked import Batch, Operation, Refused
from sealane.gate.view import EVERYWHERE, GATEWAY, ROUTER
from sealane.ovsdb.values import Row

NewRow = Callable[[Operation, Batch], None]
OldRow = Callable[[str, Operation, Batch], None]
MadeRow = Callable[[Operation, Operation, Batch], None]


def own_name(column: str, table: str) -> tuple[NewRow, OldRow]:
    """Rows that bear the node's name in `column`."""

    def new(row: Operation, batch: Batch) -> None:
        if row.get(column) != batch.node.name:
            raise Refused(f"{table}.{column} must be '{batch.node.name}'")

    def old(uuid: str, row: Operation, batch: Batch) -> None:
        found = batch.view.row(table, uuid)
        if found is None or found[column] != batch.node.name:
            raise Refused(f"the row {uuid} of {table} is not that of '{batch.node.name}'")

    return new, old


def own_encap(row: Operation, batch: Batch) -> None:
    if row.get("chassis_name") != batch.node.name or row.get("ip") != batch.node.address:
        raise Refused(f"Encap must be of '{batch.node.name}' and have the address {batch.node.address}")


def no_new(row: Operation, batch: Batch) -> None:
    raise Refused("such rows are not for nodes to make")


def own_binding(uuid: str, row: Operation, batch: Batch) -> None:
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


def new_fdb(row: Operation, batch: Batch) -> None:
    _learning_port(row.get("dp_key"), row.get("port_key"), batch)


def own_fdb(uuid: str, row: Operation, batch: Batch) -> None:
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


def new_neighbour(row: Operation, batch: Batch) -> None:
    binding = batch.view.port(row.get("logical_port"))
    if binding is None or row.get("datapath") != ["uuid", binding["datapath"]]:
        raise Refused("MAC_Binding: there is no such port on this datapath")
    _routing(binding, batch)


def own_neighbour(uuid: str, row: Operation, batch: Batch) -> None:
    entry = batch.view.row("MAC_Binding", uuid)
    binding = batch.view.port(entry["logical_port"]) if entry is not None else None
    if binding is None:
        raise Refused(f"there is no MAC_Binding {uuid} of a router's port")
    _routing(binding, batch)


def new_membership(row: Operation, batch: Batch) -> None:
    match (row.get("chassis"), row.get("datapath")):
        case (["uuid", str(uuid)], ["uuid", str(datapath)]) if _is_mine(uuid, batch):
            _listening(row.get("address"), row.get("ports", ["set", []]), datapath, batch)
        case _:
            raise Refused(f"IGMP_Group.chassis must be '{batch.node.name}', and it must have a datapath")


def made_membership(made: Operation, row: Operation, batch: Batch) -> None:
    """The row itself is checked as an insert of its own."""
    new_membership({**made, **row}, batch)


def own_membership(uuid: str, row: Operation, batch: Batch) -> None:
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
    members = asked.members(ports)
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


def own_session(uuid: str, row: Operation, batch: Batch) -> None:
    entry = batch.view.row("BFD", uuid)
    if entry is None or not batch.view.may_be_gateway(entry["logical_port"], batch.node.name):
        raise Refused(f"BFD: the session {uuid} is of no gateway that may be on '{batch.node.name}'")


def own_check(uuid: str, row: Operation, batch: Batch) -> None:
    """Who has a server on him says whether it is there."""
    entry = batch.view.row("Service_Monitor", uuid)
    port = batch.view.port(entry["logical_port"]) if entry is not None else None
    if port is None or batch.view.holder(port) != batch.node.name:
        raise Refused(f"Service_Monitor: the server of {uuid} is not on '{batch.node.name}'")
