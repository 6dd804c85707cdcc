"""Ports in bulk and one by one; beside them the same rows in a bare OVSDB transaction.

The peer is an ovsdb-server of its own with our schema, clustered and synced as ours is: what it takes to
put a thousand ports and their claims on disk, without checks, choices or an answer that shows them.
"""

import asyncio
import subprocess
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bench.api.place import Place
from sealane.engine import central
from sealane.errors import Unavailable
from sealane.model import FixedIP, Network, Port, Subnet
from sealane.ovsdb import operations as ops
from sealane.ovsdb.client import Client
from sealane.ovsdb.operations import Operation
from sealane.store import create
from sealane.store.rows import to_row

BULK = 1000
CLIENTS = (1, 8)
PATIENCE = 60.0


@dataclass
class Samples:
    """Seconds of each BULK; `rates` in ports a second, by number of clients."""

    bulk: list[float] = field(default_factory=list)
    translated: list[float] = field(default_factory=list)
    """From the request until OVN's southbound database had all of them."""
    raw: list[float] = field(default_factory=list)
    rates: dict[int, float] = field(default_factory=dict)
    deleted: dict[int, float] = field(default_factory=dict)
    late: int = 0
    """Bulks that the API could not answer for in time, on a machine that was too busy."""


async def network(place: Place, number: int) -> str:
    """One with room for four bulks. The id."""
    made = await place.api.create("networks", {"name": f"bench{number}"})
    subnet = {"network_id": made["id"], "ip_version": 4, "cidr": f"10.{number}.0.0/20"}
    await place.api.create("subnets", subnet)
    return str(made["id"])


async def bulk(place: Place, network_id: str, found: Samples) -> None:
    """BULK ports in one request; returns when OVN has them."""
    wanted = [{"network_id": network_id, "name": f"port{number}"} for number in range(BULK)]
    while True:
        begin = time.perf_counter()
        try:
            made = (await place.api.request("POST", "ports", {"ports": wanted}))["ports"]
            break
        except Unavailable:  # the store's five seconds were over: it is all done then, or nothing
            found.late += 1
            if made := await place.api.list("ports", network_id=network_id):
                break
    found.bulk.append(time.perf_counter() - begin)
    last = made[-1]["id"]
    found.translated.append(await place.known(last) - begin)


async def singles(place: Place, network_id: str, each: int, found: Samples) -> None:
    """`each` ports by every number of clients, made and deleted one by one."""
    for clients in CLIENTS:
        made: list[str] = []

        async def create_some(wanted: range, made: list[str] = made) -> None:
            for _ in wanted:
                made.append((await place.api.create("ports", {"network_id": network_id}))["id"])

        async def delete_some(ids: Sequence[str]) -> None:
            for id in ids:
                await place.api.delete("ports", id)

        share = range(each // clients)
        begin = time.perf_counter()
        await asyncio.gather(*(create_some(share) for _ in range(clients)))
        found.rates[clients] = len(made) / (time.perf_counter() - begin)
        begin = time.perf_counter()
        await asyncio.gather(*(delete_some(made[number::clients]) for number in range(clients)))
        found.deleted[clients] = len(made) / (time.perf_counter() - begin)
    await place.settled()


class RawStore:
    """`async with RawStore(place) as raw:`; in the host, so that it ends with it, on the store's own disk."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._control = place.shared / "raw.ctl"
        self._socket = place.shared / "raw.sock"
        self._client = Client(f"unix:{self._socket}", create.DATABASE, probe=60)
        self._subnets = count(1)

    async def __aenter__(self) -> "RawStore":
        file = self._place.disk / "var/lib/sealane/raw.db"
        await create.create(file, address=f"unix:{self._place.shared}/raw.raft")
        inside = Path("/") / file.relative_to(self._place.disk)
        argv = central.server(inside, self._socket, self._control)
        silent = subprocess.DEVNULL
        subprocess.Popen(self._place.command(*argv), stdin=silent, stdout=silent, stderr=silent)
        await self._client.start(30)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.stop()
        argv = ["ovs-appctl", "-t", str(self._control), "exit"]
        subprocess.run(argv, check=False, capture_output=True, timeout=PATIENCE)

    async def bulk(self) -> float:
        """Seconds of the transaction."""
        number = next(self._subnets)
        net = Network(id=str(uuid.uuid4()), project_id="default", tunnel_key=number)
        cidr = f"10.{number}.0.0/20"
        subnet = Subnet(id=str(uuid.uuid4()), project_id="default", network_id=net.id, cidr=cidr)
        await self._client.transact(self._parents(net, subnet), PATIENCE)
        wanted = [op for number in range(BULK) for op in self._port(net, subnet, number)]
        begin = time.perf_counter()
        await self._client.transact(wanted, PATIENCE)
        return time.perf_counter() - begin

    def _parents(self, net: Network, subnet: Subnet) -> list[Operation]:
        key = str(uuid.uuid4())
        return [
            self._insert("TunnelKey", {"scope": "datapath", "key": net.tunnel_key}, key),
            self._insert("Network", {**to_row(net), "tunnel": key, "subnets_revision": 0}, net.id),
            self._insert("Subnet", {**to_row(subnet), "gateway_allocation": None}, subnet.id),
        ]

    def _port(self, net: Network, subnet: Subnet, number: int) -> list[Operation]:
        address = f"{subnet.cidr[: subnet.cidr.index('0.0')]}{number >> 8}.{number & 255}"
        claim = str(uuid.uuid4())
        port = Port(
            id=str(uuid.uuid4()),
            project_id="default",
            name=f"port{number}",
            network_id=net.id,
            mac_address=f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}",
            fixed_ips=(FixedIP(subnet_id=subnet.id, ip_address=address),),
            tunnel_key=number + 2,
        )
        return [
            self._insert("Allocation", {"subnet": subnet.id, "address": address}, claim),
            self._insert("Port", {**to_row(port), "allocations": [claim]}, port.id),
        ]

    def _insert(self, table: str, row: dict[str, object], id: str) -> Operation:
        return ops.insert(self._client.schema, table, row, uuid=id)
