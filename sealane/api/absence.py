"""Hosts that are away, and what follows for the servers of load balancers that run there.

A server's health is asked for, and told, by the host that it is on (ovn-sb(5), Service_Monitor): of a host
without power, or cut off, the last word stays.  Who misses it is the gate (gate/presence.py), through which
the ovn-controllers of other hosts come in; the central part's own is looked after by its supervisor.

    gate ── since when there or away ──> Node.away ── translator ──> out of pools without a health monitor
                     └────────────────> Service_Monitor:status offline ── northd ──> out of pools with one

A host is away after LOST seconds without a connection, and back after BACK seconds with one.  Its own word,
when it is back, overwrites ours.  What is judged here reaches those alone who still hear of the central
part: a host that was cut off keeps all servers until it hears again.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from sealane import log
from sealane.api.health import gate_says
from sealane.api.tokens import moment
from sealane.errors import SealaneError
from sealane.model import Node
from sealane.ovn.southbound import Bindings
from sealane.store.changes import Update
from sealane.store.db import Store

LOOK = 2.0
"""Seconds between two looks."""
LOST = 15.0
"""Seconds; an ovn-controller that is started anew is back within ten, also on a busy machine."""
BACK = 5.0
"""Seconds; one that dies again and again is not."""
PATIENCE = 2.0
_log = log.get("absence")


@dataclass(frozen=True)
class Word:
    """The gate's: seconds since a node has had a connection, or none."""

    there: Mapping[str, float] = field(default_factory=dict)
    away: Mapping[str, float] = field(default_factory=dict)

    @property
    def lost(self) -> frozenset[str]:
        return frozenset(name for name, seconds in self.away.items() if seconds >= LOST)


def moved(nodes: Iterable[Node], word: Word) -> list[Node]:
    """Those that are to be away now, or are no more."""
    judged = ((node, _is_away(node, word)) for node in nodes)
    return [replace(node, away=away) for node, away in judged if away != node.away]


def _is_away(node: Node, word: Word) -> bool:
    """Of one that the gate says nothing of nothing new is known, unless it comes in elsewhere."""
    if not node.serials:
        return False
    if node.name in word.lost:
        return True
    return node.away and word.there.get(node.name, 0.0) < BACK


class Absence:
    def __init__(self, store: Store, bindings: Bindings, gate: Path) -> None:
        self._store = store
        self._bindings = bindings
        self._gate = gate

    async def follow(self) -> None:
        """For ever."""
        while True:
            try:
                await self.look()
            except (SealaneError, OSError, TimeoutError) as exc:
                _log.debug("nothing is known of hosts that are away", reason=str(exc))
            except Exception:  # the outermost: a defect here ends nothing else
                _log.exception("unexpected")
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Raises SealaneError, OSError, TimeoutError."""
        state = self._store.state
        word = await self._word() if any(node.serials for node in state.nodes.values()) else Word()
        for node in moved(state.nodes.values(), word):
            changed = replace(node, updated_at=moment(int(time.time())))
            await self._store.commit(Update(state.nodes[node.id], changed))
            _log.warning("a host is away" if node.away else "a host is back", node=node.name)
        if state.healthmonitors:
            await self._bindings.call_off(self._bindings.unasked(word.lost), PATIENCE)

    async def _word(self) -> Word:
        async with asyncio.timeout(PATIENCE):
            return msgspec.convert(await gate_says(self._gate), Word)
