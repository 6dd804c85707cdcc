"""Run on a lab host or outside of it: finds what listens. Prints JSON.

scan.py tcp ADDRESS...   connects to all 65,535 TCP ports; {ADDRESS: [open ports]}
scan.py udp ADDRESS...   sends to all UDP ports, and hears who answers; {ADDRESS: [ports]}
"""

import errno
import ipaddress
import json
import selectors
import socket
import sys
import time

PORTS = range(1, 65536)
AT_ONCE = 400
PATIENCE = 5.0
"""Seconds that a port may take to answer; whoever drops packets is taken for closed after it."""


def tcp(address: str) -> list[int]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    selector, todo, found = selectors.DefaultSelector(), iter(PORTS), []
    pending: dict[socket.socket, tuple[int, float]] = {}
    more = True
    while more or pending:
        while more and len(pending) < AT_ONCE:
            port = next(todo, 0)
            more = port != 0
            if port and (opened := begin(family, address, port)) is not None:
                pending[opened] = port, time.monotonic() + PATIENCE
                selector.register(opened, selectors.EVENT_WRITE)
        ready = [key.fileobj for key, _ in selector.select(0.5)]
        late = [s for s, (_, end) in pending.items() if end < time.monotonic()] if not ready else []
        for one in [*ready, *late]:
            assert isinstance(one, socket.socket)
            port, _ = pending.pop(one)
            selector.unregister(one)
            if one not in late and one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                met_itself = one.getsockname() == one.getpeername()
                found += [] if met_itself else [port]
            one.close()
    return sorted(found)


def begin(family: int, address: str, port: int) -> socket.socket | None:
    """None when it is refused at once."""
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    code = one.connect_ex((address, port))
    if code in (0, errno.EINPROGRESS):
        return one
    one.close()
    return None


def udp(address: str) -> list[int]:
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    found = set()
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.setblocking(False)
        for port in PORTS:
            try:
                one.sendto(b"\x00" * 16, (address, port))
            except OSError:  # ICMP tells of a port before, or the buffer is full
                time.sleep(0.001)
            hear(one, found)
        found.discard(one.getsockname()[1])  # on loopback it has met itself
        end = time.monotonic() + 2
        while time.monotonic() < end:
            hear(one, found)
            time.sleep(0.01)
    return sorted(found)


def hear(one: socket.socket, found: set[int]) -> None:
    while True:
        try:
            _, sender = one.recvfrom(65536)
        except BlockingIOError:
            return
        except OSError:
            continue
        found.add(int(sender[1]))


if __name__ == "__main__":
    how = {"tcp": tcp, "udp": udp}[sys.argv[1]]
    print(json.dumps({address: how(address) for address in sys.argv[2:]}))
