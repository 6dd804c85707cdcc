"""Limits of containers: by a network's option, an endpoint's and a label."""

from collections.abc import Iterator
from typing import Any

import pytest

from sealane.lab.lab import Lab
from tests.e2e.docker.engines import Api, Engine, Failed, until

CREATE = ("network", "create", "-d", "sealane", "--ipam-driver", "sealane")


@pytest.fixture
def slow(api: Api) -> Iterator[str]:
    """Asked for before the engines: what is on them has gone when it goes."""
    made = api.call("POST", "qos/policies", {"policy": {"name": "slow"}})["policy"]["id"]
    limit = {"bandwidth_limit_rule": {"max_kbps": 3000}}
    api.call("POST", f"qos/policies/{made}/bandwidth_limit_rules", limit)
    yield str(made)
    api.call("DELETE", f"qos/policies/{made}")


def port_of(api: Api, name: str) -> Any:
    return until(lambda: [p for p in api.ports() if p["name"] == name], what=f"the port of {name}")[0]


def limited(lab: Lab) -> set[str]:
    """Ports with a limit in OVN."""
    nb = ("ovn-nbctl", "--db=unix:/run/sealane/ovn/ovnnb_db.sock", "--bare", "--columns=external_ids")
    words = lab.exec("host1", *nb, "find", "QoS", "bandwidth:rate=3000").stdout.split()
    return {word.partition("=")[2] for word in words if word.startswith("neutron:port_id=")}


def test_a_container_s_limit_by_option_and_label(lab: Lab, api: Api, slow: str, one: Engine) -> None:
    one(*CREATE, "--subnet", "10.62.0.0/24", "blue")
    one.run("free", "blue")
    one.run("opted", "name=blue,driver-opt=sealane.qos=slow")
    assert port_of(api, "opted")["qos_policy_id"] == slow
    one.run("told", "blue", "--label", "sealane.qos=slow")
    until(lambda: port_of(api, "told")["qos_policy_id"] == slow, what="the label is followed")
    wanted = {port_of(api, name)["id"] for name in ("opted", "told")}
    until(lambda: limited(lab) == wanted, what="those two are limited in OVN")
    with pytest.raises(Failed, match="no policy is called 'fast'"):
        one.run("wrong", "name=blue,driver-opt=sealane.qos=fast")


def test_a_network_s_limit_is_its_containers(lab: Lab, api: Api, slow: str, one: Engine) -> None:
    with pytest.raises(Failed, match="no policy is called 'fast'"):
        one(*CREATE, "-o", "sealane.qos=fast", "--subnet", "10.63.0.0/24", "guests")
    one(*CREATE, "-o", "sealane.qos=slow", "--subnet", "10.63.0.0/24", "guests")
    one.run("guest", "guests")
    assert port_of(api, "guest")["qos_network_policy_id"] == slow
    until(lambda: limited(lab) == {port_of(api, "guest")["id"]}, what="it is limited in OVN")
