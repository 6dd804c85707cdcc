"""state.yaml -> northbound.txt, and the way there does not matter.

`SEALANE_GOLDEN=write pytest tests/golden` rewrites the expectations; the difference is then reviewed.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from sealane.model import (
    AddressGroup,
    AddressScope,
    BandwidthLimitRule,
    DscpMarkingRule,
    FloatingIP,
    HealthMonitor,
    Listener,
    LoadBalancer,
    Log,
    Member,
    MeteringLabel,
    MeteringLabelRule,
    Network,
    Node,
    Port,
    PortForwarding,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Segment,
    ServerPool,
    State,
    Subnet,
    SubnetPool,
    SubPort,
    TapFlow,
    TapMirror,
    TapService,
    Trunk,
)
from sealane.ovn.memory import MemoryNorthbound
from sealane.translate.desired import desired
from sealane.translate.diff import diff
from sealane.translate.rows import Parent, Plan, Ref, Row
from sealane.translate.tables import TABLES, key_of
from sealane.translate.text import rows_text
from sealane.translate.world import Columns, Tables, marked, members

CASES = sorted((Path(__file__).parent / "cases").iterdir())
Change = Callable[[State], State]
KINDS = {
    "address_scopes": AddressScope,
    "subnetpools": SubnetPool,
    "networks": Network,
    "segments": Segment,
    "subnets": Subnet,
    "ports": Port,
    "security_groups": SecurityGroup,
    "security_group_rules": SecurityGroupRule,
    "address_groups": AddressGroup,
    "routers": Router,
    "nodes": Node,
    "floatingips": FloatingIP,
    "port_forwardings": PortForwarding,
    "loadbalancers": LoadBalancer,
    "pools": ServerPool,
    "listeners": Listener,
    "members": Member,
    "healthmonitors": HealthMonitor,
    "bandwidth_limit_rules": BandwidthLimitRule,
    "dscp_marking_rules": DscpMarkingRule,
    "logs": Log,
    "trunks": Trunk,
    "sub_ports": SubPort,
    "tap_services": TapService,
    "tap_flows": TapFlow,
    "tap_mirrors": TapMirror,
    "metering_labels": MeteringLabel,
    "metering_label_rules": MeteringLabelRule,
}
"""Collections that a case may have."""


def load(case: Path) -> State:
    raw: dict[str, Any] = yaml.safe_load((case / "state.yaml").read_text())
    assert raw.keys() <= KINDS.keys()
    return State(**{field: _table(raw.get(field, []), kind) for field, kind in KINDS.items()})


def _table(raw: list[dict[str, Any]], kind: type) -> Any:
    return {item.id: item for item in (msgspec.convert(entry, kind) for entry in raw)}


def changes(state: State) -> list[Change]:
    """One change for each object: what the store would report if they came one by one."""
    return [
        (lambda s, field=field, item=item: replace(s, **{field: {**getattr(s, field), item.id: item}}))
        for field in KINDS
        for item in getattr(state, field).values()
    ]


def replay(nb: MemoryNorthbound, states: Iterator[State]) -> None:
    for state in states:
        nb.apply(diff(desired(state), nb.tables))
        assert diff(desired(state), nb.tables) == Plan(), "once more changes something"


def growing(steps: list[Change], start: State) -> Iterator[State]:
    for step in steps:
        start = step(start)
        yield start


def there(tables: Tables, wanted: Iterable[Row]) -> tuple[Row, ...]:
    """The rows of the database, with keys for UUIDs; of wanted rows the columns that are wanted."""
    written = {row.ref: row.columns.keys() for row in wanted}
    parents: dict[str, list[Parent]] = {}
    for table, spec in TABLES.items():
        for columns in tables[table].values():
            for column in spec.children:
                for uuid in members(columns.get(column)):
                    parents.setdefault(str(uuid), []).append(
                        Parent(Ref(table, key_of(table, columns)), column)
                    )
    rows = (
        Row(table, key_of(table, columns), _own(table, columns, tables), tuple(parents.get(uuid, ())))
        for table in TABLES
        for uuid, columns in tables[table].items()
    )
    return tuple(replace(r, columns={c: r.columns[c] for c in written.get(r.ref, r.columns)}) for r in rows)


def _own(table: str, columns: Columns, tables: Tables) -> Any:
    """Without the columns that refer to children; those that point to a row, with its key."""
    spec = TABLES[table]
    pointers = {c: columns.get(c) for c in spec.refers}
    refs = {c: _ref(spec.refers[c], str(uuid), tables) for c, uuid in pointers.items() if uuid}
    return {**{c: v for c, v in columns.items() if c not in spec.children}, **refs}


def _ref(table: str, uuid: str, tables: Tables) -> Ref:
    return Ref(table, key_of(table, tables[table][uuid]))


def every_order(state: State) -> dict[str, Iterator[State]]:
    steps = changes(state)
    empty = State()
    return {
        "squashed": iter([state]),
        "split": growing(steps, empty),
        "backwards": growing(steps[::-1], empty),
        "duplicated": growing([s for step in steps for s in (step, step)], empty),
        "with empties": (s for grown in growing(steps, empty) for s in (empty, grown)),
        "grown and shrunk": iter([*growing(steps, empty), *list(growing(steps, empty))[::-1], state]),
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_northbound(case: Path) -> None:
    expected = case / "northbound.txt"
    text = rows_text(desired(load(case)))
    if os.environ.get("SEALANE_GOLDEN") == "write":
        expected.write_text(text)
    assert text == expected.read_text()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_row_is_written_as_its_table_says(case: Path) -> None:
    """Marked, known by its name or key, and hanging on columns that are there for such rows."""
    for row in desired(load(case)):
        spec = TABLES[row.table]
        assert row.columns.keys() <= set(spec.columns) - spec.children.keys(), row.ref
        assert marked(row.columns) and key_of(row.table, row.columns) == row.key, row.ref
        assert all(TABLES[ref.table].children[column] == row.table for ref, column in row.parents), row.ref
        assert spec.root or any(column in TABLES[ref.table].holds for ref, column in row.parents), row.ref


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_way_there_does_not_matter(case: Path) -> None:
    state = load(case)
    for order, states in every_order(state).items():
        nb = MemoryNorthbound()
        replay(nb, states)
        assert rows_text(there(nb.tables, desired(state))) == (case / "northbound.txt").read_text(), order


@pytest.mark.parametrize("before", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("after", CASES, ids=lambda case: case.name)
def test_from_any_state_to_any_other(before: Path, after: Path) -> None:
    nb = MemoryNorthbound()
    replay(nb, iter([load(before), load(after)]))
    assert rows_text(there(nb.tables, desired(load(after)))) == (after / "northbound.txt").read_text()
    replay(nb, iter([State()]))
    assert not any(nb.tables.values())
