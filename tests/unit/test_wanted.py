"""What attachments want of a host, and the way there; pure."""

import ipaddress
from dataclasses import replace

from sealane.agent.attachment import Attachment, Publication, Route
from sealane.agent.diff import Plan, diff
from sealane.agent.facts import Answers, Fact, Gateway, Guard, Inside, Lent, Pair, Redirect, Rules
from sealane.agent.modes import Now, moved
from sealane.agent.translation import Uplinks, gateway_table, host_table, lanes
from sealane.agent.wanted import Layout, gateways, vif, wanted
from sealane.host.values import SwitchPort
from sealane.names import RESOLVER, gateway_mac, resolver_mac

UPLINKS = Uplinks((ipaddress.ip_network("169.254.64.0/18"), ipaddress.ip_network("fd5e:a1af:ffff:ffff::/64")))
USERSPACE, KERNEL = Layout(True, UPLINKS), Layout(False, UPLINKS)
NET = "0f0e0d0c-0000-4000-8000-000000000001"
ONE = Attachment(
    id="ab" * 32,
    door="docker",
    network_id=NET,
    port_id="0a0b0c0d-0000-4000-8000-000000000002",
    mac="02:42:0a:00:00:02",
    addresses=("10.0.0.2/24", "fd00::2/64"),
    mtu=1442,
    gateways=("10.0.0.1", "fd00::1"),
)
PLACES = {NET: 5}


def published(
    *, host_ip: str = "", host_port: int = 8080, port: int = 80, protocol: str = "tcp"
) -> Publication:
    return Publication(protocol=protocol, host_ip=host_ip, host_port=host_port, port=port)  # type: ignore[arg-type]


def of(kind: type, facts: set[Fact]) -> list[Fact]:
    return sorted((f for f in facts if isinstance(f, kind)), key=lambda f: f.key)


def test_userspace_wants_two_pairs_joined_by_redirects() -> None:
    facts = wanted([replace(ONE, gateways=())], {}, USERSPACE)
    assert [f.name for f in of(Pair, facts)] == ["slh0a0b0c0d-00", "sls0a0b0c0d-00"]  # type: ignore[union-attr]
    assert of(Redirect, facts) == [
        Redirect("slh0a0b0c0d-00", "sls0a0b0c0d-00"),
        Redirect("sls0a0b0c0d-00", "slh0a0b0c0d-00"),
    ]
    assert of(SwitchPort, facts) == [SwitchPort("tap0a0b0c0d-00", ONE.port_id, ONE.mac)]
    assert of(Guard, facts) == [Guard("sls0a0b0c0d-00", outward=True)]
    assert len(facts) == 6


def test_kernel_wants_one_pair_whose_end_is_the_port() -> None:
    facts = wanted([replace(ONE, gateways=())], {}, KERNEL)
    assert [f.name for f in of(Pair, facts)] == ["tap0a0b0c0d-00"]  # type: ignore[union-attr]
    assert of(Guard, facts) == [Guard("tap0a0b0c0d-00", outward=False)]
    assert len(facts) == 3


def test_a_runtimes_container_has_its_link_made_in_its_sandbox() -> None:
    """Until then the port is on br-int, and nothing leads to it."""
    waits = replace(ONE, door="ready", gateways=())
    facts = vif(waits, USERSPACE)
    assert [f.name for f in of(Pair, facts)] == ["sls0a0b0c0d-00"]  # type: ignore[union-attr]
    assert not of(Redirect, facts) and len(of(SwitchPort, facts)) == len(of(Guard, facts)) == 1
    inner = replace(waits, door="cni", sandbox="/run/netns/c1", ifname="net0")
    later = vif(inner, USERSPACE)
    assert facts < later and len(of(Redirect, later)) == len(of(Inside, later)) + 1 == 2
    (guest,) = [f for f in of(Pair, later) if isinstance(f, Pair) and f.name == "slh0a0b0c0d-00"]
    assert (guest.peer, guest.into, guest.mac) == ("net0", "/run/netns/c1", ONE.mac)
    (guest,) = of(Pair, vif(waits, KERNEL))
    assert isinstance(guest, Pair) and guest.into == "", "Open vSwitch has that link itself"


def test_a_device_that_somebody_lends_is_redirected_and_no_more() -> None:
    lent = replace(ONE, door="os-vif", gateways=(), device="tap0a0b0c0d-00", device_kind="lent")
    facts = wanted([lent], {NET: 5}, USERSPACE)
    assert of(Lent, facts) == [Lent("tap0a0b0c0d-00", f"sealane:lent:{ONE.id}")]
    assert [f.name for f in of(Pair, facts)] == ["sls0a0b0c0d-00"]  # type: ignore[union-attr]
    assert Redirect("tap0a0b0c0d-00", "sls0a0b0c0d-00") in facts
    assert SwitchPort("slt0a0b0c0d-00", ONE.port_id, ONE.mac) in facts, "its owner's row has the other name"


def test_a_sub_port_of_a_trunk_has_a_gateway_and_no_link() -> None:
    parent = replace(ONE, network_id="1f0e0d0c-0000-4000-8000-000000000001", gateways=(), guarded=False)
    inner = replace(ONE, id="cd", door="trunk", port_id="1a0b0c0d-00000", parent=ONE.port_id)
    facts = wanted([parent, inner], PLACES, USERSPACE)
    assert len(of(Pair, facts)) == len(of(Redirect, facts)) == 2, "the parent's"
    assert [f.name for f in of(SwitchPort, facts)] == ["tap0a0b0c0d-00", f"tgw{NET[:11]}"]  # type: ignore[union-attr]
    assert [f.network_id for f in of(Gateway, facts)] == [NET]  # type: ignore[union-attr]
    assert of(Guard, facts) == [Guard("sls0a0b0c0d-00", outward=True)], "for the sub-port's sake"
    assert of(Guard, wanted([parent, inner], PLACES, KERNEL)) == [Guard("tap0a0b0c0d-00", outward=False)]
    assert not of(Guard, wanted([parent, replace(inner, guarded=False)], PLACES, USERSPACE))


def test_without_port_security_a_router_may_be_announced() -> None:
    assert not of(Guard, wanted([replace(ONE, gateways=(), guarded=False)], {}, KERNEL))


def test_a_gateway_has_the_addresses_of_all_its_members_subnets() -> None:
    other = replace(
        ONE, id="cd", port_id="1a0b0c0d-00000", addresses=("10.1.0.2/16",), gateways=("10.1.0.1",)
    )
    [found] = of(Gateway, wanted([ONE, other], PLACES, USERSPACE))
    assert found == Gateway(
        NET,
        1442,
        frozenset({"10.0.0.1/24", "fd00::1/64", "10.1.0.1/16"}),
        frozenset({"169.254.64.5", "fd5e:a1af:ffff:ffff::5"}),
        gateway_mac(NET),
        redirected=True,
    )


def test_what_is_published_behind_a_router_is_led_in_and_only_answers_get_out() -> None:
    port = replace(ONE, gateway_mode="router", publish=(published(),))
    silent = replace(port, id="cd", port_id="1a0b0c0d-00000", addresses=("10.1.0.2/16",), publish=())
    facts = wanted([port, silent], PLACES, USERSPACE)
    [leg] = of(Gateway, facts)
    assert isinstance(leg, Gateway)
    assert (leg.mac, leg.addresses) == (resolver_mac(NET), frozenset({f"{RESOLVER}/32"}))
    assert leg.routes == {"10.0.0.0/24", "fd00::/64", "10.1.0.0/16"} and leg.uplinks
    assert of(Answers, facts) == [Answers("slh0a0b0c0d-00", "sls0a0b0c0d-00", True, leg.mac)]
    inner, host = (f.table.chains for f in reversed(of(Rules, facts)) if isinstance(f, Rules))
    assert "dnat ip to 10.0.0.2:80" in inner and 'iifname "gw0" accept' not in inner
    assert "tcp dport 8080 dnat ip to 169.254.64.5:8080" in host
    assert of(Answers, wanted([port], PLACES, KERNEL)) == [
        Answers("tap0a0b0c0d-00", "tap0a0b0c0d-00", False, leg.mac)
    ]
    nothing = wanted([silent, replace(port, internal=True)], {}, USERSPACE)
    assert not [f for f in nothing if isinstance(f, Answers | Gateway | Rules)]


def test_a_router_that_takes_over_or_leaves_has_the_leg_made_anew() -> None:
    port = replace(ONE, publish=(published(),))
    host, router = (
        wanted([replace(port, gateway_mode=mode)], PLACES, USERSPACE)  # type: ignore[arg-type]
        for mode in ("host", "router")
    )
    for asked, there in ((router, host), (host, router)):
        plan = diff(asked, there)
        assert [type(f) for f in plan.remove if isinstance(f, SwitchPort)] == [SwitchPort]
        assert {type(f) for f in plan.ensure} >= {Gateway, SwitchPort, Rules}


def test_internal_networks_and_other_gateway_modes_have_none() -> None:
    inner = replace(ONE, internal=True)
    router = replace(ONE, gateway_mode="router")
    assert gateways([inner, router, replace(ONE, gateways=())]) == set()
    assert not of(Rules, wanted([inner], {}, USERSPACE))


def test_a_machine_without_a_gateway_here_has_a_place_to_ask_for_names() -> None:
    machine = replace(ONE, door="netns", gateway_mode="router", sandbox="/run/netns/a")
    here, everybody = frozenset({f"{RESOLVER}/32"}), frozenset({"0.0.0.0/0"})
    leg = Gateway(NET, 1442, here, frozenset(), resolver_mac(NET), everybody, redirected=True)
    for one in (machine, replace(machine, internal=True, gateway_mode="none"), replace(machine, gateways=())):
        facts = wanted([one, replace(ONE, id="cd", port_id="1a0b0c0d-00000", gateways=())], {}, USERSPACE)
        assert of(Gateway, facts) == [leg]
        assert not of(Rules, facts), "nothing is translated where nothing passes"
        [inside] = of(Inside, facts)
        assert isinstance(inside, Inside) and Route(destination=f"{RESOLVER}/32", nexthop="") in inside.routes
        ports = {f.iface_id for f in of(SwitchPort, facts) if isinstance(f, SwitchPort)}
        assert f"gw-{NET}" in ports
    [gateway] = of(Gateway, wanted([machine, ONE], PLACES, USERSPACE))
    assert isinstance(gateway, Gateway) and gateway.uplinks, "a gateway answers too"
    assert not of(Gateway, wanted([replace(machine, addresses=("fd00::2/64",))], {}, USERSPACE))


def test_attachments_hear_of_another_gateway_but_an_internal_one_stays() -> None:
    router, inner = replace(ONE, gateway_mode="router"), replace(ONE, gateway_mode="none", internal=True)
    assert moved({ONE.id: ONE}, {NET: Now("router", 1442)}) == [router]
    assert moved({ONE.id: router}, {NET: Now("host", 1442)}) == [ONE]
    for one, mode in ((ONE, "host"), (ONE, "none"), (ONE, "docker"), (inner, "host")):
        assert moved({one.id: one}, {NET: Now(mode, 1442)}) == []  # type: ignore[arg-type]
        assert moved({one.id: one}, {NET: Now(mode, 1400)}) == [replace(one, mtu=1400)]  # type: ignore[arg-type]
    assert moved({ONE.id: ONE}, {}) == []


def test_the_netns_door_also_wants_the_inside() -> None:
    door = replace(ONE, door="netns", sandbox="/run/netns/x")
    [inside] = of(Inside, wanted([door], PLACES, USERSPACE))
    assert isinstance(inside, Inside)
    assert [(r.destination, r.nexthop) for r in inside.routes] == [
        ("0.0.0.0/0", "10.0.0.1"),
        ("::/0", "fd00::1"),
    ]
    assert not of(Inside, wanted([replace(door, sandbox="")], PLACES, USERSPACE))


def test_nothing_to_do_when_found_is_wanted() -> None:
    facts = wanted([ONE], PLACES, USERSPACE)
    assert not diff(facts, facts)
    assert diff(facts, set()).ensure == tuple(diff(facts, set()).ensure)
    assert diff((), ()) == Plan()


def test_diff_goes_from_any_state_to_any_other() -> None:
    port = replace(ONE, publish=(published(),))
    states: list[list[Attachment]] = [
        [],
        [ONE],
        [port],
        [ONE, replace(ONE, id="cd", port_id="1a0b0c0d-00000")],
    ]
    for before in states:
        for after in states:
            there, asked = wanted(before, PLACES, USERSPACE), wanted(after, PLACES, USERSPACE)
            plan = diff(asked, there)
            changed = {f.key for f in plan.ensure}
            result = {f for f in there if f.key not in changed and f not in plan.remove} | set(plan.ensure)
            assert result == asked


def test_ports_leave_before_links_and_rules_come_after_gateways() -> None:
    facts = wanted([ONE], PLACES, USERSPACE)
    kinds = [type(f) for f in diff(facts, ()).ensure]
    assert kinds.index(Gateway) < kinds.index(Rules)
    assert kinds.index(Pair) < kinds.index(SwitchPort)
    kinds = [type(f) for f in diff((), facts).remove]
    assert kinds.index(SwitchPort) < kinds.index(Pair)


def test_a_new_device_gets_a_new_switch_port_and_a_new_gateway_its_rules() -> None:
    facts = wanted([ONE], PLACES, USERSPACE)
    for lost, ports in ((Pair, {"tap0a0b0c0d-00"}), (Gateway, {"tgw0f0e0d0c-00"})):
        plan = diff(facts, {f for f in facts if not isinstance(f, lost)})
        assert {f.name for f in plan.remove if isinstance(f, SwitchPort)} == ports
        assert {f.name for f in plan.ensure if isinstance(f, SwitchPort)} == ports
        assert any(isinstance(f, Rules) and f.namespace for f in plan.ensure) == (lost is Gateway)


def test_lanes_are_distinct_where_host_ports_are_not() -> None:
    members = [
        replace(ONE, id="a", publish=(published(host_ip="192.0.2.1"), published(protocol="udp"))),
        replace(ONE, id="b", publish=(published(host_ip="192.0.2.2"),)),
    ]
    found = [(lane.attachment.id, lane.publication.protocol, lane.number) for lane in lanes(members)]
    assert found == [("a", "tcp", 8080), ("b", "tcp", 8081), ("a", "udp", 8080)]


def test_places_keep_off_the_link_to_the_switch() -> None:
    taken = {n for n in range(2, UPLINKS.size) if not UPLINKS.usable(n)}
    assert {UPLINKS.at(n)[0] for n in taken} == {f"169.254.77.{n}" for n in range(4)}


def test_tables_lead_a_published_port_to_the_container() -> None:
    port = replace(ONE, publish=(published(),))
    host = host_table([port], PLACES, UPLINKS).chains
    assert "fib daddr type local ip daddr != 127.0.0.0/8 tcp dport 8080 dnat ip to 169.254.64.5:8080" in host
    assert "tcp dport 8080 dnat ip6 to [fd5e:a1af:ffff:ffff::5]:8080" in host
    inner = gateway_table([port], ["10.0.0.1/24"], UPLINKS.at(5)).chains
    assert 'iifname "up0" ip daddr 169.254.64.5 tcp dport 8080 dnat ip to 10.0.0.2:80' in inner


def test_loopback_publications_are_left_to_the_proxy() -> None:
    port = replace(ONE, publish=(published(host_ip="127.0.0.1"), published(host_ip="::1")))
    assert "dnat ip" not in host_table([port], PLACES, UPLINKS).chains


def test_an_address_of_one_family_is_not_translated_in_the_other() -> None:
    port = replace(ONE, publish=(published(host_ip="192.0.2.7"),))
    host = host_table([port], PLACES, UPLINKS).chains
    assert "ip daddr 192.0.2.7 tcp dport 8080 dnat ip to" in host
    assert "dnat ip6" not in host
