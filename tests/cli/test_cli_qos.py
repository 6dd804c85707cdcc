"""Policies of quality of service, their limits and marks, and who has one, by the command."""

import pytest


@pytest.fixture
def slow(sealane):
    return sealane.json("qos", "create", "slow", "--description", "for guests")


def rules(policy):
    return {(r["type"], r.get("direction"), r.get("max_kbps", r.get("dscp_mark"))) for r in policy["rules"]}


def test_a_policy_from_its_birth_to_its_end(sealane, slow):
    assert rules(sealane.json("qos", "limit", "slow", "20000")) == {("bandwidth_limit", "egress", 20000)}
    sealane.json("qos", "limit", "slow", "50000", "--ingress", "--burst", "8000")
    marked = sealane.json("qos", "mark", "slow", "46")
    assert rules(marked) == {
        ("bandwidth_limit", "egress", 20000),
        ("bandwidth_limit", "ingress", 50000),
        ("dscp_marking", None, 46),
    }
    assert "egress 20000 kbit/s, ingress 50000 kbit/s, mark 46" in sealane("qos", "list").out
    sealane.json("qos", "limit", "slow", "10000")
    sealane.json("qos", "limit", "slow", "none", "--ingress")
    assert rules(sealane.json("qos", "mark", "slow", "none")) == {("bandwidth_limit", "egress", 10000)}
    assert sealane("qos", "delete", "slow").status == 0
    assert "no qos 'slow'" in sealane.fails(1, "qos", "show", "slow")


def test_ports_and_networks_have_one_by_name(sealane, slow):
    network = sealane.json("network", "create", "blue", "--qos", "slow")
    assert network["qos_policy_id"] == slow["id"]
    port = sealane.json("port", "create", "web", "--network", "blue", "--qos", "slow")
    assert port["qos_policy_id"] == slow["id"]
    assert "is used by" in sealane.fails(1, "qos", "delete", "slow")
    assert sealane.json("port", "unset", "web", "--qos")["qos_policy_id"] is None
    assert sealane.json("network", "set", "blue", "--qos", "slow")["qos_policy_id"] == slow["id"]
    assert "no qos 'fast'" in sealane.fails(1, "port", "set", "web", "--qos", "fast")


def test_slips_are_told(sealane, slow):
    for words in (
        ("limit", "slow", "0"),
        ("limit", "slow", "quick"),
        ("limit", "slow", "1000", "--burst", "7"),
        ("mark", "slow", "99"),
    ):
        sealane.fails(2, "qos", *words)
    assert "dscp_mark" in sealane.fails(1, "qos", "mark", "slow", "5")
