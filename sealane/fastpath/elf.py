"""The object that clang made of programs.c: what of ELF64 (elf(5)) is needed to load it.  Pure.

A program is a section `tc/NAME`.  Where it names a map there is a relocation R_BPF_64_64 (the kernel's
Documentation/bpf/llvm_reloc.rst) against the map's symbol; the loader puts the map's descriptor there.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sealane.errors import HostError

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQ")
_INSTRUCTION = struct.Struct("<BBhi")
_MAGIC, _BPF, _REL = b"\x7fELF\x02\x01", 247, 9
_R_BPF_64_64, _LOAD_IMMEDIATE, _IS_MAP = 1, 0x18, 1


@dataclass(frozen=True)
class Program:
    name: str
    code: bytes
    maps: Mapping[int, str]
    """Offset of an instruction -> the map that it names."""

    def linked(self, maps: Mapping[str, int]) -> bytes:
        """The code with the descriptors of `maps` in it."""
        code = bytearray(self.code)
        for offset, name in self.maps.items():
            operation, registers, low, _ = _INSTRUCTION.unpack_from(code, offset)
            patched = (operation, registers & 0x0F | _IS_MAP << 4, low, maps[name])
            _INSTRUCTION.pack_into(code, offset, *patched)
        return bytes(code)


@dataclass(frozen=True)
class Object:
    programs: Mapping[str, Program]
    license: bytes
    source: str
    """Digest of the text that it was compiled from."""


@dataclass(frozen=True)
class _Section:
    name: str
    kind: int
    data: bytes
    link: int
    info: int


def read(data: bytes) -> Object:
    """Raises HostError when it is no object for BPF, or uses more of ELF than we do."""
    try:
        sections = _sections(data)
        programs = dict(_programs(sections))
        by_name = {section.name: section.data for section in sections}
        source = by_name["source"].rstrip(b"\0").decode()
        return Object(programs, by_name["license"].rstrip(b"\0"), source)
    except (struct.error, IndexError, KeyError, UnicodeDecodeError) as exc:
        raise HostError(f"the fast path's programs can't be read: {exc!r}; install Sealane again") from exc


def _sections(data: bytes) -> list[_Section]:
    header = _HEADER.unpack_from(data)
    if not data.startswith(_MAGIC) or header[2] != _BPF:
        raise HostError("the fast path's programs are not an object for BPF; install Sealane again")
    first, size, count, names = header[6], header[11], header[12], header[13]
    raw = [_SECTION.unpack_from(data, first + size * number) for number in range(count)]
    return [
        _Section(_text(_body(data, raw[names]), one[0]), one[1], _body(data, one), one[6], one[7])
        for one in raw
    ]


def _body(data: bytes, section: tuple[int, ...]) -> bytes:
    return data[section[4] : section[4] + section[5]]


def _programs(sections: list[_Section]) -> Iterator[tuple[str, Program]]:
    for number, section in enumerate(sections):
        if section.name.startswith("tc/"):
            name = section.name.removeprefix("tc/")
            yield name, Program(name, section.data, dict(_named_maps(sections, number)))


def _named_maps(sections: list[_Section], program: int) -> Iterator[tuple[int, str]]:
    for section in sections:
        if section.kind == _REL and section.info == program:
            symbols = sections[section.link]
            for offset, info in _RELOCATION.iter_unpack(section.data):
                if info & 0xFFFFFFFF != _R_BPF_64_64 or sections[program].data[offset] != _LOAD_IMMEDIATE:
                    raise HostError("the fast path's programs refer to something that is no map")
                yield offset, _symbol(sections, symbols, info >> 32)


def _symbol(sections: list[_Section], symbols: _Section, number: int) -> str:
    name = _SYMBOL.unpack_from(symbols.data, number * _SYMBOL.size)[0]
    return _text(sections[symbols.link].data, name)


def _text(table: bytes, offset: int) -> str:
    return table[offset : table.index(b"\0", offset)].decode()
