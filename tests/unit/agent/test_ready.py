"""Who gets a port that waits, and which one is as good as a new one."""

from typing import Any

import pytest

from sealane import names
from sealane.agent.asked import AttachRequest
from sealane.agent.attachment import PortRequest, Route
from sealane.agent.ready import stamp, suits

NETWORK = {"id": "n1", "project_id": "p", "revision_number": 3, "sealane:labels": {}}
SUBNETS = [{"id": "s1", "revision_number": 1}, {"id": "s2", "revision_number": 4}]
GROUP: dict[str, Any] = {"tags": []}


def request(**more: Any) -> AttachRequest:
    return AttachRequest(**({"target": "/run/netns/c", "network": "blue", "door": "cni"} | more))


def test_what_an_endpoint_may_say_of_itself_later() -> None:
    for door in ("cni", "podman"):
        plain = request(door=door, ifname="eth0", name="web", gateway="none", key="k")
        assert suits(plain)
    web = PortRequest(protocol="tcp", port=80, host_port=8080)
    assert suits(request(publish=(web,), routes=(Route(destination="10.0.0.0/8", nexthop="10.7.0.9"),)))


@pytest.mark.parametrize(
    "asked",
    (
        {"port": "p1"},
        {"trunk": "t1"},
        {"physical": "lan"},
        {"ip": "10.7.0.9"},
        {"ips": ("10.7.0.9",)},
        {"mac": "02:00:00:00:00:01"},
        {"security_groups": ("web",)},
        {"aliases": ("web",)},
        {"door": "netns"},
        {"door": "host"},
    ),
)
def test_what_only_a_port_of_its_own_can_have(asked: dict[str, Any]) -> None:
    assert not suits(request(**asked))


def test_the_stamp_is_another_one_when_a_port_made_now_would_be() -> None:
    now = stamp(NETWORK, SUBNETS, GROUP)
    assert now.startswith(names.READY)
    assert now == stamp(NETWORK, SUBNETS[::-1], None)
    others = {
        stamp(NETWORK | {"revision_number": 4}, SUBNETS, GROUP),
        stamp(NETWORK | {"project_id": "q"}, SUBNETS, GROUP),
        stamp(NETWORK, SUBNETS[:1], GROUP),
        stamp(NETWORK, [SUBNETS[0] | {"revision_number": 2}, SUBNETS[1]], GROUP),
        stamp(NETWORK, SUBNETS, {"tags": [names.BY_LABEL]}),
    }
    assert len(others) == 5 and now not in others


def test_where_the_network_names_groups_only_the_api_can_say() -> None:
    assert stamp(NETWORK | {"sealane:labels": {names.SECURITY_GROUPS: "web"}}, SUBNETS, GROUP) == ""
