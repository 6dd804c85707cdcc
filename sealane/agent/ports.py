"""Ports of the host that containers publish: reserved by sockets of ours, so that nobody else has them.

The socket that reserves also serves: what the kernel doesn't translate on its way (the host's loopback,
a family that the container lacks) arrives there, and proxy.py carries it on.
"""

import errno
import socket as sockets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sealane.agent.attachment import PortRequest, Protocol, Publication
from sealane.agent.proxy import Target, TcpProxy, UdpProxy
from sealane.errors import BadRequest, HostError, PortInUse

_TRIES = 16
"""For a free port that is free in both families."""

Targets = Callable[[str, Publication, int], Target | None]
"""(attachment id, publication, IP version) -> where the proxy is to connect to."""


@dataclass
class Reservation:
    """One published port with its sockets; none for SCTP, which can't be reserved so, or a shared one."""

    publication: Publication
    sockets: list[sockets.socket]
    proxies: list[TcpProxy | UdpProxy]


class HostPorts:
    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._reserved: dict[str, list[Reservation]] = {}

    def reserve(self, attachment_id: str, requests: Iterable[PortRequest]) -> tuple[Publication, ...]:
        """All or none, in place of what the attachment had; raises PortInUse, BadRequest."""
        self.release(attachment_id)
        held: list[Reservation] = []
        try:
            for request in requests:
                held.append(_reserve(request, [*self._everyone(), *held]))
            for reservation in held:
                self._serve(attachment_id, reservation)
        except BaseException:
            for reservation in held:
                _close(reservation)
            raise
        self._reserved[attachment_id] = held
        return tuple(r.publication for r in held)

    def _everyone(self) -> Iterator[Reservation]:
        for held in self._reserved.values():
            yield from held

    def holds(self, attachment_id: str, publications: Iterable[Publication]) -> bool:
        return [r.publication for r in self._reserved.get(attachment_id, [])] == list(publications)

    def release(self, attachment_id: str) -> None:
        for reservation in self._reserved.pop(attachment_id, []):
            _close(reservation)

    def close(self) -> None:
        for attachment_id in list(self._reserved):
            self.release(attachment_id)

    def _serve(self, attachment_id: str, reservation: Reservation) -> None:
        publication = reservation.publication
        for socket in reservation.sockets:
            version = 6 if socket.family == sockets.AF_INET6 else 4
            kind = TcpProxy if publication.protocol == "tcp" else UdpProxy

            def target(version: int = version) -> Target | None:
                return self._targets(attachment_id, publication, version)

            reservation.proxies.append(kind(socket, target))


def exact(publication: Publication) -> PortRequest:
    """The request that gives this publication again."""
    return PortRequest(
        protocol=publication.protocol,
        port=publication.port,
        host_ip=publication.host_ip,
        host_port=publication.host_port,
        shared=publication.shared,
    )


def _reserve(request: PortRequest, others: list[Reservation]) -> Reservation:
    if request.protocol == "sctp" or request.shared:
        return _unguarded(request, others)
    for port in _candidates(request):
        found = _bind(request, port)
        if found:
            number = int(found[0].getsockname()[1])
            publication = Publication(
                protocol=request.protocol, host_ip=request.host_ip, host_port=number, port=request.port
            )
            return Reservation(publication, found, [])
    where = f" of {request.host_ip}" if request.host_ip else ""
    wish = f"{request.protocol} port {_wish(request)}{where}"
    raise PortInUse(f"{wish} is in use on this host already; publish another one, or stop who has it")


def _candidates(request: PortRequest) -> Iterable[int]:
    if request.host_port == 0:
        return (0 for _ in range(_TRIES))
    return range(request.host_port, max(request.host_port, request.host_port_end) + 1)


def _unguarded(request: PortRequest, others: list[Reservation]) -> Reservation:
    """SCTP, or shared: the host's port must be given, and only our own reservations are compared."""
    if request.host_port == 0:
        raise BadRequest(f"such a {request.protocol} port can't be chosen freely; give the host's port")
    publication = Publication(
        protocol=request.protocol,
        host_ip=request.host_ip,
        host_port=request.host_port,
        port=request.port,
        shared=request.shared,
    )
    if any(_same_port(other.publication, publication) for other in others):
        raise PortInUse(f"the host's {request.protocol} port {request.host_port} is published already")
    return Reservation(publication, [], [])


def _same_port(one: Publication, other: Publication) -> bool:
    ours, theirs = (one.protocol, one.host_port), (other.protocol, other.host_port)
    return ours == theirs and (one.host_ip == other.host_ip or not one.host_ip or not other.host_ip)


def _bind(request: PortRequest, port: int) -> list[sockets.socket]:
    """A socket for each address asked for, on the same port; [] when it is taken on one of them."""
    found: list[sockets.socket] = []
    for address in _addresses(request.host_ip):
        try:
            found.append(_bound(address, port, request.protocol))
        except OSError as exc:
            if exc.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL) and not request.host_ip:
                continue  # a host without IPv6
            for socket in found:
                socket.close()
            if exc.errno == errno.EADDRINUSE:
                return []
            raise _refusal(address, port, exc) from exc
        port = found[-1].getsockname()[1]
    return found


def _addresses(host_ip: str) -> tuple[str, ...]:
    return (host_ip,) if host_ip else ("0.0.0.0", "::")


def _bound(address: str, port: int, protocol: Protocol) -> sockets.socket:
    family = sockets.AF_INET6 if ":" in address else sockets.AF_INET
    kind = sockets.SOCK_STREAM if protocol == "tcp" else sockets.SOCK_DGRAM
    socket = sockets.socket(family, kind | sockets.SOCK_NONBLOCK | sockets.SOCK_CLOEXEC)
    try:
        if family == sockets.AF_INET6:
            socket.setsockopt(sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY, 1)
        if protocol == "tcp":
            # Connections that an earlier agent left in TIME_WAIT don't count; a listener still does.
            socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        socket.bind((address, port))
        if protocol == "tcp":
            socket.listen(128)
    except OSError:
        socket.close()
        raise
    return socket


def _refusal(address: str, port: int, exc: OSError) -> BadRequest | HostError:
    if exc.errno == errno.EADDRNOTAVAIL:
        return BadRequest(f"this host has no address {address} on which to publish port {port}")
    return HostError(f"reserving port {port} of {address}: {exc.strerror}")


def _wish(request: PortRequest) -> str:
    if request.host_port_end > request.host_port:
        return f"{request.host_port}-{request.host_port_end}"
    return str(request.host_port or "(any)")


def _close(reservation: Reservation) -> None:
    for proxy in reservation.proxies:
        proxy.close()
    for socket in reservation.sockets:
        socket.close()
