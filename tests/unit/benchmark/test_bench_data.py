"""The verdict on a run of the chapter `data`, without one."""

import io
from xml.etree import ElementTree

from rich.console import Console

from bench.data import picture, report
from bench.data.arms import ARMS
from bench.data.goals import FIGURES, GOALS, Goal, doubts, outcomes
from bench.data.run import Found

EVEN = {figure.name: [1e6, 2e6, 4e6] for figure in FIGURES}


def test_goals_are_of_arms_and_figures_that_there_are() -> None:
    for goal in GOALS:
        assert {goal.arm, goal.base} <= set(ARMS)
        assert goal.figure in EVEN


def test_a_ratio_is_of_values_of_the_same_block() -> None:
    samples = {"fast": {"rr-1": [2.0, 30.0, 3.0]}, "overlay": {"rr-1": [1.0, 10.0, 2.0]}}
    (found,) = outcomes(samples, {}, [Goal("fast", "overlay", "rr-1", 1.15, 1.35)])
    assert found.ratio.value == 2.0 and found.met


def test_of_what_costs_less_is_better() -> None:
    goal = Goal("fast", "overlay", "cpu", 0.85, 0.7)
    assert goal.met(0.8) and not goal.met(0.9)


def test_a_goal_of_an_arm_that_was_not_measured_is_left_out() -> None:
    assert outcomes({"fast": EVEN}, {}) == []


def test_an_arm_that_was_not_fast_meets_no_goal() -> None:
    samples = {"fast": {"rr-1": [9.0]}, "overlay": {"rr-1": [1.0]}}
    for share, met, doubt in ((0.98, False, "void: 98.0% fast"), (0.995, True, "")):
        (found,) = outcomes(samples, {"fast": share}, [Goal("fast", "overlay", "rr-1", 1.15, 1.35)])
        assert (found.met, found.doubt) == (met, doubt)


def test_a_run_is_void_when_the_control_fails() -> None:
    odd = {**EVEN, "rr-1": [2 * value for value in EVEN["rr-1"]]}
    assert doubts({"underlay": EVEN, "control": EVEN}) == []
    (control,) = doubts({"underlay": EVEN, "control": odd})
    assert control.startswith("rr-1: the control is 2.000")


def test_the_report_says_all_of_it() -> None:
    found = Found(
        dict.fromkeys(("fast", "overlay", "underlay", "control"), EVEN), {"fast": 0.5}, {"veth": "why"}, 1
    )
    out = io.StringIO()
    made = report.of(found)
    report.show(made, Console(file=out, width=200))
    for text in (
        "1.00 (1.00…1.00)",
        "fast: 50.00%",
        "veth was not measured: why",
        "1 blocks do not",
        "void: 50.0% fast",
    ):
        assert text in out.getvalue()
    tree = ElementTree.fromstring(picture.drawn(made))
    assert any("fast to overlay" in "".join(text.itertext()) for text in tree)
