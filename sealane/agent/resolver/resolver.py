"""The resolver of a node: one door for each sandbox, one for each gateway, names shared by all.

`serve` returns at once: Docker 20.10 makes a sandbox only after the driver has answered Join. A task
waits for it and opens the door. Calling it again with the same key changes the view, and mends the
door if the sandbox at that path is another one by now.
"""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

from sealane import log
from sealane.agent.resolver.forward import (
    DockerForwarder,
    Forwarder,
    GatewayForwarder,
    UpstreamForwarder,
)
from sealane.agent.resolver.sandbox import (
    DOCKER_RESOLVER,
    PREFERRED_PORT,
    Namespace,
    close_all,
    is_namespace,
    listening,
    redirect,
    undo_redirect,
    wait_for_namespace,
)
from sealane.agent.resolver.server import Server
from sealane.agent.resolver.zone import Names, View, Zone, Zones, merge
from sealane.errors import DeadlineExceeded, HostError, NotFound, SealaneError

SANDBOX_DEADLINE = 60.0
"""Seconds from Join until the sandbox must be there."""

RETRIES = 5
RETRY_AFTER = 1.0
_log = log.get("resolver")


@dataclass
class _Door:
    """addresses: where to listen in a gateway's namespace; none: a sandbox with Docker's resolver."""

    path: str
    addresses: tuple[str, ...] = ()
    views: dict[str, View] = field(default_factory=dict)
    opening: asyncio.Task[None] | None = None
    namespace: Namespace | None = None
    server: Server | None = None

    def view(self) -> View:
        return merge(self.views.values())


class Resolver:
    """All methods may be called twice. None waits for a container."""

    def __init__(self, upstream: Forwarder | None = None) -> None:
        self._zones = Zones()
        self._doors: dict[str, _Door] = {}
        self._upstream = upstream or UpstreamForwarder()

    async def set_names(self, network_id: str, names: Names) -> None:
        """Replace the names of one network."""
        self._zones.set(network_id, names)

    def zone(self, network_id: str) -> Zone:
        """The names of one network, to be changed."""
        return self._zones.of(network_id)

    def drop(self, network_id: str) -> None:
        self._zones.drop(network_id)

    async def serve(self, sandbox_path: str, key: str, view: View) -> None:
        """A door in a Docker sandbox. Several keys (attachments) of one sandbox share it."""
        await self._serve(sandbox_path, key, view, ())

    async def serve_gateway(self, path: str, key: str, view: View, addresses: Sequence[str]) -> None:
        """A door on port 53 of a network's gateway addresses, for all that is not Docker."""
        await self._serve(path, key, view, tuple(addresses))

    async def _serve(self, path: str, key: str, view: View, addresses: tuple[str, ...]) -> None:
        door = self._doors.get(path)
        if (
            door is None
            or door.addresses != addresses
            or (door.namespace and not door.namespace.same_as_path())
        ):
            views = door.views if door else {}
            if door:
                await self._close(door)
            door = self._doors[path] = _Door(path, addresses, views)
        for other in [d for d in self._doors.values() if d is not door and key in d.views]:
            await self._forget(other, key)
        door.views[key] = view
        if door.server is None and (door.opening is None or door.opening.done()):
            door.opening = asyncio.create_task(self._open_until_done(door), name=f"resolver {path}")

    def look(self, key: str, view: View) -> None:
        """What an attachment sees from now on."""
        for door in self._doors.values():
            if key in door.views:
                door.views[key] = view

    async def withdraw(self, key: str) -> None:
        """Take one attachment out; the last one takes sockets and table along."""
        for door in [d for d in self._doors.values() if key in d.views]:
            await self._forget(door, key)

    async def _forget(self, door: _Door, key: str) -> None:
        del door.views[key]
        if not door.views:
            del self._doors[door.path]
            await self._close(door)

    async def ready(self, key: str) -> None:
        """Wait until the door of a key is open. Raises NotFound if it could not be opened."""
        for door in self._doors.values():
            if key in door.views:
                if door.opening:
                    await asyncio.wait([door.opening])
                if door.server:
                    return
        raise NotFound(f"no resolver is open for {key}")

    def status(self) -> list[dict[str, object]]:
        """For `sealane status`: each door and whether it is open."""
        return [
            {"path": d.path, "keys": sorted(d.views), "open": bool(d.server)} for d in self._doors.values()
        ]

    async def close(self) -> None:
        """Orderly stop: sandboxes get Docker's own resolver back until the next start."""
        doors, self._doors = self._doors, {}
        await asyncio.gather(*(self._close(door) for door in doors.values()))

    async def _open_until_done(self, door: _Door) -> None:
        for attempt in range(1, RETRIES + 1):
            try:
                await wait_for_namespace(door.path, SANDBOX_DEADLINE)
                await self._open(door)
                return
            except DeadlineExceeded as exc:
                _log.warning("the sandbox never came", path=door.path, error=str(exc))
                return
            except (OSError, SealaneError) as exc:
                _log.warning("can't open the resolver", path=door.path, attempt=attempt, error=str(exc))
                await asyncio.sleep(RETRY_AFTER * attempt)

    async def _open(self, door: _Door) -> None:
        """Sockets first, then the redirect: no question meets a closed port. All or nothing."""
        namespace = Namespace(door.path)
        server: Server | None = None
        sockets: list[socket.socket] = []
        try:
            server = Server(self._zones, door.view, self._forwarder(door, namespace))
            sockets = await namespace.run(lambda: _listen(door.addresses))
            await server.start(sockets)
            if not door.addresses:
                udp_port, tcp_port = (sock.getsockname()[1] for sock in sockets)
                await namespace.run(lambda: redirect(udp_port, tcp_port))
        except BaseException:  # also when cancelled: nothing may stay behind
            if server:
                await server.stop()
            close_all(sockets)
            namespace.close()
            raise
        door.namespace, door.server = namespace, server

    def _forwarder(self, door: _Door, namespace: Namespace) -> Forwarder:
        if door.addresses:
            return GatewayForwarder(namespace, door.addresses, self._upstream)
        return DockerForwarder(namespace)

    async def _close(self, door: _Door) -> None:
        if door.opening and not door.opening.done():
            door.opening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await door.opening
        if door.namespace and not door.addresses:
            try:
                await door.namespace.run(undo_redirect)
            except (OSError, HostError) as exc:
                _log.warning("the redirect could not be removed", path=door.path, error=str(exc))
        if door.server:
            await door.server.stop()
        if door.namespace:
            door.namespace.close()
        door.server = door.namespace = None


def _listen(addresses: tuple[str, ...]) -> list[socket.socket]:
    if addresses:
        return listening(addresses, 53)
    return listening([DOCKER_RESOLVER[0]], PREFERRED_PORT, fallback=True)


async def sweep(paths: Sequence[str]) -> None:
    """Remove our redirect from sandboxes that have no attachment of ours any more (after a crash)."""
    for path in paths:
        if is_namespace(path):
            namespace = Namespace(path)
            try:
                await namespace.run(undo_redirect)
            finally:
                namespace.close()
