"""An access port of a VLAN switch: `tagger.py PLAIN TRUNK VLAN` passes frames on, with a tag on the trunk.

The kernel takes tags out of what it receives, and tells them beside the frame (packet(7), PACKET_AUXDATA).
"""

import select
import socket
import struct
import sys

SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
AUXDATA = struct.Struct("=IIIHHHH")  # status, len, snaplen, mac, net, vlan_tci, vlan_tpid
TAGGED = 1 << 4


def opened(link: str) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    made.bind((link, 0))
    made.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    return made


def received(source: socket.socket) -> tuple[bytes, int | None]:
    """A frame without its tag, and the VLAN; nothing of what we have sent ourselves."""
    frame, control, _, address = source.recvmsg(65536, 256)
    if address[2] == PACKET_OUTGOING:
        return b"", None
    for level, kind, data in control:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, *_, tci, _ = AUXDATA.unpack(data[: AUXDATA.size])
            return frame, (tci & 0xFFF) if status & TAGGED else None
    return frame, None


def main(plain_link: str, trunk_link: str, vlan: int) -> None:
    plain, trunk = opened(plain_link), opened(trunk_link)
    while True:
        for source in select.select([plain, trunk], [], [])[0]:
            frame, tag = received(source)
            if source is trunk and frame and tag == vlan:
                plain.send(frame)
            elif source is plain and frame and tag is None:
                trunk.send(frame[:12] + struct.pack("!HH", 0x8100, vlan) + frame[12:])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
