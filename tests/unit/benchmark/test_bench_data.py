"""The plan of the chapter `data`, what becomes of its visits, and the verdict on them, without a run."""

import io
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from bench.data import picture, probe, report
from bench.data.arms import ARMS, WITH_FAST_PATH
from bench.data.goals import CELLS, FIGURES, GOALS, Cell, Goal
from bench.data.journal import Journal, Visit
from bench.data.plan import CONTROL, Settings, asked, steps
from bench.data.samples import sort
from bench.data.verdict import LEAST, doubts, outcomes, ratio

EVEN = {figure.name: 1e6 for figure in FIGURES}
RR: Cell = ("rr", 1)
BLOCKS = range(LEAST)
SETTINGS = Settings(ARMS, CELLS, 12, 2.0, quick=True)
GOAL = Goal("fast", "overlay", "rr-1", 1.15, 1.35)


def visits(arm: str, rates: Iterable[float], cell: Cell = RR, **more: int) -> list[Visit]:
    return [
        Visit(block, arm, cell, _values(rate), sent=more.get("sent", 0), fast=more.get("fast", 0))
        for block, rate in enumerate(rates)
    ]


def _values(rate: float) -> dict[str, float]:
    return {"rate": rate, "cpu_per_gb": 1.0, "p50": 1.0, "p99": 1.0}


def trusted(control: float = 1.0) -> list[Visit]:
    return visits("underlay", [1.0 for _ in BLOCKS]) + visits("control", [control for _ in BLOCKS])


def test_goals_are_of_arms_and_figures_that_there_are() -> None:
    for goal in GOALS:
        assert {goal.arm, goal.base} <= set(ARMS)
        assert goal.figure in EVEN


@pytest.mark.parametrize("quick", [True, False])
def test_each_goal_and_its_control_are_measured_in_each_block(quick: bool) -> None:
    made = list(steps(replace(SETTINGS, quick=quick), WITH_FAST_PATH))
    assert len(made) == len(set(made))
    cells = {figure.name: figure.cell for figure in FIGURES}
    for block in range(SETTINGS.blocks):
        of_block = {(step.arm, step.cell) for step in made if step.block == block}
        for goal in GOALS:
            for arm in (goal.arm, goal.base, *CONTROL):
                assert (arm, cells[goal.figure]) in of_block


def test_a_full_run_measures_all_and_a_quick_one_less_than_half() -> None:
    full, quick = (
        list(steps(replace(SETTINGS, quick=is_quick), WITH_FAST_PATH)) for is_quick in (False, True)
    )
    assert len(full) == len(ARMS) * len(CELLS) * SETTINGS.blocks
    assert len(quick) < len(full) / 2
    assert {step.cell for step in quick} == set(CELLS) and ("stream", 16) not in asked()


def test_a_block_is_the_one_before_in_reverse_and_the_fast_path_is_switched_once_a_cell() -> None:
    made = list(steps(replace(SETTINGS, blocks=2), WITH_FAST_PATH))
    first, second = ([(s.arm, s.cell) for s in made if s.block == n] for n in range(2))
    assert second == first[::-1] and first != second
    states = [arm in WITH_FAST_PATH for arm, _ in first]
    switches = sum(one != other for one, other in pairwise(states))
    assert switches <= len({cell for _, cell in first})


def test_a_ratio_is_of_values_of_the_same_block() -> None:
    found = sort([*visits("fast", [2.0, 30.0, 3.0]), *visits("overlay", [1.0, 10.0, 2.0])])
    measured = ratio(found.samples, "rr-1", "fast", "overlay")
    assert measured is not None and (measured[0].value, measured[1]) == (2.0, 3)


def test_a_visit_that_failed_takes_only_its_own_block_from_the_ratio() -> None:
    found = sort(
        [
            *visits("fast", [2.0, 30.0, 3.0]),
            Visit(0, "overlay", RR, error="nothing came back"),
            *visits("overlay", [1.0, 10.0, 2.0])[1:],
        ]
    )
    measured = ratio(found.samples, "rr-1", "fast", "overlay")
    assert measured is not None and measured[1] == 2
    assert found.failed == {"overlay": {RR: ["nothing came back"]}}


def test_a_visit_that_was_made_again_counts_as_the_last_one() -> None:
    found = sort([Visit(0, "fast", RR, error="first"), *visits("fast", [7.0])])
    assert found.samples == {"fast": {"rr-1": {0: 7.0}, "rr-1-p50": {0: 1.0}, "rr-1-p99": {0: 1.0}}}
    assert found.failed == {}


def test_what_the_host_of_the_machine_stole_does_not_count() -> None:
    found = sort([replace(visit, stolen=0.06) for visit in visits("fast", [1.0, 1.0])])
    assert (found.samples, found.stolen) == ({}, 2)


def test_of_what_costs_less_is_better() -> None:
    goal = Goal("fast", "overlay", "cpu", 0.85, 0.7)
    assert goal.met(0.8) and not goal.met(0.9)


def test_a_goal_of_an_arm_that_was_not_measured_is_left_out() -> None:
    assert outcomes(sort(visits("fast", [1.0]))) == []


@pytest.mark.parametrize(
    ("fast", "control", "blocks", "doubt"),
    [
        (995, 1.0, LEAST, ""),
        (980, 1.0, LEAST, "98.0% fast"),
        (1000, 1.06, LEAST, "control"),
        (1000, 0.96, LEAST, ""),
        (1000, 1.0, LEAST - 1, f"{LEAST - 1} blocks"),
    ],
)
def test_a_doubtful_ratio_meets_no_goal(fast: int, control: float, blocks: int, doubt: str) -> None:
    sample = [
        *visits("fast", [9.0] * blocks, sent=1000, fast=fast),
        *visits("overlay", [1.0] * blocks),
        *trusted(control),
    ]
    (found,) = outcomes(sort(sample), [GOAL])
    assert (found.doubt, found.met) == (doubt, not doubt)


def test_new_connections_need_not_be_fast() -> None:
    crr: Cell = ("crr", 1)
    sample = [visit for arm in (*CONTROL, "overlay") for visit in visits(arm, [1.0 for _ in BLOCKS], crr)]
    sample += visits("fast", [1.0 for _ in BLOCKS], crr, sent=10, fast=1)
    (found,) = outcomes(sort(sample), [Goal("fast", "overlay", "crr", 0.8, 1.0)])
    assert found.met


def test_a_figure_without_a_control_is_void() -> None:
    assert doubts(sort(trusted()).samples) == {}
    assert doubts(sort(trusted(2.0)).samples)["rr-1"].startswith("the control is 2.000")
    assert doubts(sort(visits("fast", [1.0])).samples)["rr-1"] == "there is no control"


def test_a_journal_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "results" / "run.jsonl")
    journal.begin(SETTINGS)
    first, second = visits("fast", [1.0, 2.0])
    journal.write(first)
    journal.write_absent("overlay", "no engine")
    with journal.path.open("a") as file:
        file.write('{"visit": {"blo')
    assert journal.visits() == [first]
    assert journal.resume() == SETTINGS
    journal.write(second)
    assert (journal.visits(), journal.absent()) == ([first, second], {"overlay": "no engine"})
    journal.write(Visit(1, "overlay", RR, _values(1.0)))
    assert journal.absent() == {}  # it could be had when the run went on


def test_a_journal_is_not_begun_twice_and_another_file_is_none(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run.jsonl")
    with pytest.raises(RuntimeError, match="can't be read"):
        journal.settings()
    journal.path.write_text("3\n")
    with pytest.raises(FileExistsError):
        journal.begin(SETTINGS)
    with pytest.raises(RuntimeError, match="no journal"):
        journal.resume()


def test_source_ports_rest_before_they_are_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("bench.data.probe.time.monotonic", lambda: now)
    ports = probe.SourcePorts()
    assert ports.wait() == 0.0
    ports.first, now = probe.HIGHEST - probe.SPARE + 1, 1010.0
    assert ports.wait() == probe.REST - 10 and ports.first == probe.LOWEST
    ports.first, now = probe.HIGHEST - 5, 1100.0
    assert ports.wait() == 0.0 and ports.first == probe.LOWEST


def test_the_report_says_all_of_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "run.jsonl")
    journal.begin(SETTINGS)
    sample: Mapping[str, list[Visit]] = {
        arm: [visit for cell in CELLS for visit in visits(arm, [1e6 for _ in BLOCKS], cell, **counts)]
        for arm, counts in {
            "fast": {"sent": 2, "fast": 1},
            "overlay": {},
            "underlay": {},
            "control": {},
        }.items()
    }
    for visit in (visit for of_arm in sample.values() for visit in of_arm):
        journal.write(visit)
    journal.write_absent("veth", "why")
    journal.write(Visit(9, "bridge", RR, error="no answer"))
    journal.write(replace(sample["overlay"][0], block=9, stolen=0.5))
    out = io.StringIO()
    made = report.of(journal)
    report.show(made, Console(file=out, width=200))
    for text in (
        "1.00 (1.00…1.00)",
        "fast: fast were 50.00%",
        "veth was not measured: why",
        "bridge failed in rr-1, 1 times, at last: no answer",
        "1 visits do not",
        "void: 50.0% fast",
    ):
        assert text in out.getvalue()
    tree = ElementTree.fromstring(picture.drawn(made))
    assert any("fast to overlay" in "".join(text.itertext()) for text in tree)
