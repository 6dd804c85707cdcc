"""Rows of every shape: several parents, pointers, no names, a child's child; in any order of events."""

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sealane import names
from sealane.ovn.memory import MemoryNorthbound
from sealane.translate.compare import Comparison
from sealane.translate.diff import diff
from sealane.translate.rows import Parent, Plan, Ref, Row, Value, row
from sealane.translate.tables import TABLES
from sealane.translate.text import plan_text, rows_text
from sealane.translate.world import members

Rows = dict[Ref, Row]


def on(table: str, key: str, column: str) -> Parent:
    return Parent(Ref(table, key), column)


def switch(a: int, b: int) -> Row:
    return row("Logical_Switch", f"ls{a % 2}", {"other_config": {"mcast_snoop": str(b % 2)}})


def router(a: int, b: int) -> Row:
    return row("Logical_Router", f"lr{a % 2}", {"enabled": b % 2 == 0})


def group(a: int, b: int) -> Row:
    return row("Port_Group", f"pg{a % 3}", {})


def dhcp(a: int, b: int) -> Row:
    return row("DHCP_Options", f"dhcp{a % 2}", {"cidr": "10.0.0.0/24", "options": {"mtu": str(b)}})


def addresses(a: int, b: int) -> Row:
    return row("Address_Set", f"as{a % 2}", {"addresses": frozenset(map(str, range(a, b)))})


def balancer(a: int, b: int) -> Row:
    places = [on("Logical_Switch", f"ls{b % 2}", "load_balancer")] if b % 3 else []
    places += [on("Logical_Router", f"lr{b % 2}", "load_balancer")] if b % 4 else []
    return row("Load_Balancer", f"lb{a % 2}", {"vips": {f"10.0.0.{b}:80": "10.0.0.9:80"}}, *places)


def health_check(a: int, b: int) -> Row:
    place = on("Load_Balancer", f"lb{b % 2}", "health_check")
    return row("Load_Balancer_Health_Check", f"hc{a % 3}", {"vip": f"10.0.0.{b}:80"}, place)


def port(a: int, b: int) -> Row:
    groups = [on("Port_Group", f"pg{n}", "ports") for n in range(3) if b >> n & 1]
    columns: dict[str, Value] = {
        "tag": b or None,
        "dhcpv4_options": Ref("DHCP_Options", f"dhcp{b % 2}") if b % 3 else None,
    }
    return row(
        "Logical_Switch_Port", f"p{a % 4}", columns, on("Logical_Switch", f"ls{b % 2}", "ports"), *groups
    )


def router_port(a: int, b: int) -> Row:
    columns: dict[str, Value] = {"mac": "fa:16:3e:00:00:01", "networks": frozenset({f"10.0.{b}.1/24"})}
    return row("Logical_Router_Port", f"lrp{a % 3}", columns, on("Logical_Router", f"lr{b % 2}", "ports"))


def gateway(a: int, b: int) -> Row:
    place = on("Logical_Router_Port", f"lrp{b % 3}", "gateway_chassis")
    return row("Gateway_Chassis", f"gc{a % 2}", {"chassis_name": "host1", "priority": b}, place)


def acl(a: int, b: int) -> Row:
    columns: dict[str, Value] = {"priority": b, "match": "ip4", "action": "allow-related", "log": False}
    place = on("Port_Group", f"pg{b % 3}", "acls")
    return row("ACL", f"acl{a % 4}", {**columns, "direction": "to-lport", "severity": None}, place)


def nat(a: int, b: int) -> Row:
    columns: dict[str, Value] = {"type": "snat", "external_ip": "192.0.2.1", "logical_ip": f"10.0.0.{b}"}
    pointer = Ref("Logical_Router_Port", f"lrp{b % 3}")
    return row(
        "NAT", f"nat{a % 3}", {**columns, "gateway_port": pointer}, on("Logical_Router", f"lr{a % 2}", "nat")
    )


def quality(a: int, b: int) -> Row:
    columns: dict[str, Value] = {
        "bandwidth": {"rate": b, "burst": 8} if b % 2 else {},
        "action": {"dscp": b},
        "direction": "to-lport",
    }
    place = on("Logical_Switch", f"ls{b % 2}", "qos_rules")
    return row("QoS", f"q{a % 2}", {**columns, "priority": b, "match": "ip4"}, place)


def meter(a: int, b: int) -> Row:
    return row("Meter", f"meter{a % 2}", {"unit": "pktps", "fair": bool(b % 2)})


def band(a: int, b: int) -> Row:
    columns: dict[str, Value] = {"action": "drop", "rate": b + 1, "burst_size": 8}
    return row("Meter_Band", f"meter{a % 2}", columns, on("Meter", f"meter{a % 2}", "bands"))


def session(a: int, b: int) -> Row:
    return row("BFD", f"bfd{a % 2}", {"logical_port": f"lrp{a % 2}", "dst_ip": f"10.0.0.{b}"})


def route(a: int, b: int) -> Row:
    pointer = Ref("BFD", f"bfd{b % 2}")
    columns: dict[str, Value] = {"ip_prefix": "0.0.0.0/0", "nexthop": f"10.0.0.{b}", "bfd": pointer}
    return row(
        "Logical_Router_Static_Route",
        f"r{a % 2}",
        columns,
        on("Logical_Router", f"lr{b % 2}", "static_routes"),
    )


def policy(a: int, b: int) -> Row:
    columns: dict[str, Value] = {
        "priority": b,
        "match": "ip4",
        "action": "drop",
        "nexthops": frozenset[str](),
    }
    return row(
        "Logical_Router_Policy", f"pol{a % 2}", columns, on("Logical_Router", f"lr{b % 2}", "policies")
    )


def mirror(a: int, b: int) -> Row:
    columns: dict[str, Value] = {"type": "gre", "filter": "to-lport", "sink": "192.0.2.1", "index": b}
    places = [on("Logical_Switch_Port", f"p{b % 4}", "mirror_rules")] if b % 3 else []
    return row("Mirror", f"mirror{a % 2}", columns, *places)


MAKERS: list[Callable[[int, int], Row]] = [
    switch,
    router,
    group,
    dhcp,
    addresses,
    balancer,
    health_check,
    port,
    router_port,
    gateway,
    acl,
    nat,
    meter,
    band,
    quality,
    session,
    route,
    policy,
    mirror,
]


def full_house() -> Rows:
    rows = [make(a, b) for make in MAKERS for a, b in enumerate((5, 6, 7, 4))]
    return {row.ref: row for row in rows}


def test_the_makers_make_rows_of_every_table() -> None:
    assert {ref.table for ref in full_house()} == set(TABLES)


# what others may do to the database


def _edit(nb: MemoryNorthbound, table: str, number: int, columns: dict[str, object]) -> None:
    uuids = sorted(nb.tables[table])
    if uuids:
        uuid = uuids[number % len(uuids)]
        nb.tables[table][uuid] = {**nb.tables[table][uuid], **columns}


def unmark(nb: MemoryNorthbound, table: str, a: int, b: int) -> None:
    key = {names.ROW_KEY: f"{table}{b}"} if b % 3 else {}
    _edit(nb, table, a, {"external_ids": {} if b % 2 else key})


def half_unmark(nb: MemoryNorthbound, table: str, a: int, b: int) -> None:
    for uuid, columns in list(nb.tables[table].items()):
        ids = columns["external_ids"]
        assert isinstance(ids, dict)
        left = {k: v for k, v in ids.items() if k != names.OWNER_KEY}
        nb.tables[table][uuid] = {**columns, "external_ids": left}


def mark(nb: MemoryNorthbound, table: str, a: int, b: int) -> None:
    _edit(nb, table, a, {"external_ids": {names.OWNER_KEY: names.OWNER}})


def rename(nb: MemoryNorthbound, table: str, a: int, b: int) -> None:
    name = [ref.key for ref in full_house() if ref.table == table][b % 2] if b % 3 else f"other{b}"
    if not TABLES[table].named:
        _edit(nb, table, a, {"external_ids": {names.OWNER_KEY: names.OWNER, names.ROW_KEY: name}})
    elif name not in {columns["name"] for columns in nb.tables[table].values()}:
        _edit(nb, table, a, {"name": name})


def twin(nb: MemoryNorthbound, table: str, a: int, b: int) -> None:
    """A row of somebody's that is as one of ours, with the mark or without; never a unique name."""
    uuids = sorted(nb.tables[table])
    if uuids and TABLES[table].root and not TABLES[table].unique_name:
        columns = dict(nb.tables[table][uuids[a % len(uuids)]])
        ids = columns["external_ids"] if b % 2 else {}
        nb.insert(table, {**columns, "external_ids": ids})  # type: ignore[arg-type,dict-item]


def steal(nb: MemoryNorthbound, table: str, a: int, b: int) -> None:
    """A row refers to some of what it can refer to, whoever else does."""
    for column, child in TABLES[table].children.items():
        _edit(nb, table, a, {column: frozenset(sorted(nb.tables[child])[b % 4 :])})


def empty(nb: MemoryNorthbound, table: str, a: int, b: int) -> None:
    for column in (*TABLES[table].children, *TABLES[table].refers):
        _edit(nb, table, a, {column: frozenset() if column in TABLES[table].children else None})


def lose(nb: MemoryNorthbound, table: str, a: int, b: int) -> None:
    uuids = sorted(nb.tables[table])
    if uuids and TABLES[table].root:
        del nb.tables[table][uuids[a % len(uuids)]]


def point(nb: MemoryNorthbound, table: str, a: int, b: int) -> None:
    for column, child in TABLES[table].refers.items():
        _edit(nb, table, a, {column: next(iter(sorted(nb.tables[child])[b % 3 :]), None)})


EDITS = [unmark, half_unmark, mark, rename, twin, steal, empty, lose, point]
small = st.integers(0, 7)
wants = st.tuples(st.just("want"), st.integers(0, len(MAKERS) - 1), small, small)
drops = st.tuples(st.just("drop"), st.integers(0, 99), small, small)
edits = st.tuples(st.just("edit"), st.integers(0, len(EDITS) - 1), st.integers(0, len(TABLES) - 1), small)
applied = st.tuples(st.just("apply"), small, small, small)
steps = st.lists(st.one_of(wants, drops, edits, edits, applied), max_size=12)


def taken(rows: Rows, step: tuple[str, int, int, int], nb: MemoryNorthbound) -> Rows:
    kind, which, a, b = step
    if kind == "want":
        made = MAKERS[which](a, b)
        return {**rows, made.ref: made}
    if kind == "drop":
        gone = sorted(rows)[which % len(rows)] if rows else None
        return {ref: row for ref, row in rows.items() if ref != gone}
    if kind == "edit":
        EDITS[which](nb, list(TABLES)[a], b, which + a + b)
        nb.apply(Plan())  # what OVSDB does by itself
    return rows


def test_a_weak_reference_to_a_row_that_is_gone_is_passed_over() -> None:
    """ovsdb-server 3.1 keeps such a one now and then (tests/ovsdb/test_shapes.py meets them)."""
    rows, nb = full_house(), MemoryNorthbound()
    nb.apply(diff(rows.values(), nb.tables))
    for uuid, columns in nb.tables["Port_Group"].items():
        nb.tables["Port_Group"][uuid] = {**columns, "ports": members(columns["ports"]) | {"gone"}}
    comparison = Comparison()
    assert not comparison.plan(tuple(rows.values()), nb.tables) and not diff(rows.values(), nb.tables)
    left = tuple(row for row in rows.values() if row.table != "Port_Group")
    plan = comparison.plan(left, nb.tables)
    assert plan == diff(left, nb.tables) and len(plan.delete) == len(nb.tables["Port_Group"])


@settings(max_examples=500, deadline=None)
@given(steps)
def test_the_plan_is_that_of_a_full_comparison(steps: list[tuple[str, int, int, int]]) -> None:
    rows, nb, comparison = full_house(), MemoryNorthbound(), Comparison()
    nb.apply(comparison.plan(tuple(rows.values()), nb.tables))
    assert comparison.plan(tuple(rows.values()), nb.tables) == Plan()
    for step in steps:
        rows = taken(rows, step, nb)
        wanted = tuple(rows.values())
        full = diff(wanted, nb.tables)
        assert comparison.plan(wanted, nb.tables) == full
        if step[0] == "apply" or step[3] % 2:
            nb.apply(full)
            assert comparison.plan(wanted, nb.tables) == diff(wanted, nb.tables)


@settings(max_examples=300, deadline=None)
@given(steps)
def test_it_comes_to_an_end_and_leaves_nothing_behind(steps: list[tuple[str, int, int, int]]) -> None:
    """Another round may be needed where a name is free only when a surplus row has gone with its own."""
    rows, nb = full_house(), MemoryNorthbound()
    nb.apply(diff(rows.values(), nb.tables))
    for step in steps:
        rows = taken(rows, step, nb)
    for wanted in (rows, Rows()):
        for _ in range(4):
            nb.apply(diff(wanted.values(), nb.tables))
        assert not diff(wanted.values(), nb.tables)
    marks = [ids for rows in nb.tables.values() for c in rows.values() if (ids := c["external_ids"])]
    assert not [ids for ids in marks if isinstance(ids, dict) and names.OWNER_KEY in ids]


# the shapes one by one


def database(*rows: Row) -> MemoryNorthbound:
    nb = MemoryNorthbound()
    nb.apply(diff(rows, nb.tables))
    assert not diff(rows, nb.tables), "once more changes something"
    return nb


def only(nb: MemoryNorthbound, table: str) -> tuple[str, dict[str, object]]:
    ((uuid, columns),) = nb.tables[table].items()
    return uuid, columns


def test_a_port_is_on_its_switch_and_in_its_groups_and_points_to_its_options() -> None:
    rows = [switch(1, 0), group(0, 0), group(1, 0), dhcp(1, 0), port(0, 7)]
    nb = database(*rows, group(2, 0))
    uuid, columns = only(nb, "Logical_Switch_Port")
    assert columns["dhcpv4_options"] == only(nb, "DHCP_Options")[0]
    assert [members(c["ports"]) for c in nb.tables["Port_Group"].values()] == [{uuid}] * 3
    plan = diff([*rows[:3], port(0, 5), group(2, 0)], nb.tables)
    assert plan_text(plan).splitlines() == [
        "delete DHCP_Options dhcp1",
        "detach p0 from pg1",
        "update Logical_Switch_Port p0: dhcpv4_options, tag",
    ]


def test_a_group_of_ten_thousand_is_not_written_again() -> None:
    ports = [
        row(
            "Logical_Switch_Port",
            f"p{n}",
            {},
            on("Logical_Switch", "ls1", "ports"),
            on("Port_Group", "pg0", "ports"),
        )
        for n in range(100)
    ]
    nb = database(switch(1, 0), group(0, 0), *ports[:99])
    plan = diff([switch(1, 0), group(0, 0), *ports], nb.tables)
    assert plan_text(plan) == "attach p99 to ls1\nattach p99 to pg0\ncreate Logical_Switch_Port p99\n"
    many = row("Address_Set", "as0", {"addresses": frozenset(map(str, range(100)))})
    nb = database(many)
    more = replace(many, columns={**many.columns, "addresses": frozenset(map(str, range(1, 101)))})
    (update,) = diff([more], nb.tables).update
    assert (update.put, update.insert, update.remove) == ({}, {"addresses": {"100"}}, {"addresses": {"0"}})


def test_somebody_elses_group_may_have_our_port_and_ours_may_have_his() -> None:
    rows = [switch(1, 0), group(0, 0), port(0, 1)]
    nb = database(*rows)
    uuid, _ = only(nb, "Logical_Switch_Port")
    nb.insert("Port_Group", {"name": "theirs", "external_ids": {}, "ports": frozenset({uuid})})
    guest = nb.insert("Logical_Switch_Port", {"name": "guest", "external_ids": {}})
    _edit(nb, "Port_Group", 0, {"ports": frozenset({uuid, guest})})
    _edit(nb, "Logical_Switch", 0, {"ports": frozenset({uuid, guest})})
    assert not diff(rows, nb.tables)
    nb.apply(diff([], nb.tables))
    assert only(nb, "Port_Group")[1]["ports"] == frozenset()


def test_a_row_without_a_name_is_known_by_its_key() -> None:
    rows = [group(0, 0), acl(0, 3), acl(1, 3)]
    nb = database(*rows)
    assert plan_text(diff([rows[0], rows[2]], nb.tables)) == "delete ACL acl0\ndetach acl0 from pg0\n"
    half_unmark(nb, "ACL", 0, 0)
    assert (
        plan_text(diff(rows, nb.tables)) == "update ACL acl0: external_ids\nupdate ACL acl1: external_ids\n"
    )
    nb.apply(diff(rows, nb.tables))
    mark(nb, "ACL", 0, 0)
    plan = plan_text(diff(rows, nb.tables))
    assert plan.splitlines()[:2] == ["attach acl0 to pg0", "create ACL acl0"], (
        "its key is gone, its mark is not"
    )
    assert "detach  from pg0" in plan


def test_a_foreign_rule_in_our_group_is_left_alone() -> None:
    rows = [group(0, 0), acl(0, 3)]
    nb = database(*rows)
    foreign = nb.insert("ACL", {"external_ids": {}, "priority": 1})
    _edit(nb, "Port_Group", 0, {"acls": frozenset({*members(only(nb, "Port_Group")[1]["acls"]), foreign})})
    assert not diff(rows, nb.tables)


def test_a_row_whose_parent_does_not_come_waits_for_it() -> None:
    nb = database(nat(0, 0), gateway(0, 0), acl(0, 0))
    assert not any(nb.tables.values())
    rows = [nat(0, 0), gateway(0, 0), router(0, 0)]
    nb = database(*rows)
    assert [only(nb, t)[1]["external_ids"] for t in ("NAT",)] == [nat(0, 0).columns["external_ids"]]
    assert not nb.tables["Gateway_Chassis"]
    nb.apply(diff([*rows, router_port(0, 0)], nb.tables))
    assert only(nb, "NAT")[1]["gateway_port"] == only(nb, "Logical_Router_Port")[0]
    assert only(nb, "Logical_Router_Port")[1]["gateway_chassis"] == {only(nb, "Gateway_Chassis")[0]}


def test_the_text_tells_owners_sharers_and_pointers() -> None:
    text = rows_text([port(0, 5), acl(0, 3)])
    assert text.startswith("ACL acl0 of pg0\n    action = ")
    assert "Logical_Switch_Port p0 of ls1\n    in Port_Group pg0\n    in Port_Group pg2\n    dhcpv4" in text
    assert "\n    dhcpv4_options -> dhcp1\n" in text


def test_what_holds_or_is_pointed_to_stands_first() -> None:
    order = list(TABLES)
    for table, spec in TABLES.items():
        assert all(order.index(table) < order.index(child) for child in spec.children.values()), table
        assert all(order.index(target) < order.index(table) for target in spec.refers.values()), table
