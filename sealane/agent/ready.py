"""Ports that wait for a container: on br-int, bound and with their rules in force, before anybody asks.

    waits       port in the API (device_id "ready:ID"), port of br-int, nothing of it in a sandbox
    taken       by a runtime that asks for nothing special: the port gets its name, the sandbox its link

`ready_ports` of them are kept for each network that runtimes of this host have used within the last hour.
One is good as long as a port made now would be the same: its key says of which revision of the network and
its subnets it is, and whether labels decide on groups; what has another one is released.

They stand back: the API makes none where few addresses are left, counts them in no quota, and deletes one, of
whichever host, where somebody needs its address. Who finds it gone makes a port of its own as always.
"""

import asyncio
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from sealane import log, names
from sealane.agent.asked import AttachRequest
from sealane.agent.attachment import Attachment, checked
from sealane.agent.inside import Survey
from sealane.agent.leases import Leases
from sealane.agent.making import made_of
from sealane.agent.memory import Memory
from sealane.agent.reconciler import Reconciler
from sealane.client import Body
from sealane.errors import AddressesExhausted, Conflict, NotFound, SealaneError

BOUND_DEADLINE = 20.0  # seconds that OVN may take to bind a port
MOST = 64
"""Ports that may wait on one host: of the networks used last."""
_KEPT = 3600.0  # seconds without anybody who uses the network
_DECIDE = {"networks", "subnets", "security_groups"}  # collections that say which port a container would get
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


@dataclass(frozen=True)
class Known:
    """What the API said of a network: true as long as nothing that decides has moved since `sequence`."""

    sequence: int
    network: Body
    subnets: list[Body]
    stamp: str


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
        self._known: dict[str, Known] = {}
        """By what it was asked for: a name or an id."""
        self._taken: set[str] = set()
        self._asked = asyncio.Event()

    async def ask(self, request: AttachRequest) -> str:
        """The key of ports that are as good as one made now; "": none is.  Raises NotFound, Conflict."""
        if not self._count or not suits(request):
            return ""
        known = await self._know(request.network)
        self._used[known.network["id"]] = time.monotonic()
        self._asked.set()
        return known.stamp

    def take(self, key: str) -> Attachment | None:
        """One that nobody else gets until `let_go`; None: there is none."""
        one = next((one for one in self._waiting() if key and one.key == key), None)
        if one is not None:
            self._taken.add(one.id)
        return one

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
        latest = sorted(self._used, key=self._used.__getitem__, reverse=True)
        for place, network_id in enumerate(latest):
            try:
                await self._look_at(network_id, gone, (place + 1) * self._count > MOST)
            except AddressesExhausted as exc:
                _log.debug("no port is made ready", network=network_id, why=exc.message)
            except SealaneError as exc:
                _log.warning("no port is made ready", network=network_id, error=exc.message)

    async def _look_at(self, network_id: str, gone: set[str], is_too_many: bool) -> None:
        idle = is_too_many or time.monotonic() - self._used[network_id] > _KEPT
        known = None if idle or not self._count else await self._found(network_id)
        now = known.stamp if known else ""
        there = [one for one in self._waiting() if one.network_id == network_id]
        good = [one for one in there if now and one.key == now and one.port_id not in gone][: self._count]
        for one in there:
            if one not in good:
                await self._drop(one)
        if known is None:
            del self._used[network_id]
            self._forget(network_id)
            return
        for _ in range(self._count - len(good) if now else 0):
            await self._make(known)

    def _waiting(self) -> list[Attachment]:
        everyone = self._memory.attachments.values()
        return [one for one in everyone if one.door == "ready" and one.id not in self._taken]

    async def _found(self, network_id: str) -> Known | None:
        """And by each name that it was asked for, so that the next call need not ask."""
        for wanted in [wanted for wanted, one in self._known.items() if one.network["id"] == network_id]:
            with suppress(NotFound, Conflict):
                await self._know(wanted)
        with suppress(NotFound):
            return await self._know(network_id)
        return None

    async def _know(self, wanted: str) -> Known:
        """Raises NotFound, Conflict, Unavailable."""
        known = self._known.pop(wanted, None)
        news = await self._leases.changes(known.sequence if known else 0)
        if known is not None and not news.collections & _DECIDE:
            known = replace(known, sequence=news.sequence)
        else:
            known = await self._learn(wanted, news.sequence)
        self._known[wanted] = known
        return known

    async def _learn(self, wanted: str, sequence: int) -> Known:
        network = await self._leases.network(wanted)
        subnets, group = await asyncio.gather(
            self._leases.subnets(network["id"]),
            self._leases.group(names.default_group(network["project_id"])),
        )
        return Known(sequence, network, subnets, stamp(network, subnets, group))

    def _forget(self, network_id: str) -> None:
        self._known = {key: one for key, one in self._known.items() if one.network["id"] != network_id}

    async def _make(self, known: Known) -> None:
        """Nothing is left on an error.  Raises AddressesExhausted, DeadlineExceeded, …"""
        network, subnets, now = known.network, known.subnets, known.stamp
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
