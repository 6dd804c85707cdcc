"""What leaves networks by this host's own gateways, and comes in by them, counted for metering labels.

    inet sealane_meter   in a gateway's namespace, where addresses are the machine's own: what leaves is
                         translated later, what comes has been

One counter a label.  It outlives every change of the rules that count by it, and is read once more before the
namespace goes (docs/decisions/0025-metering-names.md).
"""

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import collapse_addresses, ip_network
from pathlib import Path

from sealane import log, names
from sealane.agent.gateway import INNER, UPLINK
from sealane.errors import HostError, NotFound
from sealane.host import netns, nft

TABLE = "inet sealane_meter"
HEADER = 14
"""Bytes of an Ethernet header, which nftables does not count."""
_COUNTER = re.compile(r"counter l([0-9a-f]{32}) \{[^}]*?packets (\d+) bytes (\d+)")
_log = log.get("metering")
Prefixes = Mapping[str, Iterable[str]]
"""Label -> addresses and prefixes."""
Counts = tuple[int, int]
Readings = Mapping[str, tuple[str, Counts]]
"""A counter that is as long as it is -> its label, packets and bytes."""


def script(wanted: Prefixes) -> str:
    """For nft(8): the table as wanted; its counters go on."""
    lines = [f"add table {TABLE}"]
    lines += [f"add counter {TABLE} {_name(label)}" for label in sorted(wanted)]
    lines.append(f"add chain {TABLE} forward {{ type filter hook forward priority 10; policy accept; }}")
    lines.append(f"flush chain {TABLE} forward")
    for label, prefixes in sorted(wanted.items()):
        for family, some in _by_family(prefixes):
            for way, end in (
                (f'iifname "{INNER}" oifname "{UPLINK}"', "saddr"),
                (f'iifname "{UPLINK}" oifname "{INNER}"', "daddr"),
            ):
                match = f"{way} {family} {end} {{ {', '.join(some)} }}"
                lines.append(f'add rule {TABLE} forward {match} counter name "{_name(label)}"')
    return "\n".join(lines) + "\n"


def parse(listing: str) -> Iterator[tuple[str, Counts]]:
    """Label, packets and bytes of frames, of what `list counters` says."""
    for found in _COUNTER.finditer(listing):
        digits, packets, octets = found[1], int(found[2]), int(found[3])
        label = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        yield label, (packets, octets + HEADER * packets)


class GatewayMeters:
    """Of this host. To be called in threads, but for `farewell` in one at a time."""

    def __init__(self, netns_dir: Path) -> None:
        self._dir = netns_dir
        self._made: dict[str, tuple[int, str]] = {}
        """Network -> its namespace, and the script that was carried out there."""
        self._ended: dict[str, tuple[str, Counts]] = {}
        self._lock = threading.Lock()

    def follow(self, wanted: Mapping[str, Prefixes]) -> None:
        """Count what is wanted by network, and nothing else. Raises HostError."""
        for network, prefixes in wanted.items():
            self._make(network, script(prefixes))
        for network in self._made.keys() - wanted.keys():
            self._make(network, script({}))

    def read(self) -> Readings:
        """What was counted, also in namespaces that have gone since the last time. Raises HostError."""
        found: dict[str, tuple[str, Counts]] = {}
        for network in tuple(self._made):
            found |= self._read(network)
        with self._lock:
            ended, self._ended = self._ended, {}
        return {**ended, **found}

    def farewell(self, network: str) -> None:
        """The namespace is about to go: what it has counted is kept for the next reading."""
        if network not in self._made:
            return
        try:
            last = self._read(network)
        except HostError as exc:
            _log.warning("the last of a gateway's counts is lost", network=network, error=str(exc))
            return
        with self._lock:
            self._ended |= last

    def _make(self, network: str, text: str) -> None:
        place = self._place(network)
        if place is None:
            self._made.pop(network, None)
        elif self._made.get(network) != (place, text):
            self._inside(network, lambda: nft.change(f"{TABLE} {network}", text))
            self._made[network] = (place, text)

    def _read(self, network: str) -> Readings:
        place = self._place(network)
        if place is None or self._made.get(network, (0, ""))[0] != place:
            return {}
        said = self._inside(network, lambda: nft.run(f"list counters table {TABLE}\n")) or ""
        return {f"{network} {place} {label}": (label, counts) for label, counts in parse(said)}

    def _place(self, network: str) -> int | None:
        """Which namespace it is: its number; None: there is none."""
        path = self._path(network)
        try:
            return path.stat().st_ino if netns.exists(path) else None
        except OSError:
            return None

    def _inside(self, network: str, function: Callable[[], str | None]) -> str | None:
        try:
            return netns.inside(self._path(network), function)
        except NotFound:
            return None  # it went meanwhile

    def _path(self, network: str) -> Path:
        return self._dir / names.gateway_namespace(network)


def _name(label: str) -> str:
    return "l" + label.replace("-", "")


def _by_family(prefixes: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Sets of nftables hold nothing twice."""
    found = [ip_network(text) for text in prefixes]
    for family, version in (("ip", 4), ("ip6", 6)):
        some = [str(one) for one in collapse_addresses(one for one in found if one.version == version)]  # type: ignore[type-var]
        if some:
            yield family, some
