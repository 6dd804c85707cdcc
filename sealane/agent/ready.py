"""Ports that wait for a container: on br-int, bound and with their rules in force, before anybody asks.

    waits       port in the API (device_id "ready:ID"), link on the host, down, in no sandbox
    taken       by a runtime that asks for nothing special: the port gets its name, the link its sandbox

`ready_ports` of them are kept for each network that runtimes of this host have used within the last hour.
One is good as long as a port made now would be the same: its key says of which revision of the network and
its subnets it is, and whether labels decide on groups; what has another one is released.
"""

import asyncio
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from sealane import log, names
from sealane.agent.asked import AttachRequest
from sealane.agent.attachment import Attachment, checked
from sealane.agent.inside import Survey
from sealane.agent.leases import Leases
from sealane.agent.making import made_of
from sealane.agent.memory import Memory
from sealane.agent.reconciler import Reconciler
from sealane.client import Body
from sealane.errors import NotFound, SealaneError

BOUND_DEADLINE = 20.0  # seconds that OVN may take to bind a port
_KEPT = 3600.0  # seconds without anybody who uses the network
_PAUSE = 0.3  # seconds after one was taken: who took it goes before
_LOOK = 20.0  # seconds between two looks at all of them
_log = log.get("ready")


def suits(request: AttachRequest) -> bool:
    """Does it ask for nothing that a port made before can't have?"""
    own = (request.port, request.trunk, request.physical, request.mac, request.addresses)
    more = (request.security_groups, request.aliases, request.dhcp, request.persist)
    return request.door in ("cni", "podman") and not any((*own, *more))


def stamp(network: Body, subnets: Iterable[Body], group: Body | None) -> str:
    """Which port a container would get now; "": one that only the API can say."""
    if network["sealane:labels"].get(names.SECURITY_GROUPS):
        return ""
    listed = sorted((subnet["id"], subnet["revision_number"]) for subnet in subnets)
    by_label = group is not None and names.BY_LABEL in group["tags"]
    told = f"{network['id']} {network['revision_number']} {network['project_id']} {listed} {by_label}"
    return f"ready:{uuid.uuid5(uuid.NAMESPACE_OID, told)}"


class Ready:
    """`pending`: devices in the API that are being attached, which `collect` leaves alone."""

    def __init__(
        self, leases: Leases, memory: Memory, reconciler: Reconciler, count: int, pending: set[str]
    ) -> None:
        self._leases = leases
        self._memory = memory
        self._reconciler = reconciler
        self._count = count
        self._pending = pending
        self._used: dict[str, float] = {}
        self._taken: set[str] = set()
        self._asked = asyncio.Event()

    async def take(self, request: AttachRequest) -> Attachment | None:
        """One that nobody else gets until `let_go`; None: there is none.  Raises NotFound, Conflict."""
        if not self._count or not suits(request):
            return None
        network = await self._leases.network(request.network)
        now, _ = await self._now(network)
        self._used[network["id"]] = time.monotonic()
        self._asked.set()
        for one in self._waiting():
            if now and one.key == now:
                self._taken.add(one.id)
                return one
        return None

    def let_go(self, attachment_id: str) -> None:
        """It is somebody's now, or nobody's any more."""
        self._taken.discard(attachment_id)

    async def follow(self) -> None:
        """For ever: after each use, and from time to time."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK):
                    await self._asked.wait()
            await asyncio.sleep(_PAUSE)
            self._asked.clear()
            try:
                await self.look()
            except SealaneError as exc:
                _log.warning("ports that wait were not looked at", error=exc.message)

    async def look(self) -> None:
        """Release what is of no use any more, make what is missing.  Raises Unavailable."""
        for one in self._waiting():
            self._used.setdefault(one.network_id, time.monotonic())  # of an agent before
        gone = await self._leases.gone([one.port_id for one in self._waiting()]) if self._waiting() else set()
        for network_id in list(self._used):
            try:
                await self._look_at(network_id, gone)
            except SealaneError as exc:
                _log.warning("no port is made ready", network=network_id, error=exc.message)

    async def _look_at(self, network_id: str, gone: set[str]) -> None:
        idle = time.monotonic() - self._used[network_id] > _KEPT
        found = None if idle or not self._count else await self._found(network_id)
        network, (now, subnets) = found or (None, ("", []))
        there = [one for one in self._waiting() if one.network_id == network_id]
        good = [one for one in there if now and one.key == now and one.port_id not in gone][: self._count]
        for one in there:
            if one not in good:
                await self._drop(one)
        if network is None:
            del self._used[network_id]
            return
        for _ in range(self._count - len(good) if now else 0):
            await self._make(network, subnets, now)

    def _waiting(self) -> list[Attachment]:
        everyone = self._memory.attachments.values()
        return [one for one in everyone if one.door == "ready" and one.id not in self._taken]

    async def _found(self, network_id: str) -> tuple[Body, tuple[str, list[Body]]] | None:
        with suppress(NotFound):
            network = await self._leases.network(network_id)
            return network, await self._now(network)
        return None

    async def _now(self, network: Body) -> tuple[str, list[Body]]:
        subnets, group = await asyncio.gather(
            self._leases.subnets(network["id"]),
            self._leases.group(names.default_group(network["project_id"])),
        )
        return stamp(network, subnets, group), subnets

    async def _make(self, network: Body, subnets: list[Body], now: str) -> None:
        """Nothing is left on an error.  Raises AddressesExhausted, DeadlineExceeded, …"""
        attachment_id = str(uuid.uuid4())
        device = names.READY + attachment_id
        request = AttachRequest(network=network["id"], door="cni")
        self._pending.add(device)
        try:
            port = await self._leases.take(request, network, device, "")
            try:
                nothing = Survey({}, frozenset())
                made = made_of(attachment_id, request, port, nothing, (network, subnets))
                made = checked(replace(made, door="ready", key=now))
                await self._reconciler.set(made)
                await self._reconciler.wait_bound(made.port_id, BOUND_DEADLINE)
            except BaseException:
                await self._reconciler.remove(attachment_id)
                await self._leases.release(port["id"], adopted=False)
                raise
        except KeyError as exc:
            raise NotFound(f"a subnet of network {network['id']} has come or gone meanwhile") from exc
        finally:
            self._pending.discard(device)

    async def _drop(self, one: Attachment) -> None:
        """`collect` sees to a port that can't be released now."""
        if one.id in self._taken:
            return
        self._taken.add(one.id)
        try:
            await self._reconciler.remove(one.id)
            with suppress(SealaneError):
                await self._leases.release(one.port_id, adopted=False)
        finally:
            self._taken.discard(one.id)
