"""A network may change while machines are on it: a router takes over or goes; packets get smaller.

Attachments remember how it was when they were made.  Where it is otherwise now, they are told, and the host
is made so: the network's namespace becomes a gateway or leads nowhere, machines get the way to the resolver,
and links another MTU.  A guest behind a device of its hypervisor hears of that from DHCP or its router.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sealane.agent import inside, wanted
from sealane.agent.attachment import Attachment
from sealane.agent.memory import Memory
from sealane.agent.reconciler import Reconciler
from sealane.client import Body
from sealane.host.netlink import Socket
from sealane.model import GatewayMode

FIELDS = ("id", "sealane:gateway", "mtu")
"""Of networks, that are to be asked for."""
_CHANGE = frozenset({"host", "router"})
"""An internal network stays one for what is on it: its machines have no default route."""


@dataclass(frozen=True)
class Now:
    """How a network is."""

    gateway: GatewayMode
    mtu: int


def told(networks: Iterable[Body]) -> dict[str, Now]:
    """By id."""
    return {row["id"]: Now(row["sealane:gateway"], int(row["mtu"])) for row in networks}


def moved(attachments: Mapping[str, Attachment], networks: Mapping[str, Now]) -> list[Attachment]:
    """Attachments whose network is not as they know it, as they are to be."""
    there = ((one, networks[one.network_id]) for one in attachments.values() if one.network_id in networks)
    wished = ((one, replace(one, gateway_mode=_mode(one, now), mtu=now.mtu)) for one, now in there)
    return [new for old, new in wished if new != old]


def _mode(one: Attachment, now: Now) -> GatewayMode:
    return now.gateway if {one.gateway_mode, now.gateway} == _CHANGE else one.gateway_mode


async def follow(networks: Mapping[str, Now], memory: Memory, reconciler: Reconciler) -> None:
    """Raises HostError, Unavailable; what Docker has set up is then changed at the next time."""
    changed = moved(memory.attachments, networks)
    if not changed:
        return
    await asyncio.to_thread(_resize, [a for a in changed if a.door == "docker" and a.sandbox])
    for attachment in changed:
        memory.put(attachment)
    await reconciler.resync()
    await asyncio.to_thread(_ensure, [a for a in changed if a.door != "docker" and a.sandbox])
    reconciler.gateway_built.set()


def _resize(containers: list[Attachment]) -> None:
    for one in containers:
        inside.resize(one.sandbox, one.mac, one.mtu)


def _ensure(machines: list[Attachment]) -> None:
    with Socket() as host:
        for machine in machines:
            inside.ensure(host, wanted.inside(machine))
