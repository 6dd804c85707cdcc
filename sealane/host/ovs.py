"""The local Open vSwitch database: our ports on br-int, and what ovn-controller says of them.

Columns and keys: ovs-vswitchd.conf.db(5), ovn-controller(8) (external_ids:iface-id, ovn-installed).
Only rows with our mark in external_ids are read and changed.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any

from sealane import names
from sealane.errors import DeadlineExceeded, Unavailable
from sealane.host.values import SwitchPort
from sealane.ovsdb import operations
from sealane.ovsdb.client import Client
from sealane.ovsdb.operations import Operation
from sealane.ovsdb.replica import Replica

BRIDGE = "br-int"
_MARK = ["map", [[names.OWNER_KEY, names.OWNER]]]
_SEEN = 0.3
"""Seconds in which ovn-controller sees a change."""
_CMS_OPTIONS = "ovn-cms-options"
_PATIENCE = 4.0  # seconds for one transaction, the wait for br-int included
_COLUMNS: Mapping[str, list[str]] = {
    "Bridge": ["name", "ports", "external_ids"],
    "Datapath": ["capabilities"],
    "Open_vSwitch": ["external_ids", "datapaths"],
    "Port": ["name", "interfaces", "external_ids"],
    "Interface": ["name", "external_ids", "ofport", "options"],
}


class Switch:
    def __init__(self, remote: str) -> None:
        self._client = Client(remote, "Open_vSwitch")
        self._replica: Replica | None = None

    async def start(self, timeout: float) -> None:
        """Raises Unavailable or DeadlineExceeded when the database does not answer."""
        await self._client.start(timeout)
        self._replica = await self._client.monitor(_COLUMNS)

    async def stop(self) -> None:
        await self._client.stop()

    @property
    def connected(self) -> bool:
        return self._client.connected

    def ports(self) -> dict[str, SwitchPort]:
        """Ours, by name."""
        rows = self._rows("Interface").values()
        ours = (row for row in rows if row["external_ids"].get(names.OWNER_KEY) == names.OWNER)
        return {row["name"]: _port(row["name"], row["external_ids"]) for row in ours}

    async def add(self, ports: Iterable[SwitchPort]) -> None:
        """Add ports in one transaction; one that exists gets the ids that are wanted.

        Waits for br-int, which ovn-controller makes.  Raises Unavailable, DeadlineExceeded.
        """
        there = self.ports()
        wanted: list[Operation] = []
        for number, port in enumerate(ports):
            if port.name in there:
                wanted.append(_update(port))
            else:
                wanted += _insert(port, number)
        await self._transact(wanted)

    async def remove(self, doomed: Iterable[str]) -> None:
        """Remove ports of ours; those that are gone already are no error."""
        wanted = set(doomed)
        uuids = [
            ["uuid", uuid]
            for uuid, row in self._rows("Port").items()
            if row["name"] in wanted and row["external_ids"].get(names.OWNER_KEY) == names.OWNER
        ]
        if uuids:
            await self._transact([_mutate_ports("delete", uuids)])

    def strangers(self) -> dict[str, str]:
        """Interfaces that somebody else has put on br-int: iface-id -> name."""
        bridges, ports, rows = (self._rows(table) for table in ("Bridge", "Port", "Interface"))
        there = (bridge["ports"] for bridge in bridges.values() if bridge["name"] == BRIDGE)
        held = (ports[port]["interfaces"] for some in there for port in some if port in ports)
        found = (rows[interface] for some in held for interface in some if interface in rows)
        return {
            row["external_ids"]["iface-id"]: row["name"]
            for row in found
            if "iface-id" in row["external_ids"] and row["external_ids"].get(names.OWNER_KEY) != names.OWNER
        }

    def tunnels(self) -> frozenset[str]:
        """Addresses of the hosts to which there is one."""
        found = (row["options"].get("remote_ip", "") for row in self._rows("Interface").values())
        return frozenset(address for address in found if address and address != "flow")

    def applied(self) -> int:
        """The number of the newest northbound state whose flows ovn-controller has put into br-int."""
        for row in self._rows("Bridge").values():
            if row["name"] == BRIDGE:
                return int(row["external_ids"].get("ovn-nb-cfg", 0))
        return 0

    async def news(self, after: int, seconds: float) -> int:
        """The database's version here, once it is above `after` or as it is when the time has passed."""
        return await self._replicated().changed(after, seconds)

    async def tell_fastpath(self, number: int | None) -> None:
        """See names.FASTPATH_OPTION; None: there is no fast path, and nobody waits for it."""
        for uuid, row in self._rows("Open_vSwitch").items():
            before = row["external_ids"].get(_CMS_OPTIONS, "")
            words = [w for w in before.split(",") if w and w.partition("=")[0] != names.FASTPATH_OPTION]
            after = ",".join(words + ([] if number is None else [f"{names.FASTPATH_OPTION}={number}"]))
            if after != before:
                changes: list[tuple[str, str, object]] = [("external_ids", "delete", ["set", [_CMS_OPTIONS]])]
                if after:
                    changes.append(("external_ids", "insert", ["map", [[_CMS_OPTIONS, after]]]))
                await self._transact([operations.mutate("Open_vSwitch", uuid, *changes)])

    def capable(self, capability: str) -> bool:
        """Whether ovs-vswitchd says of the datapath in user space that it can do that."""
        return any(row["capabilities"].get(capability) == "true" for row in self._in_user_space().values())

    async def deny(self, capability: str) -> None:
        """Have ovn-controller believe that it can't. Raises Unavailable, DeadlineExceeded."""
        said: list[tuple[str, str, object]] = [
            ("capabilities", "delete", ["set", [capability]]),
            ("capabilities", "insert", ["map", [[capability, "false"]]]),
        ]
        await self._transact([operations.mutate("Datapath", u, *said) for u in self._in_user_space()])

    def _in_user_space(self) -> Mapping[str, Mapping[str, Any]]:
        rows = self._rows("Datapath")
        held = (row["datapaths"].get("netdev") for row in self._rows("Open_vSwitch").values())
        return {uuid: rows[uuid] for uuid in held if uuid in rows}

    def installed(self, iface_id: str) -> bool:
        """Has ovn-controller put the flows of this logical port into br-int?"""
        return any(
            row["external_ids"].get("iface-id") == iface_id
            and row["external_ids"].get("ovn-installed") == "true"
            for row in self._rows("Interface").values()
        )

    async def claim_again(self, name: str) -> None:
        """Have ovn-controller bind a port of ours that it has given up: one that it sees without an iface-id
        for a moment.  One that is not there is no error.
        """
        port = self.ports().get(name)
        if port is not None and port.iface_id:
            await self._transact([_change(port, [["external_ids", "delete", ["set", ["iface-id"]]]])])
            await asyncio.sleep(_SEEN)
            await self._transact([_update(port)])

    async def wait_installed(self, iface_id: str, deadline: float) -> None:
        """`deadline` in seconds from now; raises DeadlineExceeded."""
        end = time.monotonic() + deadline
        while True:
            replica = self._replicated()
            version = replica.version
            if self.installed(iface_id):
                return
            left = end - time.monotonic()
            if left <= 0:
                raise DeadlineExceeded(
                    f"OVN did not bind port {iface_id} on this host within {deadline:g} s;"
                    " 'sealane status' tells which part is down"
                )
            await replica.changed(version, left)

    def number(self, interface: str) -> int | None:
        """OpenFlow's of an interface, which knows no names of more than 15 bytes; None: it is not there."""
        for row in self._rows("Interface").values():
            if row["name"] == interface and row["ofport"] is not None:
                return int(row["ofport"]) if row["ofport"] > 0 else None
        return None

    def ways_out(self) -> Mapping[int, str]:
        """OpenFlow's numbers of br-int's ports that lead to physical networks by bridges of ours -> which."""
        bridges, ports = self._rows("Bridge").values(), self._rows("Port")
        found = {}
        for bridge in bridges:
            network = bridge["external_ids"].get(names.PHYSICAL_KEY)
            held = (ports[port]["name"] for port in bridge["ports"] if port in ports)
            for name in held if network else ():
                far = names.patched(name)
                number = self.number(far) if far else None
                if number is not None:
                    found[number] = str(network)
        return found

    async def _transact(self, wanted: list[Operation]) -> None:
        if not wanted:
            return
        counted: Operation = {
            "op": "mutate",
            "table": "Open_vSwitch",
            "where": [],
            "mutations": [["next_cfg", "+=", 1]],
        }
        try:
            async with asyncio.timeout(_PATIENCE + 1):
                await self._client.transact([_WAIT_FOR_BRIDGE, *wanted, counted], timeout=_PATIENCE)
        except TimeoutError as exc:
            raise DeadlineExceeded("the local Open vSwitch database did not answer in time") from exc

    def _rows(self, table: str) -> Mapping[str, Mapping[str, Any]]:
        return self._replicated().tables[table]

    def _replicated(self) -> Replica:
        if self._replica is None:
            raise Unavailable("the local Open vSwitch database is not connected")
        return self._replica


_WAIT_FOR_BRIDGE: Operation = {
    "op": "wait",
    "table": "Bridge",
    "where": [["name", "==", BRIDGE]],
    "columns": ["name"],
    "until": "==",
    "rows": [{"name": BRIDGE}],
    "timeout": int(_PATIENCE * 1000) - 500,
}


def _port(name: str, ids: Mapping[str, str]) -> SwitchPort:
    return SwitchPort(name, ids.get("iface-id", ""), ids.get("attached-mac", ""))


def _ids(port: SwitchPort) -> list[Any]:
    pairs = {"iface-id": port.iface_id, "attached-mac": port.mac, names.OWNER_KEY: names.OWNER}
    return ["map", sorted([key, value] for key, value in pairs.items())]


def _update(port: SwitchPort) -> Operation:
    """New ids; ovn-controller's own stay."""
    keys = ["set", ["iface-id", "attached-mac"]]
    changes: list[list[Any]] = [["external_ids", "delete", keys], ["external_ids", "insert", _ids(port)]]
    return _change(port, changes)


def _change(port: SwitchPort, changes: list[list[Any]]) -> Operation:
    where = [["name", "==", port.name]]
    return {"op": "mutate", "table": "Interface", "where": where, "mutations": changes}


def _insert(port: SwitchPort, number: int) -> list[Operation]:
    interface, row = f"interface{number}", f"port{number}"
    return [
        {
            "op": "insert",
            "table": "Interface",
            "uuid-name": interface,
            "row": {"name": port.name, "external_ids": _ids(port)},
        },
        {
            "op": "insert",
            "table": "Port",
            "uuid-name": row,
            "row": {"name": port.name, "interfaces": ["named-uuid", interface], "external_ids": _MARK},
        },
        _mutate_ports("insert", [["named-uuid", row]]),
    ]


def _mutate_ports(mutator: str, rows: list[list[str]]) -> Operation:
    return {
        "op": "mutate",
        "table": "Bridge",
        "where": [["name", "==", BRIDGE]],
        "mutations": [["ports", mutator, ["set", rows]]],
    }
