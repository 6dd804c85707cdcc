"""bpf(2): maps, programs and tcx hooks, by the system call itself (host/bpf_call.py); structures: union
bpf_attr of linux/bpf.h.

Descriptors are closed by whoever got them.  Errors are HostError; what the kernel lacks says so.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sealane import failpoint
from sealane.errors import HostError
from sealane.fastpath.layout import Map
from sealane.host import bpf_call

_MAP_CREATE, _LOOKUP, _UPDATE, _DELETE, _NEXT_KEY = range(5)
_PROG_LOAD, _ATTACH, _DETACH, _TEST_RUN, _PROG_BY_ID, _MAP_BY_ID, _INFO, _QUERY = 5, 8, 9, 10, 13, 14, 15, 16
_SCHED_CLS, _TCX_INGRESS, _TCX_EGRESS = 3, 46, 47
_BEFORE, _REPLACE = 1 << 3, 1 << 2
_UPDATE_ANY = 0
_MARK = 8  # where it is in struct __sk_buff
_ATTRIBUTE = 144  # bytes of union bpf_attr that we send: the rest is zero
_POSSIBLE = Path("/sys/devices/system/cpu/possible")


@dataclass(frozen=True)
class Ran:
    """What BPF_PROG_TEST_RUN came to."""

    verdict: int
    packet: bytes
    mark: int = 0


def create_map(wanted: Map) -> int:
    """A descriptor."""
    named = wanted.name.encode()
    sizes = (wanted.kind, wanted.key_size, wanted.value.size, wanted.entries, wanted.flags, 0, 0)
    with failpoint.effect("bpf", f"map {wanted.name}", HostError):
        return _call(_MAP_CREATE, struct.pack("=7I16s", *sizes, named), f"making the map {wanted.name}")


def lookup(descriptor: int, wanted: Map, key: bytes) -> list[bytes] | None:
    """One value, or one for each CPU; None when there is no such key."""
    step = (wanted.value.size + 7) & ~7
    value = ctypes.create_string_buffer(step * (cpus() if wanted.per_cpu else 1))
    if not _element(_LOOKUP, descriptor, key, value, f"reading {wanted.name}", errno.ENOENT):
        return None
    return [value.raw[at : at + wanted.value.size] for at in range(0, len(value), step)]


def update(descriptor: int, wanted: Map, key: bytes, value: bytes) -> None:
    """The value is the same on all CPUs."""
    step = (wanted.value.size + 7) & ~7
    data = value.ljust(step, b"\0") * (cpus() if wanted.per_cpu else 1)
    with failpoint.effect("bpf", f"update {wanted.name}", HostError):
        _element(_UPDATE, descriptor, key, ctypes.create_string_buffer(data), f"writing {wanted.name}")


def delete(descriptor: int, wanted: Map, key: bytes) -> None:
    """What is gone already is no error."""
    with failpoint.effect("bpf", f"delete {wanted.name}", HostError):
        _element(_DELETE, descriptor, key, None, f"deleting from {wanted.name}", errno.ENOENT)


def keys(descriptor: int, wanted: Map) -> Iterator[bytes]:
    """Those that are there from beginning to end; begins anew, and may repeat, where one goes meanwhile."""
    key, following = None, ctypes.create_string_buffer(wanted.key_size)
    for _ in range(2 * wanted.entries):
        if not _element(_NEXT_KEY, descriptor, key, following, f"listing {wanted.name}", errno.ENOENT):
            return
        key = following.raw
        yield key


def load(name: str, code: bytes, license: bytes) -> int:
    """A descriptor.  Raises HostError with the verifier's last lines."""
    instructions = ctypes.create_string_buffer(code, len(code))
    terms = ctypes.create_string_buffer(license)
    log = ctypes.create_string_buffer(1 << 18)
    attribute = struct.pack(
        "=IIQQIIQII16s",
        *(_SCHED_CLS, len(code) // 8, ctypes.addressof(instructions), ctypes.addressof(terms)),
        *(0, 0, 0, 0, 0, name.encode()),
    )
    with failpoint.effect("bpf", f"load {name}", HostError):
        try:
            return _call(_PROG_LOAD, attribute, f"loading the program {name}")
        except HostError as refused:
            spoken = struct.pack("=IIQ", 1, len(log), ctypes.addressof(log))
            try:
                return _call(_PROG_LOAD, attribute[:24] + spoken + attribute[40:], f"loading {name}")
            except HostError:
                raise HostError(f"{refused.message}: {_last(log.value)}") from refused


def run(program: int, frame: bytes, link: int, gso_size: int = 0, mark: int = 0) -> Ran:
    """The program's verdict on a frame at the link; `gso_size`: as a bundle of segments; `mark`: of the
    host's own for it."""
    given = ctypes.create_string_buffer(frame, len(frame))
    result = ctypes.create_string_buffer(len(frame) + 256)
    context = ctypes.create_string_buffer(_context(link, gso_size, mark), 192)
    buffer = _buffer(
        struct.pack(
            "=IIIIQQIIIIQQ",
            *(program, 0, len(frame), len(result), ctypes.addressof(given), ctypes.addressof(result)),
            *(1, 0, len(context), len(context), ctypes.addressof(context), ctypes.addressof(context)),
        )
    )
    if bpf_call.bpf(_TEST_RUN, buffer) < 0:
        raise _refused("trying a program", ctypes.get_errno())
    verdict, _, length = struct.unpack_from("=3I", buffer, 4)
    return Ran(verdict, result.raw[:length], struct.unpack_from("=I", context, _MARK)[0])


def _context(link: int, gso_size: int, mark: int) -> bytes:
    """struct __sk_buff, of which the kernel takes some fields: ifindex is at 40, gso_size at 176."""
    context = bytearray(192)
    struct.pack_into("=I", context, _MARK, mark)
    struct.pack_into("=I", context, 40, link)
    struct.pack_into("=I", context, 176, gso_size)
    return bytes(context)


def attach(program: int, link: int, replaced: int = -1, *, outward: bool = False) -> None:
    """At the tcx hook for what comes in by the link, or leaves by it, before others, or in one step in
    another's place."""
    flags, old = (_REPLACE, replaced) if replaced >= 0 else (_BEFORE, 0)
    attribute = struct.pack("=IIIII", link, program, _side(outward), flags, old)
    with failpoint.effect("bpf", f"attach {link}", HostError):
        _call(_ATTACH, attribute, f"attaching to link {link} by tcx, which needs a kernel of 6.6 or newer")


def detach(program: int, link: int, *, outward: bool = False) -> None:
    """What is gone already is no error."""
    with failpoint.effect("bpf", f"detach {link}", HostError):
        buffer = _buffer(struct.pack("=III", link, program, _side(outward)))
        if bpf_call.bpf(_DETACH, buffer) < 0 and ctypes.get_errno() not in (errno.ENOENT, errno.ENODEV):
            raise _refused(f"detaching from link {link}", ctypes.get_errno())


def has_tcx() -> bool:
    """Can this kernel be asked for programs at tcx hooks? Of the loopback, which every namespace has."""
    buffer = _buffer(struct.pack("=II", 1, _TCX_INGRESS))
    return bpf_call.bpf(_QUERY, buffer) >= 0 or ctypes.get_errno() not in (errno.EINVAL, errno.ENOSYS)


def attached(link: int, *, outward: bool = False) -> list[int]:
    """Ids of the programs at the link's tcx hook, in their order; [] when there is no such link or hook."""
    ids = (ctypes.c_uint32 * 64)()
    buffer = _buffer(struct.pack("=IIIIQI", link, _side(outward), 0, 0, ctypes.addressof(ids), len(ids)))
    if bpf_call.bpf(_QUERY, buffer) < 0:
        if ctypes.get_errno() in (errno.ENODEV, errno.ENOENT, errno.EINVAL, errno.ENOSYS, errno.EPERM):
            return []
        raise _refused(f"asking for the programs of link {link}", ctypes.get_errno())
    return list(ids[: struct.unpack_from("=I", buffer, 24)[0]])


def _side(outward: bool) -> int:
    return _TCX_EGRESS if outward else _TCX_INGRESS


@dataclass(frozen=True)
class Loaded:
    """A program of the kernel's, as it tells it (struct bpf_prog_info)."""

    name: str
    tag: str
    maps: tuple[int, ...]  # ids


def program_info(descriptor: int) -> Loaded:
    ids = (ctypes.c_uint32 * 64)()
    info = bytearray(232)
    struct.pack_into("=IQ", info, 52, len(ids), ctypes.addressof(ids))
    told = _info(descriptor, bytes(info))
    count = struct.unpack_from("=I", told, 52)[0]
    name = told[64:80].rstrip(b"\0").decode(errors="replace")
    return Loaded(name, told[8:16].hex(), tuple(ids[:count]))


def map_name(descriptor: int) -> str:
    return _info(descriptor, bytes(88))[24:40].rstrip(b"\0").decode(errors="replace")


def program_by_id(number: int) -> int:
    return _call(_PROG_BY_ID, struct.pack("=I", number), "opening a program")


def map_by_id(number: int) -> int:
    return _call(_MAP_BY_ID, struct.pack("=I", number), "opening a map")


@cache
def cpus() -> int:
    """How many values a per-CPU map has: of CPUs that there may ever be ("0-3", "0,2-5")."""
    last = _POSSIBLE.read_text().strip().split(",")[-1].split("-")[-1]
    return int(last) + 1


def _info(descriptor: int, wanted: bytes) -> bytes:
    info = ctypes.create_string_buffer(wanted, len(wanted))
    attribute = struct.pack("=IIQ", descriptor, len(info), ctypes.addressof(info))
    _call(_INFO, attribute, "asking what a descriptor is")
    return info.raw


def _element(
    command: int,
    descriptor: int,
    key: bytes | None,
    value: "ctypes.Array[ctypes.c_char] | None",
    what: str,
    gone: int = 0,
) -> bool:
    """False where the error is `gone`."""
    held = ctypes.create_string_buffer(key, len(key)) if key is not None else None
    at = ctypes.addressof(held) if held is not None else 0
    to = ctypes.addressof(value) if value is not None else 0
    buffer = _buffer(struct.pack("=IxxxxQQQ", descriptor, at, to, _UPDATE_ANY))
    if bpf_call.bpf(command, buffer) == 0:
        return True
    if gone and ctypes.get_errno() == gone:
        return False
    raise _refused(what, ctypes.get_errno())


def _call(command: int, attribute: bytes, what: str) -> int:
    result = bpf_call.bpf(command, _buffer(attribute))
    if result < 0:
        raise _refused(what, ctypes.get_errno())
    return result


def _buffer(attribute: bytes) -> "ctypes.Array[ctypes.c_char]":
    return ctypes.create_string_buffer(attribute, _ATTRIBUTE)


def _refused(what: str, code: int) -> HostError:
    return HostError(f"{what}: {os.strerror(code)}{'; it needs root' if code == errno.EPERM else ''}")


def _last(log: bytes) -> str:
    lines: Sequence[str] = log.decode(errors="replace").strip().splitlines()
    return " / ".join(lines[-3:])
