"""Addresses that machines make of the router's advertisement: the API knows them beforehand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sealane.api import slaac
from tests.api.live import Live, live
from tests.daemons import OvsdbServer

MAC = "02:42:0a:00:00:05"
OWN = "fd00:9::42:aff:fe00:5"


@asynccontextmanager
async def furnished(database: OvsdbServer, mode: str = "slaac") -> AsyncIterator[tuple[Live, str, Any]]:
    async with live(database) as api:
        network = await api.make("network", name="blue")
        await api.make("subnet", network_id=network["id"], cidr="10.9.0.0/24")
        modes = {"ipv6_ra_mode": mode, "ipv6_address_mode": mode}
        subnet = await api.make("subnet", network_id=network["id"], cidr="fd00:9::/64", ip_version=6, **modes)
        yield api, network["id"], subnet


def addresses(port: Any) -> list[str]:
    return [fixed["ip_address"] for fixed in port["fixed_ips"]]


@pytest.mark.parametrize("mode", ("slaac", "dhcpv6-stateless"))
async def test_a_port_has_the_address_of_its_mac(database: OvsdbServer, mode: str) -> None:
    async with furnished(database, mode) as (api, network, subnet):
        port = await api.make("port", network_id=network, mac_address=MAC)
        assert addresses(port) == ["10.9.0.2", OWN]
        chosen = await api.make("port", network_id=network)
        assert addresses(chosen) == ["10.9.0.3", slaac.eui64("fd00:9::/64", chosen["mac_address"])]
        path = f"PUT /v2.0/ports/{port['id']}"
        moved = (await api.call(path, {"port": {"mac_address": "02:42:0a:00:00:06"}})).body["port"]
        assert addresses(moved) == ["10.9.0.2", "fd00:9::42:aff:fe00:6"]
        wish = {"fixed_ips": [{"ip_address": "10.9.0.77"}]}
        assert addresses((await api.call(path, {"port": wish})).body["port"]) == [
            "10.9.0.77",
            "fd00:9::42:aff:fe00:6",
        ]
        assert addresses((await api.call(path, {"port": {"fixed_ips": []}})).body["port"]) == []
        back = {"fixed_ips": [{"subnet_id": subnet["id"]}]}
        assert addresses((await api.call(path, {"port": back})).body["port"]) == ["fd00:9::42:aff:fe00:6"]


async def test_no_other_address_can_be_had_there(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, subnet):
        for wish in ({"ip_address": "fd00:9::5"}, {"subnet_id": subnet["id"], "ip_address": "fd00:9::5"}):
            body = {"port": {"network_id": network, "mac_address": MAC, "fixed_ips": [wish]}}
            refused = await api.call("POST /v2.0/ports", body)
            assert (refused.status, refused.error) == (400, "AllocationOnAutoAddressSubnet")
            assert OWN in refused.body["NeutronError"]["message"]
        same = [{"ip_address": OWN}]
        port = await api.make("port", network_id=network, mac_address=MAC, fixed_ips=same)
        assert addresses(port) == [OWN]


async def test_containers_keep_what_docker_gives_them(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, _):
        wish = [{"ip_address": "fd00:9::5"}]
        owner = {"device_owner": "sealane:docker", "fixed_ips": wish}
        assert addresses(await api.make("port", network_id=network, **owner)) == ["fd00:9::5"]


async def test_the_prefix_has_to_leave_room_for_it(database: OvsdbServer) -> None:
    async with furnished(database) as (api, network, _):
        wanted = {"network_id": network, "cidr": "fd00:8::/80", "ip_version": 6, "ipv6_ra_mode": "slaac"}
        refused = await api.call("POST /v2.0/subnets", {"subnet": wanted})
        assert (refused.status, refused.error) == (400, "InvalidInput")
        assert "/64" in refused.body["NeutronError"]["message"]
