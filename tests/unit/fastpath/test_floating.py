"""Floating IPs that Open vSwitch translates on this host, and the way outside, by what ovs-ofctl says."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_network

import pytest

from sealane import names
from sealane.agent.floating import Translated, placed, translated, ways
from sealane.agent.routers import entrances, routes
from sealane.agent.snat import Target, targets
from sealane.fastpath import floating, layout
from sealane.fastpath.floating import Floating
from sealane.fastpath.rows import Leg, Route
from sealane.host.link import Link
from tests.unit.fastpath.test_routers import BLUE, by, crossing, itself, patch

EXTERNAL = Leg(0x14, 0x9, "fa:16:3e:cf:7e:1e")
MAC = "fa:16:3e:f8:b0:d0"
WAY = " cookie=0x1, table=65, priority=100,reg15=0x7fff,metadata=0x14 actions=output:2\n"
HEAD = " cookie=0x2, table=45, priority=161,ip,reg15=0x3,metadata=0x2b,nw_src=10.51.0.2 actions="
NAT = "ct(commit,table=46,zone=NXM_NX_REG11[0..15],nat(src=203.0.113.80))\n"
RULE = f"{HEAD}set_field:{MAC}->eth_src,{NAT}"
HAIRPIN = (
    " cookie=0x3, table=45, priority=162,ip,reg9=0x10/0x10,reg15=0x3,metadata=0x2b,nw_src=10.51.0.2 actions="
    f"set_field:{MAC}->eth_src,set_field:0/0x10->xreg4,"
    "ct(commit,table=46,zone=NXM_NX_REG12[0..15],nat(src=203.0.113.80))\n"
)
SNAT = (
    " cookie=0x4, table=45, priority=153,ip,reg15=0x3,metadata=0x2b,nw_src=10.51.0.0/24 actions="
    "ct(commit,table=46,zone=NXM_NX_REG11[0..15],nat(src=203.0.113.2))\n"
)
ROUTER = (
    crossing(BLUE, 1)
    + crossing(EXTERNAL, 3)
    + itself("ip,metadata=0x2b,nw_dst=10.51.0.0/24", BLUE, 1)
    + itself("ip,metadata=0x2b,nw_dst=203.0.113.0/24", EXTERNAL, 3)
    + by("ip,reg7=0,metadata=0x2b", EXTERNAL, 3)
    + " cookie=0x5, table=23, priority=0,metadata=0x2b actions=resubmit(,24)\n"
)
RULES = ROUTER + WAY + RULE + HAIRPIN + SNAT.replace("0x2b", "0x2c")
SHARED = ROUTER + WAY + SNAT
LINK = Link(7, "slp", "", 1500, "02:00:00:00:00:01", True)
FOUND = Translated(0x2B, 0x14, IPv4Network("10.51.0.2"), IPv4Address("203.0.113.80"), MAC, 2)


def told(flows: str) -> tuple[Translated, ...]:
    return translated(flows, entrances(flows))


def test_what_is_translated_one_to_one_by_a_mac_of_its_own() -> None:
    assert told(RULES) == (FOUND,)
    assert told("") == () and ways(RULES) == {0x14: 2}


@pytest.mark.parametrize("flows", [
    RULES.replace("output:2", "push_vlan:0x8100,set_field:4103->vlan_vid,output:2,pop_vlan"),
    RULES.replace(WAY, ""),
    RULES.replace("203.0.113.80)", "203.0.113.80:1024-2048)"),
    RULES.replace("203.0.113.80)", "203.0.113.80,random)"),
    RULES.replace("nw_src=10.51.0.2 ", "nw_src=10.51.0.2,nw_dst=192.0.2.0/24 "),
    RULES.replace("nw_src=10.51.0.2 ", "nw_src=10.51.0.0/31 "),
    RULES + " cookie=0x6, table=23, priority=1,ip,reg15=0x3,metadata=0x2b actions=resubmit(,24)\n",
    RULES + " cookie=0x7, table=26, priority=50,ip,metadata=0x2b actions=check_pkt_larger(1514)\n",
    RULES + " cookie=0x8, table=18, reg14=0x3,metadata=0x2b actions=meter:1,resubmit(,19)\n",
    RULES + " cookie=0x8, table=48, reg15=0x9,metadata=0x14 actions=meter:2,resubmit(,49)\n",
    RULES.replace("set_field:0x14->metadata,", "set_field:0x15->metadata,"),
], ids=[
    "vlan", "no way", "ports", "random", "more conditions", "several", "policy", "lengths", "limit",
    "limit of the network's port", "another network",
])  # fmt: skip
def test_what_else_there_may_be_is_left_to_the_switch(flows: str) -> None:
    assert flows != RULES and told(flows) == ()


def test_what_shares_an_address_and_in_which_zone_its_ports_are_chosen() -> None:
    zone, address = 1, IPv4Address("203.0.113.2")
    one = Translated(0x2B, 0x14, IPv4Network("10.51.0.0/24"), address, EXTERNAL.mac, 2, zone)
    assert told(SHARED) == (one,)
    assert told(SHARED + RULE) == (one, FOUND)
    (central,) = told(ROUTER + WAY + HEAD + NAT)
    assert central == replace(FOUND, mac=EXTERNAL.mac, zone=zone), "one at the gateway"
    (there,) = placed(told(SHARED), {2: "lan"}, {"lan": LINK})
    assert there == Floating(0x2B, one.fixed, address, EXTERNAL.mac, 0x14, 7, 1500, shared=True)
    assert list(targets(told(SHARED + RULE), [there])) == [Target(0x2B, address, 7, zone)]


@pytest.mark.parametrize("flows", [
    SHARED.replace("0x1->reg11", "0->reg11"),
    SHARED + patch((0x20, 9), (0x2B, 4)).replace("0x1->reg11", "0x2->reg11"),
    SHARED + itself("ip,metadata=0x2b,nw_dst=198.51.100.0/24", replace(EXTERNAL, mac=MAC), 3),
    SHARED.replace("203.0.113.2)", "203.0.113.2:1024-2048)"),
    SHARED.replace("203.0.113.2)", "203.0.113.2,random)"),
    SHARED.replace("nw_src=10.51.0.0/24 ", "nw_src=10.51.0.0/24,nw_dst=192.0.2.0/24 "),
    SHARED.replace("zone=NXM_NX_REG11[0..15]", "zone=7"),
    SHARED.replace(WAY, ""),
    SHARED + " cookie=0x6, table=23, priority=1,ip,reg15=0x3,metadata=0x2b actions=resubmit(,24)\n",
], ids=[
    "no zone", "several zones", "several MACs", "ports", "random", "more conditions", "a zone by number",
    "no way", "policy",
])  # fmt: skip
def test_what_is_shared_and_not_clear_is_left_to_the_switch(flows: str) -> None:
    assert told(flows) == ()


def test_those_who_share_do_so_as_one_router() -> None:
    (one,) = placed(told(SHARED), {2: "lan"}, {"lan": LINK})
    more = replace(one, fixed=IPv4Network("10.52.0.0/24"))
    assert len(floating.of([one, more])["floating"]) == 2 and len(floating.of([one, more])["public"]) == 1
    for other in (replace(more, router=0x2C), replace(more, mac=MAC), replace(more, shared=False)):
        assert floating.of([one, other]) == {"floating": {}, "public": {}}


def test_routes_tell_that_they_lead_outside() -> None:
    found = {str(route.subnet): route for route in routes(RULES)}
    assert found["0.0.0.0/0"] == Route(0x2B, ip_network("0.0.0.0/0"), None, 0x14)
    assert found["203.0.113.0/24"].outside == 0x14 and found["10.51.0.0/24"].outside == 0
    assert {route.outside for route in routes(ROUTER)} == {0}, "no way leads out here"


def test_it_is_where_the_physical_network_is() -> None:
    assert list(placed([FOUND], {2: "lan"}, {"lan": LINK})) == [
        Floating(0x2B, FOUND.fixed, FOUND.address, MAC, 0x14, 7, 1500)
    ]
    assert list(placed([FOUND], {2: "lan"}, {"other": LINK})) == []
    assert list(placed([FOUND], {3: "lan"}, {"lan": LINK})) == []


def test_rows_are_of_clear_ones_alone() -> None:
    (one,) = placed([FOUND], {2: "lan"}, {"lan": LINK})
    rows = floating.of([one])
    ((key, value),) = rows["public"].items()
    assert layout.PUBLIC_KEY.unpack(key) == {"link": 7, "address": one.address.packed}
    assert layout.PUBLIC.unpack(value)["fixed"] == one.fixed.network_address.packed
    assert floating.links(rows["public"]) == {7}
    for other in (replace(one, fixed=IPv4Network("10.51.0.3")), replace(one, link=8)):
        assert floating.of([one, other]) == {"floating": {}, "public": {}}
    other = replace(one, router=0x2C, address=IPv4Address("203.0.113.81"))
    assert len(floating.of([one, other])["floating"]) == 2, "another tenant's, of the same address inside"


@pytest.mark.parametrize(("port", "peer"), [
    ("patch-provnet-1-to-br-int", "patch-br-int-to-provnet-1"), ("patch-br-int-to-provnet-1", None),
    ("slq0", None), ("patch-", None),
])  # fmt: skip
def test_names_of_patch_ports(port: str, peer: str | None) -> None:
    assert names.patched(port) == peer
