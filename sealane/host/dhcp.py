"""A DHCP client: asks for an address by a link that has none yet, and has one prolonged.

The first is spoken on the link itself (packet(7)), on the host, before anybody but us can use the link; the
other by UDP from within the sandbox, as the address's owner.
"""

import secrets
import socket
import time
from contextlib import suppress
from pathlib import Path

from sealane import failpoint
from sealane.errors import DeadlineExceeded, HostError, NotFound
from sealane.host import bootp, link, netns, sysctl
from sealane.host.bootp import ACK, DISCOVER, NAK, OFFER, REQUEST, Said
from sealane.host.netlink import Socket

ETH_P_IP = 0x0800
_FIRST, _LAST = 1.0, 4.0
"""Seconds until it is asked again: doubled from the one to the other."""
_TRIES = 2
"""Of a request for what a server has offered. Then it may be gone, and whoever else is there is asked."""


def acquire(name: str, mac: str, deadline: float) -> Said:
    """The lease of the first server that answers.  `deadline`: seconds.

    The link is up meanwhile, without an address, and IPv6 off.  Raises DeadlineExceeded, NotFound, HostError.
    """
    with Socket() as host:
        index = link.index(host, name)
        if index is None:
            raise NotFound(f"the link {name} vanished")
        with suppress(NotFound):  # a kernel without IPv6
            sysctl.write(f"net/ipv6/conf/{name}/disable_ipv6", "1")
        link.set_up(host, index)
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP)) as wire:
            wire.bind((name, ETH_P_IP))
            return _Asking(wire, mac, time.monotonic() + deadline).lease()
    except OSError as exc:
        raise HostError(f"asking for an address on {name}: {exc.strerror or exc}") from exc


class _Asking:
    def __init__(self, wire: socket.socket, mac: str, end: float) -> None:
        self._wire, self._mac, self._end = wire, mac, end
        self._xid = secrets.randbits(32)

    def lease(self) -> Said:
        while True:
            offer = self._exchange(bootp.message(DISCOVER, self._xid, self._mac), (OFFER,))
            if offer is None:
                raise DeadlineExceeded("dhcp: no server answered")
            asked = {"asked": offer.address, "server": offer.server}
            request = bootp.message(REQUEST, self._xid, self._mac, **asked)
            said = self._exchange(request, (ACK, NAK), _TRIES)
            if said is not None and said.kind == ACK:
                return said
            if said is not None:  # a server that offers what it refuses is not to be asked without a pause
                time.sleep(max(0.0, min(_FIRST, self._end - time.monotonic())))

    def _exchange(self, text: bytes, kinds: tuple[int, ...], tries: int | None = None) -> Said | None:
        """None: nobody has answered, to the end or so many times."""
        wait, asked = _FIRST, 0
        while time.monotonic() < self._end and asked != tries:
            asked += 1
            with failpoint.effect("dhcp", "ask", HostError):
                self._wire.send(bootp.frame(self._mac, text))
            said = self._answer(min(time.monotonic() + wait, self._end), kinds)
            if said is not None:
                return said
            wait = min(2 * wait, _LAST)
        return None

    def _answer(self, end: float, kinds: tuple[int, ...]) -> Said | None:
        while (left := end - time.monotonic()) > 0:
            self._wire.settimeout(left)
            try:
                frame = self._wire.recv(1 << 16)
            except TimeoutError:
                return None
            said = bootp.heard(bootp.payload(frame), self._xid, self._mac)
            if said is not None and said.kind in kinds:
                return said
        return None


def renew(sandbox: Path | str, ifname: str, mac: str, address: str, server: str, deadline: float) -> Said:
    """What the server says, ACK or NAK.  Raises DeadlineExceeded, NotFound (the sandbox), HostError."""
    try:
        wire = netns.inside(sandbox, lambda: _from(ifname, address))
        with wire:
            wire.connect((server, bootp.SERVER_PORT))
            return _prolonged(wire, mac, address, time.monotonic() + deadline)
    except TimeoutError as exc:
        raise DeadlineExceeded(f"dhcp: {server} does not answer") from exc
    except OSError as exc:
        raise HostError(f"dhcp: asking {server} again: {exc.strerror or exc}") from exc


def _from(ifname: str, address: str) -> socket.socket:
    """A socket stays in the namespace in which it was opened."""
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ifname.encode())
        wire.bind((address, bootp.CLIENT_PORT))
    except BaseException:
        wire.close()
        raise
    return wire


def _prolonged(wire: socket.socket, mac: str, address: str, end: float) -> Said:
    xid = secrets.randbits(32)
    with failpoint.effect("dhcp", "renew", HostError):
        wire.send(bootp.message(REQUEST, xid, mac, own=address))
    while (left := end - time.monotonic()) > 0:
        wire.settimeout(left)
        said = bootp.heard(wire.recv(1 << 16), xid, mac)
        if said is not None and said.kind in (ACK, NAK):
            return said
    raise TimeoutError
