"""The kernel's side of a door: sockets inside another network namespace, and the redirect there.

    container: 127.0.0.11:53 --- nft `ip sealane_dns` (output, -110) ---> 127.0.0.11:PORT   our sockets
                    ^                                                              |
                    |  mark 0x5ea1: passes our chain, meets Docker's (-100)        | not ours
                    +--------------------------------------------------------------+

A socket belongs to the namespace of the thread that made it, for as long as it lives (setns(2),
network_namespaces(7)).  So a short-lived thread enters the sandbox, makes the sockets there and ends;
the event loop uses them from then on like any others.
"""

import asyncio
import ctypes
import os
import socket
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from sealane.errors import DeadlineExceeded, HostError
from sealane.host import nft

T = TypeVar("T")

DOCKER_RESOLVER = ("127.0.0.11", 53)
MARK = 0x5EA1
TABLE = "sealane_dns"
PREFERRED_PORT = 60053
"""In the ephemeral range, as Docker's own. The same after a restart of the agent where it is free, so
that conntrack entries of clients with one long-lived socket stay right."""

_CLONE_NEWNET = 0x40000000
_IP_FREEBIND, _IPV6_FREEBIND = 15, 78  # ip(7), ipv6(7): bind before the address is there
_POLL = 0.01
_POLL_MOUNT = 0.001  # once the file is there: the namespace follows at once
_libc = ctypes.CDLL(None, use_errno=True)


def is_namespace(path: str) -> bool:
    """Whether a namespace is mounted at the path. Docker makes an empty file first, then mounts over it."""
    try:
        return os.stat(path).st_dev == _namespaces()
    except OSError:
        return False


@cache
def _namespaces() -> int:
    """The device number of the file system that namespaces are on (nsfs)."""
    return os.stat("/proc/self/ns/net").st_dev


async def wait_for_namespace(path: str, deadline: float) -> None:
    """Poll until it is there: Docker 20.10 makes it after Join. Raises DeadlineExceeded (seconds)."""
    loop = asyncio.get_running_loop()
    end = loop.time() + deadline
    while not is_namespace(path):
        if loop.time() > end:
            raise DeadlineExceeded(f"no network namespace at {path} within {deadline:.0f} s")
        await asyncio.sleep(_POLL_MOUNT if os.path.exists(path) else _POLL)


class Namespace:
    """An open network namespace. Holding it keeps it alive: close it when its container is gone."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def same_as_path(self) -> bool:
        """False when the path now shows another namespace, or none."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._fd))
        except OSError:
            return False

    async def run(self, action: Callable[[], T]) -> T:
        """Run `action` in a thread of its own that lives and ends in the namespace."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        fd = os.dup(self._fd)  # the thread's own: close() may come while it runs

        def body() -> None:
            try:
                _enter(fd)
                result = action()
            except (OSError, HostError) as exc:
                loop.call_soon_threadsafe(_fail, done, exc)
            else:
                loop.call_soon_threadsafe(_succeed, done, result)
            finally:
                os.close(fd)

        threading.Thread(target=body, name="netns", daemon=True).start()
        return await done

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _enter(fd: int) -> None:
    if _libc.setns(fd, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")


def _fail(done: asyncio.Future[T], exc: BaseException) -> None:
    if not done.done():
        done.set_exception(exc)


def _succeed(done: asyncio.Future[T], result: T) -> None:
    if not done.done():
        done.set_result(result)


def listening(addresses: Sequence[str], port: int, fallback: bool = False) -> list[socket.socket]:
    """A UDP and a TCP socket on each address. fallback: any other port where this one is taken."""
    made: list[socket.socket] = []
    try:
        for address in addresses:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                made.append(_bound(address, port, kind, fallback))
    except OSError:
        close_all(made)
        raise
    return made


def _bound(address: str, port: int, kind: socket.SocketKind, fallback: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
        except OSError:
            if not fallback:
                raise
            sock.bind((address, 0))
        if kind == socket.SOCK_STREAM:
            sock.listen(64)
    except OSError:
        sock.close()
        raise
    return sock


def marked(kind: socket.SocketKind) -> socket.socket:
    """A socket whose packets pass our redirect by."""
    sock = socket.socket(socket.AF_INET, kind | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
    return sock


def close_all(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        sock.close()


def redirect(udp_port: int, tcp_port: int) -> None:
    """Lead questions to Docker's resolver to our ports, in the calling thread's namespace. Raises HostError.

    Whatever was in our table is replaced at once. Priority -110 is ahead of Docker's -100.
    """
    address = DOCKER_RESOLVER[0]
    nft.change(
        f"table ip {TABLE}",
        f"""{_NO_TABLE}table ip {TABLE} {{
  chain output {{
    type nat hook output priority -110; policy accept;
    meta mark {MARK:#x} accept
    ip daddr {address} udp dport 53 dnat to {address}:{udp_port}
    ip daddr {address} tcp dport 53 dnat to {address}:{tcp_port}
  }}
}}
""",
    )


def undo_redirect() -> None:
    """Raises HostError."""
    nft.change(f"table ip {TABLE}", _NO_TABLE)


_NO_TABLE = f"table ip {TABLE}\ndelete table ip {TABLE}\n"
