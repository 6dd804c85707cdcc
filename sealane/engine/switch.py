"""Userspace datapath: the namespace of ovs-vswitchd, and the way from its tunnels to the underlay.

    host                                            namespace RUN/netns/switch
    NIC, encap ip ── nft sealane_underlay ── slx0 ═══ slx1 ── br-phy (169.254.77.2) ─ tunnel ports ─ br-int
                     rewrites, by the packet  .1

The host's NIC, address and routes stay as they are.  OVS can't have an address that is also the host's
(what comes back would be a martian), hence the rewriting of the outer addresses.  It is done without
connection tracking: a tunnel's packets that were seen before the table was loaded would otherwise keep
going to the host's own stack for as long as they keep coming.  Both ends know each other's MAC from the
start: a first packet to an unknown neighbour installs a drop flow for some seconds.
"""

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from sealane import names
from sealane.engine.command import run, succeeds
from sealane.engine.underlay import Underlay
from sealane.errors import HostError

NAMESPACE = "switch"
HOST_LINK, SWITCH_LINK, BRIDGE = names.TUNNEL_LINK, "slx1", "br-phy"
HOST_MAC, SWITCH_MAC = "02:5e:a1:77:00:01", "02:5e:a1:77:00:02"
TABLE = "sealane_underlay"
GENEVE_PORT = 6081
IPV6_CONF = "/proc/sys/net/ipv6/conf"
ALIAS = f"{names.LINK_MARK}switch:underlay"


@dataclass(frozen=True)
class Addresses:
    """The /30 (or /126) between the host and the switch namespace, link-local by RFC 3927 and RFC 4193."""

    host: str
    switch: str
    length: int


ADDRESSES = {
    4: Addresses("169.254.77.1", "169.254.77.2", 30),
    6: Addresses("fd5e:a1af:ffff:fffe::1", "fd5e:a1af:ffff:fffe::2", 126),
}


def ruleset(underlay: Underlay) -> str:
    """The nft file; loading it again replaces the table in one step."""
    link, ip = ADDRESSES[underlay.family], "ip" if underlay.family == 4 else "ip6"
    net = ipaddress.ip_network(f"{link.host}/{link.length}", strict=False)
    return f"""
table inet {TABLE} {{}}
delete table inet {TABLE}
table inet {TABLE} {{
    chain arriving {{
        type filter hook prerouting priority raw; policy accept;
        iifname != "{HOST_LINK}" {ip} daddr {net} drop
        iifname "{HOST_LINK}" notrack
        {ip} daddr {underlay.address} udp dport {GENEVE_PORT} notrack {ip} daddr set {link.switch}
    }}
    chain leaving {{
        type filter hook postrouting priority srcnat; policy accept;
        {ip} saddr {link.switch} udp dport {GENEVE_PORT} {ip} saddr set {underlay.address}
        {ip} saddr {link.switch} meta l4proto gre {ip} saddr set {underlay.address}
    }}
}}
"""


QUIET = f"""
table inet {TABLE} {{}}
delete table inet {TABLE}
table inet {TABLE} {{
    chain arriving {{ type filter hook prerouting priority raw; policy drop; iifname "lo" accept; }}
    chain leaving {{ type filter hook output priority raw; policy drop; oifname "lo" accept; }}
}}
table arp {TABLE} {{}}
delete table arp {TABLE}
table arp {TABLE} {{
    chain arriving {{ type filter hook input priority filter; policy drop; }}
    chain leaving {{ type filter hook output priority filter; policy drop; }}
}}
"""
"""For the switch namespace: OVS reads its ports through packet sockets, which leave every packet to the
kernel's own stack as well.  That stack must not answer, forward, or speak up on a container's port."""


async def ensure(netns: Path, underlay: Underlay) -> None:
    """Namespace, link and rules as drawn above; what is right already is left alone."""
    await ensure_namespace(netns)
    await run("nft", "-f", "-", input=QUIET, netns=netns)
    await run("tee", f"{IPV6_CONF}/default/disable_ipv6", input="1", netns=netns)
    if not await _link_is_right(netns):
        await _make_link(netns, underlay)
    await ensure_underlay(underlay)


async def ensure_namespace(path: Path) -> None:
    """A named namespace: a file that keeps it alive with no process in it (mount(2) of nsfs)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_namespace(path):
        path.touch(mode=0o600)
        await run("unshare", f"--net={path}", "ip", "link", "set", "lo", "up")


def _is_namespace(path: Path) -> bool:
    """A bind-mounted namespace lies on another device than the directory that holds it."""
    return path.exists() and path.stat().st_dev != path.parent.stat().st_dev


async def _link_is_right(netns: Path) -> bool:
    return await succeeds("ip", "link", "show", HOST_LINK) and await succeeds(
        "ip", "link", "show", SWITCH_LINK, netns=netns
    )


async def _make_link(netns: Path, underlay: Underlay) -> None:
    await succeeds("ip", "link", "delete", HOST_LINK)
    link, mtu = ADDRESSES[underlay.family], str(underlay.link_mtu)
    host = (HOST_LINK, "mtu", mtu, "address", HOST_MAC)
    peer = ("peer", "name", SWITCH_LINK, "mtu", mtu, "address", SWITCH_MAC, "netns", str(netns))
    await run("ip", "link", "add", *host, "type", "veth", *peer)
    await run("ip", "link", "set", HOST_LINK, "alias", ALIAS)
    # OVS reads slx1 through a packet socket and needs whole packets with their checksums done.
    await run("ethtool", "-K", HOST_LINK, "tx", "off", "tso", "off", "gso", "off", "gro", "off")
    await run("ethtool", "-K", SWITCH_LINK, "tx", "off", "tso", "off", "gso", "off", netns=netns)
    await run("ip", "address", "add", f"{link.host}/{link.length}", "dev", HOST_LINK, *_no_dad(underlay))
    await run("ip", "link", "set", HOST_LINK, "up")
    await run("ip", "link", "set", SWITCH_LINK, "up", netns=netns)
    await _neighbour(HOST_LINK, link.switch, SWITCH_MAC, None)


async def ensure_underlay(underlay: Underlay) -> None:
    """The rewriting, and leave to forward; repeated, since firewalls get reloaded behind our back."""
    if not await _is_loaded():
        await run("nft", "-f", "-", input=ruleset(underlay))
    for direction in ("-i", "-o"):
        await _accept(underlay.family, direction)


async def _is_loaded() -> bool:
    """Also that it is not the table of an earlier version, which lets no mirror's GRE out."""
    try:
        return "gre" in await run("nft", "list", "table", "inet", TABLE)
    except HostError:
        return False


async def _accept(family: int, direction: str) -> None:
    """In FORWARD itself: Docker sets its policy to DROP and leaves alone what it did not put there."""
    program = "iptables" if family == 4 else "ip6tables"
    rule = ("FORWARD", direction, HOST_LINK, "-m", "comment", "--comment", names.OWNER, "-j", "ACCEPT")
    if not await succeeds(program, "-w", "5", "-C", *rule):
        await run(program, "-w", "5", "-I", *rule)


def bridge_commands() -> tuple[str, ...]:
    """For one `ovs-vsctl` call: the egress bridge of tunnels, with the link to the host in it."""
    owner = f'external_ids:"{names.OWNER_KEY}"={names.OWNER}'
    return (
        *("--", "--may-exist", "add-br", BRIDGE),
        *("--", "set", "Bridge", BRIDGE, "datapath_type=netdev", "fail_mode=standalone", owner),
        *("--", "set", "Bridge", BRIDGE, f'other_config:hwaddr="{SWITCH_MAC}"'),
        *("--", "--may-exist", "add-port", BRIDGE, SWITCH_LINK, "--", "set", "Port", SWITCH_LINK, owner),
    )


async def ensure_egress(netns: Path, underlay: Underlay, control: Path) -> None:
    """Address, route and neighbour of br-phy, which ovs-vswitchd makes anew each time it starts.

    `control` is ovs-vswitchd's control socket.  Its tunnel neighbours expire, so this is repeated.
    """
    link = ADDRESSES[underlay.family]
    family = f"-{underlay.family}"
    if not await _has_address(netns, link.switch):
        if underlay.family == 6:
            await run("tee", f"{IPV6_CONF}/{BRIDGE}/disable_ipv6", input="0", netns=netns)
        await run(
            *("ip", "address", "replace", f"{link.switch}/{link.length}", "dev", BRIDGE),
            *_no_dad(underlay),
            netns=netns,
        )
        await run("ip", "link", "set", BRIDGE, "up", "mtu", str(underlay.link_mtu), netns=netns)
    await run("ip", family, "route", "replace", "default", "via", link.host, "dev", BRIDGE, netns=netns)
    await _neighbour(BRIDGE, link.host, HOST_MAC, netns)
    await run("ovs-appctl", "-t", str(control), "tnl/neigh/set", BRIDGE, link.host, HOST_MAC)
    await ensure_underlay(underlay)


async def _has_address(netns: Path, address: str) -> bool:
    shown = json.loads(await run("ip", "-j", "address", "show", "dev", BRIDGE, "up", netns=netns) or "[]")
    return any(info.get("local") == address for link in shown for info in link.get("addr_info", ()))


async def _neighbour(link: str, address: str, mac: str, netns: Path | None) -> None:
    words = ("ip", "neighbour", "replace", address, "lladdr", mac, "dev", link, "nud", "permanent")
    await run(*words, netns=netns)


def _no_dad(underlay: Underlay) -> tuple[str, ...]:
    """IPv6 would look for duplicates for a second before it uses the address (RFC 4862, 5.4)."""
    return ("nodad",) if underlay.family == 6 else ()
