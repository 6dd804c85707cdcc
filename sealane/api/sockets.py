"""The API's sockets for TCP, its own or handed over."""

import socket

from sealane.errors import BadRequest

BACKLOG = 1024


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
