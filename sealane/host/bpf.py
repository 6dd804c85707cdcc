"""Small eBPF programs, assembled here and given to the kernel by bpf(2); no compiler on the host.

A program is a list of lines, each an instruction or the name of a place to jump to.  Numbers of operations
and functions: linux/bpf_common.h, linux/bpf.h.
"""

import ctypes
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sealane.errors import HostError
from sealane.host import bpf_call

_MAP_CREATE, _PROG_LOAD = 0, 5
_LRU_HASH, _SCHED_CLS = 9, 3
_LICENCE = b"Dual BSD/GPL\0"
_MOV, _MOV_X, _ADD, _AND, _LSH = 0xB7, 0xBF, 0x07, 0x57, 0x67
_LOAD = {1: 0x71, 2: 0x69, 4: 0x61}
_STORE = {2: 0x6B, 4: 0x63, 8: 0x7B}
_XOR = 0xA7
_STORE_NUMBER = 0x62  # of four bytes
_JUMP, _EQUAL, _UNEQUAL, _CALL, _EXIT, _MAP = 0x05, 0x15, 0x55, 0x85, 0x95, 0x18
FRAME = 10
"""The register that points to the end of the stack."""


@dataclass(frozen=True)
class Line:
    code: int
    target: int = 0  # register
    source: int = 0
    offset: int = 0
    number: int = 0
    to: str = ""  # place of a jump


Lines = list[Line | str]


def move(target: int, number: int) -> Line:
    return Line(_MOV, target, number=number)


def copy(target: int, source: int) -> Line:
    return Line(_MOV_X, target, source)


def add(target: int, number: int) -> Line:
    return Line(_ADD, target, number=number)


def keep(target: int, mask: int) -> Line:
    return Line(_AND, target, number=mask)


def flip(target: int, mask: int) -> Line:
    return Line(_XOR, target, number=mask)


def shift_left(target: int, bits: int) -> Line:
    return Line(_LSH, target, number=bits)


def load(size: int, target: int, place: int) -> Line:
    """From the stack, `place` bytes from its end."""
    return Line(_LOAD[size], target, FRAME, place)


def store(size: int, place: int, source: int) -> Line:
    return Line(_STORE[size], FRAME, source, place)


def store_number(place: int, number: int) -> Line:
    return Line(_STORE_NUMBER, FRAME, offset=place, number=number)


def jump(to: str) -> Line:
    return Line(_JUMP, to=to)


def jump_if(register: int, number: int, to: str) -> Line:
    return Line(_EQUAL, register, number=number, to=to)


def jump_unless(register: int, number: int, to: str) -> Line:
    return Line(_UNEQUAL, register, number=number, to=to)


def call(function: int) -> Line:
    return Line(_CALL, number=function)


def leave() -> Line:
    return Line(_EXIT)


def the_map(target: int) -> Lines:
    """The program's map, whose descriptor is filled in when it is loaded; takes two places."""
    return [Line(_MAP, target, 1), Line(0)]


def assembled(lines: Iterable[Line | str], descriptor: int = 0) -> bytes:
    """As the kernel takes it, with the map of that descriptor."""
    places, code = _placed(lines)
    return b"".join(_packed(line, at, places, descriptor) for at, line in enumerate(code))


def _placed(lines: Iterable[Line | str]) -> tuple[dict[str, int], list[Line]]:
    places: dict[str, int] = {}
    code: list[Line] = []
    for line in lines:
        if isinstance(line, str):
            places[line] = len(code)
        else:
            code.append(line)
    return places, code


def _packed(line: Line, at: int, places: dict[str, int], descriptor: int) -> bytes:
    offset = places[line.to] - at - 1 if line.to else line.offset
    number = descriptor if line.code == _MAP else line.number
    return struct.pack("=BBhi", line.code, line.target | line.source << 4, offset, number)


def lru_map(key_size: int, value_size: int, entries: int) -> int:
    """Descriptor of a new map that forgets what was not used for longest (bytes, bytes, number)."""
    return _bpf(
        _MAP_CREATE, struct.pack("=IIIIIII16s", _LRU_HASH, key_size, value_size, entries, 0, 0, 0, b"")
    )


def classifier(lines: Iterable[Line | str], descriptor: int) -> int:
    """Descriptor of the program, for tc(8). Raises HostError with what the kernel has against it."""
    code, log = assembled(lines, descriptor), ctypes.create_string_buffer(1 << 16)
    held = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(_LICENCE)
    pointers = [ctypes.addressof(one) for one in held]
    said = (1, len(log), ctypes.addressof(log))  # as much as is needed to see why
    head = struct.pack("=IIQQIIQII", _SCHED_CLS, len(code) // 8, *pointers, *said, 0, 0)
    try:
        return _bpf(_PROG_LOAD, head)
    except HostError as exc:
        raise HostError(f"{exc}: {log.value.decode(errors='replace').strip()[-500:]}") from exc


def closing(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def words(data: bytes) -> Iterator[int]:
    """Of four bytes each, as numbers of an instruction."""
    for at in range(0, len(data), 4):
        yield int(struct.unpack("=i", data[at : at + 4].ljust(4, b"\0"))[0])


def _bpf(command: int, attributes: bytes) -> int:
    done = bpf_call.bpf(command, ctypes.create_string_buffer(attributes, len(attributes)))
    if done < 0:
        raise HostError(f"bpf: {os.strerror(ctypes.get_errno())}")
    return done
