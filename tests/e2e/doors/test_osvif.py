"""os-vif's plugin, through os_vif's own initialize, plug and unplug; and the driver for containers."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

from tests.e2e.docker.engines import until
from tests.e2e.doors.guests import HYPERVISOR, call
from tests.e2e.doors.house import FAR, House, eventually


@pytest.fixture
def port(house: House) -> Iterator[dict[str, Any]]:
    """As nova has it: of an instance, bound to this host."""
    words = ("--network", "blue", "--ip", "10.7.0.70", "--host", house.host)
    made: dict[str, Any] = house.json("port", "create", "vm1", *words, "--device-owner", "compute:nova")
    # The address had another MAC in the test before, and a guest that comes up would announce itself.
    house.lab.exec("host2", "ip", "-n", "far", "neigh", "flush", "all")
    yield made
    house.sealane("port", "delete", made["id"])


def plug(house: House, kind: str, port: dict[str, Any], bridge: str = "-") -> None:
    for _ in range(2):  # again is no error
        done = call(house, "plug", kind, port["id"], "vm1dev", bridge)
        assert done.returncode == 0, done.stderr[-1500:]


def set_up(house: House, port: dict[str, Any], device: str) -> None:
    """As the guest's own system does it."""
    inside = ("ip", "-n", "box1")
    house.run(*inside, "link", "set", device, "address", port["mac_address"], "mtu", "1400", "up")
    house.run(*inside, "address", "add", "10.7.0.70/24", "dev", device)


@contextmanager
def running(house: House, *words: str) -> Iterator[None]:
    command = house.lab.command(house.host, ["ip", "netns", "exec", "box1", *HYPERVISOR, *words])
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "runs\n"
        try:
            yield
        finally:
            process.kill()


def talks(house: House) -> None:
    words = ("ip", "netns", "exec", "box1", "busybox", "ping", "-c1", "-W2")
    until(lambda: house.exec(*words, FAR).returncode == 0, what="the guest reaches the other host")
    House(house.lab, "host2").reaches("far", "10.7.0.70")


def gone(house: House, port: dict[str, Any], before: dict[str, Any]) -> None:
    """The port stays as nova has it."""
    for _ in range(2):
        assert call(house, "unplug", "tap", port["id"], "vm1dev", "-").returncode == 0
    eventually(lambda: house.traces() == before, "all is as it was")
    left = house.json("port", "show", port["id"])
    assert (left["device_owner"], left["binding:host_id"]) == ("compute:nova", house.host)
    assert house.exec("ip", "link", "show", "vm1dev").returncode != 0


def test_a_tap_device_for_a_virtual_machine(house: House, port: dict[str, Any]) -> None:
    before = house.traces()
    plug(house, "tap", port)
    house.run("ip", "netns", "add", "box1")
    with running(house, "guest", "vm1dev", "inner0"):
        set_up(house, port, "inner0")
        talks(house)
        house.kill_agent()
        talks(house)
    gone(house, port, before)


def test_a_veth_pair_for_a_container(house: House, port: dict[str, Any]) -> None:
    before = house.traces()
    plug(house, "veth", port)
    house.run("ip", "netns", "add", "box1")
    house.run("ip", "link", "set", "vm1dev", "netns", "box1")
    set_up(house, port, "vm1dev")
    talks(house)
    gone(house, port, before)


def test_a_bridge_to_which_the_hypervisor_adds_its_device(house: House, port: dict[str, Any]) -> None:
    before = house.traces()
    plug(house, "bridge", port, "qbr1")
    house.run("ip", "netns", "add", "box1")
    house.run("ip", "link", "add", "vm1dev", "type", "veth", "peer", "name", "inner0", "netns", "box1")
    house.run("ip", "link", "set", "vm1dev", "master", "qbr1", "up")
    set_up(house, port, "inner0")
    rule = (
        "DOCKER-USER",
        "-i",
        "qbr1",
        "-j",
        "ACCEPT",
    )  # br_netfilter shows Docker what the bridge passes on
    house.run("iptables", "-I", *rule)
    talks(house)
    house.run("iptables", "-D", *rule)
    house.run("ip", "netns", "delete", "box1")
    gone(house, port, before)
    assert house.exec("ip", "link", "show", "qbr1").returncode != 0


def test_what_can_not_be_plugged_is_an_error_of_os_vifs_own(house: House, port: dict[str, Any]) -> None:
    before = house.traces()
    elsewhere = house.json(
        "port", "create", "--network", "blue", "--host", "host2", "--device-owner", "compute:x"
    )
    try:
        wrong: tuple[tuple[tuple[str, ...], str], ...] = (
            (("tap", "0" * 8 + "-0000-0000-0000-" + "0" * 12, "vm1dev", "-"), "PlugException"),
            (("tap", port["id"], "../etc", "-"), "no name of an interface"),
            (("tap", port["id"], "a" * 16, "-"), "no name of an interface"),
            (("bridge", port["id"], "vm1dev", "a b"), "no name of a bridge"),
            (("bridge", port["id"], "vm1dev", "eth0"), "not of this port"),
            (("tap", port["id"], "eth0", "-"), "not Sealane's"),
            (("tap", elsewhere["id"], "vm1dev", "-"), "bound to host 'host2'"),
        )
        lines = "".join(json.dumps(words) + "\n" for words, _ in wrong)
        done = house.exec(*HYPERVISOR, "refused", stdin=lines)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        for (words, told), error in zip(wrong, said, strict=True):
            assert "PlugException" in error and told in error, (words, error)
        assert house.exec("ip", "link", "show", "eth0").returncode == 0, "the host's own link stays"
        assert "clsact" not in house.exec("tc", "qdisc", "show", "dev", "eth0").stdout, "as it was"
    finally:
        house.sealane("port", "delete", elsewhere["id"])
    eventually(lambda: house.traces() == before, "all is as it was")


def test_the_driver_for_containers_attaches_them_and_leaves_novas_port(
    house: House, port: dict[str, Any]
) -> None:
    before = house.traces()
    house.run("ip", "netns", "add", "box1")
    for there, gone_again in (("plug_vifs", "unplug_vifs"), ("attach_interface", "detach_interface")):
        kind = house.run(*HYPERVISOR, "drive", there, "box1", port["id"]).split()[-1]
        assert kind == ("nova.network.model" if find_spec("nova") else "builtins")
        talks(house)
        for _ in range(2):
            house.run(*HYPERVISOR, "drive", gone_again, "box1", port["id"])
        eventually(lambda: house.traces() == before, "all is as it was")
        assert house.json("port", "show", port["id"])["device_owner"] == "compute:nova"
