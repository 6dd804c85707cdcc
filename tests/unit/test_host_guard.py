"""The program that drops router advertisements, run here on frames (bpf(4))."""

import struct

import pytest

from sealane.host.guard import program
from tests.e2e.overlay import frames
from tests.e2e.overlay.frames import IPV4, IPV6, Station

DROP, PASS = 2, 0xFFFFFFFF
ONE = Station("02:00:00:00:00:01", "10.0.0.1", "fe80::1")
ALL = Station("33:33:00:00:00:01", "10.0.0.2", "ff02::1")


def verdict(frame: bytes) -> int:
    a = x = at = 0
    memory = {}
    code = program()
    size = {0x30: 1, 0x28: 2, 0x50: 1, 0x48: 2}
    while True:
        op, yes, no, k = code[at]
        at += 1
        if op in size:
            where = k + (x if op & 0x40 else 0)
            if where + size[op] > len(frame):
                return 0
            a = int.from_bytes(frame[where : where + size[op]], "big")
        elif op in (0x15, 0x45):
            at += yes if (a == k if op == 0x15 else a & k) else no
        elif op == 0x06:
            return k
        elif op == 0x02:
            memory[k] = a
        elif op == 0x60:
            a = memory[k]
        elif op == 0x01:
            x = k
        elif op == 0x07:
            x = a
        elif op == 0x87:
            a = x
        else:
            a = {0x04: a + k, 0x0C: a + x, 0x64: a << k}[op]


def behind(*headers: tuple[int, bytes], last: int = 58) -> bytes:
    """An advertisement behind extension headers: (kind, all after its next-header byte)."""
    packet = frames.ethernet(ONE, ALL, IPV6, frames.router(ONE, ALL, ONE.v6))
    kinds = [kind for kind, _ in headers] + [last]
    chain = b"".join(
        bytes([following]) + rest for following, (_, rest) in zip(kinds[1:], headers, strict=True)
    )
    return packet[:20] + bytes([kinds[0]]) + packet[21:54] + chain + packet[54:]


EIGHT, SIXTEEN = bytes(7), b"\x01" + bytes(14)


@pytest.mark.parametrize(
    ("frame", "wanted"),
    [
        (behind(), DROP),
        (behind((60, EIGHT)), DROP),
        (behind((0, SIXTEEN), (60, EIGHT), (43, SIXTEEN)), DROP),
        (behind(*[(60, EIGHT)] * 7), DROP),
        (behind(*[(60, EIGHT)] * 9), DROP),
        (behind((44, bytes(7))), DROP),
        (behind((44, b"\x00\x00\x08" + bytes(4))), PASS),
        (frames.ethernet(ONE, ALL, IPV6, frames.neighbour(ONE, ALL, ONE)), PASS),
        (frames.ethernet(ONE, ALL, IPV6, frames.udp6(ONE, ALL, "\x86" * 40)), PASS),
        (frames.ethernet(ONE, ALL, IPV4, frames.udp4(ONE, ALL, "\x86" * 40)), PASS),
        (behind((0, EIGHT), last=17), PASS),
        (behind()[:54], 0),
        (b"\x00" * 13, 0),
        (struct.pack("!12xH6xB33x", IPV6, 6), PASS),
    ],
)
def test_of_router_advertisements_none_passes_and_all_else_does(frame: bytes, wanted: int) -> None:
    assert verdict(frame) == wanted
