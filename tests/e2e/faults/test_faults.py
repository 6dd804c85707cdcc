"""A sure sample of `make faults`: after each fault all is there that should be, and nothing else."""

from collections.abc import Iterable, Sequence

import pytest

from faults.campaigns import Campaigns
from faults.contract import Contract
from faults.site import Site
from faults.strikes import call_of, points
from faults.table import Case, rows, text

KILLS = 8
OTHERS = ("api", "store", "porter", "ovn-controller", "dockerd")


def judge(cases: Iterable[Case], *, refusals: bool) -> None:
    """`refusals`: a command may be refused, cleanly."""
    told = list(cases)
    bad = [row for row in rows(told) if row.bad or (row.refused and not refusals)]
    assert not bad, f"\n{text(rows(told))}\n" + "\n".join(map(str, told))
    assert any(case.reached for case in told)


def spread(items: Sequence[tuple[int, str]], number: int) -> list[tuple[int, str]]:
    return list(items[:: max(1, len(items) // number)])


def test_the_contract_holds_whatever_is_sent(campaigns: Campaigns, site: Site) -> None:
    judge(Contract(site, campaigns.striker).campaign(), refusals=False)


def test_the_agent_may_die_at_any_side_effect(campaigns: Campaigns) -> None:
    """Nothing is even refused: the call is carried out by the successor."""
    striker = campaigns.striker
    effects = striker.count()
    assert len(effects) > 80
    chosen = spread(list(enumerate(effects, 1)), KILLS)
    judge((striker.kill(n, f"{e} in {call_of(effects, n)}") for n, e in chosen), refusals=False)


@pytest.mark.parametrize("part", OTHERS)
def test_other_parts_may_die_in_a_call(campaigns: Campaigns, part: str) -> None:
    found = points(campaigns.striker.count())
    (number, when, point), *_ = [p for p in found if p[2].endswith("Join") and p[1] == "before"]
    judge([campaigns.striker.kill_other(part, number, point, when)], refusals=True)


def test_one_of_two_hosts_gets_the_last_address(campaigns: Campaigns) -> None:
    judge(campaigns.last_address(2), refusals=False)
