"""What routers lead to, by what ovs-ofctl says."""

from ipaddress import ip_network

import pytest

from sealane.agent.routers import routes
from sealane.fastpath.rows import Leg, Route

HEAD = " cookie=0x1, table=21, priority=74"
BLUE, GREEN = Leg(0xB, 0x18, "0a:2e:e9:9d:48:4a"), Leg(0x20, 0x28, "0a:67:76:e5:6c:ae")


def itself(match: str, leg: Leg, out: int, kind: str = "NXM_OF_IP_DST") -> str:
    """A route to whoever is on the network itself."""
    return (
        f"{HEAD},{match} actions=dec_ttl(),set_field:0/0xffff00000000->xreg4,move:{kind}[]->"
        f"NXM_NX_XXREG0[96..127],set_field:0xa330001/0xffffffff->xxreg0,set_field:{leg.mac}->eth_src,"
        f"set_field:{out:#x}->reg15,set_field:0x1/0x1->reg10,resubmit(,22)\n"
    )


def by(match: str, leg: Leg, out: int, head: str = HEAD) -> str:
    """One by a further hop."""
    return (
        f"{head},{match} actions=dec_ttl(),set_field:0xa340063/0xffffffff->xxreg0,"
        f"set_field:{leg.mac}->eth_src,set_field:{out:#x}->reg15,resubmit(,22)\n"
    )


def patch(source: tuple[int, int], target: tuple[int, int]) -> str:
    return (
        f" cookie=0x2, table=65, priority=100,reg15={source[1]:#x},metadata={source[0]:#x} actions=clone("
        f"ct_clear,set_field:0->reg11,set_field:0x1->reg11,set_field:{target[0]:#x}->metadata,"
        f"set_field:{target[1]:#x}->reg14,set_field:0->reg10,set_field:0->reg15,resubmit(,8))\n"
    )


def crossing(leg: Leg, out: int, router: int = 0x2B) -> str:
    network = leg.vni, leg.number
    return patch((router, out), network) + patch(network, (router, out))


ROUTER = (
    crossing(BLUE, 1)
    + crossing(GREEN, 2)
    + itself("ip,metadata=0x2b,nw_dst=10.51.0.0/24", BLUE, 1)
    + itself("ip,metadata=0x2b,nw_dst=10.52.0.0/24", GREEN, 2)
    + itself("ipv6,metadata=0x2b,ipv6_dst=fd52::/64", GREEN, 2, "NXM_NX_IPV6_DST")
    + itself("ipv6,reg14=0x2,metadata=0x2b,ipv6_dst=fe80::/64", GREEN, 2, "NXM_NX_IPV6_DST")
)
LEADS = {"10.51.0.0/24": BLUE, "10.52.0.0/24": GREEN, "fd52::/64": GREEN}


def told(flows: str, router: int = 0x2B) -> dict[str, Leg | None]:
    found = [route for route in routes(flows) if route.router == router]
    assert len({route.subnet for route in found}) == len(found)
    return {str(route.subnet): route.leg for route in found}


def test_networks_of_a_router() -> None:
    assert told(ROUTER) == LEADS
    assert Route(0x2B, ip_network("10.52.0.0/24"), GREEN) in routes(ROUTER)
    assert routes("") == () and told(ROUTER, 0x2C) == {}


@pytest.mark.parametrize(("rule", "change"), [
    (by("ip,reg7=0,metadata=0x2b,nw_dst=10.60.0.0/16", GREEN, 2), {"10.60.0.0/16": None}),
    (by("ip,reg7=0,metadata=0x2b,nw_dst=10.52.0.128/25", GREEN, 2), {"10.52.0.128/25": None}),
    (by("ip,reg7=0,metadata=0x2b,nw_dst=10.52.0.7", GREEN, 2), {"10.52.0.7/32": None}),
    (by("ip,reg7=0,metadata=0x2b", GREEN, 2), {"0.0.0.0/0": None}),
    (by("ipv6,reg7=0,metadata=0x2b", GREEN, 2), {"::/0": None}),
    (by("ip,reg7=0,metadata=0x2b,nw_dst=10.52.0.0/24", GREEN, 2), {"10.52.0.0/24": None}),
    (f"{HEAD},ip,metadata=0x2b,nw_dst=10.52.1.0/24 actions=dec_ttl(),group:3\n", {"10.52.1.0/24": None}),
], ids=["wider", "longer", "one address", "default", "default6", "the same", "several"])  # fmt: skip
def test_what_a_further_hop_has_is_told_without_a_leg(rule: str, change: dict[str, None]) -> None:
    assert told(ROUTER + rule) == LEADS | change
    assert told(rule + ROUTER) == LEADS | change


@pytest.mark.parametrize("group", [
    "ip,metadata=0x2b,nw_dst=239.1.1.1",
    "ip,metadata=0x2b,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,nw_dst=224.0.0.0/4",
    "ipv6,metadata=0x2b,dl_dst=33:33:00:00:00:00/ff:ff:00:00:00:00,ipv6_dst=ff00::/8",
])  # fmt: skip
def test_what_goes_to_groups_is_a_matter_of_its_own(group: str) -> None:
    rule = f"{HEAD},{group} actions=clone(set_field:0x8005->reg15,dec_ttl(),resubmit(,22))\n"
    assert told(ROUTER + rule) == LEADS


def test_next_hops_of_a_route_are_no_way_of_their_own() -> None:
    hop = (
        " cookie=0x1, table=22, priority=100,reg8=0x10001,metadata=0x2b actions="
        "set_field:0xa340062/0xffffffff->xxreg0,set_field:0a:67:76:e5:6c:ae->eth_src,set_field:0x2->reg15\n"
    )
    assert told(ROUTER + hop) == LEADS
    assert told(ROUTER + hop.replace("table=22", "table=24")) == {}


@pytest.mark.parametrize("rule", [
    by("ip,metadata=0x2b,nw_src=10.51.0.0/24", GREEN, 2),
    by("ip,metadata=0x2b,nw_src=10.51.0.7,nw_dst=10.52.0.0/24", GREEN, 2),
    by("ip,reg7=0x1,metadata=0x2b,nw_dst=10.60.0.0/16", GREEN, 2),
    by("tcp,metadata=0x2b,nw_dst=10.52.0.0/24,tp_dst=80", GREEN, 2),
    by("ip,metadata=0x2b,nw_dst=10.0.0.5/255.0.0.255", GREEN, 2),
    " cookie=0x1, table=23, priority=9,ip,metadata=0x2b,nw_src=10.51.0.7 actions="
    "set_field:0xa340063/0xffffffff->xxreg0,set_field:0a:67:76:e5:6c:ae->eth_src,set_field:0x2->reg15\n",
], ids=["by sender", "by both", "another table", "by port", "an odd mask", "a policy"])  # fmt: skip
def test_a_router_that_looks_at_more_than_the_receivers_address_is_left_out(rule: str) -> None:
    other = crossing(BLUE, 7, 0x2C) + itself("ip,metadata=0x2c,nw_dst=10.51.0.0/24", BLUE, 7)
    assert told(ROUTER + rule + other) == {}
    assert told(ROUTER + rule + other, 0x2C) == {"10.51.0.0/24": BLUE}


def test_a_leg_must_lead_both_ways() -> None:
    """And into no other router."""
    one_way = ROUTER.replace(patch((0xB, 0x18), (0x2B, 1)), "")
    assert told(one_way) == LEADS | {"10.51.0.0/24": None}


def test_what_leaves_by_the_gateway_is_not_fast() -> None:
    sent_on = (
        " cookie=0x1, table=28, priority=50,reg15=0x2,metadata=0x2b actions=set_field:0x9->reg15,resubmit\n"
    )
    assert told(ROUTER + sent_on) == {"10.51.0.0/24": BLUE, "10.52.0.0/24": None, "fd52::/64": None}


def test_a_leg_to_where_less_fits_is_not_fast() -> None:
    measured = (
        " cookie=0x1, table=26, priority=50,ip,reg15=0x2,metadata=0x2b actions=check_pkt_larger(1318)->"
        "NXM_NX_REG9[1],resubmit(,27)\n"
    )
    assert told(ROUTER + measured) == {"10.51.0.0/24": BLUE, "10.52.0.0/24": None, "fd52::/64": None}


@pytest.mark.parametrize("match", [
    "reg14=0x28,metadata=0x20", "reg15=0x28,metadata=0x20", "reg15=0x2,metadata=0x2b", "metadata=0x20"
])  # fmt: skip
def test_a_leg_that_is_limited_is_not_fast(match: str) -> None:
    limit = f" cookie=0x3, table=18, priority=2002,ip,{match} actions=meter:1,resubmit(,19)\n"
    assert told(ROUTER + limit) == {"10.51.0.0/24": BLUE, "10.52.0.0/24": None, "fd52::/64": None}
