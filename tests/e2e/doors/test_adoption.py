"""What libvirt puts on br-int is adopted: no word to Sealane, only an iface-id."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.docker.engines import until
from tests.e2e.doors.guests import call
from tests.e2e.doors.house import House, eventually
from tests.e2e.doors.test_osvif import port, running, set_up, talks

__all__ = ["port"]
VSCTL = ("ovs-vsctl", "--db=unix:/run/sealane/ovs/db.sock", "--timeout=10", "--")


@pytest.fixture
def shut(house: House) -> Iterator[str]:
    """A group that lets nothing in."""
    house.sealane("security-group", "create", "shut")
    yield "shut"
    house.sealane("security-group", "delete", "shut")


def name(port: dict[str, Any]) -> str:
    """As nova names its devices."""
    return f"tap{port['id'][:11]}"


def put_on_switch(house: House, port: dict[str, Any]) -> None:
    """In libvirt's words (virNetDevOpenvswitchAddPort)."""
    device = name(port)
    ids = {"attached-mac": port["mac_address"], "iface-id": port["id"], "iface-status": "active"}
    words = [f'external-ids:{key}="{value}"' for key, value in ids.items()]
    house.run(*VSCTL, "--if-exists", "del-port", device, "--", "add-port", "br-int", device, "--", "set",
              "Interface", device, *words)  # fmt: skip


NOVA = """
[os_vif_ovs]
ovsdb_connection = unix:/run/sealane/ovs/db.sock

[vif_plug_ovs_privileged]
helper_command = privsep-helper
"""


def bridge(house: House) -> dict[str, Any]:
    """br-int as it is."""
    words = ("--format=json", "--columns=_uuid,datapath_type,fail_mode", "list", "Bridge", "br-int")
    found: dict[str, Any] = json.loads(house.run(*VSCTL[:-1], *words))
    return found


def test_a_device_of_os_vifs_own_plugin(house: House, port: dict[str, Any]) -> None:
    """As nova calls it, with what the port says of its host."""
    before, device, there = house.traces(), name(port), bridge(house)
    datapath = house.json("port", "show", port["id"])["binding:vif_details"]["datapath_type"]
    assert datapath in str(there)
    house.write("/run/nova.conf", NOVA)
    words = ("stock", port["id"], device, f"{datapath}/{port['mac_address']}")
    for _ in range(2):
        done = call(house, "plug", *words)
        assert done.returncode == 0, done.stderr[-1500:]
    assert bridge(house) == there, "it is the one that it was"
    house.run("ip", "netns", "add", "box1")
    with running(house, "guest", device, "inner0"):
        set_up(house, port, "inner0")
        talks(house)
        assert status(house, port) == "ACTIVE"
    for _ in range(2):
        assert call(house, "unplug", *words).returncode == 0
    until(lambda: status(house, port) == "DOWN", what="the port is down")
    eventually(lambda: house.traces() == before, "all is as it was")
    assert house.exec("ip", "link", "show", device).returncode != 0


def status(house: House, port: dict[str, Any]) -> str:
    return str(house.json("port", "show", port["id"])["status"])


def test_a_device_that_libvirt_put_on_the_switch(house: House, port: dict[str, Any], shut: str) -> None:
    before, outside, device = house.traces(), House(house.lab, "host2"), name(port)
    house.run("ip", "tuntap", "add", device, "mode", "tap", "vnet_hdr")
    house.run("ip", "link", "set", device, "up")
    assert status(house, port) == "DOWN"
    put_on_switch(house, port)
    house.run("ip", "netns", "add", "box1")
    with running(house, "guest", device, "inner0"):
        set_up(house, port, "inner0")
        talks(house)
        assert status(house, port) == "ACTIVE"
        house.sealane("port", "set", port["id"], "--security-group", shut)
        until(lambda: not outside.pings("far", "10.7.0.70"), what="the group lets nobody in")
        house.sealane("port", "set", port["id"], "--security-group", "open")
        house.kill_agent()
        talks(house)
        assert device in house.run(*VSCTL, "list-ports", "br-int").split(), "its owner's row stays"
    house.run(*VSCTL, "del-port", device)
    until(lambda: status(house, port) == "DOWN", what="the port is down")
    eventually(
        lambda: "alias" not in house.run("ip", "link", "show", device), "the device stays, no trace on it"
    )
    assert "mirred" not in house.run("tc", "filter", "show", "dev", device, "ingress")
    house.run("ip", "link", "delete", device)
    eventually(lambda: house.traces() == before, "all is as it was")
    assert house.json("port", "show", port["id"])["device_owner"] == "compute:nova"
