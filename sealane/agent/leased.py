"""Addresses by DHCP (`sealane attach --dhcp`): learned before the link is in its sandbox, prolonged later.

    the port has no address yet: it may ask, and be answered (translate/groups.py), by us, who have the link
    the server says one: it becomes the port's own, so port security and the groups' address sets hold for it
    half of the time later, and so on: it is asked again, from within the sandbox
    the server takes it back, or is silent to the end: the attachment ends; with --persist it is made anew
    at the end it is asked once more: it is this host's clock that may have been set, or its sleep that ends

The network's own server (OVN) says the address that the port has already, for ever.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from sealane import log, names
from sealane.agent.attachment import Attachment, Lease
from sealane.agent.memory import Memory
from sealane.errors import Conflict, DeadlineExceeded, SealaneError
from sealane.host import bootp, dhcp

LEARN = 15.0
"""Seconds for a server to answer."""
RENEW = 4.0
_LOOK = 1.0
_log = log.get("dhcp")


async def ask(attachment: Attachment, where: str) -> bootp.Said:
    """For what is bound and not in its sandbox.  Raises DeadlineExceeded that names `where`, HostError."""
    link = names.container_link(attachment.port_id)
    try:
        said = await asyncio.to_thread(dhcp.acquire, link, attachment.mac, LEARN)
    except DeadlineExceeded as exc:
        raise DeadlineExceeded(f"dhcp: no server on {where} has answered within {LEARN:.0f} s") from exc
    _log.info("learned an address", port=attachment.port_id, address=said.address, server=said.server)
    return said


def check_own(attachment: Attachment, said: bootp.Said) -> None:
    """Raises Conflict: another server than the network's own has answered."""
    if said.address not in {str(interface.ip) for interface in attachment.interfaces()}:
        raise Conflict(
            f"dhcp: {said.server} says {said.address}, which is not the port's; is there a second server?"
        )


def with_lease(attachment: Attachment, said: bootp.Said, gateway: str) -> Attachment:
    """`gateway`: as it was asked for. The server's own word on the way out goes before the subnet's."""
    lease = None
    if said.seconds not in (0, bootp.FOREVER):
        lease = Lease(server=said.server, seconds=said.seconds, obtained=time.time())
    changed = replace(attachment, lease=lease, nameservers=said.nameservers or attachment.nameservers)
    if said.routers and attachment.defaults and gateway in ("", "yes"):
        others = tuple(hop for hop in attachment.defaults if ":" in hop)
        changed = replace(changed, defaults=(said.routers[0], *others))
    return changed


class Renewal:
    """`end`: takes an attachment down whose address is not its own any more."""

    def __init__(self, memory: Memory, end: Callable[[Attachment], Awaitable[None]]) -> None:
        self._memory = memory
        self._end = end
        self._next: dict[str, float] = {}

    async def follow(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(_LOOK)
            for attachment in list(self._memory.attachments.values()):
                if attachment.lease is not None and attachment.sandbox:
                    try:
                        await self._look(attachment, attachment.lease)
                    except SealaneError as exc:
                        _log.warning("not prolonged", attachment=attachment.id, error=exc.message)
                    except Exception:
                        _log.exception("not prolonged by a defect", attachment=attachment.id)
            self._next = {id: at for id, at in self._next.items() if id in self._memory.attachments}

    async def _look(self, attachment: Attachment, lease: Lease) -> None:
        now = time.time()
        if now >= lease.end:
            try:
                await self._prolong(attachment, lease)
            except SealaneError as exc:
                await self._give_up(attachment, f"its lease has ended: {exc.message}")
        elif now >= self._next.get(attachment.id, lease.obtained + lease.seconds / 2):
            self._next[attachment.id] = now + max((lease.end - now) / 2, _LOOK)
            await self._prolong(attachment, lease)

    async def _prolong(self, attachment: Attachment, lease: Lease) -> None:
        address = next(str(one.ip) for one in attachment.interfaces() if one.version == 4)
        said = await asyncio.to_thread(
            dhcp.renew, attachment.sandbox, attachment.ifname, attachment.mac, address, lease.server, RENEW
        )
        if said.kind == bootp.NAK or said.address != address:
            await self._give_up(attachment, f"{lease.server} has taken {address} back")
            return
        self._next.pop(attachment.id, None)
        current = self._memory.attachments.get(attachment.id)
        if current is not None:  # changed by others meanwhile, perhaps
            again = Lease(server=lease.server, seconds=said.seconds or lease.seconds, obtained=time.time())
            self._memory.put(replace(current, lease=again))

    async def _give_up(self, attachment: Attachment, why: str) -> None:
        _log.warning("an address is lost", attachment=attachment.id, name=attachment.name, why=why)
        self._next.pop(attachment.id, None)
        await self._end(attachment)
