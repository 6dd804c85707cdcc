"""What ovn-controller logs of this host's packets -> the API, which knows the names (api/log_lines.py).

    …|INFO|name="7d…c1", verdict=allow, severity=info, direction=to-lport: tcp,…,dl_src=…,nw_src=…,tp_dst=80,…

ovn-controller appends a line for each packet that its meter lets pass (ovn-nb(5), ACL.log).  The file is
read every PAUSE seconds and emptied when it has grown; what is more than the API takes at once is counted, no
more.  Lines of a time when no agent ran are not told.
"""

import asyncio
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sealane import log
from sealane.client import ApiClient
from sealane.errors import SealaneError

PAUSE = 0.5
"""Seconds."""
MOST = 500
"""Packets in one call."""
EACH = 50
"""Packets of one ACL in one call: one that says much does not silence others."""
PIECE = 1 << 20
"""Bytes that are read at once; what is before the last so many is skipped."""
FULL = 4 << 20
"""Bytes of the file from which on it is emptied."""

_LINE = re.compile(r'acl_log\S*\|INFO\|name="([^"]+)", verdict=(\w+), .*?direction=([\w-]+): (.*)')
_log = log.get("packets")
Packet = Mapping[str, str | int]


def parse(line: str) -> Packet | None:
    """None: it is none of ours, or says nothing of where it came from."""
    found = _LINE.search(line)
    if found is None:
        return None
    protocol, *words = found[4].split(",")
    said = dict(word.partition("=")[::2] for word in words)
    source, destination = (said.get(f"nw_{side}") or said.get(f"ipv6_{side}") for side in ("src", "dst"))
    if not source or not destination or "dl_src" not in said or "dl_dst" not in said:
        return None
    packet: dict[str, str | int] = {
        "acl": found[1],
        "verdict": "ACCEPT" if found[2] == "allow" else "DROP",
        "direction": "ingress" if found[3] == "to-lport" else "egress",
        "protocol": said.get("nw_proto", protocol)
        if protocol in ("ip", "ipv6")
        else protocol.rstrip("6") or protocol,
        "mac": said["dl_dst"] if found[3] == "to-lport" else said["dl_src"],
        "source": source,
        "destination": destination,
    }
    for key, word in (("source_port", "tp_src"), ("destination_port", "tp_dst"), ("icmp_type", "icmp_type")):
        if said.get(word, "").isdecimal():
            packet[key] = int(said[word])
    return packet


def choose(packets: Iterable[Packet]) -> tuple[list[Packet], int]:
    """What is told, the first of each ACL, and how many are not."""
    counts: dict[str | int, int] = {}
    chosen: list[Packet] = []
    left = 0
    for packet in packets:
        count = counts[packet["acl"]] = counts.get(packet["acl"], 0) + 1
        if count <= EACH and len(chosen) < MOST:
            chosen.append(packet)
        else:
            left += 1
    return chosen, left


class Tail:
    """New whole lines of a file that somebody appends to. It begins at the end of what is there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = path.stat().st_size if path.exists() else 0

    def lines(self) -> Iterator[str]:
        """Raises OSError."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < self._at:
                self._at = 0
            begin = max(self._at, size - PIECE)
            file.seek(begin)
            piece = file.read(size - begin)
        whole, _, rest = piece.rpartition(b"\n")
        self._at = begin + len(piece) - len(rest)
        if self._at > FULL and not rest:
            os.truncate(self._path, 0)  # it is open for appending, so the next line is the first
            self._at = 0
        yield from whole.decode(errors="replace").splitlines()


class PacketLog:
    def __init__(self, api: ApiClient, path: Path, host: str) -> None:
        self._api = api
        self._tail = Tail(path)
        self._host = host

    async def follow(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(PAUSE)
            try:
                await self._once()
            except (OSError, SealaneError) as exc:
                _log.warning("logged packets are not told", error=str(exc))

    async def _once(self) -> None:
        packets, left = choose(packet for line in self._tail.lines() if (packet := parse(line)))
        if left:
            _log.warning("more packets are logged than are told", left_out=left)
        if packets:
            body = {"packets": {"host": self._host, "seen": packets}}
            await self._api.request("POST", "sealane/logged", body)
