"""MTU of networks: no more than their segments carry, which they have where nothing is said."""

from pathlib import Path
from typing import Any

import pytest

from sealane.config import load
from sealane.errors import BadRequest
from tests.api.live import Answer, Live, live
from tests.daemons import OvsdbServer

SETTINGS: dict[str, Any] = {
    "path_mtu": 1558,
    "global_physnet_mtu": 1600,
    "physical_network_mtus": ("lan:1400", "jumbo:9000", "other:9000"),
}


def flat(physical: str) -> dict[str, Any]:
    return {"provider:network_type": "flat", "provider:physical_network": physical}


def said(refused: Answer) -> str:
    assert (refused.status, refused.error) == (400, "InvalidInput"), refused
    return str(refused.body["NeutronError"]["message"])


async def put(api: Live, network: Any, **values: Any) -> Answer:
    return await api.call(f"PUT /v2.0/networks/{network['id']}", {"network": values})


async def test_each_kind_has_what_carries_it(database: OvsdbServer) -> None:
    """path_mtu less what a tunnel over IPv4 takes; of a network whose segments differ the least."""
    async with live(database, **SETTINGS) as api:
        cases = (
            ({}, 1500, "path_mtu"),
            (flat("dc"), 1600, "physical_network_mtus"),
            (flat("lan"), 1400, "physical_network_mtus"),
            ({**flat("lan"), "provider:network_type": "vlan", "provider:segmentation_id": 7}, 1400, "mtus"),
            (flat("jumbo"), 9000, ""),
            ({"segments": [flat("far"), flat("other")]}, 1600, "physical_network_mtus"),
        )
        for given, most, setting in cases:
            if setting:
                body = {"network": {**given, "mtu": most + 1}}
                refused = said(await api.call("POST /v2.0/networks", body))
                assert f"Requested MTU is too big, maximum is {most}" in refused and setting in refused
            network = await api.make("network", **given)
            assert network["mtu"] == most, given
            assert (await put(api, network, mtu=1280)).body["network"]["mtu"] == 1280
            if setting:
                assert f"maximum is {most}" in said(await put(api, network, mtu=most + 1))
            for whole in (most, 1300, 0):
                assert (await put(api, network, mtu=whole)).body["network"]["mtu"] == whole or most
            assert (await put(api, network, name="n")).status == 200
        assert len((await api.call("GET /v2.0/networks")).body["networks"]) == len(cases)


async def test_a_segment_that_carries_less_than_its_network_is_refused(database: OvsdbServer) -> None:
    async with live(database, **SETTINGS) as api:
        network = await api.make("network", **flat("jumbo"))
        line, body = "POST /v2.0/segments", {"network_id": network["id"], "network_type": "flat"}
        refused = said(await api.call(line, {"segment": {**body, "physical_network": "lan"}}))
        assert "physical_network 'lan' carries packets of 1400 bytes" in refused
        assert (await put(api, network, mtu=1400)).status == 200
        assert (await api.call(line, {"segment": {**body, "physical_network": "lan"}})).status == 201
        assert "maximum is 1400" in said(await put(api, network, mtu=1500))
        both = {**flat("a"), "mtu": 1500}
        refused = await api.call("POST /v2.0/networks", {"network": {**both, "segments": [flat("lan")]}})
        assert refused.status == 400, "told twice which its own segment is"


async def test_what_was_there_before_a_setting_stays_until_it_is_changed(database: OvsdbServer) -> None:
    async with live(database, global_physnet_mtu=9000) as api:
        network = await api.make("network", **flat("lan"))
    async with live(database) as api:
        assert (await api.call(f"GET /v2.0/networks/{network['id']}")).body["network"]["mtu"] == 9000
        assert (await put(api, network, name="n")).status == 200
        assert "maximum is 1500" in said(await put(api, network, mtu=8999))
        assert (await put(api, network, mtu=0)).body["network"]["mtu"] == 1500


@pytest.mark.parametrize(
    ("key", "value"),
    (
        ("path_mtu", "1279"),
        ("path_mtu", "65536"),
        ("global_physnet_mtu", "575"),
        ("global_physnet_mtu", "9001"),
        ("physical_network_mtus", "lan"),
        ("physical_network_mtus", "lan:many"),
        ("physical_network_mtus", "lan:100"),
        ("physical_network_mtus", "lan:1400,lan:1500"),
    ),
)
def test_settings_that_can_t_be(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(BadRequest, match=key):
        load({key: value}, {}, tmp_path / "none")


def test_settings_by_text(tmp_path: Path) -> None:
    found = load({"physical_network_mtus": "lan:1400, dc:9000"}, {}, tmp_path / "none").settings
    assert found.physical_mtus == {"lan": 1400, "dc": 9000}
