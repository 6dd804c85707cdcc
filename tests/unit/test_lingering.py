"""Which policies that nobody wants stay, so that what they counted last is read."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from sealane.model import MeteringLabelRule, State
from sealane.ovn import lingering
from sealane.ovn.lingering import Lingering
from sealane.translate import metering, routers
from sealane.translate.desired import desired
from sealane.translate.rows import Row
from tests.golden.test_northbound import CASES, load

OUT = "7e000000-0000-4000-8000-0000000000c1"


@pytest.fixture(scope="module")
def case() -> State:
    return load(next(path for path in CASES if Path(path).name == "metering"))


def counting(rows: tuple[Row, ...]) -> dict[str, Row]:
    return {str(row.columns["match"]): row for row in rows if row.key.startswith(metering.KEY)}


def made(state: State, name: str, **ends: str | bool) -> MeteringLabelRule:
    rule = next(iter(state.metering_label_rules.values()))
    blank = {"remote_ip_prefix": None, "source_ip_prefix": None, "destination_ip_prefix": None}
    return replace(rule, id=name, metering_label_id=OUT, **{**blank, **ends})  # type: ignore[arg-type]


def with_rules(state: State, *rules: MeteringLabelRule) -> State:
    return replace(state, metering_label_rules={**state.metering_label_rules, **{r.id: r for r in rules}})


def test_who_says_of_what_is_wanted_what_it_was_made_for(case: State) -> None:
    ways = routers.ways(case)
    rows = counting(desired(case))
    assert rows and all(metering.who(match, ways) is not None for match in rows)
    assert metering.who('inport == "x" && ip4', ways) is None


def test_a_rule_that_comes_or_goes_makes_no_other_anew(case: State) -> None:
    before = counting(desired(case))
    more = with_rules(case, made(case, "n", direction="egress", source_ip_prefix="10.0.0.7/32"))
    after = counting(desired(more))
    assert before.keys() < after.keys()
    assert all(after[match] == row for match, row in before.items())


def test_what_counts_still_stays_and_the_rest_for_a_while(
    case: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrow = made(case, "n", direction="egress", source_ip_prefix="10.0.0.7/32")
    other = made(case, "o", direction="ingress", source_ip_prefix="198.51.100.0/24")
    old, new = desired(with_rules(case, narrow, other)), desired(case)
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    stays = Lingering()
    assert stays.next is None
    kept = stays.rows(old, new, case)
    gone = counting(old).keys() - counting(new).keys()
    assert {str(row.columns["match"]) for row in kept} == gone
    assert stays.next == lingering.HOLD
    clock[0] += lingering.HOLD
    assert stays.next == 0.0
    rest = {str(row.columns["match"]) for row in stays.rows((*new, *kept), new, case)}
    ways = routers.ways(case)
    assert rest == {match for match in gone if metering.who(match, ways)}
    assert rest and rest != gone, "what is wanted by others' wider rules stays; what nobody wants has gone"
    assert stays.next is None


def test_what_would_dispute_packets_goes_at_once(case: State) -> None:
    narrow = made(case, "n", direction="egress", source_ip_prefix="10.0.0.7/32")
    across = made(case, "a", direction="egress", destination_ip_prefix="198.51.100.0/24", excluded=True)
    old, after = desired(with_rules(case, narrow)), with_rules(case, across)
    kept = Lingering().rows(old, desired(after), after)
    matches = [str(row.columns["match"]) for row in kept]
    assert matches and all(
        match.endswith("ip4.src == 10.0.0.7/32 && ip4.dst == 192.0.2.0/24") for match in matches
    )


def test_with_its_router_it_goes_at_once(case: State) -> None:
    bare = replace(case, routers={}, ports={}, floatingips={}, port_forwardings={})
    assert Lingering().rows(desired(case), desired(bare), bare) == ()
