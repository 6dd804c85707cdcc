"""Which datapaths look at connections, by what ovs-ofctl says."""

import pytest

from sealane.agent.tracking import untracked

WAITING = (
    "table=14, priority=110,ip,reg0=0x4/0x4,metadata=0x1c actions=ct(table=15,zone=NXM_NX_REG13[0..15],nat)\n"
    "table=14, priority=100,ip,reg0=0x1/0x1,metadata=0x1c actions=ct(table=15,zone=NXM_NX_REG13[0..15])\n"
    "table=26, priority=100,ip,reg0=0x2002/0x2002,metadata=0x1c actions=ct(commit,zone=NXM_NX_REG13[0..15],"
    "exec(set_field:0/0x1->ct_mark,move:NXM_NX_XXREG0[0..31]->NXM_NX_CT_LABEL[96..127])),resubmit(,27)\n"
    "table=8, priority=50,metadata=0x1c actions=set_field:0/0x1000->reg10,resubmit(,73),"
    "move:NXM_NX_REG10[12]->NXM_NX_XXREG0[111],resubmit(,9)\n"
    "table=65, priority=100,reg15=0x14,metadata=0x1c actions=clone(ct_clear,set_field:0->reg11,"
    "set_field:0x3->metadata,set_field:0->reg0,resubmit(,8))\n"
)
"""As in every network of OVN 23.03: what would track connections if anything asked for it."""
ROUTER = (
    "table=21, priority=74,ip,metadata=0x3,nw_dst=10.61.0.0/24 actions=dec_ttl(),"
    "move:NXM_OF_IP_DST[]->NXM_NX_XXREG0[96..127],set_field:0x1->reg15,resubmit(,22)\n"
)


def rule(match: str, actions: str, datapath: int = 0x1C) -> str:
    return f"table=12, priority=100,ip,metadata={datapath:#x}{match} actions={actions}\n"


def put(bits: int, datapath: int = 0x1C) -> str:
    """Into reg0."""
    return rule("", f"set_field:{bits << 96:#x}/{bits << 96:#x}->xxreg0,resubmit(,13)", datapath)


def test_a_network_is_untracked_while_nothing_asks_for_it() -> None:
    assert untracked(WAITING + ROUTER) == {0x1C, 0x3}


@pytest.mark.parametrize(("more", "tracks"), [
    (put(0x1), True),  # stateful rules
    (put(0x4), True),  # load balancers
    (put(0x2), False),
    (put(0x2) + put(0x2000), True),
    (put(0x2002), True),
    (put(0x1, datapath=0x1D), False),
    (rule("", f"set_field:0/{1 << 96:#x}->xxreg0"), False),
    (rule("", "set_field:0x1/0x1->reg0"), True),
    (rule("", "set_field:0x1/0x1->xreg0"), False),  # of reg1
    (rule("", "set_field:0x100000000->xreg0"), True),
    (rule("", "set_field:0x1/0x1->reg10"), False),
    (rule("", "move:NXM_NX_REG1[]->NXM_NX_REG0[]"), True),
    (rule("", "move:NXM_NX_REG1[0]->NXM_NX_REG0[5]"), False),
    (rule("", "move:NXM_NX_REG1[0..3]->NXM_NX_REG0[0..3]"), True),
    (rule("", "pop:NXM_NX_REG0[]"), True),
    (rule(",nw_dst=192.0.2.1", "ct(table=10,zone=NXM_NX_REG11[0..15],nat)"), True),
    (rule(",nw_dst=192.0.2.1", "group:3"), True),
    (rule(",tcp_flags=+syn", "drop"), True),
    (rule(",nw_tos=184", "drop"), True),
    (rule(",reg14=0x2", "drop"), False),
])  # fmt: skip
def test_what_makes_a_network_tracked(more: str, tracks: bool) -> None:
    found = untracked(WAITING + ROUTER + more)
    assert (0x1C in found, 0x3 in found) == (not tracks, True)


def test_a_rule_for_all_datapaths_makes_all_tracked() -> None:
    assert untracked(WAITING + " cookie=0x9, table=0, ip actions=ct(table=1)\n") == frozenset()


def test_what_is_not_heard_of_is_tracked() -> None:
    assert untracked("") == frozenset()
