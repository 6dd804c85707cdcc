"""OVN's southbound database as far as the API tells about it: where ports are, and which hosts exist.

ovn-controller claims a port for its chassis (Port_Binding.chassis) and says when its flows are in
place (Port_Binding.up, ovn-sb(5)).  Nothing here writes, but for checks of servers that nobody carries out.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sealane import log
from sealane.errors import Unavailable
from sealane.ovsdb import operations
from sealane.ovsdb.client import Client
from sealane.ovsdb.replica import Change, Replica
from sealane.ovsdb.values import Row

DATABASE = "OVN_Southbound"
COLUMNS = {
    "Port_Binding": ("logical_port", "chassis", "up", "tunnel_key"),
    "Chassis": ("name", "hostname"),
    "Service_Monitor": ("logical_port", "protocol", "port", "status"),
    "Logical_Flow": ("match", "table_id"),
}
POLICIES = {"Logical_Flow": [["external_ids", "includes", ["map", [["stage-name", "lr_in_policy"]]]]]}
"""Of the logical flows only those that are policies of routers."""
INGRESS = 8
"""The table of br-int in which logical ingress pipelines begin (ovn-architecture(7))."""
_log = log.get("southbound")


@dataclass(frozen=True)
class Binding:
    """chassis: the row's UUID, None while no host has claimed the port."""

    port: str
    chassis: str | None
    up: bool
    tunnel_key: int


@dataclass(frozen=True)
class BindingChange:
    """A port's binding before and after; None: there was, or is, no row of it."""

    port: str
    old: Binding | None
    new: Binding | None


@dataclass(frozen=True)
class Chassis:
    name: str
    hostname: str


class Bindings:
    """Follows the database across its restarts; until the first view nothing is up."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._replica: Replica | None = None
        self._bindings: dict[str, Binding] = {}
        self._health: dict[tuple[str, str, int], str] = {}
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[Sequence[BindingChange]], None]] = []
        self._names: dict[str, str] = {}
        """UUID of a chassis' row -> its host's name; of those that have gone as well."""

    def listen(self, listener: Callable[[Sequence[BindingChange]], None]) -> None:
        """Call `listener` with what moves, once there is a first view."""
        self._listeners.append(listener)

    async def start(self, timeout: float = 10.0) -> bool:
        """Begin to follow, for ever; whether the first view came within `timeout` seconds."""
        self._task = self._task or asyncio.create_task(self._follow(), name="southbound")
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        return self._ready.is_set()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def version(self) -> int:
        """Grows with every change; 0 until the first view is there."""
        return self._replica.version if self._replica else 0

    async def changed(self, after: int = 0, timeout: float | None = None) -> int:
        """The version once it is above `after`, or as it is when `timeout` seconds have passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._ready.wait()
                assert self._replica is not None
                return await self._replica.changed(after)
        return self.version

    def up(self, port_id: str) -> bool:
        """Whether a host has the port, with its flows in place: what Neutron calls ACTIVE."""
        binding = self._bindings.get(port_id)
        return binding is not None and binding.up and binding.chassis is not None

    def chassis(self, port_id: str) -> str | None:
        """Name of the chassis that has claimed the port."""
        found = self.chassis_of(port_id)
        return found.name if found else None

    def health(self, port_id: str, protocol: str, port: int) -> str:
        """What the checks of a load balancer's server say (ovn-sb(5), Service_Monitor); "": nothing yet.

        protocol: "tcp", "udp".
        """
        return self._health.get((port_id, protocol, port), "")

    def unasked(self, lost: Collection[str]) -> list[str]:
        """Checks (UUIDs) of servers that nobody asks for their health, and that don't say so: of ports that
        are on hosts that are lost, by name, and of ports that no host has.

        ovn-northd(8) itself takes back that one is "online" whose port is no more; one that nobody has asked
        yet counts as well.
        """
        rows = self._replica.tables["Service_Monitor"].items() if self._replica else ()
        return [uuid for uuid, row in rows if self._is_unasked(row, lost)]

    def _is_unasked(self, row: Row, lost: Collection[str]) -> bool:
        port, said = str(row["logical_port"]), str(row["status"] or "")
        return (said in ("", "online") and self.chassis(port) in lost) or (not said and not self.up(port))

    async def call_off(self, checks: Collection[str], timeout: float) -> None:
        """Have these say that their servers are out of reach. Raises Unavailable."""
        schema, row = self._client.schema, {"status": "offline"}
        if checks:
            await self._client.transact(
                [operations.update(schema, "Service_Monitor", uuid, row) for uuid in checks], timeout
            )

    def chassis_of(self, port_id: str) -> Chassis | None:
        """The chassis that has claimed the port."""
        binding = self._bindings.get(port_id)
        if binding is None or binding.chassis is None or self._replica is None:
            return None
        row = self._replica.tables["Chassis"].get(binding.chassis)
        return Chassis(str(row["name"]), str(row["hostname"])) if row else None

    def chassis_name(self, uuid: str) -> str:
        """The host's name of a chassis that is there or was."""
        return self._names.get(uuid, "")

    def tunnel_key(self, port_id: str) -> int | None:
        binding = self._bindings.get(port_id)
        return binding.tunnel_key if binding else None

    def policies(self) -> Mapping[str, Sequence[tuple[str, int]]]:
        """Match of a router's policy -> cookies of its rules in br-int, as eight digits, and their table."""
        found: dict[str, list[tuple[str, int]]] = {}
        for uuid, row in (self._replica.tables["Logical_Flow"] if self._replica else {}).items():
            place = uuid[:8], int(str(row["table_id"])) + INGRESS
            found.setdefault(str(row["match"]), []).append(place)
        return found

    def all_chassis(self) -> tuple[Chassis, ...]:
        rows = self._replica.tables["Chassis"].values() if self._replica else ()
        return tuple(
            sorted((Chassis(str(r["name"]), str(r["hostname"])) for r in rows), key=lambda c: c.name)
        )

    async def _follow(self) -> None:
        """The client reconnects by itself; only the first view has to be asked for until it comes."""
        while self._replica is None:
            try:
                self._replica = await self._client.monitor(COLUMNS, where=POLICIES)
            except Unavailable as exc:
                _log.warning("no view of the southbound database yet", reason=exc.message)
        rows = self._replica.tables
        self._index([(table, uuid, None, row) for table in COLUMNS for uuid, row in rows[table].items()])
        self._replica.listen(self._index)
        self._ready.set()

    def _index(self, changes: Sequence[Change]) -> None:
        """What is gone first: a binding may come back under another UUID in the same transaction."""
        self._names |= {u: str(row["hostname"]) for t, u, _, row in changes if t == "Chassis" and row}
        rows = [(old, new) for table, _, old, new in changes if table == "Port_Binding"]
        ports = {str(row["logical_port"]) for pair in rows for row in pair if row is not None}
        before = {port: self._bindings.get(port) for port in ports}
        for old, _ in rows:
            if old is not None:
                self._bindings.pop(str(old["logical_port"]), None)
        for _, new in rows:
            if new is not None:
                self._bindings[str(new["logical_port"])] = _binding(new)
        checks = [(old, new) for table, _, old, new in changes if table == "Service_Monitor"]
        for old, _ in checks:
            if old is not None:
                self._health.pop(_server(old), None)
        for _, new in checks:
            if new is not None:
                self._health[_server(new)] = str(new["status"] or "")
        self._tell(before)

    def _tell(self, before: Mapping[str, Binding | None]) -> None:
        """The listeners, of bindings that are not as before; the first view is no news."""
        moved = [
            BindingChange(p, old, new) for p, old in before.items() if (new := self._bindings.get(p)) != old
        ]
        if moved and self._ready.is_set():
            for listener in self._listeners:
                listener(moved)


def _server(row: Row) -> tuple[str, str, int]:
    return str(row["logical_port"]), str(row["protocol"]), int(str(row["port"]))


def _binding(row: Row) -> Binding:
    chassis = row["chassis"]
    return Binding(
        port=str(row["logical_port"]),
        chassis=None if chassis is None else str(chassis),
        up=row["up"] is True,
        tunnel_key=int(str(row["tunnel_key"])),
    )
