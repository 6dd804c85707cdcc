"""What is sent to a group reaches its members on both hosts and nobody else, where the network snoops."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay import machines
from tests.e2e.overlay.conftest import remove
from tests.e2e.overlay.frames import ears
from tests.e2e.overlay.machines import Machine, attach, until
from tests.e2e.overlay.multicast import PORT, joined, say, soon_heard
from tests.e2e.overlay.test_fastpath import told
from tests.e2e.overlay.test_faults import kill

HOSTS = ("host1", "host2")
GROUPS = ("239.1.2.3", "ff05::1234")
EVERYBODY = "224.0.0.251"
"""mDNS: within 224.0.0.0/24, which no switch may withhold from anybody (RFC 4541 2.1.2)."""
QUESTION = "01005e000001"
"""Where an IGMP query goes to, with nobody's address in it."""
Heard = Callable[[], str]
Crowd = list[Machine]


@contextmanager
def peopled(lab: Lab, name: str, third: int, **values: object) -> Iterator[Crowd]:
    """A network that snoops, in both families, with four machines: two on each host, by turns."""
    api = machines.api(lab)
    network = api.create("networks", {"name": name, "sealane:multicast_snooping": True, **values})["id"]
    for version, cidr in ((4, f"10.{third}.0.0/24"), (6, f"fd{third}::/64")):
        api.create("subnets", {"network_id": network, "cidr": cidr, "ip_version": version})
    made: Crowd = []
    try:
        for number in range(4):
            made.append(attach(lab, HOSTS[number % 2], f"{name}{number}", network))
        for one in made[1:]:
            one.soon_reaches(made[0].addresses[0])
        yield made
    finally:
        for one in made:
            one.remove()
        remove(api, network)


@pytest.fixture(scope="module")
def crowd(lab: Lab) -> Iterator[Crowd]:
    """The first two are those who join."""
    with peopled(lab, "stage", 48) as made:
        yield made


def network_of(api: Api, machine: Machine) -> str:
    return str(api.find("ports", machine.port_id)["network_id"])


def in_frames(text: str, frames: Heard) -> bool:
    return text.encode().hex() in frames()


def soon_in_frames(talker: Machine, text: str, *frames: Heard, group: str = EVERYBODY) -> None:
    """Of what everybody gets: on whose link it is, there would be what was said before it."""

    def all_have() -> bool:
        say(talker, group, text)
        return all(in_frames(text, one) for one in frames)

    until(all_have, f"what {talker.name} says to {group} is on every link")


def members_only(crowd: Crowd, group: str) -> None:
    with ExitStack() as stack:
        fans = [stack.enter_context(joined(one, group)) for one in crowd[:2]]
        links = [stack.enter_context(ears(one)) for one in crowd[2:]]
        for number, one in enumerate(crowd[2:]):
            soon_heard(one, group, f"words{number}", *fans)
        soon_in_frames(crowd[2], "all0", links[1])
        soon_in_frames(crowd[3], "all1", links[0])
        assert not in_frames("words0", links[1]) and not in_frames("words1", links[0])


@pytest.mark.parametrize("group", GROUPS)
def test_members_on_both_hosts_hear_and_nobody_else(crowd: Crowd, group: str) -> None:
    members_only(crowd, group)


@pytest.mark.parametrize("group", GROUPS)
def test_who_leaves_hears_no_more(crowd: Crowd, group: str) -> None:
    with joined(crowd[0], group) as stays:
        with joined(crowd[1], group) as leaves:
            soon_heard(crowd[2], group, "before", stays, leaves)
        until(lambda: not hears(crowd[2], crowd[1], group), "what is said does not come any more")
        soon_heard(crowd[2], group, "after", stays)


def hears(talker: Machine, machine: Machine, group: str) -> bool:
    """Whether it comes to its link, joined or not."""
    with ears(machine) as link:
        say(talker, group, "still")
        soon_in_frames(talker, "all", link)
        return in_frames("still", link)


def test_the_same_group_of_another_tenant_is_another(lab: Lab, crowd: Crowd) -> None:
    with peopled(lab, "twin", 48, project_id="theirs") as theirs:
        for group in GROUPS:
            with ExitStack() as stack:
                our, their = (stack.enter_context(joined(c[0], group)) for c in (crowd, theirs))
                link = stack.enter_context(ears(theirs[0]))
                soon_heard(theirs[1], group, "theirs", their)
                soon_heard(crowd[1], group, "ours", our)
                soon_in_frames(theirs[1], "all", link)
                assert "theirs" not in our() and not in_frames("ours", link)


def test_it_is_switched_on_and_off_while_members_listen(lab: Lab, crowd: Crowd) -> None:
    """Off, everybody gets everything; on, members are found by asking them."""
    api, group = machines.api(lab), GROUPS[0]
    api.wait = 60
    network = network_of(api, crowd[0])
    api.update("networks", network, {"sealane:multicast_snooping": False})
    with joined(crowd[0], group) as near, joined(crowd[1], group) as far, ears(crowd[3]) as link:
        soon_heard(crowd[2], group, "off", near, far)
        soon_in_frames(crowd[2], "off", link, group=group)
        api.update("networks", network, {"sealane:multicast_snooping": True})
        until(lambda: not hears(crowd[2], crowd[3], group), "who is no member hears nothing")
        soon_heard(crowd[2], group, "again", near, far)


def test_what_is_for_the_link_reaches_everybody_who_has_to_hear_it(lab: Lab, crowd: Crowd) -> None:
    """mDNS and VRRP: in IPv4 everybody (RFC 4541 2.1.2), in IPv6 who has joined, as those who need it do.

    In IPv6 the sender's address is the link's, which is no group member's: a rule has to let it in.
    """
    with ExitStack() as stack:
        stack.enter_context(opened(machines.api(lab), *crowd[:2]))
        links = [stack.enter_context(ears(one)) for one in crowd[:2]]
        for group in (EVERYBODY, "224.0.0.18"):
            soon_in_frames(crowd[2], f"to {group}", *links, group=group)
        for group in ("ff02::fb", "ff02::12"):
            stack.enter_context(joined(crowd[1], group))
            soon_in_frames(crowd[2], f"to {group}", links[1], group=group)
            assert not in_frames(f"to {group}", links[0])
        for one in crowd[1:]:
            one.soon_reaches(crowd[0].addresses[1])


def test_rules_decide_what_a_member_hears_and_nobody_has_to_allow_the_joining(lab: Lab, crowd: Crowd) -> None:
    """A group of security without any rule: it is asked and answers, and hears nothing."""
    api, group = machines.api(lab), GROUPS[0]
    api.wait = 60
    fan, free, talker = crowd[0], crowd[1], crowd[2]
    before = api.find("ports", fan.port_id)["security_groups"]
    shut = api.create("security-groups", {"name": "shut"})["id"]
    for rule in api.list("security-group-rules", security_group_id=shut):
        api.delete("security-group-rules", rule["id"])
    api.update("ports", fan.port_id, {"security_groups": [shut]})
    try:
        with joined(fan, group) as heard, joined(free, group) as other, ears(fan) as link:
            until(lambda: QUESTION in {line[:12] for line in link().split()}, "it is asked what it wants")
            soon_heard(talker, group, "shut", other)
            say(fan, group, "from behind")
            soon_heard(talker, group, "later", other)
            assert "from behind" not in other() and "from behind" in heard(), "it hears itself, as always"
            assert "shut" not in heard() and not in_frames("shut", link)
            rule = {"direction": "ingress", "protocol": "udp", "port_range_min": PORT, "port_range_max": PORT}
            api.create("security-group-rules", {"security_group_id": shut, **rule})
            soon_heard(talker, group, "open", heard)
    finally:
        api.update("ports", fan.port_id, {"security_groups": before})
        api.delete("security-groups", shut)


def test_a_router_carries_it_between_networks_if_it_shall(lab: Lab) -> None:
    api = machines.api(lab)
    api.wait = 60
    router = api.create("routers", {"name": "carrier"})["id"]
    with (
        peopled(lab, "near", 51, **{"sealane:gateway": "router"}) as near,
        peopled(lab, "far", 52, **{"sealane:gateway": "router"}) as far,
    ):
        subnets = [
            s["id"] for c in (near, far) for s in api.list("subnets", network_id=network_of(api, c[0]))
        ]
        for subnet in subnets:
            api.request("PUT", f"/v2.0/routers/{router}/add_router_interface", {"subnet_id": subnet})
        with opened(api, *far[:2]):
            try:
                for group in GROUPS:
                    carried(api, router, near, far, group)
            finally:
                for subnet in subnets:
                    body = {"subnet_id": subnet}
                    api.request("PUT", f"/v2.0/routers/{router}/remove_router_interface", body)
                api.delete("routers", router)


def carried(api: Api, router: str, near: Crowd, far: Crowd, group: str) -> None:
    """To members on both hosts in the other network, and only what may go further than one hop."""
    api.update("routers", router, {"sealane:multicast_relay": False})
    with ExitStack() as stack:
        here = stack.enter_context(joined(near[0], group))
        there = [stack.enter_context(joined(one, group)) for one in far[:2]]
        link = stack.enter_context(ears(far[2]))
        soon_heard(near[1], group, "not carried", here, hops=9)
        api.update("routers", router, {"sealane:multicast_relay": True})
        soon_heard(near[1], group, "is carried", here, *there, hops=9)
        soon_heard(near[1], group, "one hop", here)
        soon_heard(near[1], group, "nine hops", here, *there, hops=9)
        soon_in_frames(far[3], "all", link)
        assert not any("not carried" in one() or "one hop" in one() for one in there)
        assert not in_frames("is carried", link)


@contextmanager
def opened(api: Api, *machines_: Machine) -> Iterator[None]:
    """Their ports let in what is sent to the tests' port, whoever sends it."""
    group = api.create("security-groups", {"name": "listeners"})["id"]
    for family in ("IPv4", "IPv6"):
        rule = {"direction": "ingress", "ethertype": family, "protocol": "udp"}
        ports = {"port_range_min": PORT, "port_range_max": PORT}
        api.create("security-group-rules", {"security_group_id": group, **rule, **ports})
    before: dict[str, Any] = {m.port_id: api.find("ports", m.port_id)["security_groups"] for m in machines_}
    for port, groups in before.items():
        api.update("ports", port, {"security_groups": [*groups, group]})
    yield
    for port, groups in before.items():
        api.update("ports", port, {"security_groups": groups})
    api.delete("security-groups", group)


def test_a_controller_that_is_killed_finds_its_members_again(lab: Lab, crowd: Crowd) -> None:
    with joined(crowd[1], GROUPS[0]) as v4, joined(crowd[3], GROUPS[1]) as v6:
        soon_heard(crowd[0], GROUPS[0], "before", v4)
        soon_heard(crowd[0], GROUPS[1], "before", v6)
        kill(lab, "host2", "ovn-controller")
        for text in ("first", "second"):  # what was known of them may be there for a moment
            soon_heard(crowd[0], GROUPS[0], text, v4)
            soon_heard(crowd[0], GROUPS[1], text, v6)


@pytest.mark.parametrize("group", GROUPS)
def test_the_fast_path_takes_no_part(lab: Lab, crowd: Crowd, group: str) -> None:
    for host in HOSTS:
        lab.exec(host, "sealane", "fastpath", "on")
    try:
        until(lambda: all(told(lab, host=h)["state"] == "working" for h in HOSTS), "the fast path works")
        members_only(crowd, group)
    finally:
        labs.rest(lab, *HOSTS)
