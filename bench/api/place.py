"""The lab host that is measured: a connection to each of its databases and to its API."""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import aiohttp

from sealane.client import ApiClient
from sealane.lab.lab import Lab
from sealane.ovn.southbound import Bindings
from sealane.ovsdb import operations as ops
from sealane.ovsdb.client import Client
from sealane.ovsdb.replica import Replica

HOST = "host1"
PATIENCE = 900.0
"""Seconds for what takes northd longest: ten thousand ports, on a loaded machine."""
CALL = 120.0
"""Seconds that we wait for one answer; the API has a deadline of its own."""
NB_GLOBAL = ("external_ids", "nb_cfg", "hv_cfg")
SEQUENCE = "sealane:sequence"
"""NB_Global external_ids: the number of the state that the database shows (sealane.ovn.northbound)."""


class Place:
    """`async with Place(lab) as place:`; `api` is Sealane's client, `http` the bare one beneath it."""

    nb: Replica
    ovs: Replica

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        host = lab.host(HOST)
        self.pid, self.disk, self.shared = host.need_pid(), host.disk, host.shared
        inside = f"unix:/proc/{self.pid}/root/run/sealane"
        self.nb_client = Client(f"{inside}/ovn/ovnnb_db.sock", "OVN_Northbound", probe=60)
        self.ovs_client = Client(f"{inside}/ovs/db.sock", "Open_vSwitch", probe=60)
        self._sb_client = Client(f"{inside}/ovn/ovnsb_db.sock", "OVN_Southbound", probe=60)
        self.bindings = Bindings(self._sb_client)
        self.api = ApiClient(f"unix:{lab.plan.api_socket}", deadline=CALL)
        self.http = aiohttp.ClientSession(
            "http://localhost/v2.0/", connector=aiohttp.UnixConnector(str(lab.plan.api_socket))
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.api)
        await self._stack.enter_async_context(self.http)
        for client in (self.nb_client, self.ovs_client, self._sb_client):
            self._stack.push_async_callback(client.stop)
            await client.start(30)
        self.nb = await self.nb_client.monitor({"NB_Global": NB_GLOBAL, "Logical_Switch": ["ports"]}, 60)
        self.ovs = await self.ovs_client.monitor({"Interface": ["name", "external_ids"]}, 60)
        self._stack.push_async_callback(self.bindings.stop)
        await self.bindings.start(60)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def command(self, *argv: str) -> list[str]:
        """What the machine has to run so that `argv` runs in the host."""
        return self._lab.command(HOST, argv)

    async def bound(self, holds: Callable[[Bindings], bool], what: str) -> float:
        """perf_counter() when the southbound database came to be so. Raises RuntimeError."""
        return await _until(self.bindings, lambda: holds(self.bindings), what)

    async def known(self, port: str) -> float:
        """When the southbound database had the port."""
        return await self.bound(lambda b: b.tunnel_key(port) is not None, f"northd knows port {port}")

    async def northbound(self, holds: Callable[[], bool], what: str) -> float:
        """perf_counter() when the northbound database came to be so. Raises RuntimeError."""
        return await _until(self.nb, holds, what)

    def ports_in_ovn(self) -> int:
        """How many ports the switches of the northbound database have."""
        members = (row["ports"] for row in self.nb.tables["Logical_Switch"].values())
        return sum(len(ports) for ports in members if isinstance(ports, frozenset))

    async def settled(self) -> None:
        """Until all that the API has acknowledged is on the host, and nothing is under way."""
        sequence = (await self.api.changes(0, timeout=0)).sequence
        await self.northbound(lambda: self._applied() >= sequence, f"state {sequence} is in OVN")
        (uuid,) = self.nb.tables["NB_Global"]
        await self.nb_client.transact([ops.mutate("NB_Global", uuid, ("nb_cfg", "+=", 1))])
        wanted = self._global("nb_cfg")
        await self.northbound(
            lambda: self._global("hv_cfg") >= wanted, f"the host has configuration {wanted}"
        )

    def _applied(self) -> int:
        (row,) = self.nb.tables["NB_Global"].values()
        ids = row["external_ids"]
        return int(str(ids.get(SEQUENCE, "-1"))) if isinstance(ids, dict) else -1

    def _global(self, column: str) -> int:
        (row,) = self.nb.tables["NB_Global"].values()
        return int(str(row[column]))

    async def get(self, path: str) -> tuple[float, bytes]:
        """Seconds until the whole body of the answer was here, and the body, undecoded."""
        begin = time.perf_counter()
        async with self.http.get(path) as response:
            body = await response.read()
            if response.status != 200:
                raise RuntimeError(f"GET {path}: {response.status} {body[:200]!r}")
        return time.perf_counter() - begin, body


async def _until(followed: Replica | Bindings, holds: Callable[[], bool], what: str) -> float:
    end = time.monotonic() + PATIENCE
    while True:
        version = followed.version
        if holds():
            return time.perf_counter()
        left = end - time.monotonic()
        if left <= 0:
            raise RuntimeError(f"not within {PATIENCE:.0f} s: {what}")
        await followed.changed(version, left)
