"""Who is the gateway of a network may change while machines are on it: a router takes over, or goes.

Attachments remember who it was when they were made.  Where another is it now, they are told, and the host is
made so: the network's namespace becomes a gateway or leads nowhere, and machines get the way to the resolver.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from sealane.agent import inside, wanted
from sealane.agent.attachment import Attachment
from sealane.agent.facts import Inside
from sealane.agent.memory import Memory
from sealane.agent.reconciler import Reconciler
from sealane.host.netlink import Socket
from sealane.model import GatewayMode

_CHANGE = frozenset({"host", "router"})
"""An internal network stays one for what is on it: its machines have no default route."""


def moved(attachments: Mapping[str, Attachment], modes: Mapping[str, GatewayMode]) -> list[Attachment]:
    """Attachments whose network has another gateway than they know of, as they are to be."""
    return [
        replace(one, gateway_mode=mode)
        for one in attachments.values()
        if {one.gateway_mode, mode := modes.get(one.network_id, one.gateway_mode)} == _CHANGE
    ]


async def follow(modes: Mapping[str, GatewayMode], memory: Memory, reconciler: Reconciler) -> None:
    """Network id -> its gateway now. Raises HostError, Unavailable."""
    changed = moved(memory.attachments, modes)
    for attachment in changed:
        memory.put(attachment)
    if not changed:
        return
    await reconciler.resync()
    machines = [wanted.inside(a) for a in changed if a.door != "docker" and a.sandbox]
    await asyncio.to_thread(_ensure, machines)
    reconciler.gateway_built.set()


def _ensure(machines: list[Inside]) -> None:
    with Socket() as host:
        for machine in machines:
            inside.ensure(host, machine)
