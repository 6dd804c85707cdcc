"""Tunnel packets are taken only from the addresses of nodes: an nft table of our own, beside all others.

    another host ── UDP 6081 ──> inet sealane_peers ──> as if there were no table
                                  └ source is no node's address: dropped
    a container ─── UDP 6081 ──> inet sealane_peers, to a node's address: dropped

Open vSwitch itself drops what comes from an address to which it has no tunnel, but only after its own
parsers have had it, and it believes what chassis say of themselves.  What a container sends to the outside
bears this host's address on the way: without the second rule it could write itself a tunnel's packet and
speak in any network of any other node.  In userspace mode packets are looked at
before they are led to the switch's namespace (priority raw - 10); in kernel mode when they are about to reach
the kernel's tunnel, whatever address they were sent to.  Where the host's own Open vSwitch is used, its other
tunnels share that port: only what containers send to it is dropped then.

The nodes are remembered, so that a host that starts while the API is down knows its peers.
"""

import asyncio
import ipaddress
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from sealane import log, names
from sealane.client import ApiClient
from sealane.host import nft
from sealane.host.values import Table

NAME = "sealane_peers"
GENEVE_PORT = 6081
COLLECTION = "nodes"
_log = log.get("peers")


def table(addresses: Iterable[str], own: str, kind: str) -> Table:
    """kind: "userspace", "kernel", or "host" for the host's own Open vSwitch.

    Replacing one by another leaves no moment without.
    """
    found = {ipaddress.ip_address(address) for address in addresses}
    sets = (_set(version, (str(a) for a in found if a.version == version)) for version in (4, 6))
    arriving = [] if kind == "host" else [_chain(own, kind)]
    return Table("inet", NAME, "\n".join([*sets, *arriving, _passing(kind)]))


def _set(version: int, addresses: Iterable[str]) -> str:
    words = ", ".join(sorted(addresses))
    elements = f"elements = {{ {words} }};" if words else ""
    return f"  set peers{version} {{ type ipv{version}_addr; {elements} }}"


def _chain(own: str, kind: str) -> str:
    version = ipaddress.ip_address(own).version
    if kind == "kernel":
        hook = "input priority filter - 10"
        rules = [_rule(4), _rule(6)]
    else:
        hook = "prerouting priority raw - 10"
        rules = [_rule(version, f"{_word(version)} daddr {own} ")]
    return "\n".join(["  chain arriving {", f"    type filter hook {hook}; policy accept;", *rules, "  }"])


def _passing(kind: str) -> str:
    """What this host forwards to a node's tunnel is of its own switch, or of another node."""
    rules = []
    for version in (4, 6):
        word, peers = _word(version), f"@peers{version}"
        to = f"{word} daddr {peers} udp dport {GENEVE_PORT} counter drop"
        rules.append(f'    iifname "slu*" {to}')
        if kind != "host":
            rules.append(f'    iifname != "{names.TUNNEL_LINK}" {word} saddr != {peers} {to}')
    hook = "    type filter hook forward priority filter - 10; policy accept;"
    return "\n".join(["  chain passing {", hook, *rules, "  }"])


def _rule(version: int, to: str = "") -> str:
    return f"    {to}udp dport {GENEVE_PORT} {_word(version)} saddr != @peers{version} counter drop"


def _word(version: int) -> str:
    return "ip" if version == 4 else "ip6"


class Peers:
    """`facts`: what the engine wrote into RUN/datapath.json."""

    def __init__(self, api: ApiClient, facts: Mapping[str, object], memory: Path) -> None:
        self._api = api
        self._own = str(facts["address"])
        self._kind = str(facts["kind"]) if facts.get("switch") == "own" else "host"
        self._memory = memory
        self._known = _remembered(memory)

    async def changed(self, collections: frozenset[str]) -> None:
        """Told by the feed. Raises SealaneError."""
        if COLLECTION in collections or self._known is None:
            listed = await self._api.list("sealane/nodes")
            known = sorted(str(node["address"]) for node in listed)
            if known != self._known:
                _remember(self._memory, known)
                self._known = known
            await self.ensure()

    async def ensure(self) -> None:
        """The table as it should be; repeated, as firewalls get reloaded. Raises HostError."""
        if self._known is not None:
            wanted = table(self._known, self._own, self._kind)
            if await asyncio.to_thread(nft.loaded, wanted.family, wanted.name) != wanted.digest:
                await asyncio.to_thread(nft.replace, wanted)
                _log.info("takes tunnel packets from", peers=self._known)


def _remembered(memory: Path) -> list[str] | None:
    """None: it was never told."""
    try:
        found = json.loads(memory.read_text())
        return [str(ipaddress.ip_address(address)) for address in found] if isinstance(found, list) else None
    except (OSError, ValueError):
        return None


def _remember(memory: Path, addresses: list[str]) -> None:
    draft = memory.with_suffix(".partial")
    draft.write_text(json.dumps(addresses))
    os.replace(draft, memory)
