"""A node is removed, is out at once, and joins again, by the commands that an operator has."""

import pytest

from sealane.errors import HostError
from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import until

SB = ("ovn-sbctl", "--db=unix:/run/sealane/ovn/ovnsb_db.sock", "--timeout=10", "--bare", "--columns=name")


def chassis(lab: Lab) -> set[str]:
    return set(lab.exec("host1", *SB, "list", "Chassis").stdout.split())


def connected(lab: Lab, host: str) -> bool:
    control = ("env", "OVN_RUNDIR=/run/sealane/ovn", "ovn-appctl", "-t", "ovn-controller")
    said = lab.exec(host, *control, "connection-status", check=False).stdout
    return said.strip() == "connected"


def join(lab: Lab) -> None:
    """host2 with what `sealane token create` prints on host1."""
    *_, address, token = lab.exec("host1", "sealane", "token", "create").stdout.split()
    lab.exec("host2", "sealane", "node", "join", address, "-", stdin=f"{token}\n")
    until(lambda: connected(lab, "host2"), "ovn-controller comes in with the new certificate")


def nodes(lab: Lab) -> list[list[str]]:
    listed = lab.exec("host2", "sealane", "node", "list").stdout.split("\n")[1:3]
    return [line.split()[:4] for line in listed]


def test_hosts_of_a_lab_have_joined(lab: Lab) -> None:
    expected = [
        ["host1", "alive", str(lab.plan.address("host1").ip), "central"],
        ["host2", "alive", str(lab.plan.address("host2").ip), "joined"],
    ]
    until(lambda: nodes(lab) == expected, "both nodes are there and alive")
    assert not lab.plan.join_line("host2").exists(), "the token is gone with its use"
    assert lab.exec("host1", "sealane", "token", "list").stdout.count("\n") == 1


def test_a_removed_node_is_out_at_once_and_may_join_again(lab: Lab, put) -> None:
    one, two = put("host1", "a"), put("host2", "b")
    one.soon_reaches(two.addresses[0])
    with pytest.raises(HostError, match="has 1 port;"):
        lab.exec("host1", "sealane", "node", "remove", "host2")
    assert chassis(lab) == {"host1", "host2"}
    lab.exec("host1", "sealane", "node", "remove", "host2", "--force")
    with pytest.raises(HostError, match=r"no node 'host2'|refused"):  # with the last node the door closes
        lab.exec("host2", "sealane", "network", "list")
    until(lambda: not connected(lab, "host2"), "the southbound database is closed to it")
    until(lambda: chassis(lab) == {"host1"}, "its chassis is gone")
    with pytest.raises(HostError, match="no node 'host2'"):
        lab.exec("host1", "sealane", "node", "show", "host2")
    join(lab)
    until(lambda: chassis(lab) == {"host1", "host2"}, "its chassis is back")
    third = put("host2", "c")
    third.soon_reaches(one.addresses[0])


def test_a_node_that_joins_again_goes_on_with_its_new_certificate(lab: Lab, put) -> None:
    one, two = put("host1", "a"), put("host2", "b")
    one.soon_reaches(two.addresses[0])
    before = lab.exec("host2", "cat", "/var/lib/sealane/pki/node.pem").stdout
    join(lab)
    assert lab.exec("host2", "cat", "/var/lib/sealane/pki/node.pem").stdout != before
    assert one.still_reaches(two.addresses[0])
    put("host2", "c").soon_reaches(one.addresses[0])
