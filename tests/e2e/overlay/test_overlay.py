"""Packets between namespaces of two hosts, and to the outside."""

import subprocess

import pytest

from sealane.lab.lab import Lab
from tests.e2e.overlay.machines import transfer, until


@pytest.fixture
def pair(put):
    return put("host1", "a"), put("host2", "b")


def test_the_first_packet_arrives_in_both_families(pair):
    """`attach` returns when the namespace can talk; IPv6 may still be told apart from a duplicate."""
    one, two = pair
    assert {len(one.addresses), len(two.addresses)} == {2}
    assert one.still_reaches(two.addresses[0])
    one.soon_reaches(two.addresses[1])
    two.soon_reaches(one.addresses[1])


def test_full_packets_pass_and_none_is_split(pair):
    one, two = pair
    mtu = int(one.exec("cat", "/sys/class/net/eth0/mtu").stdout)
    assert mtu == 1442
    one.exec("busybox", "ping", "-c", "3", "-W", "5", "-s", str(mtu - 28), two.addresses[0])


@pytest.mark.parametrize("backwards", (False, True))
def test_bulk_arrives_complete(pair, backwards):
    source, sink = reversed(pair) if backwards else pair
    sent, arrived = transfer(source, sink)
    assert sent == arrived


def test_status_tells_the_truth(pair, api):
    assert {api.find("ports", m.port_id)["status"] for m in pair} == {"ACTIVE"}
    assert api.find("ports", pair[0].port_id)["binding:host_id"] == "host1"
    unused = api.create("ports", {"network_id": api.find("networks", "blue")["id"]})
    assert unused["status"] == "DOWN"
    api.delete("ports", unused["id"])


def test_outside_is_reached_by_the_hosts_own_address(lab: Lab, pair):
    one, _ = pair
    watch = ["timeout", "20", "tcpdump", "-i", "under0", "-n", "-c", "1", "-l", "icmp[icmptype] == 8"]
    with subprocess.Popen(
        lab.command("outside", watch), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as tcpdump:
        assert tcpdump.stderr
        until(lambda: "listening" in tcpdump.stderr.readline(), "tcpdump listens")
        one.soon_reaches(str(lab.plan.router.ip))
        seen = tcpdump.communicate(timeout=30)[0]
    assert f"{lab.plan.address('host1').ip} > {lab.plan.router.ip}" in seen


def test_same_addresses_on_two_networks_do_not_meet(pair, put, api):
    one, two = pair
    other = api.create("networks", {"name": "red"})
    api.create("subnets", {"network_id": other["id"], "cidr": "10.44.0.0/24", "ip_version": 4})
    twin = put("host2", "twin", other["id"], two.addresses[0])
    stranger = put("host1", "stranger", other["id"], "10.44.0.99")
    stranger.soon_reaches(twin.addresses[0])
    one.soon_reaches(two.addresses[0])
    assert not one.reaches("10.44.0.99")
    for machine in (twin, stranger):
        assert machine.exec("ip", "-4", "-br", "address", "show", "eth0").stdout
