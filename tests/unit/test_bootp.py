"""DHCP's messages, against what a client and a server of others say."""

import struct

import pytest

from sealane.host import bootp

MAC, XID = "02:00:00:00:00:07", 0x1234ABCD


SERVER = bytes([54, 4, 192, 0, 2, 1])


def reply(
    kind: int = bootp.ACK,
    *,
    xid: int = XID,
    mac: str = MAC,
    options: bytes = SERVER,
    address: tuple[int, ...] = (192, 0, 2, 150),
) -> bytes:
    """As a server lays it out."""
    chaddr = bytes.fromhex(mac.replace(":", "")).ljust(16, b"\0")
    head = struct.pack("!4BIHH", 2, 1, 6, 0, xid, 0, 0x8000) + bytes(4) + bytes(address) + bytes(8)
    fixed = head + chaddr + bytes(64 + 128)
    return fixed + b"\x63\x82\x53\x63" + bytes([53, 1, kind]) + options + b"\xff"


def wrapped(payload: bytes, *, options: bytes = b"", ports: tuple[int, int] = (67, 68)) -> bytes:
    udp = struct.pack("!HHHH", *ports, 8 + len(payload), 0xBEEF) + payload  # a checksum that nobody finished
    head = bytes([0x45 + len(options) // 4, 0]) + struct.pack("!H", 20 + len(options) + len(udp)) + bytes(5)
    ip = head + bytes([17, 0, 0]) + bytes([192, 0, 2, 1]) + b"\xff" * 4 + options
    return b"\xff" * 6 + bytes(6) + b"\x08\x00" + ip + udp + b"padding"


def test_a_question_is_laid_out_as_the_rfc_says() -> None:
    text = bootp.message(bootp.REQUEST, XID, MAC, asked="192.0.2.150", server="192.0.2.1")
    assert text[:4] == b"\x01\x01\x06\x00" and text[4:8] == XID.to_bytes(4) and text[10:12] == b"\x80\x00"
    assert text[28:34] == bytes.fromhex("020000000007") and text[236:240] == b"\x63\x82\x53\x63"
    assert (
        b"\x35\x01\x03" in text
        and b"\x32\x04\xc0\x00\x02\x96" in text
        and b"\x36\x04\xc0\x00\x02\x01" in text
    )
    assert len(text) >= 300, "some servers want the length of BOOTP"
    again = bootp.message(bootp.REQUEST, XID, MAC, own="192.0.2.150")
    assert again[10:12] == b"\0\0" and again[12:16] == bytes([192, 0, 2, 150])
    frame = bootp.frame(MAC, text)
    assert frame[:14] == b"\xff" * 6 + bytes.fromhex("0200000000070800")
    words = struct.unpack("!10H", frame[14:34])
    total = sum(words)
    assert (total & 0xFFFF) + (total >> 16) == 0xFFFF, "the header's checksum"
    assert frame[34:38] == struct.pack("!HH", 68, 67)


def test_an_answer_is_read() -> None:
    options = bytes(
        [51, 4, 0, 0, 2, 88, 0, 54, 4, 192, 0, 2, 1, 3, 8, 192, 0, 2, 1, 192, 0, 2, 2, 6, 4, 9, 9, 9, 9]
    )
    frame = wrapped(reply(options=options), options=b"\x01" * 4)
    said = bootp.heard(bootp.payload(frame), XID, MAC)
    assert said == bootp.Said(
        kind=bootp.ACK,
        address="192.0.2.150",
        server="192.0.2.1",
        seconds=600,
        routers=("192.0.2.1", "192.0.2.2"),
        nameservers=("9.9.9.9",),
    )


@pytest.mark.parametrize(
    "payload",
    (
        b"",
        reply()[:239],
        reply(xid=1),
        reply(mac="02:00:00:00:00:08"),
        reply().replace(b"\x63\x82\x53\x63", b"\0\0\0\0"),
        reply().replace(b"\x35\x01\x05", b"\x00\x00\x00"),
        b"\x01" + reply()[1:],
        reply(options=b""),
        reply(options=bytes([54, 4, 0, 0, 0, 0])),
        reply(options=bytes([54, 2, 1, 1])),
        *(reply(address=(first, 0, 0, 1)) for first in (0, 127, 224, 255)),
    ),
)
def test_what_is_not_for_us_is_passed_over(payload: bytes) -> None:
    assert bootp.heard(payload, XID, MAC) is None


def test_options_that_are_cut_off_do_no_harm() -> None:
    for options in (bytes([51]), bytes([51, 4, 0]), bytes([3, 255, 1, 2, 3, 4, 5])):
        said = bootp.heard(reply(options=SERVER + options)[:-1], XID, MAC)
        assert said is not None and said.kind == bootp.ACK
        assert said.server == "192.0.2.1" and set(said.routers) <= {"1.2.3.4"}


def test_a_refusal_has_no_address() -> None:
    said = bootp.heard(reply(bootp.NAK, address=(0, 0, 0, 0)), XID, MAC)
    assert said is not None and said.kind == bootp.NAK


def test_frames_of_others_are_no_answers() -> None:
    good = wrapped(reply())
    assert bootp.payload(good)
    assert not bootp.payload(good[:20])
    assert not bootp.payload(wrapped(reply(), ports=(68, 67)))
    assert not bootp.payload(good[:12] + b"\x86\xdd" + good[14:])
    assert not bootp.payload(good[:20] + b"\x20\x00" + good[22:]), "a fragment"
