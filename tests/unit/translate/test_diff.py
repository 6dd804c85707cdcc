"""diff(): what is ours is repaired, what is not ours stays."""

import ast
from dataclasses import replace
from pathlib import Path

import sealane.translate
from sealane import names
from sealane.model import Network, Port, State
from sealane.ovn.memory import MemoryNorthbound
from sealane.translate.desired import desired
from sealane.translate.diff import diff
from sealane.translate.rows import Plan, Ref
from sealane.translate.text import plan_text

NET = Network(id="6a7d2c1e-0000-4000-8000-000000000001", project_id="default", name="blue", tunnel_key=5)
PORT = Port(
    id="11111111-0000-4000-8000-000000000001",
    project_id="default",
    network_id=NET.id,
    mac_address="fa:16:3e:00:00:01",
    host="host1",
)
STATE = State(networks={NET.id: NET}, ports={PORT.id: PORT})
SWITCH = names.logical_switch(NET.id)


def database(state: State = STATE) -> MemoryNorthbound:
    nb = MemoryNorthbound()
    nb.apply(diff(desired(state), nb.tables))
    return nb


def repair(nb: MemoryNorthbound, state: State = STATE) -> Plan:
    plan = diff(desired(state), nb.tables)
    nb.apply(plan)
    assert not diff(desired(state), nb.tables), "once more changes something"
    return plan


def row(nb: MemoryNorthbound, table: str, name: str) -> dict[str, object]:
    (found,) = (columns for columns in nb.tables[table].values() if columns["name"] == name)
    return found


def test_an_edited_column_and_an_edited_key_are_repaired() -> None:
    nb = database()
    port = row(nb, "Logical_Switch_Port", PORT.id)
    port["addresses"] = frozenset({"unknown"})
    port["options"] = {"requested-chassis": "elsewhere", "requested-tnl-key": "0"}
    assert plan_text(repair(nb)) == f"update Logical_Switch_Port {PORT.id}: addresses, options\n"
    port = row(nb, "Logical_Switch_Port", PORT.id)
    assert port["addresses"] == frozenset({"fa:16:3e:00:00:01"})
    assert port["options"] == {"requested-chassis": "host1"}


def test_keys_of_others_in_our_rows_stay() -> None:
    nb = database()
    port = row(nb, "Logical_Switch_Port", PORT.id)
    port["options"] = {"requested-chassis": "host1", "qos_max_rate": "1000"}
    port["external_ids"] = {**port["external_ids"], "operator:note": "x", "neutron:gone": "y"}  # type: ignore[dict-item]
    repair(nb)
    port = row(nb, "Logical_Switch_Port", PORT.id)
    assert port["options"] == {"requested-chassis": "host1", "qos_max_rate": "1000"}
    ids = port["external_ids"]
    assert isinstance(ids, dict)
    assert ids["operator:note"] == "x"
    assert "neutron:gone" not in ids


def test_foreign_rows_stay_also_inside_our_switch() -> None:
    nb = database()
    foreign = nb.insert("Logical_Switch_Port", {"name": "theirs", "external_ids": {}})
    switch = row(nb, "Logical_Switch", SWITCH)
    switch["ports"] = switch["ports"] | {foreign}  # type: ignore[operator]
    nb.insert("Logical_Switch", {"name": "foreign", "external_ids": {}})
    assert not repair(nb)
    repair(nb, State())
    assert [columns["name"] for columns in nb.tables["Logical_Switch"].values()] == ["foreign"]


def test_a_row_that_lost_its_mark_is_taken_back() -> None:
    nb = database()
    for table, name in (("Logical_Switch", SWITCH), ("Logical_Switch_Port", PORT.id)):
        row(nb, table, name)["external_ids"] = {}
    plan = repair(nb)
    assert (len(plan.create), len(plan.update), len(plan.attach)) == (0, 2, 0)


def test_a_name_that_is_taken_on_a_foreign_switch_blocks_only_that_port() -> None:
    nb = MemoryNorthbound()
    taken = nb.insert("Logical_Switch_Port", {"name": PORT.id, "external_ids": {}})
    nb.insert("Logical_Switch", {"name": "foreign", "external_ids": {}, "ports": frozenset({taken})})
    plan = diff(desired(STATE), nb.tables)
    assert plan.blocked == (Ref("Logical_Switch_Port", PORT.id),)
    assert {r.table for r in plan.create} == {"ACL", "Logical_Switch", "Port_Group"}
    nb.apply(plan)
    assert not diff(desired(STATE), nb.tables)


def test_a_port_that_was_taken_off_its_switch_or_moved_comes_back() -> None:
    nb = database()
    switch = row(nb, "Logical_Switch", SWITCH)
    ports = switch["ports"]
    switch["ports"] = frozenset()
    other = nb.insert("Logical_Switch", {"name": "foreign", "external_ids": {}, "ports": ports})  # type: ignore[dict-item]
    plan = repair(nb)
    assert plan_text(plan) == f"attach {PORT.id} to {SWITCH}\ndetach {PORT.id} from foreign\n"
    switch = row(nb, "Logical_Switch", SWITCH)
    assert (switch["ports"], nb.tables["Logical_Switch"][other]["ports"]) == (ports, frozenset())


def test_a_second_switch_with_our_mark_and_name_goes() -> None:
    nb = database()
    nb.insert("Logical_Switch", dict(row(nb, "Logical_Switch", SWITCH)))  # type: ignore[arg-type]
    assert plan_text(repair(nb)) == f"delete Logical_Switch {SWITCH}\n"
    assert len(nb.tables["Logical_Switch_Port"]) == 1


def test_a_port_that_changes_its_network_moves() -> None:
    nb = database()
    red = replace(NET, id="6a7d2c1e-0000-4000-8000-000000000002", tunnel_key=6)
    moved = replace(PORT, network_id=red.id)
    repair(nb, State(networks={NET.id: NET, red.id: red}, ports={PORT.id: moved}))
    repair(nb, State(networks={red.id: red}, ports={PORT.id: moved}))
    assert row(nb, "Logical_Switch", names.logical_switch(red.id))["ports"] == set(
        nb.tables["Logical_Switch_Port"]
    )


def test_translation_imports_nothing_that_reads_or_writes() -> None:
    impure = {
        "os",
        "socket",
        "subprocess",
        "time",
        "random",
        "uuid",
        "logging",
        "asyncio",
        "datetime",
        "secrets",
    }
    (folder,) = sealane.translate.__path__
    for module in Path(folder).glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            found = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            found += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in found:
                assert name.split(".")[0] not in impure, f"{module.name} imports {name}"
                assert name.split(".")[:2] in (["sealane"], *_DOWN_THE_PATH) or not name.startswith("sealane")


_DOWN_THE_PATH = (["sealane", "model"], ["sealane", "moves"], ["sealane", "names"], ["sealane", "translate"])
