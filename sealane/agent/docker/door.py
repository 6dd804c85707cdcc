"""The Docker door as the agent sees it: start, stop, status.

One loop keeps the engine and the API in step; Docker's events and the API's changes only wake it.

    engine's events ──┬──> names of containers
    API's changes ────┼──> names of networks, mirrors
    every INTERVAL ───┴──> both, and garbage collection

What a `docker run` brings is told apart from what networks bring: it comes often, and should cost little.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sealane import log
from sealane.agent import ways
from sealane.agent.docker import drivers
from sealane.agent.docker.collect import Collector
from sealane.agent.docker.engine import NETWORKS, Body, Engine
from sealane.agent.docker.identity import Identities
from sealane.agent.docker.mirror import Mirrors
from sealane.agent.docker.server import Listener
from sealane.agent.memory import Memory
from sealane.agent.reconciler import Reconciler
from sealane.agent.resolver.feed import Feed
from sealane.client import ApiClient
from sealane.config import Settings
from sealane.errors import SealaneError

INTERVAL = 5.0
"""Seconds between two passes that nothing woke, and between two rounds of garbage collection."""

SPACING = 0.1
"""Seconds that wake-ups are gathered for: a compose project brings dozens at once."""

RETRY = 1.0
_log = log.get("docker")


class DockerDoor:
    """`memory` is the reconciler's; without `names` containers ask Docker's resolver alone."""

    def __init__(
        self,
        settings: Settings,
        api: ApiClient,
        reconciler: Reconciler,
        memory: Memory,
        names: Feed | None = None,
    ) -> None:
        self._settings = settings
        self._memory = memory
        self.engine = Engine(settings.docker_socket)
        self.drivers = d = drivers.build(
            api, reconciler, memory, settings.host_name, ways=lambda: ways.found(settings)
        )
        d.network.sandboxes = names
        self._identities = Identities(api, d.catalog, self.engine, memory)
        self.labels = self._identities.labels
        self.services = self._identities.services
        self._mirrors = Mirrors(self.engine, d.catalog, memory, settings.projects)
        self._collector = Collector(api, self.engine, memory, d.network, d.claims, d.networks)
        self._listener = Listener(d.plugin.app, settings.plugin_socket)
        self._wake = asyncio.Event()
        self.started: Callable[[], Awaitable[None]] | None = None
        """Is called when a container has started or was removed, and when that may have been missed."""
        self._networks_moved = False
        self._tasks: list[asyncio.Task[None]] = []
        self._trouble = "not asked yet"
        self._collect_at = 0.0

    async def open_doors(self) -> None:
        """Containers that were here before find names again."""
        for attachment in self.drivers.network.attachments().values():
            await self.drivers.network.announce(attachment)

    async def start(self) -> None:
        """dockerd is served from now on, with the API or the engine down or not. Raises OSError."""
        await self._listener.start()
        watchers = (self._watch_engine(), self._keep())
        self._tasks = [asyncio.create_task(watcher) for watcher in watchers]

    async def changed(self, collections: frozenset[str]) -> None:
        """The API's state has moved (feed.follow calls it). What ports there are is no concern of a pass."""
        if not collections <= {"ports"}:
            self._heed(NETWORKS)

    async def stop(self) -> None:
        """Containers keep their network; dockerd's calls fail until the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._listener.stop()
        await self.engine.close()

    async def withdraw(self) -> None:
        """Take our networks out of the engine, before Sealane leaves this host for good.

        In the API they stay, and so do those here that a container, running or not, is on.  Raises
        Unavailable when no engine answers.
        """
        listener = Listener(self.drivers.plugin.app, self._settings.docker_plugin_dir / "sealane.sock")
        await listener.start()  # dockerd tells the driver, and waits for it; the porter is gone
        try:
            used = await self.engine.networks_in_use()
            for network in await self.engine.networks():
                record = self._memory.networks.get(network.id)
                if record is not None and network.id not in used:
                    self._memory.put_network(replace(record, joined=True, settled=False))
                    await self.engine.remove_network(network.id)
        finally:
            await listener.stop()
            await self.engine.close()

    def status(self) -> dict[str, Any]:
        """For `sealane status`. `engine` is "ok" or what is wrong."""
        records = self._memory.networks.values()
        return {
            "engine": self._trouble or "ok",
            "networks": [
                {"name": r.name, "docker_id": r.docker_id, "network_id": r.network_id} for r in records
            ],
            "troubles": dict(self._mirrors.troubles),
            "endpoints": len(self.drivers.network.attachments()),
            "collected": self._collector.collected,
        }

    def networks_of(self, sandbox: str) -> tuple[str, ...]:
        """Which networks a sandbox (its path, from Join) is on, in the order of joining."""
        found = [a for a in self.drivers.network.attachments().values() if a.sandbox == sandbox]
        return tuple(a.network_id for a in sorted(found, key=lambda a: a.created))

    async def _watch_engine(self) -> None:
        while True:
            with suppress(SealaneError):
                async for event in self.engine.events():
                    await self._see_the_end(event)
                    self._heed(self.engine.concerned(event))
                    if self.started is not None and (
                        not event or event.get("Action") in ("start", "destroy")
                    ):
                        await self.started()
            await asyncio.sleep(RETRY)

    async def _see_the_end(self, event: Body) -> None:
        """Who is told to end is led to no more; at once, for he may be gone with the next pass."""
        if ending := await self.engine.is_to_end(event):
            await self._identities.end(ending)
        elif event.get("Type") == "container" and event.get("Action") == "start":
            self._identities.services.start(str((event.get("Actor") or {}).get("ID") or ""))

    def _heed(self, concerned: frozenset[str]) -> None:
        """Have the next pass look at what is concerned."""
        self._networks_moved |= concerned >= NETWORKS
        if concerned:
            self._wake.set()

    async def _keep(self) -> None:
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), INTERVAL)
            await asyncio.sleep(SPACING)
            self._wake.clear()
            try:
                await self._pass()
                self._note("")
            except SealaneError as exc:
                self._networks_moved = True
                self.drivers.catalog.forget()
                self._collector.forget()
                self._note(exc.message)
            except Exception:  # the outermost loop: the next pass may fare better
                _log.exception("a pass failed")

    async def _pass(self) -> None:
        here = self.drivers.network.attachments()
        await self._identities.containers(await self.engine.containers() if here else ())
        if self._networks_moved or time.monotonic() >= self._collect_at:
            self._networks_moved = False
            await self._pass_networks()

    async def _pass_networks(self) -> None:
        """The engine's list is read first: what it shows, the API must know already."""
        listed = await self.engine.networks()
        known = await self.drivers.catalog.all()
        await self._mirrors.reconcile(listed, known)
        await self._identities.networks(listed, known)
        if time.monotonic() >= self._collect_at:
            await self._collector.collect(listed, known)
            self._collect_at = time.monotonic() + INTERVAL

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            _log.info("Docker and Sealane are in step" if not trouble else "out of step", reason=trouble)
        self._trouble = trouble
