"""A southbound database of two hosts as the gate sees it; host2 is the one that is judged."""

from collections.abc import Mapping

from sealane.gate.view import View
from sealane.model import Node
from sealane.ovsdb.values import Row

ME = Node(id="n2", project_id="", name="host2", address="192.0.2.2")

CHASSIS1, CHASSIS2 = (f"c0000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
PRIVATE1, PRIVATE2 = (f"f0000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
ENCAP1, ENCAP2 = (f"e0000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
THEIRS, MINE, FREE, NOBODYS, LEAVING, ANYONES, ROUTED, OPEN = (
    f"b0000000-0000-4000-8000-00000000000{n}" for n in range(8)
)
DATAPATH = "d0000000-0000-4000-8000-000000000001"
HOSTS_OWN, WIRE, HOSTS_OWN_ABROAD, GUEST = (f"b3000000-0000-4000-8000-00000000000{n}" for n in range(4))
ABROAD, BORDER = (f"d3000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
"""Datapaths of networks: host2 has no machine on either; beside BORDER is the gateway that may be on it."""
GATE, BESIDE, AWAY = (f"b1000000-0000-4000-8000-00000000000{n}" for n in range(3))
CARRIED, THEIRS_CARRIED, STRAY, NESTED = (f"b2000000-0000-4000-8000-00000000000{n}" for n in range(4))
"""Within trunks: of host2's own port, of host1's, of one that is not there, of one that is carried itself."""
NEAR, FAR = (f"d1000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
"""Datapaths of routers: one beside a machine of host2, with a gateway that may be there; one that is not."""
GROUP1, GROUP2 = (f"90000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
ENTRY1, ENTRY2 = (f"91000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
HEARD_THEIRS, HEARD_MINE = (f"a1000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
SESSION_THEIRS, SESSION_MINE = (f"a2000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
"""Of BFD."""
CHECK_THEIRS, CHECK_MINE = (f"a3000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
"""Of Service_Monitor."""
GROUP_THEIRS, GROUP_MINE, ROUTERS_MINE, GROUP_ABROAD = (
    f"b4000000-0000-4000-8000-00000000000{n}" for n in range(1, 5)
)
FDB_THEIRS, FDB_MINE = (f"a0000000-0000-4000-8000-00000000000{n}" for n in (1, 2))


def port(key: int, chassis: str | None, requested: str, kind: str = "", mac: str = "0a:00 10.0.0.1") -> Row:
    options: dict[bool | int | float | str, bool | int | float | str] = (
        {"requested-chassis": requested} if requested else {}
    )
    return {
        "logical_port": f"port{key}",
        "type": kind,
        "chassis": chassis,
        "options": options,
        "datapath": DATAPATH,
        "tunnel_key": key,
        "mac": frozenset({mac}),
        "ha_chassis_group": None,
        "parent_port": None,
    }


def carried(key: int, parent: str) -> Row:
    return {**port(key, None, "host2"), "parent_port": parent}


def gateway(key: int, group: str, datapath: str, stands_for: str) -> Row:
    made = {**port(key, None, "", kind="chassisredirect"), "ha_chassis_group": group, "datapath": datapath}
    return {**made, "options": {"distributed-port": stands_for}}


def router_port(key: int, peer: str, datapath: str) -> Row:
    return {**port(key, None, "", kind="patch"), "options": {"peer": peer}, "datapath": datapath}


TABLES: Mapping[str, Mapping[str, Row]] = {
    "Chassis": {CHASSIS1: {"name": "host1"}, CHASSIS2: {"name": "host2"}},
    "Chassis_Private": {PRIVATE1: {"name": "host1"}, PRIVATE2: {"name": "host2"}},
    "Encap": {
        ENCAP1: {"chassis_name": "host1", "ip": "192.0.2.1"},
        ENCAP2: {"chassis_name": "host2", "ip": "192.0.2.2"},
    },
    "Port_Binding": {
        THEIRS: port(1, CHASSIS1, "host1"),
        MINE: port(2, CHASSIS2, "host2"),
        FREE: port(3, None, "host2"),
        NOBODYS: port(4, None, "(unbound)"),
        LEAVING: port(5, CHASSIS2, "host1"),
        ANYONES: port(6, None, ""),
        ROUTED: gateway(7, GROUP1, FAR, "port11"),
        OPEN: port(8, CHASSIS2, "host2", mac="unknown"),
        GATE: gateway(9, GROUP2, NEAR, "port10"),
        BESIDE: router_port(10, "port2", NEAR),
        AWAY: router_port(11, "port7", FAR),
        CARRIED: carried(12, "port3"),
        THEIRS_CARRIED: carried(13, "port1"),
        STRAY: carried(14, "port99"),
        NESTED: carried(15, "port12"),
        HOSTS_OWN: port(22, None, "", kind="localport"),
        WIRE: {**port(23, None, "", kind="localnet"), "datapath": BORDER},
        HOSTS_OWN_ABROAD: {**port(24, None, "", kind="localport"), "datapath": ABROAD},
        GUEST: router_port(25, "port10", BORDER),
    },
    "HA_Chassis_Group": {GROUP1: {"ha_chassis": ENTRY1}, GROUP2: {"ha_chassis": frozenset({ENTRY1, ENTRY2})}},
    "HA_Chassis": {ENTRY1: {"chassis": CHASSIS1}, ENTRY2: {"chassis": CHASSIS2}},
    "MAC_Binding": {
        HEARD_THEIRS: {"logical_port": "port11", "datapath": FAR},
        HEARD_MINE: {"logical_port": "port10", "datapath": NEAR},
    },
    "Service_Monitor": {
        CHECK_THEIRS: {"logical_port": "port1"},
        CHECK_MINE: {"logical_port": "port2"},
    },
    "BFD": {SESSION_THEIRS: {"logical_port": "port11"}, SESSION_MINE: {"logical_port": "port10"}},
    "Datapath_Binding": {DATAPATH: {"tunnel_key": 77}},
    "IGMP_Group": {
        GROUP_THEIRS: {"address": "239.1.1.1", "chassis": CHASSIS1, "datapath": DATAPATH},
        GROUP_MINE: {"address": "239.1.1.1", "chassis": CHASSIS2, "datapath": DATAPATH},
        ROUTERS_MINE: {"address": "mrouters", "chassis": CHASSIS2, "datapath": DATAPATH},
        GROUP_ABROAD: {"address": "ff02::1:ff00:1", "chassis": CHASSIS2, "datapath": ABROAD},
    },
    "FDB": {FDB_THEIRS: {"dp_key": 77, "port_key": 1}, FDB_MINE: {"dp_key": 77, "port_key": 8}},
}


def view(tables: Mapping[str, Mapping[str, Row]] = TABLES) -> View:
    made = View(tables)
    made.follow([(table, uuid, None, row) for table, rows in tables.items() for uuid, row in rows.items()])
    return made
