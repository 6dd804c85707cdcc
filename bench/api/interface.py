"""An interface on br-int with a logical port's id: what binds a port, whoever does it (ovn-controller(8)).

Of type `internal`: Open vSwitch makes the device itself, and nobody's netlink is measured with it.
"""

from sealane.ovsdb import operations as ops
from sealane.ovsdb.client import Client
from sealane.ovsdb.operations import Operation
from sealane.ovsdb.values import Named

PATIENCE = 60.0
MARK = "sealane-bench"


async def plug(ovs: Client, port: str) -> None:
    """Returns when Open vSwitch's database has the rows."""
    name = f"b{port[:13]}"
    interface = {"name": name, "type": "internal", "external_ids": {"iface-id": port}}
    row = {"name": name, "interfaces": [Named("interface")], "external_ids": {MARK: port}}
    rows = [
        ops.insert(ovs.schema, "Interface", interface, name="interface"),
        ops.insert(ovs.schema, "Port", row, name="port"),
        _ports("insert", ["named-uuid", "port"]),
    ]
    await ovs.transact([*rows, _reconfigure()], PATIENCE)


async def unplug(ovs: Client, port: str) -> None:
    look: Operation = {
        "op": "select",
        "table": "Port",
        "where": [["external_ids", "includes", ["map", [[MARK, port]]]]],
        "columns": ["_uuid"],
    }
    (reply,) = await ovs.transact([look], PATIENCE)
    found = reply["rows"]
    assert isinstance(found, list)
    await ovs.transact([*(_ports("delete", row["_uuid"]) for row in found), _reconfigure()], PATIENCE)


def _ports(mutator: str, row: list[str]) -> Operation:
    where = [["name", "==", "br-int"]]
    return {"op": "mutate", "table": "Bridge", "where": where, "mutations": [["ports", mutator, row]]}


def _reconfigure() -> Operation:
    """Tells ovs-vswitchd to look (ovs-vswitchd.conf.db(5), next_cfg)."""
    return {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
