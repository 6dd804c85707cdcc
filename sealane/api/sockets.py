"""Listening sockets, made so that nobody but root ever sees the unix ones open."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from sealane.errors import BadRequest

BACKLOG = 1024


def unix(path: Path) -> socket.socket:
    """A socket of mode 0600 that takes the place of a stale one. Raises OSError.

    It is made under another name and moved there: so it never exists with wider rights, and whoever
    connects meets the old one or the new one.
    """
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(draft))
    finally:
        os.umask(before)
    listener.listen(BACKLOG)
    draft.replace(path)
    return listener


def forget(path: Path) -> None:
    """Remove the name, unless another process has put its own socket there meanwhile."""
    with suppress(OSError):
        probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with probe:
            probe.settimeout(0.2)
            if probe.connect_ex(str(path)) != 0:
                path.unlink()


def tcp(bind: str) -> socket.socket:
    """`bind` is HOST:PORT, or [HOST]:PORT for IPv6. Raises BadRequest, OSError."""
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit():
        raise BadRequest(f"setting 'api_bind' can't be '{bind}'; give HOST:PORT")
    return listen(host.strip("[]"), int(port))


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return prompt(socket.create_server((host, port), family=family, backlog=BACKLOG))


def inherited(fd: int) -> socket.socket:
    """A listening socket that whoever started us has opened, perhaps in another network namespace."""
    listener = socket.socket(fileno=fd)
    return listener if listener.family == socket.AF_UNIX else prompt(listener)


def prompt(listener: socket.socket) -> socket.socket:
    """Answers leave at once. Accepted sockets inherit it; asyncio sets it only on sockets whose protocol
    number is not 0, and head and body of an answer are two writes: 40 ms for the peer's delayed ACK.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
