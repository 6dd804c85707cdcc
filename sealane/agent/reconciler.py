"""Keeps the host as the attachments want it: one computation for create, update, restart and repair.

    memory (attachments) ──> wanted.py ─┐
                                        ├─> diff.py ──> apply.py ──> host/ (links, OVS, nft)
    kernel, local OVSDB  ──> found.py  ─┘

`set` and `remove` reconcile what belongs to one attachment; `resync` reconciles everything, at start
and every RESYNC seconds.  Only what bears our mark is changed.  A gateway without attachments stays
until the next resync: containers that follow one another need not build it anew.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sealane import log, names
from sealane.agent import apply, diff, forwarding, found, metrics, translation, visit, wanted
from sealane.agent.attachment import Attachment, PortRequest, Publication, checked
from sealane.agent.facts import Fact, Gateway, Rules
from sealane.agent.gateway import Where
from sealane.agent.memory import Memory
from sealane.agent.ports import HostPorts, exact
from sealane.agent.proxy import Target
from sealane.config import Settings
from sealane.errors import AddressesExhausted, NotFound, SealaneError
from sealane.host import conntrack, netns
from sealane.host.netlink import Socket
from sealane.host.ovs import Switch
from sealane.host.values import SwitchPort

RESYNC = 20.0
"""Seconds between two looks at the whole host: what nobody wants any more is gone within 30."""

T = TypeVar("T")
Facts = set[Fact]
_log = log.get("reconciler")


class Reconciler:
    """`userspace`: which datapath ovs-vswitchd has (RUN/datapath.json); `farewell`: called before the gateway
    of a network goes."""

    def __init__(
        self,
        settings: Settings,
        memory: Memory,
        switch: Switch,
        *,
        userspace: bool,
        farewell: Callable[[str], None] = lambda id: None,
    ) -> None:
        pools = tuple(ipaddress.ip_network(p) for p in (settings.uplink_pool, settings.uplink_pool6))
        uplinks = translation.Uplinks(pools)
        self._memory = memory
        self._switch = switch
        self._sysctls = settings.run_dir / "sysctls.json"
        self._layout = wanted.Layout(userspace, uplinks, settings.host_name, memory.taps)
        self._where = Where(settings.netns_dir, userspace, uplinks.at(1), farewell)
        self._ports = HostPorts(self._proxy_target)
        self._lock = asyncio.Lock()
        self._reaping: dict[str, asyncio.Task[None]] = {}
        self.gateway_built = asyncio.Event()
        """Set whenever a gateway namespace was made or changed; whoever waits for it clears it."""
        self.changed = asyncio.Event()
        """Set whenever an attachment came or went, or its links may have; whoever waits for it clears it."""
        self.came = asyncio.Event()
        """Set whenever an attachment is new; whoever waits for it clears it."""

    async def set(self, attachment: Attachment) -> None:
        """Remember the attachment, and return when the host is as it wants; repeating it is harmless.

        After it the container's link (names.container_link(port_id)) exists with MAC and MTU set, on
        the host, down, ready to be moved into a sandbox, unless that has happened already.  Does not
        wait for OVN: see wait_bound.  Raises HostError, Unavailable (local OVSDB), BadRequest, Conflict.
        """
        checked(attachment)
        async with self._lock:
            if attachment.has_uplink():
                self._take_place(attachment.network_id)
            await self._reaped(attachment.port_id)
            before = self._memory.attachments.get(attachment.id)
            own = wanted.vif(attachment, self._layout)
            if attachment.device or attachment.bridge:  # names of the caller's choice
                await self._in_kernel(lambda host: apply.refuse_foreign(own, host))
            self._memory.put(attachment)
            own |= self._taps_of(attachment.port_id)
            if before is None:
                self.came.set()
            if not attachment.has_uplink():
                await self._reconcile_beside(attachment.network_id, own)
                return
            network_id = attachment.network_id
            if not _is_here(names.uplink(network_id)):
                await self._reconcile(own)  # OVN binds the port while the gateway is made
                own = set()
            published = attachment.publish != (before.publish if before else ())
            await self._reconcile_gateway(network_id, own, rules=published)

    async def remove(self, attachment_id: str) -> None:
        """Forget the attachment, its publications and everything it has on the host; unknown is success.

        Its links are out of the switch when this returns, and gone shortly after: the kernel takes 20 ms
        to delete one, for which nobody need wait.
        """
        async with self._lock:
            attachment = self._memory.attachments.get(attachment_id)
            if attachment is None:
                return
            await self._reaped(attachment.port_id)
            self._ports.release(attachment_id)
            own = set(self._own_facts(attachment))
            await self._unplug(self._switch_ports(own))
            self._memory.remove(attachment_id)
            self._reap(attachment.port_id, own)
            if attachment.publish:
                await self._reconcile_gateway(attachment.network_id, set(), rules=True)
                await self._forget_flows(attachment, attachment.publish)

    async def resync(self) -> None:
        """Reconcile everything; raises the first error after all has been tried."""
        async with self._lock:
            attachments = self._memory.attachments.values()
            for network_id in wanted.gateways(attachments):
                self._take_place(network_id)
            asked = wanted.wanted(attachments, self._memory.uplinks, self._layout)
            there = await self._in_kernel(lambda host: found.everything(asked, self._where, host))
            there |= set(self._switch.ports().values())
            if any(isinstance(fact, Gateway) and fact.uplinks for fact in asked):
                await self._forward(attachments)
            plan = diff.diff(asked, there)
            if plan:
                _log.info("the host differs", remove=_keys(plan.remove), ensure=_keys(plan.ensure))
            await self._carry_out(plan)
            for network_id in set(self._memory.uplinks) - wanted.gateways(attachments):
                self._memory.remove_uplink(network_id)
            self._reserve_again(attachments)

    async def wait_bound(self, port_id: str, deadline: float) -> None:
        """Return when OVN's flows for the port are installed on this host's br-int.

        `deadline` is in seconds from now; raises DeadlineExceeded.
        """
        with metrics.step("wait for OVN"):
            await self._switch.wait_installed(names.logical_port(port_id), deadline)

    def awaits_sandbox(self, port_id: str) -> bool:
        """Is the container's end of the veth pair still on the host?"""
        return _is_here(names.container_link(port_id))

    async def publish(self, attachment_id: str, requests: Iterable[PortRequest]) -> tuple[Publication, ...]:
        """Reserve the ports of the host and lead them to the attachment; replaces what it had published.

        Port 0 and ranges are settled here.  Raises PortInUse (nothing is published then), NotFound.
        """
        async with self._lock:
            attachment = self._memory.attachments.get(attachment_id)
            if attachment is None:
                raise NotFound(f"there is no attachment {attachment_id}")
            publications = self._ports.reserve(attachment_id, requests)
            await self._publish(attachment, publications)
            return publications

    async def unpublish(self, attachment_id: str) -> None:
        """Withdraw all publications of the attachment and cut their flows; unknown is success."""
        async with self._lock:
            attachment = self._memory.attachments.get(attachment_id)
            if attachment is not None and attachment.publish:
                self._ports.release(attachment_id)
                await self._publish(attachment, ())

    async def purge(self) -> None:
        """Take everything of ours off the host: links, ports, gateways, rules, settings.  Forgets all."""
        async with self._lock:
            for attachment_id in list(self._memory.attachments):
                self._memory.remove(attachment_id)
        self._ports.close()
        await self.resync()
        await asyncio.to_thread(forwarding.restore, self._sysctls)

    def gateways(self) -> dict[str, tuple[Path, tuple[str, ...]]]:
        """Network id -> path of its gateway namespace and the addresses there, without lengths; also
        of those that only have the resolver in it."""
        found: dict[str, tuple[Path, tuple[str, ...]]] = {}
        for attachment in self._memory.attachments.values():
            if attachment.has_gateway():
                _, known = found.get(attachment.network_id, (None, ()))
                addresses = tuple(dict.fromkeys((*known, *attachment.gateways)))
                found[attachment.network_id] = (self._where.gateway(attachment.network_id), addresses)
        everyone = self._memory.attachments.values()
        doors = (wanted.name_doors(everyone) | wanted.gateways(everyone)) - set(found)
        return found | {id: (self._where.gateway(id), (names.RESOLVER,)) for id in doors}

    def close(self) -> None:
        """Give up the host's ports; the data path stays as it is."""
        self._ports.close()

    # one attachment

    def _taps_of(self, port_id: str) -> Facts:
        """What copies its packets, as far as that is known before anything can be sent."""
        named = {one.port_id for tap in self._memory.taps.values() for one in tap.sources}
        sinks = {tap.port_id for tap in self._memory.taps.values()}
        if port_id not in named | sinks:
            return set()
        return wanted.taps(self._memory.attachments.values(), self._layout)

    def _own_facts(self, attachment: Attachment) -> Iterable[Fact]:
        """What goes with it, unless another attachment has the same port by now, or it has no link."""
        if attachment.parent:
            return ()
        others = (a for a in self._memory.attachments.values() if a.id != attachment.id)
        if any(other.port_id == attachment.port_id for other in others):
            return ()
        return wanted.vif(attachment, self._layout)

    async def _publish(self, attachment: Attachment, publications: tuple[Publication, ...]) -> None:
        changed = replace(attachment, publish=publications)
        if changed.has_uplink():
            self._take_place(attachment.network_id)
        self._memory.put(changed)
        if attachment.has_uplink() or changed.has_uplink():
            own = wanted.answers(changed, self._layout)
            await self._reconcile_gateway(attachment.network_id, own, rules=True)
            # Also what was sent before: the kernel decides on translation once for each flow. A TCP client
            # that was refused begins a new one.
            new = [p for p in publications if p.protocol != "tcp"]
            await self._forget_flows(attachment, (*attachment.publish, *new))

    def _reserve_again(self, attachments: Iterable[Attachment]) -> None:
        """After a restart: the ports that were published are reserved again."""
        for attachment in attachments:
            if not self._ports.holds(attachment.id, attachment.publish):
                try:
                    self._ports.reserve(attachment.id, map(exact, attachment.publish))
                except SealaneError as exc:
                    _log.error(
                        "a published port is not ours any more", attachment=attachment.id, error=str(exc)
                    )

    def _proxy_target(self, attachment_id: str, publication: Publication, version: int) -> Target | None:
        """The uplink's address in the client's family, or in the other one when the container lacks it."""
        attachment = self._memory.attachments.get(attachment_id)
        place = self._memory.uplinks.get(attachment.network_id) if attachment else None
        if attachment is None or place is None:
            return None
        versions = {i.version for i in attachment.interfaces()}
        chosen = version if version in versions else 10 - version
        address = next(a for a in self._layout.uplinks.at(place) if (":" in a) == (chosen == 6))
        return next(
            (
                (address, lane.number)
                for lane in self._lanes(attachment.network_id)
                if lane.attachment.id == attachment_id and lane.publication == publication
            ),
            None,
        )

    def _lanes(self, network_id: str) -> tuple[translation.Lane, ...]:
        everyone = self._memory.attachments.values()
        return translation.lanes(a for a in everyone if a.network_id == network_id and a.has_uplink())

    async def _forget_flows(self, attachment: Attachment, publications: Iterable[Publication]) -> None:
        ports = {(p.protocol, p.host_port) for p in publications}
        if not ports:
            return
        path = self._where.gateway(attachment.network_id)
        work = [asyncio.to_thread(conntrack.forget, ports)]
        if netns.exists(path):
            work.append(asyncio.to_thread(netns.inside, path, lambda: conntrack.forget(ports)))
        with metrics.step("flows: forget"):
            await asyncio.gather(*work)

    # gateways

    def _take_place(self, network_id: str) -> None:
        """A place in the uplink pool for the network's gateway; kept until the gateway goes."""
        taken = self._memory.uplinks
        if network_id in taken:
            return
        used = set(taken.values())
        places = range(2, self._layout.uplinks.size)
        place = next((n for n in places if n not in used and self._layout.uplinks.usable(n)), None)
        if place is None:
            raise AddressesExhausted("the uplink pool is used up; set a larger 'uplink_pool'")
        self._memory.put_uplink(network_id, place)

    async def _reconcile_gateway(self, network_id: str, more: Facts, *, rules: bool) -> None:
        """The network's gateway, and `more` in the same go; with its `rules` and the host's, or where it
        is made or changed.
        """
        everyone = self._memory.attachments.values()
        facts: Facts = set()
        if network_id in wanted.gateways(everyone):
            facts = wanted.gateway(network_id, everyone, self._memory.uplinks[network_id], self._layout)
        tables = {fact for fact in facts if isinstance(fact, Rules)}
        tables.add(wanted.host_rules(everyone, self._memory.uplinks, self._layout))
        plain = facts - tables
        changed = await self._reconcile(plain | more | (tables if rules else set()))
        if any(isinstance(fact, Gateway) for fact in changed.ensure):
            await self._forward(everyone)
            self.gateway_built.set()
        if not rules and not plain.isdisjoint(changed.ensure):
            await self._reconcile(tables)

    async def _reconcile_beside(self, network_id: str, more: Facts) -> None:
        """`more`, and where machines of the network ask for names."""
        everyone = self._memory.attachments.values()
        facts = set(more)
        if network_id in wanted.name_doors(everyone):
            facts |= wanted.name_door(network_id, everyone, self._layout)
        changed = await self._reconcile(facts)
        if any(isinstance(fact, Gateway) for fact in changed.ensure):
            self.gateway_built.set()

    async def _forward(self, attachments: Iterable[Attachment]) -> None:
        ipv6 = any(":" in g for a in attachments for g in a.gateways)
        with metrics.step("forwarding"):
            await asyncio.to_thread(forwarding.enable, self._sysctls, ipv6=ipv6)

    # the rhythm

    async def _reconcile(self, facts: Iterable[Fact]) -> diff.Plan:
        """Look for these facts, and make it so.

        The first visit to the kernel also makes what switch ports need, so that Open vSwitch and OVN begin
        their work while the second does the rest; unless a switch port must be taken out in between.
        """
        asked = set(facts)
        ports = self._switch_ports(asked)
        with metrics.step("kernel"):
            plan, rest = await self._in_kernel(lambda host: visit.begin(asked, ports, self._where, host))
        if rest is None:
            await self._carry_out(plan)
            return plan
        plugging = asyncio.ensure_future(self._plug(plan.ensure))
        try:
            await self._finish(rest)
        finally:
            await plugging
        return plan

    def _switch_ports(self, facts: Iterable[Fact]) -> Facts:
        """Those of the same names that are there, as they are."""
        ports = self._switch.ports()
        return {ports[f.name] for f in facts if isinstance(f, SwitchPort) and f.name in ports}

    async def _carry_out(self, plan: diff.Plan) -> None:
        await self._unplug(plan.remove)
        if plan:
            with metrics.step("kernel"):
                await self._in_kernel(lambda host: visit.carry_out(plan, self._where, host))
        await self._plug(plan.ensure)

    async def _finish(self, rest: Iterable[Fact]) -> None:
        if rest:
            with metrics.step("kernel"):
                await self._in_kernel(lambda host: apply.ensure(rest, self._where, host))

    async def _plug(self, facts: Iterable[Fact]) -> None:
        self.changed.set()
        ports = [fact for fact in facts if isinstance(fact, SwitchPort)]
        if ports:
            with metrics.step("switch: add"):
                await self._switch.add(ports)

    async def _unplug(self, facts: Iterable[Fact]) -> None:
        doomed = [fact.name for fact in facts if isinstance(fact, SwitchPort)]
        if doomed:
            with metrics.step("switch: remove"):
                await self._switch.remove(doomed)

    def _reap(self, port_id: str, facts: Facts) -> None:
        """Delete links that nothing refers to any more, in the background; resync sees to what fails."""
        self.changed.set()
        self._reaping[port_id] = asyncio.create_task(self._delete_links(port_id, facts), name="reaping")

    async def _delete_links(self, port_id: str, facts: Facts) -> None:
        try:
            await self._in_kernel(lambda host: visit.clear(facts, self._where, host))
        except SealaneError as exc:
            _log.warning("links were not deleted", port=port_id, error=str(exc))
        finally:
            del self._reaping[port_id]

    async def _reaped(self, port_id: str) -> None:
        """Wait until the names of the port's links are free."""
        task = self._reaping.get(port_id)
        if task is not None:
            await asyncio.wait([task])

    async def _in_kernel(self, action: Callable[[Socket], T]) -> T:
        """Run it in a worker thread with a socket of the host's namespace.

        A cancelled caller (Docker's call took too long) still waits for the thread: its work is a few
        milliseconds, and must not meet that of the next one who gets the lock.
        """

        def body() -> T:
            with Socket() as host:
                return action(host)

        working = asyncio.ensure_future(asyncio.to_thread(body))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            await asyncio.wait([working])
            raise


def _is_here(link: str) -> bool:
    """Does the host have a link of that name?"""
    try:
        socket.if_nametoindex(link)
    except OSError:
        return False
    return True


def _keys(facts: Iterable[Fact]) -> list[str]:
    return [" ".join(fact.key) for fact in facts][:20]
