"""A station that answers BFD (RFC 5880, 5881): as many packets as it gets, so whoever asks sets the pace."""

import socket
import struct

PORT, SOURCE = 3784, 49152
DOWN, INIT, UP = 1, 2, 3
POLL, FINAL = 0x20, 0x10
SECOND = 1_000_000
"""In microseconds."""


def after(own: int, theirs: int) -> int:
    """RFC 5880, 6.2."""
    if theirs == DOWN:
        return INIT if own == DOWN else own if own == INIT else DOWN
    return UP if theirs == INIT or own == INIT else own


def main() -> None:
    state = DOWN
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heard,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as said,
    ):
        heard.bind(("", PORT))
        said.bind(("", SOURCE))
        said.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        print("serves", flush=True)
        while True:
            packet, peer = heard.recvfrom(99)
            flags, theirs = packet[1], packet[4:8]
            state = after(state, flags >> 6)
            final = FINAL if flags & POLL else 0
            head = struct.pack("!BBBBI4s", 1 << 5, state << 6 | final, 5, 24, 77, theirs)
            said.sendto(head + struct.pack("!III", SECOND, SECOND, 0), (peer[0], PORT))


if __name__ == "__main__":
    main()
