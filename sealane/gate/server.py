"""The gate as a process: `python -m sealane.gate.server`, settings from SEALANE_* variables.

    store ────> who is a node: sessions of others end at once; where nobody can come there is no listener
    SB  ──────> the view by which rules.py judges
    TLS ──────> door.py greets; one Session each

Killed, it takes its sessions along; the controllers connect again to the next one, and their flows stay.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from sealane import config, log
from sealane.config import Settings
from sealane.errors import SealaneError, Unavailable
from sealane.gate import status, view
from sealane.gate.door import Door
from sealane.gate.rules import DATABASE
from sealane.gate.session import Inside
from sealane.model import Node, State, Token
from sealane.ovsdb.client import Client
from sealane.pki import admission, files, tls
from sealane.pki.certificate import Certificate
from sealane.store.db import Store

if TYPE_CHECKING:
    from sealane.gate.inner import Inner

LOOK = 5.0
"""Seconds between two looks at certificates and tokens, whose time runs out without any change."""
RETRY = 1.0
"""Seconds until what failed is tried again."""
PATIENCE = 10.0
T = TypeVar("T")
_log = log.get("gate")


class Gate:
    def __init__(self, settings: Settings, store: Store, southbound: Client) -> None:
        self._settings = settings
        self._store = store
        self._southbound = southbound
        self._inside: tuple[Inner, Inside] | None = None
        self._door: Door | None = None
        self._at = ""
        self._memory = settings.run_dir / "gate.nodes"
        self._known = _remembered(self._memory)
        self._look = min(LOOK, settings.server_lifetime / 12)

    def show(self) -> dict[str, object]:
        sessions = self._door.sessions if self._door else []
        return {
            "open": self._at,
            "nodes": sorted({session.node.name for session in sessions}),
            "there": self._door.presence.there() if self._door else {},
            "away": self._door.presence.away(_joined(self._store.state)) if self._at and self._door else {},
            "refused_connections": self._door.refused if self._door else 0,
            "refused_requests": dict(self._inside[1].refusals) if self._inside else {},
        }

    async def run(self) -> None:
        """Until cancelled. What fails is logged and tried again."""
        while True:
            try:
                await self._closed()
                await self._open()
            except (SealaneError, OSError) as exc:
                _log.error("the gate can't be open; tries again", reason=str(exc), seconds=RETRY)
                await asyncio.sleep(RETRY)

    def _is_wanted(self) -> bool:
        return self._settings.southbound_endpoint is not None and admission.wanted(
            self._store.state, time.time()
        )

    async def _closed(self) -> None:
        """Until somebody may come."""
        while not self._is_wanted():
            seen = self._store.state.sequence
            await self._bury()
            await self._store.changed(seen, self._look)

    async def _open(self) -> None:
        """Be open until nobody can come any more. Raises SealaneError, OSError."""
        endpoint = self._settings.southbound_endpoint
        assert endpoint is not None
        from sealane.pki.central import Directory, ensure

        directory, lifetime = Directory(self._settings.pki_dir), self._settings.server_lifetime
        await asyncio.to_thread(ensure, directory, lifetime)
        shown = tls.Files(directory.server)
        shown.moved()
        context = tls.server(directory.server, directory.node_ca, required=True)
        inner, inside = self._inside = self._inside or await self._look_inside()
        await inner.open()
        self._door = Door(self._admit, inside)
        serving = asyncio.create_task(self._door.serve(*endpoint, context), name="gate door")
        self._at = f"{endpoint[0]}:{endpoint[1]}"
        checked = time.monotonic()
        try:
            while self._is_wanted() and not serving.done():
                seen = self._store.state.sequence
                self._door.review()
                await self._bury()
                await self._store.changed(seen, self._look)
                if time.monotonic() < checked + self._look:
                    continue
                checked = time.monotonic()
                await asyncio.to_thread(ensure, directory, lifetime)
                if shown.moved():
                    tls.reload(context, directory.server)
                    _log.info("shows a new certificate")
        finally:
            self._at = ""
            serving.cancel()
            try:
                with suppress(asyncio.CancelledError):
                    await serving
            finally:
                await self._bury()
                await inner.close()

    async def _bury(self) -> None:
        """Take the chassis of removed nodes away, as they can't do it: others drop their tunnels to them.

        Which nodes there were is kept in a file: one may be removed while the gate is being started again.
        """
        now = _joined(self._store.state)
        for name in self._known - now:
            where = [["name", "==", name]]
            tables = ("Chassis_Private", "Chassis")
            await self._southbound.transact([{"op": "delete", "table": t, "where": where} for t in tables])
            _log.info("the chassis of a removed node is gone", node=name)
        if now != self._known:
            files.write(self._memory, json.dumps(sorted(now)))
            self._known = now

    async def _look_inside(self) -> tuple["Inner", Inside]:
        from sealane.gate.inner import COLUMNS, LOOPBACK, Inner  # not before it is wanted: it takes 13 MiB

        client = self._southbound
        replica = await client.monitor({**view.COLUMNS, **COLUMNS}, PATIENCE)
        seen = view.View(replica.tables)
        seen.follow([(t, u, None, row) for t, rows in replica.tables.items() for u, row in rows.items()])
        replica.listen(seen.follow)
        inner = Inner(client, replica, self._settings.run_dir / "gate")

        async def barrier() -> None:
            await client.transact([{"op": "comment", "comment": "gate"}], PATIENCE)

        async def port() -> int:
            return await inner.port(PATIENCE)

        return inner, Inside(seen, barrier, inner.context, port, LOOPBACK)

    def _admit(self, peer: Certificate | None) -> Node:
        return admission.node_of(peer, self._store.state, time.time())


def _joined(state: State) -> frozenset[str]:
    """Names of the nodes that come in here."""
    return frozenset(node.name for node in state.nodes.values() if node.serials)


def _remembered(memory: Path) -> frozenset[str]:
    try:
        return frozenset(json.loads(memory.read_text()))
    except (OSError, ValueError, TypeError):
        return frozenset()


async def serve(settings: Settings) -> None:
    """Run until cancelled."""
    async with AsyncExitStack() as stack:
        store = Store(settings.store_remote, reads=(Node, Token))
        stack.push_async_callback(store.stop)
        southbound = Client(settings.sb_remote, DATABASE)
        stack.push_async_callback(southbound.stop)
        gate = Gate(settings, store, southbound)
        answering = await status.serve(settings.gate_socket, gate.show)
        stack.callback(settings.gate_socket.unlink, missing_ok=True)
        stack.callback(answering.close)
        await _until_there(store.start)
        await _until_there(southbound.start)
        await gate.run()


async def _until_there(start: Callable[[], Awaitable[T]]) -> T:
    """Databases may come up after us, in any order; each try waits by itself."""
    while True:
        try:
            return await start()
        except Unavailable as exc:
            _log.warning("waiting for a database", reason=exc.message)
            await asyncio.sleep(RETRY)


async def _main(settings: Settings) -> None:
    task = asyncio.ensure_future(serve(settings))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def main(arguments: Sequence[str] = ()) -> int:
    try:
        settings = config.load().settings
        log.setup(settings.log_level, json=settings.log_json)
        asyncio.run(_main(settings))
    except (SealaneError, OSError) as exc:
        print(f"sealane gate: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
