"""Events as differences of two moments."""

from dataclasses import replace

import pytest

from sealane.api.attributes import Kind
from sealane.api.events import (
    API_NAMES,
    Event,
    Move,
    binding_events,
    changed_fields,
    differences,
    mismatch_events,
    move,
    node_events,
)
from sealane.api.journal import Journal
from sealane.api.networks import NETWORKS
from sealane.api.ports import PORTS
from sealane.api.subnets import SUBNETS
from sealane.model import FixedIP, Network, Node, Port, State, Subnet, Token
from sealane.ovn.southbound import Binding

BLUE = Network(id="n1", project_id="default", name="blue")
LOW = Subnet(id="s1", project_id="default", name="low", network_id="n1", cidr="10.1.0.0/24")
IPS = (FixedIP(subnet_id="s1", ip_address="10.1.0.2"),)
WEB = Port(
    id="p1", project_id="default", name="web", network_id="n1", mac_address="m", host="host1", fixed_ips=IPS
)
FULL = State({"n1": BLUE}, {"s1": LOW}, {"p1": WEB}, sequence=2)


def told(events):
    return [(e.kind, e.what, e.name) for e in events]


def test_the_same_state_is_no_news():
    assert list(differences(FULL, FULL)) == []
    assert list(differences(FULL, replace(FULL, ports={"p1": replace(WEB)}))) == []


def test_creation_is_told_parents_first_and_deletion_children_first():
    assert told(differences(State(), FULL)) == [
        ("network", "created", "blue"),
        ("subnet", "created", "low"),
        ("port", "created", "web"),
    ]
    assert told(differences(FULL, State())) == [
        ("port", "deleted", "web"),
        ("subnet", "deleted", "low"),
        ("network", "deleted", "blue"),
    ]


def test_a_created_port_says_where_it_belongs():
    (event,) = differences(replace(FULL, ports={}), FULL)
    assert event == Event(
        kind="port",
        what="created",
        id="p1",
        name="web",
        project_id="default",
        network_id="n1",
        host="host1",
        addresses=("10.1.0.2",),
    )


def test_an_update_names_the_fields_as_the_api_does():
    changed = replace(WEB, host="host2", name="www", revision_number=9, updated_at="now")
    (event,) = differences(FULL, replace(FULL, ports={"p1": changed}))
    assert (event.what, event.fields) == ("updated", ("name", "binding:host_id"))


def test_a_new_revision_alone_is_no_news():
    changed = replace(WEB, revision_number=9, updated_at="now", tunnel_key=7)
    assert list(differences(FULL, replace(FULL, ports={"p1": changed}))) == []


def test_nodes_and_tokens_without_their_secrets():
    node = Node(id="x", project_id="", name="host2", address="198.51.100.12")
    token = Token(id="t", project_id="", name="for-host2", digest="secret", expires_at=1)
    events = list(differences(State(), State(nodes={"x": node}, tokens={"t": token})))
    assert told(events) == [("node", "created", "host2"), ("token", "created", "for-host2")]
    assert events[0].host == "host2" and "secret" not in repr(events)
    (joined,) = differences(State(nodes={"x": node}), State(nodes={"x": replace(node, serials=("a",))}))
    assert joined.fields == ("serials",)


@pytest.mark.parametrize("kind", (NETWORKS, SUBNETS, PORTS), ids=lambda kind: kind.plural)
def test_fields_are_called_as_the_api_calls_them(kind: Kind):
    renamed = {(kind.singular, a.field): a.name for a in kind.attributes if a.field and a.name != "tenant_id"}
    renamed.pop((kind.singular, "project_id"), None)
    computed = {a.name for a in kind.attributes if not a.field}
    said = {key: name for key, name in API_NAMES.items() if key[0] == kind.singular}
    assert renamed == {key: name for key, name in said.items() if name not in computed}


def test_a_subnet_that_leaves_one_segment_for_another_is_told_once():
    before, after = replace(LOW, segmented=True), replace(LOW, further_segment_id="x")
    assert changed_fields("subnet", before, after) == ("segment_id",)


def bound(host="", up=False):
    return Binding(port="p1", chassis=host or None, up=up, tunnel_key=1)


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    (
        (None, bound(), []),
        (bound(), bound("host1"), [("bound", "host1")]),
        (bound("host1"), bound("host1", True), [("active", "host1")]),
        (None, bound("host1", True), [("bound", "host1"), ("active", "host1")]),
        (bound("host1", True), bound("host1"), [("down", "host1")]),
        (bound("host1", True), bound(), [("down", "host1")]),
        (bound("host1", True), None, [("down", "host1")]),
        (bound("host1"), None, []),
        (
            bound("host1", True),
            bound("host2", True),
            [("down", "host1"), ("bound", "host2"), ("active", "host2")],
        ),
        (bound("", True), bound("", True), []),
    ),
)
def test_bindings(old, new, wanted):
    found = binding_events([move("p1", old, new, lambda chassis: chassis)], FULL)
    assert [(e.what, e.host) for e in found] == wanted


def test_the_binding_of_a_port_that_is_deleted_goes_without_saying():
    assert list(binding_events([Move("gone", "host1", True)], FULL)) == []


def test_a_mismatch_is_an_alarm_and_is_told_once():
    (event,) = mismatch_events({}, {"p1": "host2"}, FULL)
    assert (event.what, event.host, event.wanted_host, event.alarm) == ("misbound", "host2", "host1", True)
    assert list(mismatch_events({"p1": "host2"}, {"p1": "host2"}, FULL)) == []
    (event,) = mismatch_events({"p1": "host2"}, {}, FULL)
    assert (event.what, event.host, event.alarm) == ("righted", "host1", False)


def test_nodes_that_come_and_go():
    """host4 was removed: that has been told already."""
    names = {"x": "host2", "y": "host3"}
    state = State(nodes={id: Node(id=id, project_id="", name=n, address=id) for id, n in names.items()})
    old, new = frozenset({"host1", "host2", "host4"}), frozenset({"host1", "host3"})
    events = list(node_events(old, new, state))
    assert [(e.what, e.name, e.id, e.alarm) for e in events] == [
        ("lost", "host2", "x", True),
        ("seen", "host3", "y", False),
    ]


def some(number):
    return [Event(kind="port", what="created", id=str(n)) for n in range(number)]


def test_the_journal_tells_what_came_after_a_number():
    journal = Journal(first=100)
    assert journal.after(0).last == 99 and not journal.after(0).gone
    journal.add(some(3))
    assert [e.number for e in journal.after(0).entries] == [100, 101, 102]
    page = journal.after(100)
    assert ([e.number for e in page.entries], page.last, page.gone) == ([101, 102], 102, False)
    assert journal.after(102).entries == () and journal.after(102).last == 102
    assert [e.number for e in journal.after(99, limit=2).entries] == [100, 101]
    assert journal.after(99, limit=2).last == 101


@pytest.mark.parametrize("number", (1, 98, 103, 10**17))
def test_who_knows_another_journal_is_told_that_events_are_gone(number):
    journal = Journal(first=100)
    journal.add(some(3))
    page = journal.after(number)
    assert page.gone and len(page.entries) == 3


def test_what_is_too_long_ago_is_gone():
    journal = Journal(size=2, first=100)
    journal.add(some(5))
    assert [e.number for e in journal.after(0).entries] == [103, 104]
    assert journal.after(101).gone and not journal.after(102).gone


def test_numbers_of_a_later_process_are_higher():
    first = Journal()
    first.add(some(100))
    assert first.last > 10**15
