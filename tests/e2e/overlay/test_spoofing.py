"""What a port with port security can't say, and one without can: MAC, IPv4, IPv6, ARP, ND, DHCP, RA; pairs.

Each forged frame is followed by an honest one: when that has arrived, what was said before has arrived or
been dropped.  The same frames arrive when both ports are without port security, which is what drops them.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sealane.cli.api import Api
from tests.e2e.overlay import frames
from tests.e2e.overlay.frames import (
    ARP,
    IPV4,
    IPV6,
    Station,
    arp_reply,
    ears,
    ethernet,
    neighbour,
    station,
    udp4,
    udp6,
)
from tests.e2e.overlay.machines import Machine, until

FOREIGN_MAC = "02:66:66:66:66:66"


@pytest.fixture
def pair(put: Any) -> tuple[Machine, Machine]:
    one, two = put("host1", "a"), put("host2", "b")
    one.soon_reaches(two.addresses[0])
    one.soon_reaches(two.addresses[1])
    return one, two


def forged(one: Station, two: Station) -> dict[str, tuple[bytes, str]]:
    """Name -> the frame, and a part of it that nothing else has, in hexadecimal."""
    as_v4, as_v6 = replace(one, v4="10.44.0.77"), replace(one, v6="fd44::77")
    other = replace(one, mac=FOREIGN_MAC)
    link_local = "fe80::" + _interface_id(one.mac)
    text = {name: f"forged {name}." for name in ("mac", "ipv4", "ipv6", "dhcp", "dhcp6")}
    made = {
        "mac": ethernet(one, two, IPV4, udp4(one, two, text["mac"]), mac=FOREIGN_MAC),
        "ipv4": ethernet(one, two, IPV4, udp4(as_v4, two, text["ipv4"])),
        "ipv6": ethernet(one, two, IPV6, udp6(as_v6, two, text["ipv6"])),
        "dhcp": ethernet(one, two, IPV4, udp4(one, two, text["dhcp"], (67, 68))),
        "dhcp6": ethernet(one, two, IPV6, udp6(one, two, text["dhcp6"], (547, 546))),
    }
    found = {name: (frame, text[name].encode().hex()) for name, frame in made.items()}
    for name, frame in {
        "arp address": ethernet(one, two, ARP, arp_reply(as_v4, two)),
        "arp mac": ethernet(one, two, ARP, arp_reply(other, two)),
        "nd address": ethernet(one, two, IPV6, neighbour(one, two, as_v6)),
        "nd mac": ethernet(one, two, IPV6, neighbour(one, two, other)),
        "ra": ethernet(one, two, IPV6, frames.router(one, two, link_local)),
        "ra behind options": ethernet(one, two, IPV6, frames.router(one, two, link_local, extension=True)),
    }.items():
        found[name] = (frame, frame[14:].hex())
    return found


def _interface_id(mac: str) -> str:
    """RFC 4291 appendix A."""
    b = [int(x, 16) for x in mac.split(":")]
    return f"{b[0] ^ 2:02x}{b[1]:02x}:{b[2]:02x}ff:fe{b[3]:02x}:{b[4]:02x}{b[5]:02x}"


def arrived(
    source: Machine, heard: Callable[[], str], said: dict[str, tuple[bytes, str]], one: Station, two: Station
) -> set[str]:
    frames.say(source, *(frame for frame, _ in said.values()))
    frames.say(source, ethernet(one, two, IPV4, udp4(one, two, "that is all")))
    until(lambda: b"that is all".hex() in heard(), "the honest frame arrives")
    return {name for name, (_, mark) in said.items() if mark in heard()}


def loosen(api: Api, *machines: Machine) -> None:
    """Take port security off; the guard of a link that is there follows when it is attached anew."""
    api.wait = 30
    for machine in machines:
        api.update("ports", machine.port_id, {"port_security_enabled": False, "security_groups": []})
        assert not api.unapplied


def test_nobody_speaks_in_another_s_name(pair: Any, api: Api) -> None:
    one, two = map(station, pair)
    said = forged(one, two)
    with ears(pair[1]) as heard:
        assert arrived(pair[0], heard, said, one, two) == set()
    loosen(api, *pair)
    with ears(pair[1]) as heard:
        routers = {"ra", "ra behind options"}
        assert arrived(pair[0], heard, said, one, two) == said.keys() - routers


def test_a_router_is_announced_by_who_may(put: Any, api: Api, network: str) -> None:
    """By a port that was without port security when it was attached."""
    api.update("networks", network, {"port_security_enabled": False})
    pair = put("host1", "c"), put("host2", "d")
    one, two = map(station, pair)
    said = {name: frame for name, frame in forged(one, two).items() if name.startswith("ra")}
    with ears(pair[1]) as heard:
        assert arrived(pair[0], heard, said, one, two) == said.keys()


VIP = "10.44.0.200"


def neighbour_at_vip(client: Machine, holder: Machine) -> str:
    """The MAC that the client finds, after the holder has said once more by ARP that it is there."""
    holder.exec("busybox", "arping", "-q", "-U", "-c", "1", "-w", "1", "-I", "eth0", VIP, check=False)
    if not client.reaches(VIP):
        return ""
    (entry,) = json.loads(client.exec("ip", "-j", "neighbour", "show", VIP).stdout)
    return str(entry["lladdr"])


def test_an_address_moves_between_ports_that_have_it_as_a_pair(pair: Any, put: Any, api: Api) -> None:
    """As VRRP does it: whoever has the address says so by ARP, and the others send to him."""
    one, two = pair
    client = put("host1", "client")
    api.wait = 30
    one.exec("sh", "-c", f"ip address add {VIP}/32 dev eth0")
    assert not client.reaches(VIP), "nobody may have it yet"
    one.exec("ip", "address", "del", f"{VIP}/32", "dev", "eth0")
    for machine in pair:
        api.update("ports", machine.port_id, {"allowed_address_pairs": [{"ip_address": VIP}]})
        assert not api.unapplied
    for holder, other in ((one, two), (two, one), (one, two)):
        other.exec("ip", "address", "del", f"{VIP}/32", "dev", "eth0", check=False)
        holder.exec("ip", "address", "add", f"{VIP}/32", "dev", "eth0")
        mac = station(holder).mac
        until(
            lambda h=holder, m=mac: neighbour_at_vip(client, h) == m,  # type: ignore[misc]
            f"{holder.name} answers at the address",
        )
