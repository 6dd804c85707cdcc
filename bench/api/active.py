"""From a port's creation, and from its binding, to ACTIVE; beside it OVN alone with the same rows.

    Sealane   POST port ── answer ── interface on br-int ── Port_Binding.up ── GET says ACTIVE
    OVN       port row in the northbound database ── interface ── Port_Binding.up

OVN's rows are made by one transaction of the same client library.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.api.interface import plug, unplug
from bench.api.place import HOST, Place
from bench.stats import abba
from sealane.ovsdb import operations as ops
from sealane.ovsdb.operations import Operation

SWITCH = "sealane-bench"
PATIENCE = 60.0


@dataclass
class Samples:
    """Seconds, by kind."""

    answered: dict[str, list[float]] = field(default_factory=dict)
    """Until the port was acknowledged."""
    created: dict[str, list[float]] = field(default_factory=dict)
    """From the wish for a port to ACTIVE; its interface comes with the acknowledgement."""
    bound: dict[str, list[float]] = field(default_factory=dict)
    """From the interface to ACTIVE, for a port that OVN knew before."""


class _Kind(Protocol):
    async def make(self) -> str:
        """The new port's id, once it is acknowledged."""
        ...

    async def active(self, port: str) -> None: ...

    async def remove(self, port: str) -> None: ...


async def measure(place: Place, network: str, rounds: int) -> Samples:
    """Leaves nothing of its ports. The first of each kind does not count: the host learns the network."""
    found = Samples()
    async with _Ovn(place) as ovn:
        kinds: dict[str, _Kind] = {"sealane": _Sealane(place, network), "ovn": ovn}
        for kind in kinds:
            await _one(place, kind, kinds[kind], Samples())
        for kind in abba(tuple(kinds), rounds):
            await _one(place, kind, kinds[kind], found)
    return found


async def _one(place: Place, name: str, kind: _Kind, found: Samples) -> None:
    """A port whose interface comes at once, then one that OVN has long known."""
    begin = time.perf_counter()
    port = await kind.make()
    found.answered.setdefault(name, []).append(time.perf_counter() - begin)
    await _activate(place, kind, port)
    found.created.setdefault(name, []).append(time.perf_counter() - begin)
    await _remove(place, kind, port)
    port = await kind.make()
    await place.known(port)
    await place.settled()
    begin = time.perf_counter()
    await _activate(place, kind, port)
    found.bound.setdefault(name, []).append(time.perf_counter() - begin)
    await _remove(place, kind, port)
    await place.settled()


async def _activate(place: Place, kind: _Kind, port: str) -> None:
    await plug(place.ovs_client, port)
    await place.bound(lambda b: b.up(port), f"port {port} is up")
    await kind.active(port)


async def _remove(place: Place, kind: _Kind, port: str) -> None:
    await unplug(place.ovs_client, port)
    await kind.remove(port)
    await place.bound(lambda b: b.tunnel_key(port) is None, f"port {port} is gone")


class _Sealane:
    def __init__(self, place: Place, network: str) -> None:
        self._place = place
        self._network = network

    async def make(self) -> str:
        wanted = {"network_id": self._network, "binding:host_id": HOST}
        return str((await self._place.api.create("ports", wanted))["id"])

    async def active(self, port: str) -> None:
        """The API hears of the binding when we do, so this is one request, seldom two."""
        while b'"ACTIVE"' not in (await self._place.get(f"ports/{port}?fields=status"))[1]:
            pass

    async def remove(self, port: str) -> None:
        await self._place.api.delete("ports", port)


class _Ovn:
    """A switch of our own, which Sealane takes for foreign and leaves alone."""

    def __init__(self, place: Place) -> None:
        self._nb = place.nb_client
        self._switch = ""
        self._rows: dict[str, str] = {}

    async def __aenter__(self) -> "_Ovn":
        row = ops.insert(self._nb.schema, "Logical_Switch", {"name": SWITCH})
        old: Operation = {"op": "delete", "table": "Logical_Switch", "where": [["name", "==", SWITCH]]}
        self._switch = _uuid((await self._nb.transact([old, row], PATIENCE))[1:])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._nb.transact([ops.delete("Logical_Switch", self._switch)], PATIENCE)

    async def make(self) -> str:
        """As the translator writes it: two maps, two sets, a place in the switch."""
        name = str(uuid.uuid4())
        mac = "0a:" + ":".join(name[i : i + 2] for i in (0, 2, 4, 6, 9))
        row = {
            "name": name,
            "addresses": [f"{mac} 192.0.2.9"],
            "port_security": [f"{mac} 192.0.2.9"],
            "enabled": True,
            "options": {"requested-chassis": HOST},
            "external_ids": {f"bench:{number}": name for number in range(11)},
        }
        members = ["set", [["named-uuid", "port"]]]
        reply = await self._nb.transact(
            [
                ops.insert(self._nb.schema, "Logical_Switch_Port", row, name="port"),
                ops.mutate("Logical_Switch", self._switch, ("ports", "insert", members)),
            ],
            PATIENCE,
        )
        self._rows[name] = _uuid(reply)
        return name

    async def active(self, port: str) -> None:
        """Port_Binding.up is all there is to know."""

    async def remove(self, port: str) -> None:
        gone = ["set", [["uuid", self._rows.pop(port)]]]
        await self._nb.transact(
            [ops.mutate("Logical_Switch", self._switch, ("ports", "delete", gone))], PATIENCE
        )


def _uuid(reply: Sequence[dict[str, object]]) -> str:
    """Of the row that the first operation inserted."""
    inserted = reply[0]["uuid"]
    assert isinstance(inserted, list)
    return str(inserted[1])
