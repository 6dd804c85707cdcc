"""The fast path of a host: its maps and programs, as the agent uses them.

Nothing is pinned: a link's hook holds its program, a program holds its maps, and they go with the last link.
An agent that starts finds them by the links (`Cache.find`), so that its predecessor's flows stay fast.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address
from itertools import product
from pathlib import Path

from sealane.errors import HostError
from sealane.fastpath import bpf, elf, floating, layout, rows
from sealane.fastpath.hooks import EVERY, TCX, Hooks
from sealane.fastpath.layout import Reason, Value
from sealane.fastpath.rows import ALONE, FAMILIES, Port, Rows, World
from sealane.fastpath.shared import Shared
from sealane.fastpath.tables import Tables

_OBJECT = Path(__file__).parent / "programs.o"
_FIRST = layout.link_key(0)
SIDES = (False, True)
"""Where packets come in by a link, and where they leave by it."""
PROTOCOLS = {6: "tcp", 17: "udp"}


@dataclass(frozen=True)
class Underlay:
    """Where packets of tunnels come and go."""

    link: int  # which bears the address
    tunnel: int  # by which Open vSwitch hands over what it has put into a tunnel
    address: IPv4Address


@dataclass(frozen=True)
class Flow:
    """An entry; of pairs the first is of the direction from `low` to `high`."""

    network: str  # "": it is across a router
    router: int  # OVN's number of its datapath; 0: it is within a network
    protocol: str
    low: tuple[str, int]
    high: tuple[str, int]
    packets: tuple[int, int]
    octets: tuple[int, int]
    used: int  # nanoseconds of the monotonic clock
    key: bytes


Counts = Mapping[Reason, tuple[int, int]]
"""Packets and bytes."""


class Cache:
    """Raises HostError throughout.  Not for two threads at once."""

    def __init__(self, maps: dict[str, int], programs: elf.Object, hooks: Hooks = TCX) -> None:
        self._maps = maps
        self._tables = Tables(maps)
        self.shared = Shared(self._tables)
        self._hooks = hooks
        self._programs: dict[str, int] = {}
        for name in layout.PROGRAMS:
            self._programs[name] = bpf.load(name, programs.programs[name].linked(maps), programs.license)

    @classmethod
    def find(cls, links: Iterable[int] = (), hooks: Hooks = TCX) -> "Cache":
        """With the maps that programs of this very version use at the links; else with new ones.

        Each program has some of the maps: what none of them has is new.
        """
        programs = elf.read(_OBJECT.read_bytes())
        own = cls({one.name: bpf.create_map(one) for one in layout.MAPS}, programs, hooks)
        tags = {name: bpf.program_info(program).tag for name, program in own._programs.items()}
        found: dict[str, int] = {}
        for link in links:
            for program in (
                one for each in (hooks, *EVERY) for side in SIDES for one in _ours(link, each, side)
            ):
                info = bpf.program_info(program)
                os.close(program)
                if info.tag == tags[info.name]:
                    _open_maps(info, found)
        if not found:
            return own
        maps = {name: found.get(name) or os.dup(fresh) for name, fresh in own._maps.items()}
        own.close()
        return cls(maps, programs, hooks)

    def close(self) -> None:
        """What is attached goes on."""
        for descriptor in (*self._programs.values(), *self._maps.values()):
            os.close(descriptor)
        self._programs, self._maps = {}, {}

    def try_out(self, link: int = 1) -> None:
        """Run the programs once, on a frame that concerns nobody; raises HostError when they fail."""
        for name, program in self._programs.items():
            if bpf.run(program, b"\xff" * 12 + b"\x88\xb5" + bytes(46), link).verdict != 0xFFFFFFFF:
                raise HostError(
                    f"the fast path's program {name} did not let a frame pass that it must let pass"
                )

    # the switch and the generation

    @property
    def on(self) -> bool:
        return bool(self._config()["on"])

    @property
    def learning(self) -> bool:
        return bool(self._era() & layout.LEARNS)

    def switch(self, on: bool) -> None:
        """Also ends the generation: what was learned before an interruption is learned again."""
        self._write(era=self._next_era(), on=int(on))

    def pause(self) -> None:
        """From now on nothing is fast, and nothing is learned, until `resume`."""
        self._write(era=self._next_era())

    def resume(self) -> None:
        self._write(era=self._era() | layout.LEARNS)

    # ports

    def set_ports(
        self, wanted: Iterable[Port], underlay: Underlay | None = None, world: World = ALONE
    ) -> None:
        """Make these, and no others, the fast path's.  Where that changes something, a pause begins.

        Whatever is not wanted any more is gone before anything new is there.  `underlay` None: nothing
        goes to or comes from other hosts.
        """
        ports = tuple(wanted)
        asked = rows.of(ports, world)
        there = {name: self._tables.rows(name) for name in asked}
        if asked != there:
            self.pause()
            self._set_rows(asked, there)
            self._set_tallies({layout.link_key(port.link) for port in ports})
        self._set_underlay(underlay)
        outside = floating.links(asked["public"])
        detach(floating.links(there["public"]) - outside)
        self._attach(ports, underlay, outside)

    def _set_underlay(self, wanted: Underlay | None) -> None:
        before = self._config()
        after: dict[str, Value] = {"underlay": 0, "tunnel": 0, "address": bytes(4)}
        if wanted is not None:
            after = {
                "underlay": wanted.link,
                "tunnel": wanted.tunnel,
                "address": wanted.address.packed,
            }
        if {name: before[name] for name in after} != after:
            self.pause()
            self._write(**after)
            detach({_int(before["underlay"]), _int(before["tunnel"])} - {0})

    def _set_rows(self, asked: Mapping[str, Rows], there: Mapping[str, Rows]) -> None:
        for name, some in asked.items():
            for key in there[name].keys() - some.keys():
                self._tables.delete(name, key)
        for name, some in asked.items():
            for key, value in some.items():
                if there[name].get(key) != value:
                    self._tables.write(name, key, value)

    def _attach(self, ports: Iterable[Port], underlay: Underlay | None, outside: Iterable[int]) -> None:
        """Raises the first error after all have been tried: a link may be gone by now."""
        failures = []
        places = [place for port in ports for place in (("leave", port.link), ("arrive", port.door))]
        if underlay is not None:
            places += [("depart", underlay.tunnel), ("land", underlay.link)]
        places += [place for link in outside for place in (("emerge", link), ("enter", link))]
        for name, link in places:
            try:
                self._attach_one(name, link)
            except HostError as exc:
                failures.append(exc)
        if failures:
            raise failures[0]

    def _attach_one(self, name: str, link: int) -> None:
        wanted = bpf.program_info(self._programs[name])
        replaced, outward = -1, name in layout.OUTWARD
        for program in _ours(link, self._hooks, outward):
            info = bpf.program_info(program)
            if (info.tag, set(info.maps)) == (wanted.tag, set(wanted.maps)):
                os.close(program)
                return
            replaced = program
        self._hooks.attach(self._programs[name], link, replaced, outward)
        if replaced >= 0:
            os.close(replaced)

    def _set_tallies(self, links: set[bytes]) -> None:
        there = set(self._tables.keys("tallies"))
        for key in there - links:
            self._tables.delete("tallies", key)
        for key in links - there:
            self._tables.write("tallies", key, layout.TALLY.pack())

    # what there is to see

    def reasons(self, link: int | None = None) -> Counts:
        """Of all packets that containers sent since the maps were made, or of those that one link sent."""
        return self._counts(*(("total", _FIRST) if link is None else ("tallies", layout.link_key(link))))

    def landed(self) -> Counts:
        """Of the packets in tunnels that other hosts sent here."""
        return self._counts("landed", _FIRST)

    def _counts(self, name: str, key: bytes) -> Counts:
        told = [layout.TALLY.unpack(value) for value in self._tables.read(name, key)]
        return {
            reason: (_sum(told, "packets", reason), _sum(told, "bytes", reason)) for reason in layout.Reason
        }

    def flows(self) -> Iterator[Flow]:
        for key, value in self._tables.rows("flows").items():
            yield _flow(key, value)

    def end(self, flows: Iterable[Flow]) -> None:
        for flow in flows:
            self._tables.delete("flows", flow.key)

    # the settings

    def _config(self) -> Mapping[str, Value]:
        return layout.CONFIG.unpack(self._tables.read("settings", _FIRST)[0])

    def _era(self) -> int:
        return _int(self._config()["era"])

    def _next_era(self) -> int:
        return (self._era() | layout.LEARNS) + 1 & (1 << 33) - 1

    def _write(self, **changes: Value) -> None:
        self._tables.write("settings", _FIRST, layout.CONFIG.pack(**(dict(self._config()) | changes)))


def detach(links: Iterable[int], *, but: Hooks | None = None) -> None:
    """Take programs of ours, of whatever version, off the links; `but` stays."""
    for link, side in product(links, SIDES):
        for hooks in EVERY:
            for program in _ours(link, hooks, side) if hooks is not but else ():
                try:
                    hooks.detach(program, link, side)
                finally:
                    os.close(program)


def _ours(link: int, hooks: Hooks, outward: bool) -> Iterator[int]:
    """Descriptors of the link's programs on that side that are ours, by their names; to be closed."""
    for number in hooks.attached(link, outward):
        with suppress(HostError):  # gone meanwhile
            program = bpf.program_by_id(number)
            if bpf.program_info(program).name in layout.PROGRAMS:
                yield program
            else:
                os.close(program)


def _open_maps(info: bpf.Loaded, found: dict[str, int]) -> None:
    """Those that were not found before."""
    for number in info.maps:
        descriptor = bpf.map_by_id(number)
        if found.setdefault(bpf.map_name(descriptor), descriptor) != descriptor:
            os.close(descriptor)


def _flow(key: bytes, value: bytes) -> Flow:
    ends, told = layout.FLOW_KEY.unpack(key), layout.FLOW.unpack(value)
    protocol = _int(ends["protocol"])
    network, router = rows.realm_of(_bytes(ends["realm"]))
    return Flow(
        network=network,
        router=router,
        protocol=PROTOCOLS.get(protocol, str(protocol)),
        low=_end(ends, "low"),
        high=_end(ends, "high"),
        packets=_pair(told["packets"]),
        octets=_pair(told["bytes"]),
        used=max(*_pair(told["sent_at"]), *_pair(told["passed_at"])),
        key=key,
    )


def _end(key: Mapping[str, Value], name: str) -> tuple[str, int]:
    """Ports are in network order."""
    packed = _bytes(key[name])
    address = packed[12:] if key["family"] == FAMILIES[4] else packed
    port = struct.unpack(">H", struct.pack("=H", key[f"{name}_port"]))[0]
    return str(ip_address(address)), int(port)


def _sum(told: Iterable[Mapping[str, Value]], name: str, reason: Reason) -> int:
    return sum(_tuple(tally[name])[reason] for tally in told)


def _int(value: Value) -> int:
    assert isinstance(value, int)
    return value


def _bytes(value: Value) -> bytes:
    assert isinstance(value, bytes)
    return value


def _tuple(value: Value) -> tuple[int, ...]:
    assert isinstance(value, tuple)
    return value


def _pair(value: Value) -> tuple[int, int]:
    first, second = _tuple(value)
    return first, second
