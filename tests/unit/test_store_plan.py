"""Plans: what a transaction consists of, what is refused before it is sent, and which keys are chosen."""

import uuid
from dataclasses import replace

import msgspec
import pytest

from sealane.errors import BadRequest, Conflict, NotFound, RevisionMismatch
from sealane.model import FixedIP, Network, Port, State, Subnet
from sealane.ovsdb.values import Schema
from sealane.store.changes import Change, Create, Delete, Update
from sealane.store.claims import DATAPATH, PORT_KEYS, Claims, free_key
from sealane.store.create import SCHEMA
from sealane.store.plan import Plan, plan
from sealane.store.transaction import View

PACKAGED = Schema.parse(msgspec.json.decode(SCHEMA.read_bytes()))
NET = Network(id=str(uuid.uuid4()), project_id="p", revision_number=4, tunnel_key=9)
SUB = Subnet(
    id=str(uuid.uuid4()), project_id="p", network_id=NET.id, cidr="10.0.0.0/24", gateway_ip="10.0.0.1"
)
PORT = Port(
    id=str(uuid.uuid4()),
    project_id="p",
    network_id=NET.id,
    mac_address="02:00:00:00:00:01",
    fixed_ips=(FixedIP(subnet_id=SUB.id, ip_address="10.0.0.5"),),
    tunnel_key=3,
)
GATEWAY_CLAIM, PORT_CLAIM = str(uuid.uuid4()), str(uuid.uuid4())
STATE = State(networks={NET.id: NET}, subnets={SUB.id: SUB}, ports={PORT.id: PORT}, sequence=1)


def view(state: State = STATE) -> View:
    claims = Claims()
    claims.follow(
        [
            ("Allocation", GATEWAY_CLAIM, None, {"subnet": SUB.id, "address": "10.0.0.1"}),
            ("Allocation", PORT_CLAIM, None, {"subnet": SUB.id, "address": "10.0.0.5"}),
            ("TunnelKey", str(uuid.uuid4()), None, {"scope": DATAPATH, "key": 9}),
            ("Port", PORT.id, None, {"network": NET.id, "tunnel_key": 3}),
        ]
    )
    return View(PACKAGED, state, claims, {NET.id: {"subnets_revision": 5}})


def planned(*changes: Change, state: State = STATE, done: tuple[str, ...] = ()) -> Plan:
    return plan(changes, view(state), str(uuid.uuid4()), done)


def shape(of: Plan) -> list[str]:
    return [f"{op['op']} {op['table']}" for op in of.operations]


def test_the_request_comes_first_and_waits_come_before_what_they_guard() -> None:
    other = replace(SUB, id=str(uuid.uuid4()), cidr="10.1.0.0/24", gateway_ip=None)
    third = replace(other, id=str(uuid.uuid4()), cidr="10.2.0.0/24")
    done = str(uuid.uuid4())
    made = planned(
        Delete(SUB), Create(other), Create(third), Update(NET, replace(NET, name="x")), done=(done,)
    )
    assert shape(made) == [
        "insert Request",
        "delete Request",
        "mutate Sealane",
        "wait Network",
        "wait Network",
        "delete Subnet",
        "delete Allocation",
        "mutate Network",
        "insert Subnet",
        "insert Subnet",
        "update Network",
    ]
    assert made.guards == {4: NET}


def test_a_subnet_of_a_network_that_is_made_with_it_waits_for_nothing() -> None:
    net = replace(NET, id=str(uuid.uuid4()), tunnel_key=0)
    sub = replace(SUB, id=str(uuid.uuid4()), network_id=net.id)
    made = planned(Create(net), Create(sub))
    assert "wait Network" not in shape(made)
    assert made.chose_keys
    with pytest.raises(Conflict, match="overlaps"):
        planned(Create(net), Create(sub), Create(replace(sub, id=str(uuid.uuid4()))))


def test_an_update_writes_what_differs_and_the_next_revision() -> None:
    made = planned(Update(PORT, replace(PORT, name="x", revision_number=77)))
    assert made.operations[-1]["row"] == {"name": "x", "revision_number": 1}


def test_an_address_that_stays_keeps_its_claim() -> None:
    more = (*PORT.fixed_ips, FixedIP(subnet_id=SUB.id, ip_address="10.0.0.6"))
    made = planned(Update(PORT, replace(PORT, fixed_ips=more)))
    row = made.operations[-1]["row"]
    assert isinstance(row, dict)
    assert ["uuid", PORT_CLAIM] in row["allocations"][1]
    assert made.addresses == ["10.0.0.6"]


def test_an_id_named_twice_is_refused() -> None:
    new = replace(PORT, id=str(uuid.uuid4()), tunnel_key=0)
    for twice in ((Create(new), Create(new)), (Delete(PORT), Create(PORT)), (Delete(PORT), Delete(PORT))):
        with pytest.raises(BadRequest, match="twice"):
            planned(*twice)


def test_what_is_there_with_the_same_content_needs_nothing() -> None:
    assert planned(Create(NET), Create(replace(PORT, tunnel_key=0, created_at="now"))).changes == 0


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (Create(replace(NET, name="other")), Conflict),
        (Create(replace(SUB, id=str(uuid.uuid4()), cidr="10.0.0.128/25")), Conflict),
        (Create(replace(PORT, id=str(uuid.uuid4()), network_id=str(uuid.uuid4()))), NotFound),
        (Update(replace(NET, revision_number=3), NET), RevisionMismatch),
        (Update(replace(NET, id=str(uuid.uuid4())), NET), BadRequest),
        (Update(SUB, replace(SUB, cidr="10.9.0.0/24")), BadRequest),
        (Update(PORT, replace(PORT, tunnel_key=8)), BadRequest),
        (Delete(replace(PORT, id=str(uuid.uuid4())), guarded=True), NotFound),
    ],
)
def test_what_the_view_tells_already_is_refused(change: Change, error: type[Exception]) -> None:
    with pytest.raises(error):
        planned(change)


def test_a_claim_that_changes_hands_stays_claimed() -> None:
    claims = Claims()
    row = {"subnet": SUB.id, "address": "10.0.0.5"}
    claims.follow([("Allocation", "old", None, row)])
    claims.follow([("Allocation", "new", None, row), ("Allocation", "old", row, None)])
    assert claims.allocation(SUB.id, "10.0.0.5") == "new"


def test_keys_are_free_small_and_end() -> None:
    taken: set[int] = set()
    for _ in range(500):
        taken.add(free_key(taken, PORT_KEYS, "n"))
    assert len(taken) == 500
    assert min(taken) > 1
    assert max(taken) < 2 * 500 + 66
    keys = range(2, 5)
    full: set[int] = set()
    for _ in keys:
        full.add(free_key(full, keys, "n"))
    with pytest.raises(Conflict):
        free_key(full, keys, "n")
