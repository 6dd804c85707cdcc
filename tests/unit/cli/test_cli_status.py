"""What `sealane status` finds wrong, and what it only notes."""

from sealane.cli.status import notes, troubles


def part(name: str, ready: bool = True) -> dict[str, object]:
    return {"name": name, "state": "ready" if ready else "backing off", "ready": ready}


HEALTHY = {
    "parts": [part("store"), part("agent")],
    "health": {"status": "ok", "parts": {"store": {"ok": True, "detail": "answers"}}},
    "agent": {"trouble": "", "attachments": 2, "docker": {"engine": "ok", "troubles": {}}},
    "nodes": [{"name": "host1", "state": "alive", "last_seen": "2026-01-01 12:00:00"}],
    "mismatches": [],
}


def test_nothing_is_wrong():
    assert troubles(HEALTHY) == []
    assert notes(HEALTHY) == []


def test_a_part_that_is_not_ready():
    report = HEALTHY | {"parts": [part("store", ready=False), part("agent")]}
    assert troubles(report) == ["store is backing off"]


def test_a_part_that_runs_but_is_ill():
    ill = {"status": "degraded", "parts": {"northd": {"ok": False, "detail": "standby"}}}
    assert troubles(HEALTHY | {"health": ill}) == ["northd: standby"]


def test_nobody_answers():
    report = HEALTHY | {"health": {"error": "no API"}, "agent": {"error": "no agent"}}
    assert troubles(report) == ["no API", "agent: no agent"]


def test_a_central_machine_has_no_agent():
    report = HEALTHY | {"parts": [part("store")], "agent": {"error": "no agent"}}
    assert troubles(report) == []


def test_docker_is_noted_and_not_a_trouble_of_ours():
    docker = {"engine": "no engine answers", "troubles": {"blue": "the name is taken"}}
    report = HEALTHY | {"agent": {"docker": docker}}
    assert troubles(report) == []
    assert notes(report) == ["Docker: no engine answers", "network blue: the name is taken"]


def test_a_node_that_is_lost():
    nodes = [{"name": "host2", "state": "lost", "last_seen": "2026-01-01 12:00:00"}]
    assert troubles(HEALTHY | {"nodes": nodes}) == ["node host2 is lost; last seen 2026-01-01 12:00:00"]


def test_a_port_on_the_wrong_host():
    wrong = {"id": "p1", "name": "web", "host": "host2", "wanted_host": "host1"}
    (told,) = troubles(HEALTHY | {"mismatches": [wrong]})
    assert told.startswith("port web is bound by host2, but meant for host1")
