"""Interfaces that libvirt or os-vif's own plugin put on br-int, with a port's id as their iface-id.

On the kernel's datapath OVN binds them by itself, and nothing is to be done.  In user space ovs-vswitchd
lives in a namespace that has no such device: it gets the way to br-int that the devices of our own plugin
have, and its owner's row on br-int, which has no number, is left as it is.  The device is never deleted here.
"""

import asyncio
import re

from sealane import log, names
from sealane.agent.asked import IFNAME
from sealane.agent.facts import MARK_LENT
from sealane.agent.memory import Memory
from sealane.agent.plug import PlugDoor, PlugRequest, UnplugRequest
from sealane.errors import SealaneError
from sealane.host import link
from sealane.host.netlink import Socket
from sealane.host.ovs import Switch

_PORT = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_log = log.get("adoption")


class Adoption:
    def __init__(self, switch: Switch, memory: Memory, plugs: PlugDoor) -> None:
        self._switch = switch
        self._memory = memory
        self._plugs = plugs
        self._refused: dict[str, str] = {}
        self._unbound: dict[str, int] = {}

    async def look(self) -> None:
        """Take in what has come, let go what has gone.  Raises Unavailable."""
        lent = {port: name for port, name in self._switch.strangers().items() if _is_ours_to_take(port, name)}
        aliases = await asyncio.to_thread(_aliases, set(lent.values())) if lent else {}
        for port, name in lent.items():
            known = self._memory.attachments.get(port)
            free = known is None or known.device_kind == "lent"
            if free and name in aliases and aliases[name] != MARK_LENT + port:
                await self._take(port, name)
        for port in lent:
            await self._mend(port)
        self._unbound = {port: looks for port, looks in self._unbound.items() if port in lent}
        self._refused = {port: why for port, why in self._refused.items() if port in lent}
        for attachment in list(self._memory.attachments.values()):
            gone = lent.get(attachment.port_id) != attachment.device or attachment.device not in aliases
            if attachment.device_kind == "lent" and gone:
                _log.info("nobody lends it any more", port=attachment.port_id, device=attachment.device)
                await self._plugs.unplug(UnplugRequest(port=attachment.port_id))

    async def _mend(self, port: str) -> None:
        """ovn-controller gives a port up when its owner's row, which has no number, is written once more.

        It may be slow as well, so it is asked after 2, 4, 8, … looks.
        """
        known = self._memory.attachments.get(port)
        lent = known is not None and known.device_kind == "lent"
        if not lent or self._switch.installed(names.logical_port(port)):
            self._unbound.pop(port, None)
            return
        looks = self._unbound[port] = self._unbound.get(port, 0) + 1
        if looks > 1 and looks & (looks - 1) == 0:
            _log.info("not bound; tried again", port=port)
            await self._switch.claim_again(names.lent_port(port))

    async def _take(self, port: str, name: str) -> None:
        """What is refused is told once."""
        try:
            await self._plugs.plug(PlugRequest(port=port, kind="tap", device=name), lent=True)
        except SealaneError as exc:
            if self._refused.get(port) != exc.message:
                _log.warning("not adopted", port=port, device=name, error=exc.message)
            self._refused[port] = exc.message
        else:
            _log.info("adopted", port=port, device=name)


def _is_ours_to_take(port: str, name: str) -> bool:
    return bool(_PORT.fullmatch(port) and IFNAME.fullmatch(name))


def _aliases(wanted: set[str]) -> dict[str, str]:
    """Of those links that are here."""
    with Socket() as host:
        found = {name: link.find(host, name) for name in wanted}
    return {name: one.alias for name, one in found.items() if one is not None}
