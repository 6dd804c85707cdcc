"""Rows say what was asked for, as tests/api/meant.py tells it; and a translator that is wrong is found out.

The machines of calls in any order ask the same after each call (tests/api/any_order.py).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealane.translate import balancers, floatingips, logs, ports, qos, routers, tap_mirrors
from sealane.translate.desired import desired
from tests.api.meant import differences
from tests.golden.test_northbound import CASES, load

Wrong = Callable[[Any], Any]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rows_say_what_was_asked_for(case: Path) -> None:
    state = load(case)
    assert differences(state, desired(state)) == (set(), set())


def _with(**columns: Any) -> Wrong:
    """Makes rows that say something else."""

    def wrap(made: Any) -> Any:
        def make(*given: Any, **named: Any) -> Any:
            return replace(row := made(*given, **named), columns={**row.columns, **columns})

        return make

    return wrap


def _none(made: Any) -> Any:
    return lambda *given, **named: iter(())


MUTANTS: dict[str, tuple[Any, str, Wrong]] = {
    "routes of routers are left out": (routers, "_extra_routes", _none),
    "no default route": (routers, "_default_routes", _none),
    "no SNAT": (routers, "_snats", _none),
    "a router is switched off": (routers, "_logical_router", _with(enabled=False)),
    "a router's port has another MAC": (routers, "_port", _with(mac="02:00:00:00:00:01")),
    "who is switched off is chosen": (balancers, "_serves", lambda made: lambda member: True),
    "nobody is chosen": (balancers, "_serves", lambda made: lambda member: False),
    "a limit is another": (qos, "_row", _with(bandwidth={"rate": 1, "burst": 1})),
    "a mark is another": (qos, "_row", _with(action={"dscp": 1})),
    "limits are of one direction": (qos, "_has", lambda made: lambda r, d: d == "egress" and made(r, d)),
    "nothing that is accepted is logged": (logs, "_rule", lambda made: lambda *given: None),
    "drops are not logged": (logs, "_group", _none),
    "a floating IP leads elsewhere": (floatingips, "_nat", _with(logical_ip="192.0.2.1")),
    "nothing is forwarded": (floatingips, "_pairs", _none),
    "ports are never switched off": (ports, "_machine", _with(enabled=True)),
    "sub-ports have no tag": (ports, "_machine", _with(tag=None)),
    "ports are anybody's": (ports, "_machine", _with(options={"requested-chassis": "host9"})),
    "mirrors are of what is sent": (tap_mirrors, "FILTERS", lambda made: dict.fromkeys(made, "from-lport")),
}
"""What is wrong -> where, and how it is made wrong."""


@pytest.mark.parametrize("mutant", MUTANTS)
def test_what_is_wrong_is_found_out(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, wrong = MUTANTS[mutant]
    monkeypatch.setattr(where, name, wrong(getattr(where, name)))
    states = [load(case) for case in CASES]
    assert any(differences(state, desired(state)) != (set(), set()) for state in states)
