"""Which attachments get a fast path, and when a host with one has applied a state."""

from dataclasses import replace
from math import inf

import pytest

from sealane.agent.attachment import Attachment
from sealane.agent.fastpath_ports import is_eligible
from sealane.config import load
from sealane.errors import BadRequest
from sealane.ovn.applied import _fast

PLAIN = Attachment(
    id="a" * 64,
    door="docker",
    network_id="11111111-2222-4333-8444-555555555555",
    port_id="21111111-2222-4333-8444-555555555555",
    mac="02:00:00:00:00:0a",
    addresses=("10.0.0.2/24",),
    mtu=1442,
)


def test_containers_have_it_and_devices_of_the_host_do_not() -> None:
    assert is_eligible(PLAIN) and is_eligible(replace(PLAIN, door="netns"))
    assert not is_eligible(replace(PLAIN, door="host"))
    assert not is_eligible(replace(PLAIN, door="os-vif", device="tap1", device_kind="tap"))
    assert not is_eligible(replace(PLAIN, bridge="qbr1"))


@pytest.mark.parametrize(("options", "reached"), [
    ({}, inf),
    ({"ovn-cms-options": ""}, inf),
    ({"ovn-cms-options": "enable-chassis-as-gw"}, inf),
    ({"ovn-cms-options": "sealane-fastpath=7"}, 7),
    ({"ovn-cms-options": "enable-chassis-as-gw,sealane-fastpath=12"}, 12),
    ({"ovn-cms-options": "sealane-fastpath=much"}, inf),
])  # fmt: skip
def test_how_far_a_hosts_fast_path_is(options: dict[str, str], reached: float) -> None:
    assert _fast({"name": "host1", "other_config": options}) == reached


def test_it_is_off_unless_it_is_asked_for() -> None:
    none = {"SEALANE_CONFIG": "/nonexistent"}
    assert load(environ=none).settings.fastpath == "off"
    assert load(environ={**none, "SEALANE_FASTPATH": "on"}).settings.fastpath == "on"
    with pytest.raises(BadRequest, match="choose one of off, on"):
        load(environ={**none, "SEALANE_FASTPATH": "fast"})
