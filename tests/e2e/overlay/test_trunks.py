"""Trunks with real packets: a parent's link that carries two networks with the same addresses, on two hosts.

host1: carrier (own network; VLAN 101: blue 10.55.0.5; VLAN 102: green 10.55.0.5)
host2: a peer in blue and one in green, both 10.55.0.9, and one in the parent's own network
All have an IPv6 address as well, fd55::5 and fd55::9.
"""

import json
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sealane.cli.api import Api
from sealane.lab.lab import Lab
from tests import labs
from tests.e2e.overlay import frames, machines
from tests.e2e.overlay.carrier import Station, active, carrying
from tests.e2e.overlay.conftest import remove
from tests.e2e.overlay.frames import IPV4, IPV6, ears, ethernet, udp4, udp6
from tests.e2e.overlay.machines import Machine, attach, transfer, until
from tests.e2e.overlay.test_faults import kill

INNER, PEER = "10.55.0.5", "10.55.0.9"
INNER6, PEER6 = "fd55::5", "fd55::9"
VLANS = {101: "blue", 102: "green"}


@dataclass(frozen=True)
class Site:
    """Networks by name, the trunk and its parent, sub-ports by VLAN, and peers by network."""

    lab: Lab
    api: Api
    networks: dict[str, str]
    trunk: str
    parent: str
    within: dict[int, str]
    peers: dict[str, Machine]

    def status(self) -> str:
        return str(self.api.find("trunks", self.trunk)["status"])

    def carrying(self, host: str) -> Any:
        """Attached by the trunk's name on one host, by the parent's id on the other."""
        trunk = "all" if host == "host1" else ""
        return carrying(self.lab, self.api, host, self.parent, self.within, trunk)


@pytest.fixture(scope="module")
def site(lab: Lab) -> Iterator[Site]:
    api, networks = machines.api(lab), {}
    for name in ("own", *VLANS.values()):
        networks[name] = str(api.create("networks", {"name": f"trunk-{name}"})["id"])
        for cidr, version in (("10.55.0.0/24", 4), ("fd55::/64", 6)):
            api.create("subnets", {"network_id": networks[name], "cidr": cidr, "ip_version": version})
    fixed = [{"ip_address": address} for address in (INNER, INNER6)]
    ports = {
        name: str(api.create("ports", {"network_id": id, "fixed_ips": fixed})["id"])
        for name, id in networks.items()
    }
    within = {vlan: ports[name] for vlan, name in VLANS.items()}
    wishes = [
        {"port_id": id, "segmentation_type": "vlan", "segmentation_id": vlan} for vlan, id in within.items()
    ]
    trunk = str(api.create("trunks", {"name": "all", "port_id": ports["own"], "sub_ports": wishes})["id"])
    peers = {name: attach(lab, "host2", f"peer-{name}", id, PEER, PEER6) for name, id in networks.items()}
    yield Site(lab, api, networks, trunk, ports["own"], within, peers)
    for peer in peers.values():
        peer.remove()
    api.delete("trunks", trunk)
    for id in ports.values():
        api.delete("ports", id)
    for id in networks.values():
        remove(api, id)


@pytest.fixture
def carried(site: Site) -> Iterator[tuple[Machine, list[Station]]]:
    with site.carrying("host1") as found:
        active(site.api, site.parent, *site.within.values())
        yield found


def mac_of(machine: Machine, address: str) -> str:
    (entry,) = json.loads(machine.exec("ip", "-j", "neighbour", "show", address).stdout)
    return str(entry["lladdr"])


def link_mac(machine: Machine) -> str:
    return machine.exec("cat", "/sys/class/net/eth0/address").stdout.strip()


def meets(station: Machine, peer: Machine, inner: str = INNER, outer: str = PEER) -> None:
    """Each hears the other, and it is him: others have his address in their networks."""
    station.soon_reaches(outer)
    assert mac_of(station, outer) == link_mac(peer)
    peer.soon_reaches(inner)
    assert mac_of(peer, inner) == link_mac(station)


def test_each_vlan_is_a_network_of_its_own(site: Site, carried: Any) -> None:
    _, stations = carried
    until(lambda: site.status() == "ACTIVE", "the trunk is ACTIVE")
    for station in stations:
        meets(station, site.peers[VLANS[station.vlan]])
        meets(station, site.peers[VLANS[station.vlan]], INNER6, PEER6)
    (row,) = [r for r in site.api.list("trunks", name="all") if r["id"] == site.trunk]
    assert {place["segmentation_id"] for place in row["sub_ports"]} == set(VLANS)
    for station in stations:
        row = site.api.find("ports", station.port_id)
        assert (row["binding:host_id"], row["device_owner"]) == ("host1", "trunk:subport")
        sent, arrived = transfer(site.peers[VLANS[station.vlan]], station, 16)
        assert sent == arrived


def tagged(frame: bytes, *vlans: int) -> bytes:
    """With these tags, the outer one first."""
    return frame[:12] + b"".join(struct.pack("!HH", 0x8100, vlan) for vlan in vlans) + frame[12:]


def test_nothing_gets_from_one_into_another(site: Site, carried: Any) -> None:
    """Wrong tags, two tags, none, and forged sources within a tag; an honest frame follows each time."""
    carrier, stations = carried
    everybody = frames.Station("ff:ff:ff:ff:ff:ff", "10.55.0.255", "ff02::1")
    own = {s.vlan: frames.Station(link_mac(s), INNER, "::") for s in stations}
    blue, green = own[101], own[102]
    base = frames.Station(link_mac(carrier), INNER, "::")

    def said(text: str, source: frames.Station, mac: str = "") -> bytes:
        return ethernet(source, everybody, IPV4, udp4(source, everybody, text), mac=mac)

    def said6(text: str, v6: str) -> bytes:
        source, peer = replace(blue, v6=v6), frames.Station(link_mac(site.peers["blue"]), PEER, PEER6)
        return tagged(ethernet(source, peer, IPV6, udp6(source, peer, text)), 101)

    bad = {
        "an unknown tag": tagged(said("unknown tag.", blue), 103),
        "the last tag": tagged(said("last tag.", base), 4095),
        "blue within green": tagged(said("green of blue.", blue), 102, 101),
        "two tags": tagged(said("two tags.", blue), 101, 102),
        "blue without a tag": said("untagged blue.", blue),
        "the parent's with a tag": tagged(said("parent in blue.", base), 101),
        "green's source in blue": tagged(said("green in blue.", green), 101),
        "a forged MAC": tagged(said("forged mac.", blue, "02:66:66:66:66:66"), 101),
        "a forged address": tagged(said("forged address.", replace(blue, v4="10.55.0.77")), 101),
        "a forged IPv6 address": said6("forged six.", "fd55::77"),
    }
    honest = {
        "own": said("own is honest", base),
        "blue": tagged(said("blue is honest", blue), 101),
        "green": tagged(said("green is honest", green), 102),
    }
    also = said6("six of blue is honest", INNER6)
    for station in stations:
        meets(station, site.peers[VLANS[station.vlan]])
    with ExitStack() as stack:
        heard = {name: stack.enter_context(ears(peer)) for name, peer in site.peers.items()}
        frames.say(carrier, *bad.values(), also, *honest.values())
        until(lambda: b"six of blue is honest".hex() in heard["blue"](), "blue hears IPv6")
        for name in honest:
            until(lambda n=name: f"{n} is honest".encode().hex() in heard[n](), f"{name} hears its own")  # type: ignore[misc]
        everything = {name: read() for name, read in heard.items()}
    for name, text in everything.items():
        others = [other for other in honest if other != name]
        assert not [o for o in others if f"{o} is honest".encode().hex() in text], name
        assert name == "blue" or b"six of blue".hex() not in text, name
        assert not [what for what, frame in bad.items() if frame[-10:].hex() in text], name


def test_it_is_port_security_that_holds_a_sub_port_to_its_own(site: Site, carried: Any) -> None:
    carrier, (blue, _) = carried
    everybody = frames.Station("ff:ff:ff:ff:ff:ff", "10.55.0.255", "ff02::1")
    me = frames.Station(link_mac(blue), INNER, "::")
    forged = udp4(replace(me, v4="10.55.0.77"), everybody, "as somebody else")
    frame = tagged(ethernet(me, everybody, IPV4, forged, mac="02:66:66:66:66:66"), 101)
    groups = site.api.find("ports", blue.port_id)["security_groups"]
    site.api.wait = 30
    try:
        open_ = {"port_security_enabled": False, "security_groups": []}
        site.api.update("ports", blue.port_id, open_)
        assert not site.api.unapplied
        site.api.update("ports", site.peers["blue"].port_id, open_)
        assert not site.api.unapplied
        with ears(site.peers["blue"]) as heard:
            frames.say(carrier, frame)
            until(lambda: b"as somebody else".hex() in heard(), "without it, it may be anybody")
    finally:
        site.api.wait = 0
        held = {"port_security_enabled": True, "security_groups": groups}
        for port in (blue.port_id, site.peers["blue"].port_id):
            site.api.update("ports", port, held)


def test_a_network_s_broadcast_comes_with_its_tag_alone(site: Site, carried: Any) -> None:
    _, stations = carried
    everybody = frames.Station("ff:ff:ff:ff:ff:ff", "10.55.0.255", "ff02::1")
    for station in stations:
        meets(station, site.peers[VLANS[station.vlan]])
    with ExitStack() as stack:
        heard = {s.vlan: stack.enter_context(ears(s)) for s in stations}
        for vlan, name in VLANS.items():
            peer = site.peers[name]
            me = frames.Station(link_mac(peer), PEER, "::")
            frames.say(peer, ethernet(me, everybody, IPV4, udp4(me, everybody, f"to {vlan} alone")))
        for vlan in VLANS:
            until(lambda v=vlan: f"to {v} alone".encode().hex() in heard[v](), f"{vlan} hears its own")  # type: ignore[misc]
        texts = {vlan: read() for vlan, read in heard.items()}
    assert all(f"to {o} alone".encode().hex() not in texts[v] for v in VLANS for o in VLANS if o != v)


def test_groups_hold_for_each_by_itself(site: Site, carried: Any) -> None:
    _, (blue, green) = carried
    for station in (blue, green):
        meets(station, site.peers[VLANS[station.vlan]])
    closed = site.api.create("security-groups", {"name": "closed"})
    before = site.api.find("ports", blue.port_id)["security_groups"]
    site.api.wait = 30
    try:
        site.api.update("ports", blue.port_id, {"security_groups": [closed["id"]]})
        assert not site.api.unapplied
        assert not site.peers["blue"].reaches(INNER) and site.peers["green"].still_reaches(INNER)
        rule = {"security_group_id": closed["id"], "direction": "ingress", "protocol": "icmp"}
        site.api.create("security-group-rules", rule)
        site.peers["blue"].soon_reaches(INNER)
    finally:
        site.api.wait = 0
        site.api.update("ports", blue.port_id, {"security_groups": before})
        site.api.delete("security-groups", closed["id"])


def test_dhcp_a_gateway_and_names_in_each(site: Site, carried: Any) -> None:
    """Though nobody else of these networks is on this host."""
    _, stations = carried
    for station in stations:
        station.exec("ip", "address", "flush", "dev", "eth0")
        leased = station.exec(
            "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", "/bin/true", check=False
        )
        assert f"lease of {INNER} obtained" in leased.stdout + leased.stderr, leased
        station.exec("ip", "address", "add", f"{INNER}/24", "dev", "eth0")
        station.soon_reaches("10.55.0.1")
        name = f"peer-{VLANS[station.vlan]}"

        def known(station: Machine = station, name: str = name) -> bool:
            return (
                PEER
                in station.exec("busybox", "nslookup", name, "10.55.0.1", check=False).stdout.partition(name)[
                    2
                ]
            )

        until(known, f"{name} has a name")
        other = next(f"peer-{n}" for v, n in VLANS.items() if v != station.vlan)
        said = station.exec("busybox", "nslookup", other, "10.55.0.1", check=False)
        assert PEER not in said.stdout.partition("10.55.0.1")[2]


def test_the_fast_path_leaves_tags_alone(site: Site, carried: Any) -> None:
    """Also with a peer on the same host."""
    carrier, (blue, green) = carried
    beside = attach(site.lab, "host1", "beside", site.networks["blue"], "10.55.0.8")
    try:
        for host in ("host1", "host2"):
            site.lab.exec(host, "sealane", "fastpath", "on")
        for one, two in (
            (beside, blue),
            (blue, beside),
            (site.peers["green"], green),
            (green, site.peers["green"]),
        ):
            sent, arrived = transfer(one, two, 32)
            assert sent == arrived
        own = replace(carrier, addresses=(INNER,))
        sent, arrived = transfer(site.peers["own"], own, 32)
        assert sent == arrived
        for station in (blue, green):
            meets(station, site.peers[VLANS[station.vlan]])
    finally:
        labs.rest(site.lab, "host1", "host2")
        beside.remove()


def test_an_agent_and_a_controller_that_die_take_nothing_along(site: Site, carried: Any) -> None:
    _, stations = carried
    for part in ("agent", "ovn-controller"):
        kill(site.lab, "host1", part)
        for station in stations:
            meets(station, site.peers[VLANS[station.vlan]])
            station.soon_reaches("10.55.0.1")
    active(site.api, site.parent, *site.within.values())


def test_sub_ports_come_go_and_move_with_their_parent(site: Site) -> None:
    api, places = site.api, f"/v2.0/trunks/{site.trunk}"
    until(lambda: site.status() == "DOWN", "nobody has the parent")
    with site.carrying("host1") as (_, stations):
        meets(stations[1], site.peers["green"])
        green = {"port_id": site.within[102], "segmentation_type": "vlan", "segmentation_id": 102}
        api.request("PUT", f"{places}/remove_subports", {"sub_ports": [{"port_id": site.within[102]}]})
        until(lambda: not stations[1].reaches(PEER), "what is no sub-port any more is cut off")
        meets(stations[0], site.peers["blue"])
        shown = json.loads(site.lab.exec("host1", "sealane", "ps", "-o", "json").stdout)
        until(lambda: api.find("ports", site.within[102])["status"] == "DOWN", "it is DOWN")
        assert any(row["door"] == "trunk" for row in shown)
        api.request("PUT", f"{places}/add_subports", {"sub_ports": [green]})
        meets(stations[1], site.peers["green"])
    until(lambda: site.status() == "DOWN", "the parent is gone")
    assert {api.find("ports", id)["binding:host_id"] for id in site.within.values()} == {""}
    with site.carrying("host2") as (_, stations):
        for station in stations:
            meets(station, site.peers[VLANS[station.vlan]])
        until(lambda: site.status() == "ACTIVE", "it is ACTIVE on the other host")
        assert {api.find("ports", id)["binding:host_id"] for id in site.within.values()} == {"host2"}
