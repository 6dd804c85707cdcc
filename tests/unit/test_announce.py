"""Floating IPs that have come are announced, and those that have gone on are not; the frame of it."""

import asyncio
from typing import Any, cast

import pytest

from sealane.agent import announce
from sealane.agent.announce import Announced, Announcer
from sealane.client import ApiClient
from sealane.config import Settings
from sealane.errors import HostError, Unavailable
from sealane.host.arp import announcement
from sealane.host.ovs import Switch

NETWORK = "6a7d2c1e-0000-4000-8000-000000000001"
MAC = "fa:16:3e:00:00:07"


class Central:
    """The API, as far as it is asked here."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.down = False

    async def request(self, method: str, path: str, query: Any) -> dict[str, Any]:
        assert (method, path, query) == ("GET", "sealane/announced", [("node", "host1")])
        if self.down:
            raise Unavailable("away")
        return {"floating_ips": [row(address) for address in self.addresses]}


def row(address: str) -> dict[str, Any]:
    return {
        "floating_ip_address": address,
        "mac_address": MAC,
        "network_id": NETWORK,
        "physical_network": "outside",
        "segmentation_id": None,
    }


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "PAUSES", (0.0, 0.0, 0.0))


def announcer(central: Central, sent: list[str], trouble: int = 0) -> Announcer:
    def send(one: Announced) -> None:
        sent.append(one.address)
        if len(sent) <= trouble:
            raise HostError("no patch port yet")

    api, switch = cast(ApiClient, central), cast(Switch, None)
    return Announcer(api, Settings(host_name="host1"), switch, send)


async def settled(one: Announcer) -> None:
    while one._under_way:
        await asyncio.sleep(0)


def test_what_comes_is_announced_and_what_is_here_is_not_again() -> None:
    async def story() -> None:
        central, sent = Central(), list[str]()
        here = announcer(central, sent)
        central.addresses = ["192.0.2.7"]
        await here.look()
        await settled(here)
        assert sent == ["192.0.2.7"] * 3
        central.addresses += ["192.0.2.8"]
        await here.look()
        await settled(here)
        assert sent[3:] == ["192.0.2.8"] * 3
        await here.look()
        assert not here._under_way

    asyncio.run(story())


def test_what_goes_on_in_the_middle_is_announced_no_more() -> None:
    async def story() -> None:
        central, sent = Central(), list[str]()
        here = announcer(central, sent)
        central.addresses = ["192.0.2.7"]
        await here.look()
        central.addresses = []
        await here.look()
        await settled(here)
        assert sent == []

    asyncio.run(story())


def test_a_bridge_that_is_not_ready_is_tried_again() -> None:
    async def story() -> None:
        central, sent = Central(), list[str]()
        here = announcer(central, sent, trouble=2)
        central.addresses = ["192.0.2.7"]
        await here.look()
        await settled(here)
        assert len(sent) == 3

    asyncio.run(story())


def test_an_api_that_is_away_changes_nothing() -> None:
    async def story() -> None:
        central, sent = Central(), list[str]()
        here = announcer(central, sent)
        central.addresses = ["192.0.2.7"]
        await here.look()
        await settled(here)
        central.down = True
        with pytest.raises(Unavailable):
            await here.look()
        central.down = False
        await here.look()
        assert not here._under_way
        await here.close()

    asyncio.run(story())


def test_the_frame_is_a_request_for_ones_own_address() -> None:
    frame = announcement("192.0.2.7", MAC)
    assert len(frame) == 60
    assert frame[:22].hex() == "ffffffffffff" + "fa163e000007" + "0806" + "0001080006040001"
    assert frame[22:42].hex() == "fa163e000007" + "c0000207" + "000000000000" + "c0000207"
    tagged = announcement("192.0.2.7", MAC, 101)
    assert tagged[12:18].hex() == "81000065" + "0806" and tagged[18:] == frame[14:56]


@pytest.mark.parametrize(
    ("address", "mac", "vlan"),
    [
        ("192.0.2.7", "01:16:3e:00:00:07", None),
        ("192.0.2.7", "fa:16:3e", None),
        ("192.0.2.7", MAC, 4095),
        ("fd00::7", MAC, None),
    ],
)
def test_what_is_no_stations_address_is_refused(address: str, mac: str, vlan: int | None) -> None:
    with pytest.raises(ValueError):
        announcement(address, mac, vlan)
