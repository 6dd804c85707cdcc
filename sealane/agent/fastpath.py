"""The fast path of this node: which ports it has, and that it knows no rule that is not one any more.

    rules of br-int change (rules_watch.py) ─┐       pause: nothing is fast, nothing is learned
    OVN has applied a newer state ───────────┼─> round: ports; wait until Open vSwitch passes packets by
    attachments come and go ─────────────────┘          the new rules; resume; tell

Ports that have a limit or a mark (shaped.py), or whose packets are copied (taps.py), are none of it: their
packets all go through Open vSwitch.
A network's gateway on this host (gateway.py) is a port as well: that of all the world outside.
Where no rule looks at connections (tracking.py), one direction of a flow tells of itself.

What is told (`Switch.tell_fastpath`) is waited for by who wants to know that a change is applied.  While
Open vSwitch can't be watched a pause is not ended, but what is fast stays so for as long as it may (LEASE).
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import TypeVar

from sealane import log, names
from sealane.agent import (
    fastpath_ports,
    fastpath_shown,
    floating,
    locators,
    metrics,
    router_ids,
    routers,
    snat,
    tracking,
    wanted,
)
from sealane.agent.fastpath_choice import Choice
from sealane.agent.memory import Memory
from sealane.agent.rules_watch import RulesWatch
from sealane.agent.shaped import shaped
from sealane.agent.snat import Snat
from sealane.agent.tapping import sources
from sealane.client import ApiClient
from sealane.config import Settings
from sealane.errors import Conflict, HostError, SealaneError
from sealane.fastpath import cache, hooks
from sealane.fastpath.cache import Cache, Counts, Flow, Underlay
from sealane.fastpath.floating import Floating
from sealane.fastpath.layout import Reason
from sealane.fastpath.rows import ALONE, Port, Route, World
from sealane.host import link
from sealane.host.netlink import Socket
from sealane.host.ovs import Switch

DRAIN = 0.02
"""Seconds that packets are given to get from Open vSwitch to their receiver's link."""
IDLE = 30_000_000_000
"""Nanoseconds after which an entry that nobody used is forgotten."""
_TURN = 10.0  # seconds between two rounds at most
_RETRY = 1.0  # seconds

_KERNEL = "the fast path works with the datapath in user space only as yet; set 'fastpath' to off"

T = TypeVar("T")
_log = log.get("fastpath")


class FastPath:
    """`facts`: what the engine wrote into RUN/datapath.json."""

    def __init__(
        self,
        settings: Settings,
        memory: Memory,
        switch: Switch,
        facts: Mapping[str, object],
        api: ApiClient,
    ) -> None:
        self._api = api
        self._memory = memory
        self._switch = switch
        self._userspace = facts["kind"] != "kernel"
        self._address, self._underlay = str(facts["address"]), str(facts["link"])
        self._ovs_run_dir = settings.ovs_run_dir
        self._locators: Mapping[int, locators.Locator] = {}  # by OpenFlow's number of the port
        self._world = ALONE
        self._translated: tuple[floating.Translated, ...] = ()
        self._physical = tuple(settings.physical_networks)
        self._choice = Choice(settings)
        self._hook = settings.fastpath_hook
        self._cache: Cache | None = None
        self._ports: dict[str, Port] = {}
        self._shaped: frozenset[int] = frozenset()  # numbers in br-int of ports that have none
        self._copied = sources(memory.taps)  # ports whose packets must pass where copies are made
        self._turn = asyncio.Lock()
        self._stale = True
        self._told: int | None = None
        self._trouble = ""
        self._swept, self._entries = 0.0, 0  # when idle entries were looked for; how many others there were
        self._left = False  # off, and nothing of it is anywhere
        self._news = asyncio.Event()
        self._wanted = asyncio.Event()  # once it has been on
        self._snat: Snat | None = None  # of the cache there is
        self._watch = RulesWatch(settings.ovs_run_dir, self._rules_changed, self._switch_lost)

    async def switch_network(self, network: str, on: bool) -> None:
        """Until the node is stopped.  Raises BadRequest (no UUID), HostError."""
        self._choice.switch_network(network, on)
        await self._round()

    async def keep_slow(self, ports: frozenset[str]) -> None:
        """Ports whose packets are copied; returns when all of them go through Open vSwitch. Raises
        HostError."""
        if ports == self._copied:
            return
        self._copied = ports
        await self._round()
        if self._choice.on and self._trouble:
            raise HostError(self._trouble)

    async def switch(self, on: bool) -> None:
        """Until the node is stopped, whatever the settings say.  Raises Conflict, HostError."""
        if on and not self._userspace:
            raise Conflict(_KERNEL)
        self._choice.switch(on)
        await self._round()
        if on and self._trouble:
            raise HostError(self._trouble)

    async def follow(self, changed: asyncio.Event) -> None:
        """For ever; `changed` is set when attachments have changed."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_rules())
            tasks.create_task(self._watch_numbers())
            tasks.create_task(self._watch_attachments(changed))
            tasks.create_task(self._rounds())
            tasks.create_task(self._answer())

    # what wakes it

    async def _watch_rules(self) -> None:
        await self._wanted.wait()
        await self._watch.follow()

    def _rules_changed(self) -> None:
        """At once: what is fast now is fast by rules that may be none any more."""
        self._stale = True
        if self._cache is not None and self._cache.learning:
            self._cache.pause()
        self._news.set()

    def _switch_lost(self) -> None:
        """At once, too: the next Open vSwitch may give ports of routers' addresses to others."""
        if self._snat is not None:
            with suppress(HostError):
                self._snat.disown()

    async def _answer(self) -> None:
        await self._wanted.wait()
        await snat.follow(self._turn, self._watch, lambda: self._snat)

    async def _watch_numbers(self) -> None:
        version, number = -1, -1
        while True:
            version = await self._switch.news(version, _TURN)
            if self._switch.applied() != number:
                number = self._switch.applied()
                self._stale = True
                self._news.set()

    async def _watch_attachments(self, changed: asyncio.Event) -> None:
        while True:
            await changed.wait()
            changed.clear()
            self._news.set()

    async def _rounds(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_RETRY if self._trouble else _TURN):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            await self._round()

    # one round

    async def _round(self) -> None:
        async with self._turn:
            before = self._trouble
            try:
                await (self._keep() if self._choice.on and self._userspace else self._leave())
                self._trouble = _KERNEL if self._choice.on and not self._userspace else ""
            except SealaneError as exc:
                self._trouble = exc.message
            except Exception as exc:  # the agent has more to do than this
                _log.exception("failed by a defect")
                self._trouble = f"a defect: {exc!r}"
            if self._trouble and self._trouble != before:
                _log.error("the fast path waits", error=self._trouble)

    async def _keep(self) -> None:
        self._wanted.set()
        self._left = False
        there = self._cache if self._cache is not None else await _in_kernel(self._opened)
        await _in_kernel(lambda host: self._set_ports(there, host))
        if self._stale or not there.learning:
            await self._renew(there)
        if time.monotonic() - self._swept >= _TURN:
            self._entries = await asyncio.to_thread(_sweep, there)
            self._swept = time.monotonic()

    async def _renew(self, there: Cache) -> None:
        """With what the rules are now; again, where they change meanwhile."""
        while self._stale or not there.learning:
            number = self._switch.applied()
            self._stale = False
            there.pause()
            await self._watch.settled()
            self._locators = await asyncio.to_thread(locators.read, self._ovs_run_dir)
            rules = await self._watch.rules()
            self._shaped = shaped(rules)
            self._world = World(routers.routes(rules), tracking.untracked(rules), self._peers())
            self._translated = floating.translated(rules, routers.entrances(rules))
            await _in_kernel(lambda host: self._set_ports(there, host))
            await asyncio.sleep(DRAIN)
            if self._told is None or number != self._told:
                await self._switch.tell_fastpath(number)
                self._told = number
            if not self._watch.watching:
                self._stale = True  # the watch's first news will wake us
                return
            if not self._stale:
                there.resume()

    def _peers(self) -> frozenset[IPv4Address]:
        found = (ip_address(address) for address in self._switch.tunnels())
        return frozenset(address for address in found if isinstance(address, IPv4Address))

    def _opened(self, host: Socket) -> Cache:
        """After a trial run, with what a predecessor of ours has learned."""
        links, hook = sorted(self._hooked(host)), hooks.chosen(self._hook)
        found = Cache.find(links, hook)
        found.try_out()
        cache.detach(links, but=hook)
        if not found.on:
            found.switch(True)
        self._cache, self._snat = found, Snat(self._ovs_run_dir, found.shared)
        metrics.show_fastpath(self._reasons, self._landed, lambda: self._entries)
        return found

    def _set_ports(self, there: Cache, host: Socket) -> None:
        links, off = fastpath_ports.links(host, self._memory.attachments.values()), self._choice.networks_off
        everyone = list(self._memory.attachments.values())
        here = [a for a in everyone if a.port_id in links]
        ways = {names.gateway_port(id): id for id in wanted.gateways(everyone)}
        slow = {a.port_id for a in here if a.network_id in off or self._is_shaped(names.ovs_port(a.port_id))}
        slow |= {a.port_id for a in here if a.port_id in self._copied}
        slow |= {
            port_id
            for port_id, id in ways.items()
            if id in off or self._is_shaped(names.gateway_ovs_port(id))
        }
        cache.detach(end for port_id in slow for end in links.get(port_id, ()))
        attachments = {a.port_id: a for a in here if a.port_id not in slow}
        self._ports = {
            id: fastpath_ports.port(one, *links[id], self._locator(id)) for id, one in attachments.items()
        } | {
            port_id: fastpath_ports.way(wanted.gateway_leg(id, everyone, ()), *links[port_id])
            for port_id, id in ways.items()
            if port_id in links and port_id not in slow
        }
        world = replace(self._world, translated=tuple(self._floating(host)))
        if self._snat is not None:
            self._snat.lead(snat.targets(self._translated, world.translated))
        there.set_ports(self._ports.values(), self._way_out(host), world)

    def _floating(self, host: Socket) -> Iterable[Floating]:
        there = {network: link.find(host, names.physical_links(network)[0]) for network in self._physical}
        links = {network: found for network, found in there.items() if found is not None}
        return floating.placed(self._translated, self._switch.ways_out(), links) if links else ()

    def _locator(self, port_id: str) -> locators.Locator | None:
        return self._locators.get(self._switch.number(names.ovs_port(port_id)) or 0)

    def _is_shaped(self, ovs_port: str) -> bool:
        return self._switch.number(ovs_port) in self._shaped

    def _way_out(self, host: Socket) -> Underlay | None:
        """None: tunnels end where no other host is, are of IPv6, or their link has no Ethernet."""
        address = ip_address(self._address)
        found, tunnel = link.find(host, self._underlay), link.index(host, names.TUNNEL_LINK)
        if not isinstance(address, IPv4Address) or address.is_loopback or found is None or tunnel is None:
            return None
        return Underlay(found.index, tunnel, address) if found.mac else None

    async def _leave(self) -> None:
        """Off: nothing of it is at any link, also of an agent before us."""
        if self._left:
            return
        if self._cache is not None:
            self._cache.switch(False)
        await _in_kernel(lambda host: cache.detach(self._hooked(host)))
        if self._cache is not None:
            self._cache.close()
        self._cache, self._snat, self._ports, self._told, self._stale = None, None, {}, None, True
        await self._switch.tell_fastpath(None)
        self._left = True

    def _hooked(self, host: Socket) -> set[int]:
        """Links that may have programs of ours."""
        outside = (names.physical_links(network)[0] for network in self._physical)
        everyones = (self._underlay, names.TUNNEL_LINK, *outside)
        shared = {link.index(host, name) for name in everyones} - {None}
        attached = fastpath_ports.links(host, self._memory.attachments.values())
        own = {index for pair in attached.values() for index in pair}
        return own | {index for index in shared if index is not None}

    # what there is to see

    def brief(self) -> dict[str, str]:
        return {"state": self._state(), "trouble": self._trouble}

    async def status(self) -> dict[str, object]:
        async with self._turn:
            flows = await asyncio.to_thread(self._flows)
            return {
                "on": self._choice.on,
                "networks_off": sorted(self._choice.networks_off),
                "state": self._state(),
                "trouble": self._trouble,
                "flows": len(flows),
                **fastpath_shown.ratio(self._reasons()),
                "landed": fastpath_shown.ratio(self._landed()),
                "ports": [self._shown(id, port) for id, port in sorted(self._ports.items())],
            }

    async def flows(self) -> list[dict[str, object]]:
        async with self._turn:
            found = await asyncio.to_thread(self._flows)
            legs = {route.router: leg for route, leg in self._legs()}
        ids = {flow.router: "" for flow in found if flow.router}
        for router in ids.keys() & legs.keys():
            ids[router] = await router_ids.find(self._api, *legs[router])
        return [fastpath_shown.flow(flow, ids.get(flow.router, "")) for flow in found]

    def _legs(self) -> Iterator[tuple[Route, tuple[str, str]]]:
        """Network and the router's MAC there, of networks of this host's ports."""
        networks = {port.vni: port.network for port in self._ports.values()}
        for route in self._world.routes:
            if route.leg and route.leg.vni in networks:
                yield route, (networks[route.leg.vni], route.leg.mac)

    async def reasons(self) -> list[dict[str, object]]:
        async with self._turn:
            sent, landed = self._reasons(), self._landed()
            none = (0, 0)
            return [fastpath_shown.reason(one, sent.get(one, none), landed.get(one, none)) for one in Reason]

    def _reasons(self) -> Counts:
        return self._cache.reasons() if self._cache else {}

    def _landed(self) -> Counts:
        return self._cache.landed() if self._cache else {}

    def _flows(self) -> list[Flow]:
        return list(self._cache.flows()) if self._cache else []

    def _state(self) -> str:
        if not self._choice.on:
            return "off"
        if self._cache is None or self._trouble:
            return "not working"
        return "working" if self._cache.learning else "paused"

    def _shown(self, port_id: str, port: Port) -> dict[str, object]:
        assert self._cache is not None
        named = [a for a in self._memory.attachments.values() if a.port_id == port_id]
        name = named[0].name or named[0].container if named else ""
        return {
            "port_id": port_id,
            "network_id": port.network,
            "name": "(outside)" if port.outside else name,
            "addresses": [text.partition("/")[0] for text in port.addresses],
            **fastpath_shown.ratio(self._cache.reasons(port.link)),
        }


def _sweep(there: Cache) -> int:
    old = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - IDLE
    flows = list(there.flows())
    idle = [flow for flow in flows if flow.used < old]
    there.end(idle)
    return len(flows) - len(idle)


async def _in_kernel(action: Callable[[Socket], T]) -> T:
    def body() -> T:
        with Socket() as host:
            return action(host)

    return await asyncio.to_thread(body)
