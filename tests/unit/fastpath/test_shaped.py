"""Which ports' packets are limited or marked, by what ovs-ofctl says."""

from sealane.agent.shaped import shaped

PLACES = """
 priority=100,in_port=1 actions=move:NXM_NX_TUN_ID[0..23]->OXM_OF_METADATA[0..23],resubmit(,40)
 cookie=0xa, priority=100,in_port=2 actions=set_field:0x23->metadata,set_field:0x18->reg14,resubmit(,8)
 cookie=0xb, priority=100,in_port=3 actions=set_field:0x23->metadata,set_field:0x1->reg14,resubmit(,8)
 cookie=0xc, priority=100,in_port=4 actions=set_field:0x24->metadata,set_field:0x18->reg14,resubmit(,8)
 cookie=0xd, table=18, priority=0,metadata=0x23 actions=resubmit(,19)
"""
SENDS = " cookie=0x1, table=18, priority=2002,reg14=0x18,metadata=0x23 actions=meter:1,resubmit(,19)\n"
IS_SENT = " cookie=0x2, table=48, priority=2002,reg15=0x1,metadata=0x23 actions=meter:2,resubmit(,49)\n"
MARKED = (
    " cookie=0x3, table=17, ip,reg14=0x18,metadata=0x24 actions=set_field:46/0x3f->ip_dscp,resubmit(,18)\n"
)
WHOLE = " cookie=0x4, table=18, priority=1,ip,metadata=0x23 actions=meter:3,resubmit(,19)\n"


def test_those_that_send_and_are_sent() -> None:
    assert shaped(PLACES) == frozenset()
    assert shaped(PLACES + SENDS) == {2}
    assert shaped(PLACES + IS_SENT) == {3}
    assert shaped(SENDS + MARKED + PLACES) == {2, 4}


def test_a_rule_for_many_is_for_each() -> None:
    assert shaped(PLACES + WHOLE) == {2, 3}
    assert shaped(PLACES + WHOLE.replace(",metadata=0x23", "")) == {2, 3, 4}
