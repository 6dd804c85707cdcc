"""Cases become rows: sums of what went wrong, the worst of the times."""

import json
from pathlib import Path

from faults.strikes import call_of, points
from faults.table import Case, keep, rows, text

CASES = [
    Case("agent killed", "before A", back=1.0, slowest=2.0),
    Case("agent killed", "before B", lost=["stay1"], left=["host1: link a", "host1: link b"], back=3.0),
    Case("agent killed", "before C", reached=False, wrong="not counted"),
    Case("api killed", "before A", calls=5, refused="run: no API"),
]
EFFECTS = ["API POST ports", "memory a", "answer One", "answer Two", "netlink x", "answer One"]


def test_rows_are_sums_and_maxima() -> None:
    agent, api = rows(CASES)
    assert (agent.calls, agent.lost, agent.left, agent.wrong, agent.back) == (2, 1, 2, 0, 3.0)
    assert (api.calls, api.refused, api.bad) == (5, 1, False)
    assert agent.bad


def test_the_table_is_markdown() -> None:
    head, rule, *lines = text(rows(CASES)).splitlines()
    assert head.startswith("| fault") and set(rule) == set("| -")
    assert [line.split("|")[1].strip() for line in lines] == ["agent killed", "api killed"]
    assert len({len(line) for line in (head, rule, *lines)}) == 1


def test_every_case_is_kept(tmp_path: Path) -> None:
    keep(CASES, tmp_path / "results" / "faults.json")
    kept = json.loads((tmp_path / "results" / "faults.json").read_text())
    assert len(kept["cases"]) == 4 and len(kept["rows"]) == 2


def test_points_are_in_and_after_each_call() -> None:
    assert [(number, when) for number, when, _ in points(EFFECTS)] == [
        *((1, "before"), (3, "before"), (3, "after")),
        *((4, "before"), (4, "after")),
        *((5, "before"), (6, "before"), (6, "after")),
    ]
    assert call_of(EFFECTS, 5) == "One"
    assert call_of(EFFECTS, 7) == "nothing: after the last call"
