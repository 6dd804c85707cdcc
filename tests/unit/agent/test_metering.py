"""What a host counts: rules that come, go, begin anew, and outlive the agent."""

from pathlib import Path

from sealane.agent import gateway_meters
from sealane.agent.counting import Rule, Sums, after, parse
from sealane.agent.metering import read, write

FLOWS = """ cookie=0xa1b2c3d4, duration=12.5s, table=21, n_packets=40, n_bytes=3920, idle_age=3, \
priority=5,ip,reg14=0x1,reg15=0x2,metadata=0x7,nw_src=10.0.0.0/8 actions=set_field:0->reg8,resubmit(,22)
 cookie=0x1c, duration=0.001s, table=21, n_packets=0, n_bytes=0, priority=0,metadata=0x7 actions=resubmit(,22)
"""
LABELS = {"a1b2c3d4": ["all", "out"], "00000002": ["out"]}


def rule(cookie: str, packets: int, duration: float = 1000.0, match: str = "ip") -> Rule:
    return Rule(cookie, match, duration, (packets, packets * 10))


def test_rules_are_read() -> None:
    one, other = parse(FLOWS)
    assert (one.cookie, one.duration, one.counts) == ("a1b2c3d4", 12.5, (40, 3920))
    assert "nw_src=10.0.0.0/8" in one.match
    assert (other.cookie, other.counts) == ("0000001c", (0, 0))


def test_totals_grow_by_what_rules_have_grown() -> None:
    sums = after(Sums(), [rule("a1b2c3d4", 5), rule("00000002", 1), rule("ffffffff", 9)], LABELS, 100)
    assert sums.totals == {"all": (5, 50), "out": (6, 60)}
    sums = after(sums, [rule("a1b2c3d4", 7), rule("00000002", 1)], LABELS, 105)
    assert sums.totals == {"all": (7, 70), "out": (8, 80)}
    assert after(sums, [], LABELS, 110).totals == sums.totals, "what is gone has been counted"


def test_a_rule_that_is_made_anew_counts_as_a_whole() -> None:
    sums = after(Sums(), [rule("a1b2c3d4", 5)], LABELS, 100)
    less = after(sums, [rule("a1b2c3d4", 3)], LABELS, 105)
    assert less.totals["all"] == (8, 80)
    young = after(sums, [rule("a1b2c3d4", 6, duration=2.0)], LABELS, 105)
    assert young.totals["all"] == (11, 110)
    rebooted = after(sums, [rule("a1b2c3d4", 6, duration=20.0)], LABELS, 30)
    assert rebooted.totals["all"] == (11, 110)


def test_a_cookie_has_several_rules() -> None:
    both = [rule("a1b2c3d4", 1, match="reg14=0x1"), rule("a1b2c3d4", 2, match="reg14=0x2")]
    sums = after(Sums(), both, LABELS, 100)
    assert sums.totals["all"] == (3, 30)
    assert after(sums, both, LABELS, 105).totals == sums.totals


def test_growth_is_of_those_who_were_told_at_the_last_look() -> None:
    sums = after(Sums(), [rule("a1b2c3d4", 5)], {"a1b2c3d4": ["all"]}, 100)
    newer = after(sums, [rule("a1b2c3d4", 7)], {"a1b2c3d4": ["all", "new"]}, 105)
    assert newer.totals == {"all": (7, 70)}, "what passed before is none of the new label's"
    gone = after(newer, [rule("a1b2c3d4", 8)], {}, 110)
    assert gone.totals == {"all": (8, 80), "new": (1, 10)}, "the last of a rule that nobody wants"
    assert after(gone, [rule("a1b2c3d4", 9)], {}, 115).totals == gone.totals


def test_a_rule_that_is_not_known_yet_is_counted_as_a_whole_when_it_is() -> None:
    sums = after(Sums(), [rule("a1b2c3d4", 5, duration=1.0)], {}, 100)
    assert (sums.totals, sums.seen) == ({}, {})
    later = after(sums, [rule("a1b2c3d4", 9, duration=6.0)], LABELS, 105)
    assert later.totals["all"] == (9, 90)


def test_counters_of_gateways_are_of_one_label_each() -> None:
    sums = after(Sums(), [], {}, 100, {"net 7 all": ("all", (5, 50))})
    sums = after(sums, [], {}, 101, {"net 7 all": ("all", (6, 60))})
    again = after(sums, [], {}, 102, {"net 8 all": ("all", (2, 20)), "net 7 all": ("all", (6, 60))})
    assert again.totals == {"all": (8, 80)}
    assert after(sums, [], {}, 102, {"net 7 all": ("all", (1, 10))}).totals == {"all": (7, 70)}, (
        "it began anew"
    )


def test_what_a_gateway_is_to_count() -> None:
    label = "01234567-89ab-cdef-0123-456789abcdef"
    said = gateway_meters.script({label: ["10.0.0.0/24", "10.0.0.5/32", "fd00::5/128"]})
    wide, narrow = (f'counter name "l{label.replace("-", "")}"' for _ in range(2))
    assert f'iifname "gw0" oifname "up0" ip saddr {{ 10.0.0.0/24 }} {wide}' in said
    assert f'iifname "up0" oifname "gw0" ip6 daddr {{ fd00::5/128 }} {narrow}' in said
    assert "10.0.0.5" not in said, "a set holds nothing twice"
    listing = f"table inet sealane_meter {{ counter l{label.replace('-', '')} {{ packets 2 bytes 168 }} }}"
    assert list(gateway_meters.parse(listing)) == [(label, (2, 196))]


def test_it_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "metering.json"
    assert read(path) == Sums()
    sums = after(Sums(), [rule("a1b2c3d4", 5)], LABELS, 100)
    write(path, sums)
    assert read(path) == sums
    for torn in ("", "[]", '{"totals": 1}', '{"totals": {"x": 1}, "seen": {}, "at": 0}'):
        path.write_text(torn)
        assert read(path) == Sums()
