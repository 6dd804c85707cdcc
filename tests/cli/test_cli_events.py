"""`sealane events` as a process, of an API process that is restarted meanwhile."""

import json
from contextlib import ExitStack

import pytest

from tests.cli.conftest import central_part
from tests.follower import following


def test_events_go_on_across_a_restart_of_the_api():
    with central_part() as central:
        with central.api():
            central.client.create("networks", {"name": "blue"})
            with following(central.environ) as follower:
                follower.until("network", "created", "blue")
                central.client.create("networks", {"name": "red"})
                number = follower.until("network", "created", "red")["number"]
        with central.api(), following(central.environ, "--since", str(number)) as follower:
            follower.until("journal", "gone")
            network = central.client.create("networks", {"name": "green"})
            follower.until("network", "created", "green")
            central.client.delete("networks", network["id"])
            follower.until("network", "deleted", "green")
            assert follower.process.poll() is None


def test_a_follower_outlives_the_api():
    with central_part() as central, ExitStack() as stack:
        with central.api():
            central.client.create("networks", {"name": "blue"})
            follower = stack.enter_context(following(central.environ))
            follower.until("network", "created", "blue")
        with central.api():
            follower.until("journal", "gone")
            central.client.create("networks", {"name": "red"})
            follower.until("network", "created", "red")


@pytest.fixture
def some(sealane):
    sealane.json("network", "create", "blue", "--no-subnet", "--project", "acme")
    sealane.json("network", "set", "blue", "--mtu", "1300", "--disable")
    sealane.json("port", "create", "web", "--network", "blue", "--host", "host1")
    sealane("port", "delete", "web")


def rows(sealane, *options):
    outcome = sealane("events", "-o", "json", *options)
    assert outcome.status == 0
    return [json.loads(line) for line in outcome.out.splitlines()]


def test_one_json_object_a_line(sealane, some):
    found = rows(sealane, "--last", "4", "--kind", "network", "--kind", "port")
    assert [(e["kind"], e["what"]) for e in found] == [
        ("network", "created"),
        ("network", "updated"),
        ("port", "created"),
        ("port", "deleted"),
    ]
    assert found[1]["fields"] == ["admin_state_up", "mtu"]
    assert {e["project_id"] for e in found} == {"acme"}


def test_which_events(sealane, some):
    assert {e["kind"] for e in rows(sealane, "--kind", "port")} == {"port"}
    assert {e["kind"] for e in rows(sealane, "--kind", "port", "--kind", "network", "-n", "4")} == {
        "port",
        "network",
    }
    last = rows(sealane, "--project", "acme", "-n", "2")
    assert rows(sealane, "--since", str(last[0]["number"])) == last[1:]
    assert len(rows(sealane, "--since", "1h")) >= 4 and rows(sealane, "--since", "0s") == []
    assert rows(sealane, "--alarms") == [] and rows(sealane, "-n", "0") == []
    assert rows(sealane, "--since", "7")[0]["what"] == "gone"


def test_lines_for_people(sealane, some):
    lines = sealane("events", "-n", "4", "--kind", "network", "--kind", "port").out.splitlines()
    assert [line.split()[1:4] for line in lines] == [
        ["network", "created", "blue"],
        ["network", "updated", "blue"],
        ["port", "created", "web"],
        ["port", "deleted", "web"],
    ]
    assert "changed: admin_state_up, mtu" in lines[1]
    assert "on blue, host host1" in lines[2]


def test_since_that_is_nothing(sealane):
    assert "--since" in sealane.fails(2, "events", "--since", "yesterday")
