"""Whose tunnel packets are taken: the table as text, and what is remembered."""

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from sealane.agent.peers import Peers, table
from sealane.client import ApiClient
from sealane.errors import Unavailable

FACTS = {"kind": "userspace", "switch": "own", "address": "192.0.2.1"}


def test_userspace_looks_before_the_packet_is_led_away() -> None:
    chains = table(["192.0.2.2", "192.0.2.1"], "192.0.2.1", "userspace").chains
    assert "elements = { 192.0.2.1, 192.0.2.2 };" in chains
    assert "hook prerouting priority raw - 10" in chains
    assert "ip daddr 192.0.2.1 udp dport 6081 ip saddr != @peers4 counter drop" in chains
    assert "ip6 daddr 2001" not in chains


def test_the_kernel_s_tunnel_listens_on_all_addresses() -> None:
    chains = table(["2001:db8::2"], "2001:db8::1", "kernel").chains
    assert "hook input priority filter - 10" in chains and "daddr 2001" not in chains
    assert "ip saddr != @peers4 counter drop" in chains and "ip6 saddr != @peers6 counter drop" in chains


@pytest.mark.parametrize("kind", ["userspace", "kernel"])
def test_only_the_switch_s_own_link_leads_to_a_node_s_tunnel(kind: str) -> None:
    chains = table(["192.0.2.2"], "192.0.2.1", kind).chains
    assert "hook forward priority filter - 10" in chains
    assert 'iifname "slu*" ip daddr @peers4 udp dport 6081 counter drop' in chains
    assert 'iifname != "slx0" ip6 saddr != @peers6 ip6 daddr @peers6 udp dport 6081 counter drop' in chains


def test_tunnels_of_the_host_s_own_switch_are_its_own_but_for_what_containers_send() -> None:
    chains = table(["192.0.2.2"], "192.0.2.1", "host").chains
    assert 'iifname "slu*" ip daddr @peers4 udp dport 6081 counter drop' in chains
    assert "chain arriving" not in chains and "iifname !=" not in chains


def test_an_underlay_of_ipv6() -> None:
    chains = table(["2001:db8::2"], "2001:db8::1", "userspace").chains
    assert "ip6 daddr 2001:db8::1 udp dport 6081 ip6 saddr != @peers6 counter drop" in chains


def test_the_order_of_nodes_is_no_difference() -> None:
    one, other = ["192.0.2.2", "192.0.2.10", "192.0.2.1"], ["192.0.2.10", "192.0.2.1", "192.0.2.2"]
    assert table(one, "192.0.2.1", "userspace") == table(other, "192.0.2.1", "userspace")


class Nodes:
    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.asked = 0

    async def list(self, collection: str) -> list[dict[str, Any]]:
        assert collection == "sealane/nodes"
        self.asked += 1
        return [{"address": address} for address in self.addresses]


class Down(Nodes):
    async def list(self, collection: str) -> list[dict[str, Any]]:
        raise Unavailable("nobody answers")


class Unloaded(Peers):
    """Needs no root."""

    async def ensure(self) -> None:
        pass


def peers(api: Nodes, memory: Path) -> Peers:
    return Unloaded(cast(ApiClient, api), FACTS, memory)


def test_nodes_are_asked_for_at_first_and_when_they_have_moved(tmp_path: Path) -> None:
    api, memory = Nodes(), tmp_path / "peers.json"
    api.addresses = ["192.0.2.2", "192.0.2.1"]
    known = peers(api, memory)
    asyncio.run(known.changed(frozenset({"ports"})))
    asyncio.run(known.changed(frozenset({"ports"})))
    assert api.asked == 1 and json.loads(memory.read_text()) == ["192.0.2.1", "192.0.2.2"]
    api.addresses.append("192.0.2.3")
    asyncio.run(known.changed(frozenset({"nodes"})))
    assert api.asked == 2 and json.loads(memory.read_text())[-1] == "192.0.2.3"


def test_they_are_remembered_for_a_start_without_the_api(tmp_path: Path) -> None:
    memory = tmp_path / "peers.json"
    memory.write_text('["192.0.2.1"]')
    asyncio.run(peers(Down(), memory).changed(frozenset({"ports"})))
    with pytest.raises(Unavailable):
        asyncio.run(peers(Down(), memory).changed(frozenset({"nodes"})))


@pytest.mark.parametrize("text", ["", "[", "{}", '["; drop"]', "[1, null]", "7"])
def test_a_damaged_memory_is_none(text: str, tmp_path: Path) -> None:
    memory = tmp_path / "peers.json"
    memory.write_text(text)
    with pytest.raises(Unavailable):
        asyncio.run(peers(Down(), memory).changed(frozenset()))
