"""A stolen certificate of a node: what can be done with it to the southbound database.

Every table, every operation, on rows of the node's own and of others; and everything else that can be
sent.  What is told of the outcome is not believed: the rows are compared.
"""

import json
import os
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.daemons import until
from tests.gate.place import SOUTHBOUND, Gone, Member, Peer, Place, fails

SCHEMA: Mapping[str, Any] = msgspec.json.decode(Path("/usr/share/ovn/ovn-sb.ovsschema").read_bytes())
TABLES: Mapping[str, Any] = SCHEMA["tables"]
NONE: list[object] = ["set", []]
NOBODY = "00000000-0000-0000-0000-000000000000"
Rows = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def thief(place: Place) -> Iterator[Member]:
    """host2, registered as its ovn-controller would have done it, beside host1 with ports of its own."""
    place.keep_open()
    joined = place.join("host2", "192.0.2.2")
    until(place.listens, "the gate is open")
    nb, sb = place.central.nbctl, place.central.sbctl
    sb("chassis-add", "host1", "geneve", "192.0.2.1")
    nb("ls-add", "blue")
    for number, (name, host) in enumerate(
        (
            *(("theirs", "host1"), ("mine", "host2"), ("free", "host2"), ("nobodys", "(unbound)")),
            *(("open", "host2"), ("leaving", "host2"), ("anyones", "")),
        ),
        1,
    ):
        nb("lsp-add", "blue", name)
        address = f"0a:00:00:00:00:0{number} 10.0.0.{number}"
        nb("lsp-set-addresses", name, "unknown" if name == "open" else address)
        if host:
            nb("lsp-set-options", name, f"requested-chassis={host}")
    place.central.synced()
    sb("lsp-bind", "theirs", "host1")
    with joined.connect() as peer:
        made = peer.transact(
            insert("Chassis", "c", name="host2", hostname="host2", encaps=["named-uuid", "e"]),
            insert("Encap", "e", type="geneve", ip="192.0.2.2", chassis_name="host2"),
            insert("Chassis_Private", "p", name="host2", chassis=["named-uuid", "c"]),
        )
        assert not fails(made), made
        for name in ("mine", "open", "leaving"):
            assert not fails(peer.transact(claim(place, name)))
    nb("lsp-set-options", "leaving", "requested-chassis=host1")
    place.central.synced()
    # one row of each table that a node could wish to change, made by root
    sb(
        "create",
        "MAC_Binding",
        "logical_port=theirs",
        "ip=10.0.0.1",
        'mac="0a:00:00:00:00:01"',
        f"datapath={datapath(place)}",
    )
    sb("create", "FDB", 'mac="0a:00:00:00:00:01"', f"dp_key={dp_key(place)}", "port_key=1")
    sb("create", "Service_Monitor", "ip=10.0.0.1", "logical_port=theirs", "port=80")
    sb(
        "create",
        "BFD",
        "src_port=50000",
        "disc=1",
        "logical_port=theirs",
        "dst_ip=10.0.0.1",
        "status=down",
        "min_tx=1",
        "min_rx=1",
        "detect_mult=1",
    )
    sb("create", "Controller_Event", "event_type=empty_lb_backends", "seq_num=1")
    yield joined
    joined.remove()


def rows(place: Place) -> Rows:
    """All that is in the database, read by root; without what the server changes by itself."""
    with Peer.root(place) as root:
        found = root.transact(*({"op": "select", "table": table, "where": []} for table in TABLES))
    return {
        table: {
            row["_uuid"][1]: {c: v for c, v in row.items() if (table, c) not in VOLATILE}
            for row in result["rows"]
        }
        for table, result in zip(TABLES, found, strict=True)
    }


VOLATILE = {("Connection", "status"), ("Connection", "is_connected"), ("Connection", "_version")}


def uuid_of(place: Place, table: str, condition: str) -> str:
    return place.central.sbctl("--bare", "--columns=_uuid", "find", table, condition).split()[0]


def binding(place: Place, name: str) -> str:
    return uuid_of(place, "Port_Binding", f"logical_port={name}")


def datapath(place: Place) -> str:
    return place.central.sbctl("--bare", "--columns=_uuid", "list", "Datapath_Binding").split()[0]


def dp_key(place: Place) -> int:
    return int(place.central.sbctl("--bare", "--columns=tunnel_key", "list", "Datapath_Binding").split()[0])


def key_of(place: Place, name: str = "open") -> int:
    return int(place.central.key("Port_Binding", "logical_port", name))


def where(uuid: str) -> list[object]:
    return [["_uuid", "==", ["uuid", uuid]]]


def insert(table: str, key: str = "", /, **row: object) -> dict[str, Any]:
    return {"op": "insert", "table": table, "row": row, **({"uuid-name": key} if key else {})}


def update(table: str, uuid: str, /, **row: object) -> dict[str, Any]:
    return {"op": "update", "table": table, "where": where(uuid), "row": row}


def claim(place: Place, name: str, chassis: str = "host2") -> dict[str, Any]:
    own = uuid_of(place, "Chassis", f"name={chassis}")
    return update("Port_Binding", binding(place, name), chassis=["uuid", own])


def some_value(spec: Any) -> object:
    """A value that the column takes."""
    kind = spec if isinstance(spec, str) else spec["key"]
    if isinstance(spec, dict) and "value" in spec:
        return ["map", []]
    base = kind if isinstance(kind, str) else kind["type"]
    if isinstance(kind, dict) and "enum" in kind:
        return kind["enum"][1][0]
    if base == "uuid":
        return NONE
    least = kind.get("minInteger", 7) if isinstance(kind, dict) else 7
    return {"integer": least, "real": 1.0, "boolean": True, "string": "stolen"}[base]


def changes(table: str, uuid: str) -> list[dict[str, Any]]:
    """One update for each column, one mutation for each that can be mutated, and a delete."""
    columns: Mapping[str, Any] = TABLES[table]["columns"]
    made = [update(table, uuid, **{name: some_value(spec["type"])}) for name, spec in columns.items()]
    for name, spec in columns.items():
        kind = spec["type"]
        if kind == "integer":
            mutation: list[object] = [name, "+=", 1]
        elif isinstance(kind, dict) and "value" in kind and "string" in (kind["key"], kind["value"]):
            mutation = [name, "insert", ["map", [["stolen", "yes"]]]]
        else:
            continue
        made.append({"op": "mutate", "table": table, "where": where(uuid), "mutations": [mutation]})
    return [*made, {"op": "delete", "table": table, "where": where(uuid)}]


def own(place: Place) -> set[tuple[str, str]]:
    """(table, row) of what is the node's own; of ports, what it may change is more narrow."""
    return {
        ("Chassis", uuid_of(place, "Chassis", "name=host2")),
        ("Chassis_Private", uuid_of(place, "Chassis_Private", "name=host2")),
        ("Encap", uuid_of(place, "Encap", "chassis_name=host2")),
        *(("Port_Binding", binding(place, name)) for name in ("mine", "free", "open", "leaving")),
    }


@pytest.mark.parametrize("table", TABLES)
def test_no_row_of_another_s_can_be_changed(table: str, place: Place, thief: Member) -> None:
    """Every column of every row that is not its own: by update, by mutation, and deleting the row."""
    before = rows(place)
    mine = own(place)
    with thief.connect() as peer:
        for uuid in before[table]:
            if (table, uuid) not in mine:
                for operation in changes(table, uuid):
                    assert fails(peer.transact(operation)), operation
    assert rows(place) == before


@pytest.mark.parametrize("table", TABLES)
def test_all_rows_at_once_can_t_be_changed(table: str, place: Place, thief: Member) -> None:
    """By conditions that match its own rows too: none, one on a column, and one that excludes."""
    before = rows(place)
    column, spec = next(iter(TABLES[table]["columns"].items()))
    value = some_value(spec["type"])
    with thief.connect() as peer:
        for condition in ([], [[column, "==", value]], [["_uuid", "!=", ["uuid", NOBODY]]]):
            for operation in (
                {"op": "update", "table": table, "where": condition, "row": {column: value}},
                {"op": "delete", "table": table, "where": condition},
                {"op": "mutate", "table": table, "where": condition, "mutations": []},
            ):
                assert fails(peer.transact(operation)), operation
    assert rows(place) == before


@pytest.mark.parametrize("table", TABLES)
def test_no_row_can_be_made_that_is_not_its_own(table: str, place: Place, thief: Member) -> None:
    before = rows(place)
    columns: Mapping[str, Any] = TABLES[table]["columns"]
    full = {name: some_value(spec["type"]) for name, spec in columns.items()}
    with thief.connect() as peer:
        for row in ({}, full, {**full, "name": "host1"}, {"name": "host1", "chassis_name": "host1"}):
            assert fails(peer.transact(insert(table, **{k: v for k, v in row.items() if k in columns})))
    assert rows(place) == before


@pytest.mark.parametrize("name", ["host1", "host3", "central", ""])
def test_it_can_be_no_other_chassis(name: str, place: Place, thief: Member) -> None:
    """In transactions that the schema has nothing against."""
    before = rows(place)
    with thief.connect() as peer:
        for owner, address in ((name, "192.0.2.9"), (name, "192.0.2.2"), ("host2", "192.0.2.9")):
            encap = insert("Encap", "e", type="vxlan", ip=address, chassis_name=owner)
            chassis = insert("Chassis", "c", name=name, hostname=name, encaps=["named-uuid", "e"])
            private = insert("Chassis_Private", "p", name=name, chassis=["named-uuid", "c"])
            assert fails(peer.transact(encap, chassis))
            assert fails(peer.transact(encap, chassis, private))
            assert fails(peer.transact(insert("Chassis_Private", "p", name=name)))
    assert rows(place) == before


def test_of_its_own_ports_it_can_change_nothing_but_the_binding(place: Place, thief: Member) -> None:
    before = rows(place)
    with thief.connect() as peer:
        for name in ("mine", "free", "open", "leaving"):
            for operation in changes("Port_Binding", binding(place, name)):
                if operation["op"] == "update" and operation["row"].keys() <= {"chassis", "encap", "up"}:
                    continue
                assert fails(peer.transact(operation)), operation
    assert rows(place) == before


@pytest.mark.parametrize("name", ["theirs", "nobodys", "anyones", "leaving"])
def test_it_can_take_no_port_that_is_not_meant_for_it(name: str, place: Place, thief: Member) -> None:
    before = rows(place)
    with thief.connect() as peer:
        for operation in (
            claim(place, name),
            claim(place, name, "host1"),
            update("Port_Binding", binding(place, name), up=True),
            update("Port_Binding", binding(place, name), chassis=["uuid", binding(place, name)]),
        ):
            assert fails(peer.transact(operation)), operation
    assert rows(place) == before


def listeners(place: Place, chassis: str, port: str) -> tuple[dict[str, Any], ...]:
    """A multicast group as ovn-controller tells of it: a row without ports, and a mutation that adds them."""
    datapath = place.central.sbctl("get", "Port_Binding", "free", "datapath")
    row = {"address": "ff05::7", "chassis": ["uuid", chassis], "datapath": ["uuid", datapath]}
    added = ["ports", "insert", ["set", [["uuid", port]]]]
    of = [["_uuid", "==", ["named-uuid", "group"]]]
    return (
        insert("IGMP_Group", "group", **row),
        {"op": "mutate", "table": "IGMP_Group", "where": of, "mutations": [added]},
    )


def test_what_is_its_own_it_can_do(place: Place, thief: Member) -> None:
    """Otherwise the matrix would show nothing."""
    port, chassis = binding(place, "free"), uuid_of(place, "Chassis", "name=host2")
    private = uuid_of(place, "Chassis_Private", "name=host2")
    with thief.connect() as peer:
        for operation in (
            claim(place, "free"),
            update("Port_Binding", port, up=True),
            update("Chassis_Private", private, nb_cfg=3, nb_cfg_timestamp=1),
            update("Chassis", chassis, other_config=["map", [["ovn-monitor-all", "true"]]]),
            {
                "op": "mutate",
                "table": "Chassis",
                "where": where(chassis),
                "mutations": [["other_config", "insert", ["map", [["key", "value"]]]]],
            },
            insert("FDB", mac="0a:00:00:00:00:02", dp_key=dp_key(place), port_key=key_of(place)),
            insert(
                "IGMP_Group",
                address="239.1.1.1",
                chassis=["uuid", chassis],
                datapath=["uuid", place.central.sbctl("get", "Port_Binding", "free", "datapath")],
                ports=["uuid", port],
            ),
        ):
            assert not fails(peer.transact(operation)), operation
        assert not fails(peer.transact(*listeners(place, chassis, port)))
        assert fails(peer.transact(*listeners(place, chassis, binding(place, "theirs"))))
        assert place.central.sbctl("get", "Port_Binding", "free", "up") == "true"
        assert not fails(peer.transact(update("Port_Binding", port, up=False, chassis=NONE)))
    assert place.central.sbctl("--bare", "get", "Port_Binding", "free", "chassis") == "[]"


def test_a_port_that_moves_away_can_be_let_go_and_not_taken_back(place: Place, thief: Member) -> None:
    port = binding(place, "leaving")
    with thief.connect() as peer:
        assert not fails(peer.transact(update("Port_Binding", port, up=False, chassis=NONE)))
        assert fails(peer.transact(claim(place, "leaving")))
    place.central.nbctl("lsp-set-options", "leaving", "requested-chassis=host2")
    place.central.synced()
    with thief.connect() as peer:
        assert not fails(peer.transact(claim(place, "leaving"))), "a wish of a moment ago counts"
    place.central.nbctl("lsp-set-options", "leaving", "requested-chassis=host1")
    place.central.synced()


METHODS = (
    *("lock", "steal", "unlock", "convert", "monitor_all", "cluster/kick", "update", "update2", "locked"),
    *("set_db_change_aware2", "get_schema2", ""),
)


@pytest.mark.parametrize("method", METHODS)
def test_other_methods_do_nothing(method: str, place: Place, thief: Member) -> None:
    before = rows(place)
    with thief.connect() as peer:
        for params in ([], [SOUTHBOUND], [SOUTHBOUND, SCHEMA], ["ovn_northd"]):
            assert peer.ask(method, *params)["error"] is not None
    assert rows(place) == before


@pytest.mark.parametrize(
    "database", ["OVN_Northbound", "Sealane", "Open_vSwitch", "_Server", "", None, 7, []]
)
def test_other_databases_are_out_of_reach(database: object, thief: Member) -> None:
    with thief.connect() as peer:
        reply = peer.ask("transact", database, {"op": "comment", "comment": ""})
        assert reply["error"] is not None or fails(reply["result"])
        if database != "_Server":
            assert peer.ask("get_schema", database)["error"] is not None
            assert peer.ask("monitor", database, "m", {})["error"] is not None


DEEP = b'{"id":1,"method":"echo","params":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
NONSENSE: Mapping[str, bytes] = {
    "no JSON": b"hello" * 100,
    "HTTP": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "binary": bytes(range(256)) * 16,
    "an array": b"[1,2,3]",
    "nested": DEEP,
    "nested objects": b'{"a":' * 100_000,
    "brackets that don't match": b'{"id":1,"method":"echo","params":[}}',
    "no UTF-8": b'{"id":"\xff\xfe","method":"echo","params":[]}',
    "half a surrogate": b'{"id":"\\ud800","method":"echo","params":[]}',
    "huge": b'{"id":1,"method":"echo","params":["' + b"x" * (6 << 20) + b'"]}',
    "a huge number": b'{"id":1,"method":"echo","params":[' + b"9" * 100_000 + b"]}",
    "neither request nor reply": b'{"id":1,"method":7,"params":[]}',
    "an endless string": b'{"id":"' + b"\\" * (5 << 20),
    "many monitors": b"".join(
        b'{"id":%d,"method":"monitor","params":["OVN_Southbound",%d,{}]}' % (n, n) for n in range(100)
    ),
    "keys of another kind": b'{"id":1,"method":"echo","params":[],"more":1}',
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_nonsense_ends_the_connection_and_nothing_else(kind: str, place: Place, thief: Member) -> None:
    before = rows(place)
    with thief.connect() as bystander, thief.connect() as peer:
        assert bystander.ask("list_dbs")["error"] is None
        with suppress(Gone):
            peer.send(NONSENSE[kind])
        assert peer.is_closed()
        assert bystander.ask("list_dbs")["error"] is None
    assert place.gate is not None and place.gate.poll() is None
    assert rows(place) == before


WHOLE = json.dumps(
    {"id": 1, "method": "transact", "params": [SOUTHBOUND, insert("Chassis", name="host1")]}
).encode()


@pytest.mark.parametrize("cut", range(1, len(WHOLE), 7))
def test_what_breaks_off_does_nothing(cut: int, place: Place, thief: Member) -> None:
    with thief.connect() as peer:
        peer.send(WHOLE[:cut])
    with thief.connect() as peer:
        assert peer.ask("list_dbs")["error"] is None


def test_a_request_byte_by_byte_is_answered(thief: Member) -> None:
    with thief.connect() as peer:
        for byte in b'{"id":"slow","method":"list_dbs","params":[]}':
            peer.send(bytes([byte]))
        assert peer.receive()["result"] == [SOUTHBOUND, "_Server"]


def test_requests_in_one_piece_are_answered_in_order(thief: Member) -> None:
    """A refused one between two that pass, too."""
    with thief.connect() as peer:
        requests = [
            {"id": 1, "method": "list_dbs", "params": []},
            {"id": 2, "method": "steal", "params": ["ovn_northd"]},
            {"id": 3, "method": "transact", "params": [SOUTHBOUND, insert("Meter", name="m")]},
            {"id": 4, "method": "echo", "params": ["x"]},
        ]
        peer.send(b"".join(json.dumps(r).encode() for r in requests))
        replies = [peer.receive() for _ in requests]
        assert [reply["id"] for reply in replies] == [1, 2, 3, 4]
        assert replies[1]["error"] is not None and fails(replies[2]["result"])


def test_a_key_that_comes_twice_counts_once(place: Place, thief: Member) -> None:
    """Two parsers could each see another of the two."""
    before = rows(place)
    chassis = uuid_of(place, "Chassis", "name=host1")
    own_chassis = uuid_of(place, "Chassis", "name=host2")
    target = '"where":[["_uuid","==",["uuid","%s"]]]'
    for first, second in ((chassis, own_chassis), (own_chassis, chassis)):
        with thief.connect() as peer:
            operation = (
                f'{{"op":"update","table":"Chassis",{target % first},{target % second},"row":{{"nb_cfg":9}}}}'
            )
            peer.send(f'{{"id":1,"method":"transact","params":["{SOUTHBOUND}",{operation}]}}'.encode())
            peer.receive()
    after = rows(place)
    for column in ("nb_cfg", "_version"):
        after["Chassis"][own_chassis][column] = before["Chassis"][own_chassis][column]
    assert after == before


def test_noise_at_random_does_not_end_the_gate(place: Place, thief: Member) -> None:
    """Bytes of real messages, changed here and there."""
    seed = int.from_bytes(os.urandom(4), "big")
    source = random.Random(seed)
    template = json.dumps(
        {"id": 1, "method": "transact", "params": [SOUTHBOUND, claim(place, "theirs")]}
    ).encode()
    before = rows(place)
    for _ in range(60):
        data = bytearray(template)
        for _ in range(source.randint(1, 6)):
            data[source.randrange(len(data))] = source.randrange(256)
        with thief.connect() as peer, suppress(Gone):
            peer.send(bytes(data))
    with thief.connect() as peer:
        assert peer.ask("list_dbs")["error"] is None, f"seed {seed}"
    assert rows(place) == before, f"seed {seed}"


def test_a_flood_of_refused_requests_keeps_no_other_node_out(place: Place, thief: Member) -> None:
    other = place.join("host3", "192.0.2.3")
    with thief.connect() as peer, other.connect() as calm:
        calm.ask("list_dbs")
        request = json.dumps({"id": 1, "method": "steal", "params": ["x"]}).encode() * 200
        peer.send(request * 20)
        begun = time.monotonic()
        assert calm.ask("list_dbs")["error"] is None
        assert time.monotonic() - begun < 10
    other.remove()
    assert len(place.log().splitlines()) < 3000, "nor does it fill the log"


def test_addresses_of_others_are_no_tunnel_s_end(place: Place, thief: Member) -> None:
    """The node's address is what the store says, and follows it."""
    before = rows(place)
    with thief.connect() as peer:
        for address in ("192.0.2.1", "192.0.2.3", "", "::", "127.0.0.1"):
            assert fails(peer.transact(insert("Encap", type="geneve", ip=address, chassis_name="host2")))
    assert rows(place) == before


def test_a_change_of_address_counts_at_once(place: Place, thief: Member) -> None:
    chassis = uuid_of(place, "Chassis", "name=host2")
    move = (
        insert("Encap", "e", type="geneve", ip="192.0.2.22", chassis_name="host2"),
        update("Chassis", chassis, encaps=["named-uuid", "e"]),
    )
    with thief.connect() as peer:
        assert fails(peer.transact(*move))
        thief.change(address="192.0.2.22")
        until(lambda: not fails(peer.transact(*move)), "the new address is let pass")
    thief.change(address="192.0.2.2")
