"""What is kept between two rounds of translation changes its cost and nothing else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sealane import names
from sealane.model import FixedIP, Network, Port, State, Subnet
from sealane.ovn.memory import MemoryNorthbound
from sealane.translate.compare import Comparison
from sealane.translate.desired import desired
from sealane.translate.diff import diff
from sealane.translate.memo import Memo
from sealane.translate.rows import Plan, Row

NETWORKS = [f"0000000{n}-0000-4000-8000-00000000000a" for n in range(3)]
PORTS = [f"0000000{n}-0000-4000-8000-00000000000b" for n in range(5)]
FOREIGN = "foreign"

Step = tuple[int, int, int]
World = tuple[State, MemoryNorthbound]


def network(id: str, turn: int) -> Network:
    return Network(id=id, project_id="p", name=f"net{turn}", admin_state_up=turn % 3 > 0, gateway="host")


def subnet(id: str, turn: int) -> Subnet:
    return Subnet(
        id=id, project_id="p", network_id=id, cidr=f"10.0.0.0/{24 + turn % 2}", gateway_ip="10.0.0.1"
    )


def port(id: str, network_id: str, turn: int) -> Port:
    return Port(
        id=id,
        project_id="p",
        network_id=network_id,
        mac_address=f"fa:16:3e:00:00:{turn:02x}",
        fixed_ips=(FIXED(network_id),) if turn % 2 else (),
    )


def FIXED(network_id: str) -> FixedIP:
    return FixedIP(subnet_id=network_id, ip_address="10.0.0.9")


# what the store may do


def _set(state: State, field: str, key: str, value: object) -> State:
    rest = {k: v for k, v in getattr(state, field).items() if k != key}
    changes: dict[str, Any] = {field: rest if value is None else {**rest, key: value}}
    return replace(state, **changes)


def put_network(state: State, a: int, b: int) -> State:
    return _set(state, "networks", NETWORKS[a % 3], network(NETWORKS[a % 3], b))


def drop_network(state: State, a: int, b: int) -> State:
    return _set(state, "networks", NETWORKS[a % 3], None)


def put_subnet(state: State, a: int, b: int) -> State:
    return _set(state, "subnets", NETWORKS[a % 3], subnet(NETWORKS[a % 3], b))


def put_port(state: State, a: int, b: int) -> State:
    return _set(state, "ports", PORTS[a % 5], port(PORTS[a % 5], NETWORKS[b % 3], b))


def drop_port(state: State, a: int, b: int) -> State:
    return _set(state, "ports", PORTS[a % 5], None)


# what others may do to the database


def _edit(nb: MemoryNorthbound, table: str, number: int, **columns: object) -> None:
    uuids = sorted(nb.tables[table])
    if uuids:
        uuid = uuids[number % len(uuids)]
        nb.tables[table][uuid] = {**nb.tables[table][uuid], **columns}


def unmark(nb: MemoryNorthbound, a: int, b: int) -> None:
    _edit(nb, ("Logical_Switch", "Logical_Switch_Port")[b % 2], a, external_ids={})


def mark(nb: MemoryNorthbound, a: int, b: int) -> None:
    _edit(
        nb, ("Logical_Switch", "Logical_Switch_Port")[b % 2], a, external_ids={names.OWNER_KEY: names.OWNER}
    )


def rename(nb: MemoryNorthbound, a: int, b: int) -> None:
    taken = {columns["name"] for columns in nb.tables["Logical_Switch_Port"].values()}
    _edit(nb, "Logical_Switch", a, name=names.logical_switch(NETWORKS[b % 3]))
    if PORTS[b % 5] not in taken:
        _edit(nb, "Logical_Switch_Port", a, name=PORTS[b % 5])


def twin(nb: MemoryNorthbound, a: int, b: int) -> None:
    """A switch of somebody's that has the name of ours and perhaps the mark, and perhaps our ports."""
    ids = {names.OWNER_KEY: names.OWNER} if b % 2 else {}
    ports = frozenset(nb.tables["Logical_Switch_Port"]) if b % 3 == 0 else frozenset[str]()
    name = FOREIGN if b % 5 == 0 else names.logical_switch(NETWORKS[a % 3])
    nb.insert("Logical_Switch", {"name": name, "external_ids": ids, "ports": ports})


def steal(nb: MemoryNorthbound, a: int, b: int) -> None:
    """A switch refers to some ports, whoever else does."""
    ports = sorted(nb.tables["Logical_Switch_Port"])
    _edit(nb, "Logical_Switch", a, ports=frozenset(ports[b % 4 :]))


def empty_switch(nb: MemoryNorthbound, a: int, b: int) -> None:
    _edit(nb, "Logical_Switch", a, ports=frozenset())


def lose_switch(nb: MemoryNorthbound, a: int, b: int) -> None:
    uuids = sorted(nb.tables["Logical_Switch"])
    if uuids:
        del nb.tables["Logical_Switch"][uuids[a % len(uuids)]]


STATES: list[Callable[[State, int, int], State]] = [
    put_network,
    drop_network,
    put_subnet,
    put_port,
    put_port,
    put_port,
    drop_port,
]
EDITS: list[Callable[[MemoryNorthbound, int, int], None]] = [
    unmark,
    mark,
    rename,
    twin,
    steal,
    empty_switch,
    lose_switch,
]
steps = st.lists(
    st.tuples(st.integers(0, len(STATES) + len(EDITS)), st.integers(0, 14), st.integers(0, 14)), max_size=12
)


def full_house() -> State:
    state = State()
    for number in range(5):
        state = put_network(state, number, number)
        state = put_port(state, number, number)
    return state


@settings(max_examples=400, deadline=None)
@given(steps)
def test_the_plan_is_that_of_a_full_comparison(steps: list[Step]) -> None:
    """Steps that are no change stand for a plan that is carried out; between them plans come to nothing."""
    state, nb, memo, comparison = full_house(), MemoryNorthbound(), Memo(), Comparison()
    nb.apply(comparison.plan(desired(state, memo), nb.tables))
    for kind, a, b in steps:
        if kind < len(STATES):
            state = STATES[kind](state, a, b)
        elif kind < len(STATES) + len(EDITS):
            EDITS[kind - len(STATES)](nb, a, b)
            nb.apply(Plan())  # ports that nothing refers to go
        full = diff(desired(state), nb.tables)
        assert comparison.plan(desired(state, memo), nb.tables) == full
        if kind == len(STATES) + len(EDITS) or a % 2:
            nb.apply(full)
            assert comparison.plan(desired(state, memo), nb.tables) == diff(desired(state), nb.tables)


def test_a_row_is_made_again_only_for_other_objects() -> None:
    made: list[str] = []

    def make(port: Port) -> Row:
        made.append(port.mac_address)
        return Row("Logical_Switch_Port", port.id, {"name": port.id})

    memo, first = Memo(), port(PORTS[0], NETWORKS[0], 1)
    rows = []
    for one in (first, first, replace(first, mac_address="fa:16:3e:00:00:02")):
        memo.begin()
        rows.append(memo.of(make)(one.id, one))
    assert made == ["fa:16:3e:00:00:01", "fa:16:3e:00:00:02"]
    assert rows[0] is rows[1] is rows[2], "an equal row is the same object"
    memo.begin()
    memo.begin()
    memo.of(make)(first.id, first)
    assert len(made) == 3, "what a round did not ask for is forgotten"
