"""/healthz: asks every part now, and says of each whether it answers.

    store       carries out an empty transaction
    nb, sb      OVN's databases do
    northd      answers on its control socket that it is active
    translator  the northbound database is at the store's sequence number
    gate        answers on its socket; where none was started, none is missed

200 when all is well, 503 when not. `binding_mismatches`: number of ports that another host has than their
own. Open to all, so it tells no secrets.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sealane.api.answers import answer
from sealane.config import Settings
from sealane.errors import SealaneError, Unavailable
from sealane.ovn.northbound import SEQUENCE_KEY
from sealane.ovsdb.client import Client
from sealane.ovsdb.replica import Replica
from sealane.store.db import Store

Probe = Callable[[], Awaitable[str]]
"""A word on how the part is; raises SealaneError or OSError when it is not well."""

PATIENCE = 2.0
"""Seconds for one part's answer."""
LINE = 2**20
"""Bytes of one answer on a control socket."""


class Health:
    def __init__(
        self, settings: Settings, probes: Mapping[str, Probe], mismatches: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._probes = probes
        self._mismatches = mismatches

    async def show(self, request: Request) -> Response:
        found = await asyncio.gather(*(_ask(probe) for probe in self._probes.values()))
        parts = dict(zip(self._probes, found, strict=True))
        well = all(part["ok"] for part in found)
        body: dict[str, Any] = {"status": "ok" if well else "degraded", "parts": parts}
        body["binding_mismatches"] = self._mismatches()
        supervisor = await _ask_supervisor(self._settings)
        return answer(body | ({"supervisor": supervisor} if supervisor else {}), 200 if well else 503)


async def _ask(probe: Probe) -> dict[str, Any]:
    try:
        async with asyncio.timeout(PATIENCE):
            return {"ok": True, "detail": await probe()}
    except TimeoutError:
        return {"ok": False, "detail": f"no answer within {PATIENCE} s"}
    except SealaneError as exc:
        return {"ok": False, "detail": exc.message}
    except OSError as exc:
        return {"ok": False, "detail": str(exc)}


def transacts(client: Client) -> Probe:
    """An empty transaction goes all the way through the server and changes nothing."""

    async def probe() -> str:
        _require_connection(client)
        await client.transact([{"op": "comment", "comment": "healthz"}], PATIENCE)
        return "answers"

    return probe


def _require_connection(client: Client) -> None:
    """An answer at once: the client would wait for a connection."""
    if not client.connected:
        raise Unavailable(f"no connection to the database {client.database}")


def northd_is_active(settings: Settings) -> Probe:
    async def probe() -> str:
        request = msgspec.json.encode({"method": "status", "params": [], "id": 0})
        raw = await _exchange(str(settings.ovn_run_dir / "ovn-northd.ctl"), request)
        status = str(_decoded(raw).get("result", "")).removeprefix("Status: ").strip()
        if status != "active":
            raise Unavailable(f"northd is '{status}'")
        return status

    return probe


def gate_answers(settings: Settings) -> Probe:
    async def probe() -> str:
        if not settings.gate_socket.exists():
            return "none here"
        found = await gate_says(settings.gate_socket)
        if "nodes" not in found:
            raise Unavailable("the gate does not answer")
        return f"open, {len(found['nodes'])} nodes" if found["open"] else "closed, as there is no other host"

    return probe


async def gate_says(path: Path) -> dict[str, Any]:
    """What the gate knows of itself; nothing when it does not answer as one. Raises OSError."""
    raw = await _exchange(str(path), b"GET / HTTP/1.1\r\n\r\n")
    return _decoded(raw.partition(b"\r\n\r\n")[2])


def translator_keeps_up(store: Store, northbound: Client) -> Probe:
    """It may be behind for as long as PATIENCE: a write just now is no illness."""
    replicas: list[Replica] = []

    async def probe() -> str:
        _require_connection(northbound)
        if not replicas:
            replicas.append(await northbound.monitor({"NB_Global": ["external_ids"]}, PATIENCE))
        wanted = store.state.sequence
        while (found := _applied(replicas[0])) < wanted:
            version = replicas[0].version
            if await replicas[0].changed(version, PATIENCE / 2) == version:
                raise Unavailable(f"the northbound database is at {found}, the store at {wanted}")
        return f"at {found}"

    return probe


def _applied(replica: Replica) -> int:
    """The sequence number that the translator wrote last; 0: none."""
    for row in replica.tables["NB_Global"].values():
        ids = row["external_ids"]
        if isinstance(ids, Mapping) and str(ids.get(SEQUENCE_KEY, "")).isdigit():
            return int(str(ids[SEQUENCE_KEY]))
    return 0


async def _ask_supervisor(settings: Settings) -> dict[str, Any]:
    """What the supervisor of this host says of its children; nothing where there is none."""
    try:
        async with asyncio.timeout(PATIENCE):
            raw = await _exchange(str(settings.supervisor_socket), b'{"command": "status"}\n')
    except (OSError, TimeoutError):
        return {}
    return _decoded(raw)


async def _exchange(path: str, request: bytes) -> bytes:
    """Send, and read until one JSON value is complete."""
    reader, writer = await asyncio.open_unix_connection(path, limit=LINE)
    raw = b""
    try:
        writer.write(request)
        while len(raw) < LINE and not _decoded(raw):
            part = await reader.read(65536)
            if not part:
                break
            raw += part
    finally:
        writer.close()
    return raw


def _decoded(raw: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw)
    except msgspec.MsgspecError:
        return {}
    return found if isinstance(found, dict) else {}
