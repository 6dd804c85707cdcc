"""The way from br-int to the physical networks of the setting `bridge_mappings`.

    LAN ── BRIDGE or INTERFACE ── slp… ═══ slq… ── OVS bridge slb… ── patch ports ── br-int
                        as a port, or by tc     (in ovs-vswitchd's namespace)  of ovn-controller

A bridge of the host gets `slp…` as a port.  An interface must be spare: without an address and part of no
bridge; what arrives on it goes to `slp…`, and back, by tc, where segments and checksums are finished as OVS
in user space needs them.  A bridge of the host's own Open vSwitch is used as it is.  The machine's addresses
and routes, and the members of its bridges, stay as they are.

What can't be had is said in the log and left out: ovn-bridge-mappings (ovn-controller(8)) names what is
there, and RUN/physical.json does for the agent.
"""

import json
from pathlib import Path
from typing import Any

from sealane import log, names
from sealane.config import Settings
from sealane.engine.command import run, succeeds
from sealane.errors import HostError
from sealane.host import tc
from sealane.host.netlink import Socket

ALIAS = f"{names.LINK_MARK}physical:"
MAPPINGS = "ovn-bridge-mappings"
FILE = "physical.json"
_OFFLOADS = ("tx", "off", "tso", "off", "gso", "off", "gro", "off")
_log = log.get("engine")


class Physical:
    """Of one node. `netns`: of ovs-vswitchd, None for the host's; `own`: the Open vSwitch is ours."""

    def __init__(
        self, settings: Settings, netns: Path | None, datapath_type: str, key: str, *, own: bool
    ) -> None:
        self._settings = settings
        self._netns = netns
        self._type = datapath_type
        self._key = key
        self._own = own
        self._told: dict[str, str] = {}

    async def ensure(self) -> None:
        """Repeatable, and repeated: an interface may come later, or again."""
        wanted = self._settings.physical_networks
        if not wanted and not self._stale():
            return
        mappings = {}
        for network, target in wanted.items():
            try:
                mappings[network] = await self._lead(network, target)
                self._told.pop(network, None)
            except HostError as exc:
                self._complain(network, str(exc))
        await self._clear({names.physical_bridge(network) for network in wanted})
        await self._say(mappings)

    def _stale(self) -> bool:
        return (self._settings.run_dir / FILE).exists()

    def _complain(self, network: str, reason: str) -> None:
        if self._told.get(network) != reason:
            _log.error("no way to a physical network; tries again", network=network, reason=reason)
        self._told[network] = reason

    async def _lead(self, network: str, target: str) -> str:
        """Name of the OVS bridge that leads there. Raises HostError."""
        if not self._own and await self._vsctl_succeeds("br-exists", target):
            return target
        kind = await _kind(target)
        bridge, near, far = names.physical_bridge(network), *names.physical_links(network)
        await self._pair(near, far, ALIAS + target, int((await _need(target))["mtu"]))
        if kind == "bridge":
            await run("ip", "link", "set", near, "master", target)
        else:
            await _join(near, target)
        owner = f'external_ids:"{names.OWNER_KEY}"={names.OWNER}'
        await self._vsctl(
            *("--", "--may-exist", "add-br", bridge),
            *("--", "set", "Bridge", bridge, f"datapath_type={self._type}", "fail_mode=standalone", owner),
            *("--", "set", "Bridge", bridge, f'external_ids:"{names.PHYSICAL_KEY}"="{network}"'),
            *("--", "--may-exist", "add-port", bridge, far, "--", "set", "Port", far, owner),
        )
        return bridge

    async def _pair(self, near: str, far: str, alias: str, mtu: int) -> None:
        """As large as what it leads to: a smaller port would make a bridge's own MTU less."""
        there, size = await _link(near), ("mtu", str(mtu))
        if there is not None and there.get("ifalias") == alias:
            if there["mtu"] != mtu:
                await run("ip", "link", "set", far, *size, netns=self._netns)
                await run("ip", "link", "set", near, *size)
            return
        await succeeds("ip", "link", "delete", near)
        inside = ("netns", str(self._netns)) if self._netns else ()
        await run("ip", "link", "add", near, *size, "type", "veth", "peer", "name", far, *size, *inside)
        await run("ip", "link", "set", near, "alias", alias)
        for link, netns in ((near, None), (far, self._netns)):
            await run("ethtool", "-K", link, *_OFFLOADS, netns=netns)
            await run("tee", f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6", input="1", netns=netns)
            await run("ip", "link", "set", link, "up", netns=netns)

    async def _clear(self, wanted: set[str]) -> None:
        """Bridges of ours that no setting asks for any more, with their links."""
        found = await self._vsctl("--bare", "--columns=name,external_ids", "--format=json", "list", "Bridge")
        for name, ids in json.loads(found)["data"]:
            if names.PHYSICAL_KEY in dict(ids[1]) and name not in wanted:
                near, _ = names.physical_links(dict(ids[1])[names.PHYSICAL_KEY])
                await self._vsctl("--if-exists", "del-br", name)
                await part(near)

    async def _say(self, mappings: dict[str, str]) -> None:
        text = ",".join(f"{network}:{bridge}" for network, bridge in sorted(mappings.items()))
        await self._vsctl("--no-wait", "set", "Open_vSwitch", ".", f'external_ids:"{self._key}"="{text}"')
        path = self._settings.run_dir / FILE
        path.with_suffix(".new").write_text(json.dumps(sorted(mappings)))
        path.with_suffix(".new").rename(path)

    async def _vsctl(self, *words: str) -> str:
        return await run("ovs-vsctl", f"--db={self._settings.ovs_remote}", "--timeout=10", *words)

    async def _vsctl_succeeds(self, *words: str) -> bool:
        return await succeeds("ovs-vsctl", f"--db={self._settings.ovs_remote}", "--timeout=10", *words)


async def part(near: str) -> None:
    """Take the link away, and what led an interface's packets to it."""
    link = await _link(near)
    if link is None or not str(link.get("ifalias", "")).startswith(ALIAS):
        return
    target = str(link["ifalias"]).removeprefix(ALIAS)
    if "master" not in link:
        await succeeds("tc", "filter", "delete", "dev", target, "ingress", "pref", "1")
    await run("ip", "link", "delete", near)


async def _kind(target: str) -> str:
    """ "bridge" or "interface". Raises HostError where it can't be used."""
    link = await _link(target)
    if link is None:
        raise HostError(f"there is no bridge and no interface '{target}'")
    if link.get("linkinfo", {}).get("info_kind") == "bridge":
        return "bridge"
    if "master" in link:
        raise HostError(f"the interface '{target}' is part of '{link['master']}'; name that bridge")
    routes = json.loads(await run("ip", "-j", "route", "show", "default", "dev", target) or "[]")
    routes += json.loads(await run("ip", "-j", "-6", "route", "show", "default", "dev", target) or "[]")
    if routes:
        raise HostError(f"the interface '{target}' has the default route; make a bridge of it yourself")
    if any(address.get("scope") == "global" for address in link.get("addr_info", ())):
        raise HostError(f"the interface '{target}' has an address; take it away, or make a bridge of it")
    return "interface"


async def _join(near: str, target: str) -> None:
    await run("ip", "link", "set", target, "up", "promisc", "on")
    with Socket() as socket:
        one, other = int((await _need(near))["ifindex"]), int((await _need(target))["ifindex"])
        for source, sink in ((one, other), (other, one)):
            if tc.redirected_to(socket, source) != sink:
                tc.redirect(socket, source, sink)


async def _need(name: str) -> dict[str, Any]:
    link = await _link(name)
    if link is None:
        raise HostError(f"the link '{name}' vanished")
    return link


async def _link(name: str) -> dict[str, Any] | None:
    if not await succeeds("ip", "link", "show", "dev", name):
        return None
    found = json.loads(await run("ip", "-j", "-d", "address", "show", "dev", name))
    return next((link for link in found if link), None)
