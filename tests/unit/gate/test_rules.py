"""What passes and what does not; and that nothing which passes changes a row of somebody else."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealane.gate.asked import Refused
from sealane.gate.rules import DATABASE, RULES, check_transaction
from tests.unit.gate import world
from tests.unit.gate.world import ME

Operation = dict[str, Any]
NONE: list[object] = ["set", []]


def where(uuid: str) -> list[object]:
    return [["_uuid", "==", ["uuid", uuid]]]


def update(table: str, uuid: str, /, **row: object) -> Operation:
    return {"op": "update", "table": table, "where": where(uuid), "row": row}


def insert(table: str, key: str = "", /, **row: object) -> Operation:
    return {"op": "insert", "table": table, "row": row, **({"uuid-name": key} if key else {})}


def delete(table: str, uuid: str) -> Operation:
    return {"op": "delete", "table": table, "where": where(uuid)}


def mutate(table: str, uuid: str, *mutation: object) -> Operation:
    return {"op": "mutate", "table": table, "where": where(uuid), "mutations": [list(mutation)]}


def passes(*operations: object) -> bool:
    try:
        check_transaction([DATABASE, *operations], ME, world.view())
    except Refused:
        return False
    return True


def claim(port: str, chassis: str = world.CHASSIS2) -> Operation:
    return update("Port_Binding", port, chassis=["uuid", chassis])


def member(
    chassis: object, ports: object, datapath: str = world.DATAPATH, address: str = "239.1.1.1"
) -> Operation:
    row = {"address": address, "chassis": chassis, "datapath": ["uuid", datapath], "ports": ports}
    return insert("IGMP_Group", **row)


def added(kind: str, group: str, port: str) -> Operation:
    mutations = [["ports", "insert", ["set", [["uuid", port]]]]]
    rows = [["_uuid", "==", [kind, group]]]
    return {"op": "mutate", "table": "IGMP_Group", "where": rows, "mutations": mutations}


REGISTER = (
    insert(
        "Chassis", "c", name="host2", hostname="host2", encaps=["named-uuid", "e"], other_config=["map", []]
    ),
    insert("Encap", "e", type="geneve", ip="192.0.2.2", options=["map", []], chassis_name="host2"),
    insert("Chassis_Private", "p", name="host2", chassis=["named-uuid", "c"], nb_cfg=0, nb_cfg_timestamp=0),
    {"op": "comment", "comment": "ovn-controller"},
)

ALLOWED: Mapping[str, tuple[Operation, ...]] = {
    "register": REGISTER,
    "unregister": (
        delete("Chassis_Private", world.PRIVATE2),
        delete("Chassis", world.CHASSIS2),
        delete("Encap", world.ENCAP2),
    ),
    "claim": (claim(world.FREE),),
    "claim what its own port carries": (claim(world.CARRIED), claim(world.FREE)),
    "claim for a chassis that is being made": (
        *REGISTER,
        update("Port_Binding", world.FREE, chassis=["named-uuid", "c"], encap=["named-uuid", "e"]),
    ),
    "up": (update("Port_Binding", world.MINE, up=True),),
    "let go": (update("Port_Binding", world.MINE, up=False, chassis=NONE),),
    "let go what has moved away": (update("Port_Binding", world.LEAVING, up=False, chassis=NONE),),
    "acknowledge": (update("Chassis_Private", world.PRIVATE2, nb_cfg=7, nb_cfg_timestamp=1795526007272),),
    "new encap": (
        insert("Encap", "e", type="geneve", ip="192.0.2.2", options=["map", []], chassis_name="host2"),
        update("Chassis", world.CHASSIS2, encaps=["named-uuid", "e"]),
    ),
    "one key of a map": (mutate("Chassis", world.CHASSIS2, "other_config", "insert", ["map", [["a", "b"]]]),),
    "be a gateway": (claim(world.GATE),),
    "hear a neighbour": (
        insert(
            "MAC_Binding",
            logical_port="port10",
            ip="10.0.0.9",
            mac="0a:00:00:00:00:09",
            datapath=["uuid", world.NEAR],
        ),
        update("MAC_Binding", world.HEARD_MINE, mac="0a:00:00:00:00:08", timestamp=7),
    ),
    "tell how a station is": (update("BFD", world.SESSION_MINE, status="up"),),
    "tell how a server is": (update("Service_Monitor", world.CHECK_MINE, status="online"),),
    "hear of a listener": (
        member(["uuid", world.CHASSIS2], ["uuid", world.MINE]),
        update("IGMP_Group", world.GROUP_MINE, ports=["set", [["uuid", world.MINE], ["uuid", world.OPEN]]]),
    ),
    "hear the host itself, in its own network": (
        member(["uuid", world.CHASSIS2], ["set", [["uuid", world.HOSTS_OWN], ["uuid", world.MINE]]]),
    ),
    "hear of a listener on a wire": (
        member(["uuid", world.CHASSIS2], ["uuid", world.WIRE], world.BORDER, "ff05::7"),
    ),
    "hear of no router": (
        insert(
            "IGMP_Group",
            address="mrouters",
            chassis=["uuid", world.CHASSIS2],
            datapath=["uuid", world.ABROAD],
        ),
        update("IGMP_Group", world.ROUTERS_MINE, ports=NONE),
    ),
    "hear of a router": (update("IGMP_Group", world.ROUTERS_MINE, ports=["uuid", world.MINE]),),
    "have lost the last listener": (update("IGMP_Group", world.GROUP_MINE, ports=NONE),),
    "hear of a listener, as ovn-controller says it": (
        {**member(["uuid", world.CHASSIS2], NONE), "uuid-name": "g"},
        added("named-uuid", "g", world.MINE),
    ),
    "one more, and one less": (
        added("uuid", world.GROUP_MINE, world.OPEN),
        mutate("IGMP_Group", world.GROUP_MINE, "ports", "delete", ["set", [["uuid", world.MINE]]]),
    ),
    "forget a listener": (delete("IGMP_Group", world.GROUP_MINE),),
    "learn a MAC": (insert("FDB", mac="0a:00:00:00:00:01", dp_key=77, port_key=8),),
    "wait": (
        {
            "op": "wait",
            "table": "Chassis",
            "where": where(world.CHASSIS2),
            "timeout": 0,
            "until": "==",
            "rows": [],
        },
    ),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_what_a_controller_does_with_its_own_passes(case: str) -> None:
    check_transaction([DATABASE, *ALLOWED[case]], ME, world.view())


REFUSED: Mapping[str, Operation] = {
    "claim another's port": claim(world.THEIRS),
    "claim nobody's port": claim(world.NOBODYS),
    "claim anyone's port": claim(world.ANYONES),
    "claim what another's port carries": claim(world.THEIRS_CARRIED),
    "claim what is carried by none": claim(world.STRAY),
    "claim what is carried by what is carried": claim(world.NESTED),
    "claim a gateway of others": claim(world.ROUTED),
    "claim a router's port": claim(world.BESIDE),
    "hear for another router": update("MAC_Binding", world.HEARD_THEIRS, mac="0a:00:00:00:00:08"),
    "hear on another datapath": insert("MAC_Binding", logical_port="port10", datapath=["uuid", world.FAR]),
    "move a neighbour": update("MAC_Binding", world.HEARD_MINE, logical_port="port11"),
    "forget a neighbour": delete("MAC_Binding", world.HEARD_MINE),
    "tell how another's station is": update("BFD", world.SESSION_THEIRS, status="down"),
    "tell how another's server is": update("Service_Monitor", world.CHECK_THEIRS, status="offline"),
    "ask another server": update("Service_Monitor", world.CHECK_MINE, logical_port="port2"),
    "ask one more": insert("Service_Monitor", logical_port="port2", ip="10.0.0.1", port=80),
    "ask no longer": delete("Service_Monitor", world.CHECK_MINE),
    "watch another station": update("BFD", world.SESSION_MINE, dst_ip="192.0.2.9"),
    "watch one more": insert("BFD", logical_port="port10", dst_ip="192.0.2.9"),
    "watch no longer": delete("BFD", world.SESSION_MINE),
    "claim what has moved away": claim(world.LEAVING),
    "say up of what has moved away": update("Port_Binding", world.LEAVING, up=True),
    "claim for another chassis": claim(world.FREE, world.CHASSIS1),
    "claim for no chassis that there is": claim(world.FREE, "00000000-0000-4000-8000-000000000000"),
    "claim for a chassis of nowhere": update("Port_Binding", world.FREE, chassis=["named-uuid", "zzz"]),
    "another's encap": update("Port_Binding", world.FREE, encap=["uuid", world.ENCAP1]),
    "let go another's port": update("Port_Binding", world.THEIRS, chassis=NONE),
    "take another's port down": update("Port_Binding", world.THEIRS, up=False),
    "an unknown port": claim("00000000-0000-4000-8000-000000000000"),
    "a further chassis": update("Port_Binding", world.MINE, additional_chassis=["uuid", world.CHASSIS2]),
    "the port's addresses": update("Port_Binding", world.MINE, mac="unknown"),
    "the port's wish": update("Port_Binding", world.MINE, options=["map", []]),
    "a new port": insert("Port_Binding", logical_port="x"),
    "delete a port": delete("Port_Binding", world.MINE),
    "mutate a port": mutate("Port_Binding", world.MINE, "tunnel_key", "+=", 1),
    "another's chassis": update("Chassis", world.CHASSIS1, hostname="host2"),
    "delete another's chassis": delete("Chassis", world.CHASSIS1),
    "play another chassis": insert("Chassis", name="host1", hostname="host2"),
    "play another host": insert("Chassis", name="host2", hostname="host1"),
    "become another host": update("Chassis", world.CHASSIS2, hostname="host1"),
    "rename the chassis": update("Chassis", world.CHASSIS2, name="host1"),
    "a chassis without name": insert("Chassis", hostname="host2"),
    "point to another's encap": update("Chassis", world.CHASSIS2, encaps=["uuid", world.ENCAP1]),
    "point to both": update(
        "Chassis", world.CHASSIS2, encaps=["set", [["uuid", world.ENCAP2], ["uuid", world.ENCAP1]]]
    ),
    "references by mutation": mutate("Chassis", world.CHASSIS2, "encaps", "insert", ["uuid", world.ENCAP1]),
    "another's address": insert("Encap", type="geneve", ip="192.0.2.1", chassis_name="host2"),
    "an encap for another": insert("Encap", type="geneve", ip="192.0.2.2", chassis_name="host1"),
    "change an encap": update("Encap", world.ENCAP2, ip="192.0.2.1"),
    "delete another's encap": delete("Encap", world.ENCAP1),
    "answer for another": update("Chassis_Private", world.PRIVATE1, nb_cfg=7),
    "private part of another": update("Chassis_Private", world.PRIVATE2, chassis=["uuid", world.CHASSIS1]),
    "a listener of another": member(["uuid", world.CHASSIS1], ["uuid", world.MINE]),
    "a listener of nobody": member(NONE, ["uuid", world.MINE]),
    "a listener that it has not": member(["uuid", world.CHASSIS2], ["uuid", world.FREE]),
    "no listener, in a network of others": member(["uuid", world.CHASSIS2], NONE, world.ABROAD),
    "the host itself, in a network of others": member(
        ["uuid", world.CHASSIS2], ["uuid", world.HOSTS_OWN_ABROAD], world.ABROAD
    ),
    "a wire of another network": member(["uuid", world.CHASSIS2], ["uuid", world.WIRE]),
    "one more listener that it has not": added("uuid", world.GROUP_MINE, world.FREE),
    "one more of another's": added("uuid", world.GROUP_THEIRS, world.MINE),
    "one more in a network of others": added("uuid", world.GROUP_ABROAD, world.HOSTS_OWN_ABROAD),
    "one more of a row that is not made": added("named-uuid", "nothing", world.MINE),
    "one less of another's": mutate(
        "IGMP_Group", world.GROUP_THEIRS, "ports", "delete", ["uuid", world.THEIRS]
    ),
    "the last one less, in a network of others": mutate(
        "IGMP_Group", world.GROUP_ABROAD, "ports", "delete", ["uuid", world.MINE]
    ),
    "another address by mutation": mutate("IGMP_Group", world.GROUP_MINE, "address", "insert", "239.1.1.2"),
    "no mutation": {"op": "mutate", "table": "Chassis", "where": where(world.CHASSIS2), "mutations": []},
    "a router of others": member(["uuid", world.CHASSIS2], ["uuid", world.FREE], address="mrouters"),
    "a group that is none": member(["uuid", world.CHASSIS2], ["uuid", world.MINE], address="10.0.0.1"),
    "a group of no address": member(["uuid", world.CHASSIS2], ["uuid", world.MINE], address="all"),
    "a group of no network": insert(
        "IGMP_Group", address="239.1.1.1", chassis=["uuid", world.CHASSIS2], ports=["uuid", world.MINE]
    ),
    "a listener in another network": member(["uuid", world.CHASSIS2], ["uuid", world.MINE], world.FAR),
    "have listeners elsewhere": update("IGMP_Group", world.GROUP_MINE, ports=["uuid", world.FREE]),
    "take the listeners from others": update("IGMP_Group", world.GROUP_ABROAD, ports=NONE),
    "give the listeners away": update("IGMP_Group", world.GROUP_MINE, chassis=["uuid", world.CHASSIS1]),
    "another's listeners": update("IGMP_Group", world.GROUP_THEIRS, ports=["uuid", world.MINE]),
    "forget another's listeners": delete("IGMP_Group", world.GROUP_THEIRS),
    "MAC for a port with security": insert("FDB", mac="0a:00:00:00:00:01", dp_key=77, port_key=2),
    "MAC for another's port": insert("FDB", mac="0a:00:00:00:00:01", dp_key=77, port_key=1),
    "draw a MAC away": update("FDB", world.FDB_THEIRS, port_key=8),
    "send a MAC away": update("FDB", world.FDB_MINE, port_key=1),
    "forget another's MAC": delete("FDB", world.FDB_THEIRS),
    "a port by its name": {
        "op": "update",
        "table": "Port_Binding",
        "where": [["logical_port", "==", "port3"]],
        "row": {"up": True},
    },
    "all rows": {"op": "update", "table": "Port_Binding", "where": [], "row": {"up": False}},
    "all but one": {
        "op": "update",
        "table": "Port_Binding",
        "where": [["_uuid", "!=", ["uuid", world.FREE]]],
        "row": {"up": True},
    },
    "two conditions": {
        "op": "delete",
        "table": "Chassis",
        "where": [*where(world.CHASSIS2), ["name", "==", "host1"]],
    },
    "no condition": {"op": "delete", "table": "Chassis"},
    "a uuid of its choice": {**insert("Chassis", name="host2"), "uuid": world.CHASSIS1},
    "a wait that takes time": {
        "op": "wait",
        "table": "Chassis",
        "where": where(world.CHASSIS2),
        "timeout": 9000,
    },
    "a wait without time": {"op": "wait", "table": "Chassis", "where": where(world.CHASSIS2)},
    "select": {"op": "select", "table": "Chassis", "where": []},
    "assert": {"op": "assert", "lock": "ovn_northd"},
    "abort": {"op": "abort"},
    "commit": {"op": "commit", "durable": True},
    "nothing": {},
    "no table": {"op": "insert", "row": {}},
    "no row": {"op": "update", "table": "Chassis", "where": where(world.CHASSIS2)},
    "an operation of another type": {"op": ["insert"], "table": "Chassis", "row": {}},
    "no mutations": {"op": "mutate", "table": "Chassis", "where": where(world.CHASSIS2)},
    "mutations of another type": mutate("Chassis", world.CHASSIS2, ["other_config"], "insert", ["map", []]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_another_s_is_refused(case: str) -> None:
    assert not passes(REFUSED[case])
    assert not passes(*ALLOWED["claim"], REFUSED[case]), "behind something that passes"


def test_what_is_added_to_a_row_that_is_made_is_judged_too() -> None:
    group = {**member(["uuid", world.CHASSIS2], NONE), "uuid-name": "g"}
    assert passes(group, added("named-uuid", "g", world.MINE))
    assert not passes(group, added("named-uuid", "g", world.FREE))
    chassis = insert("Chassis", "g", name="host2")
    assert not passes(chassis, added("named-uuid", "g", world.MINE))
    assert not passes(chassis, {**added("named-uuid", "g", world.MINE), "table": "Chassis"})


@pytest.mark.parametrize("operation", [None, [], "insert", 7, ["op", "insert"]])
def test_what_is_no_operation_is_refused(operation: object) -> None:
    assert not passes(operation)


def test_a_name_of_a_row_of_another_table_is_no_reference() -> None:
    encap = insert("Encap", "x", type="geneve", ip="192.0.2.2", chassis_name="host2")
    assert not passes(encap, update("Port_Binding", world.FREE, chassis=["named-uuid", "x"]))


# any transaction: what passes leaves others' rows as they are

UUIDS = [uuid for rows in world.TABLES.values() for uuid in rows]
REFERENCES = st.sampled_from(
    [
        NONE,
        *(["uuid", u] for u in UUIDS),
        ["named-uuid", "a"],
        ["named-uuid", "b"],
        ["set", [["uuid", UUIDS[0]]]],
    ]
)
NAMES = st.sampled_from(["host1", "host2", "", "192.0.2.1", "192.0.2.2", "geneve"])
VALUES: Mapping[str, st.SearchStrategy[object]] = {
    "name": NAMES,
    "hostname": NAMES,
    "chassis_name": NAMES,
    "ip": NAMES,
    "type": NAMES,
    "chassis": REFERENCES,
    "encaps": REFERENCES,
    "encap": REFERENCES,
    "up": st.booleans(),
    "ports": REFERENCES,
    "datapath": st.just(["uuid", world.DATAPATH]),
    "nb_cfg": st.integers(0, 3),
    "dp_key": st.sampled_from([77, 78]),
    "port_key": st.sampled_from([1, 2, 8]),
    "options": st.just(["map", []]),
}
ROWS = st.fixed_dictionaries({}, optional=dict(VALUES))
TARGETS = st.sampled_from(UUIDS).map(where)
OPERATIONS = st.one_of(
    st.fixed_dictionaries(
        {"op": st.just("insert"), "table": st.sampled_from(list(world.TABLES)), "row": ROWS},
        optional={"uuid-name": st.sampled_from(["a", "b"])},
    ),
    st.fixed_dictionaries(
        {"op": st.just("update"), "table": st.sampled_from(list(world.TABLES)), "where": TARGETS, "row": ROWS}
    ),
    st.fixed_dictionaries(
        {"op": st.just("delete"), "table": st.sampled_from(list(world.TABLES)), "where": TARGETS}
    ),
)


@settings(max_examples=1500)
@given(st.lists(OPERATIONS, min_size=1, max_size=4))
def test_nothing_that_passes_touches_what_is_another_s(operations: list[Operation]) -> None:
    if not passes(*operations):
        return
    named = {op["uuid-name"]: op["row"] for op in operations if "uuid-name" in op}
    for operation in operations:
        table, row = operation["table"], operation.get("row", {})
        if operation["op"] == "insert":
            assert owner(table, row) == ME.name
            assert table != "Encap" or row["ip"] == ME.address
        else:
            uuid = operation["where"][0][2][1]
            assert may_touch(table, uuid, row)
        for column in ("chassis", "encap", "encaps"):
            assert all(refers_to_me(reference, named) for reference in references(row.get(column, NONE)))


def owner(table: str, row: Mapping[str, Any]) -> str:
    if table == "FDB":
        return ME.name if (row["dp_key"], row["port_key"]) == (77, 8) else "another"
    if table == "IGMP_Group":
        return ME.name if row.get("chassis") in (world.CHASSIS2, ["uuid", world.CHASSIS2]) else "another"
    if table == "Service_Monitor":
        return ME.name if row.get("logical_port") == "port2" else "another"
    if table in ("MAC_Binding", "BFD"):
        return ME.name if row.get("logical_port") == "port10" else "another"
    return str(row.get("chassis_name" if table == "Encap" else "name", ""))


def may_touch(table: str, uuid: str, change: Mapping[str, Any]) -> bool:
    row = world.TABLES[table][uuid]
    if table != "Port_Binding":
        return owner(table, row) == ME.name and owner(table, {**row, **change}) == ME.name
    if uuid in (world.MINE, world.FREE, world.OPEN, world.GATE, world.CARRIED):
        return change.keys() <= {"chassis", "encap", "up"}
    gives_up = (
        change.get("chassis", NONE) == NONE and change.get("encap", NONE) == NONE and not change.get("up")
    )
    return uuid == world.LEAVING and gives_up and change.keys() <= {"chassis", "encap", "up"}


def references(value: Any) -> list[Any]:
    return list(value[1]) if value[0] == "set" else [value]


def refers_to_me(reference: Any, named: Mapping[str, Mapping[str, Any]]) -> bool:
    kind, name = reference
    if kind == "uuid":
        return name in (world.CHASSIS2, world.ENCAP2)
    return ME.name in (named[name].get("name"), named[name].get("chassis_name"))


def test_every_table_with_a_rule_is_in_the_view() -> None:
    assert RULES.keys() <= world.TABLES.keys()
    assert copy.deepcopy(world.TABLES) == world.TABLES
