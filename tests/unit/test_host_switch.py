"""What of ours goes into an Open vSwitch that is somebody else's."""

import pytest

from sealane.config import Settings
from sealane.engine import host_switch, node, physical
from sealane.engine.datapath import Datapath
from sealane.engine.underlay import Underlay

HERE = node.Node(
    Settings(host_name="here.example"),
    Datapath("kernel", "host", "this host's own ovs-vswitchd runs already"),
    Underlay("192.0.2.1", "eth0", 1500),
)


def test_every_key_bears_the_chassis_and_the_host_keeps_its_system_id() -> None:
    values = host_switch.keyed(node.controller_settings(HERE), "here.example")
    assert all(key.endswith("-here.example") for key in values)
    assert "system-id-here.example" not in values
    assert values["ovn-encap-ip-here.example"] == "192.0.2.1"


def test_all_that_is_put_in_is_taken_out() -> None:
    put = {*node.controller_settings(HERE), node.WAIT_BEFORE_CLEAR, physical.MAPPINGS} - {"system-id"}
    assert put == set(node.CONTROLLER_KEYS)


@pytest.mark.parametrize(
    ("external_ids", "other"),
    [
        ({}, ""),
        ({"system-id": "x", "ovn-remote-probe-interval": "5000"}, ""),
        ({"ovn-remote-here.example": "unix:/ours", "ovn-remote-probe-interval-here.example": "1"}, ""),
        ({"ovn-remote": "tcp:192.0.2.9:6642"}, "tcp:192.0.2.9:6642"),
        ({"ovn-remote-there": "tcp:192.0.2.9:6642"}, "tcp:192.0.2.9:6642"),
    ],
)
def test_another_ovn_is_noticed(external_ids: dict[str, str], other: str) -> None:
    assert host_switch.foreign_remote(external_ids, "here.example") == other


def test_the_controller_is_told_its_chassis() -> None:
    (controller,) = (c for c in node.children(HERE, central=False) if c.name == "ovn-controller")
    assert "-n here.example" in " ".join(controller.argv)
    assert controller.depends == ()
