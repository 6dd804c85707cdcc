"""Reserved ports of the host, and what arrives at them."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from sealane.agent.attachment import PortRequest, Protocol, Publication
from sealane.agent.ports import HostPorts, exact
from sealane.agent.proxy import Target
from sealane.errors import BadRequest, PortInUse

HERE = "127.0.0.1"


def request(
    host_port: int = 0, last: int = 0, protocol: Protocol = "tcp", host_ip: str = HERE
) -> PortRequest:
    return PortRequest(protocol=protocol, port=80, host_ip=host_ip, host_port=host_port, host_port_end=last)


def with_ports(body: Callable[[HostPorts], Awaitable[None]], target: Target | None = None) -> None:
    async def run() -> None:
        ports = HostPorts(lambda attachment_id, publication, version: target)
        try:
            await body(ports)
        finally:
            ports.close()

    asyncio.run(run())


@contextmanager
def taken(kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[int]:
    """A port that somebody else has, with the next one free as a rule."""
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((HERE, 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        yield other.getsockname()[1]


def test_port_0_is_any_free_port_and_others_cannot_have_it() -> None:
    async def body(ports: HostPorts) -> None:
        [one] = ports.reserve("a", [request()])
        [two] = ports.reserve("b", [request()])
        assert one.host_port and two.host_port and one.host_port != two.host_port
        with pytest.raises(PortInUse):
            ports.reserve("c", [exact(one)])
        with socket.socket() as other, pytest.raises(OSError):
            other.bind((HERE, one.host_port))

    with_ports(body)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_both_families_have_the_same_port(protocol: Protocol) -> None:
    async def body(ports: HostPorts) -> None:
        [one] = ports.reserve("a", [request(protocol=protocol, host_ip="")])
        for host_ip in ("127.0.0.1", "::1"):
            with pytest.raises(PortInUse):
                ports.reserve("b", [request(one.host_port, protocol=protocol, host_ip=host_ip)])

    with_ports(body)


@pytest.mark.parametrize(("protocol", "kind"), [("tcp", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_what_is_taken_is_refused_or_passed_over_in_a_range(
    protocol: Protocol, kind: socket.SocketKind
) -> None:
    async def body(ports: HostPorts) -> None:
        with taken(kind) as number:
            with pytest.raises(PortInUse, match=str(number)):
                ports.reserve("a", [request(number, protocol=protocol)])
            [found] = ports.reserve("a", [request(number, min(number + 20, 65535), protocol)])
            assert number < found.host_port <= number + 20

    with_ports(body)


def test_all_or_none_are_reserved() -> None:
    async def body(ports: HostPorts) -> None:
        with taken() as number:
            [free] = ports.reserve("probe", [request()])
            ports.release("probe")
            with pytest.raises(PortInUse):
                ports.reserve("a", [exact(free), request(number)])
        assert ports.reserve("b", [exact(free)]) == (free,)

    with_ports(body)


def test_reserving_again_replaces_and_releasing_frees() -> None:
    async def body(ports: HostPorts) -> None:
        [one] = ports.reserve("a", [request()])
        assert ports.reserve("a", [exact(one)]) == (one,)
        assert ports.holds("a", [one])
        assert not ports.holds("a", [])
        ports.release("a")
        ports.release("a")
        with socket.socket() as other:
            other.bind((HERE, one.host_port))

    with_ports(body)


def test_addresses_of_others_and_free_sctp_ports_are_refused() -> None:
    async def body(ports: HostPorts) -> None:
        with pytest.raises(BadRequest, match="no address"):
            ports.reserve("a", [request(8080, host_ip="192.0.2.200")])
        with pytest.raises(BadRequest):
            ports.reserve("a", [request(protocol="sctp")])
        ports.reserve("a", [request(8080, protocol="sctp", host_ip="")])
        with pytest.raises(PortInUse):
            ports.reserve("b", [request(8080, protocol="sctp")])

    with_ports(body)


def test_tcp_is_carried_to_the_container_and_its_end_too() -> None:
    server = socket.create_server((HERE, 0))

    async def body(ports: HostPorts) -> None:
        [one] = ports.reserve("a", [request()])
        reader, writer = await asyncio.open_connection(HERE, one.host_port)
        accepted, _ = await asyncio.to_thread(server.accept)
        with accepted:
            payload = b"x" * 300_000
            writer.write(payload)
            writer.write_eof()
            got = await asyncio.to_thread(_all, accepted)
            assert got == payload
            await asyncio.to_thread(accepted.sendall, b"answer")
        assert await asyncio.wait_for(reader.read(), 10) == b"answer"
        writer.close()

    with server:
        with_ports(body, target=(HERE, server.getsockname()[1]))


def test_udp_answers_find_back_to_each_client() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((HERE, 0))
    server.settimeout(10)

    def ask(number: int, word: bytes) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.sendto(word, (HERE, number))
            return client.recv(100)

    def answer() -> None:
        for _ in range(2):
            word, peer = server.recvfrom(100)
            server.sendto(word.upper(), peer)

    async def body(ports: HostPorts) -> None:
        [one] = ports.reserve("a", [request(protocol="udp")])
        answers = await asyncio.gather(
            asyncio.to_thread(answer),
            asyncio.to_thread(ask, one.host_port, b"one"),
            asyncio.to_thread(ask, one.host_port, b"two"),
        )
        assert answers[1:] == [b"ONE", b"TWO"]

    with server:
        with_ports(body, target=(HERE, server.getsockname()[1]))


def test_without_a_target_a_connection_is_closed() -> None:
    async def body(ports: HostPorts) -> None:
        [one] = ports.reserve("a", [request()])
        reader, writer = await asyncio.open_connection(HERE, one.host_port)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()

    with_ports(body)


def test_the_request_of_a_publication_gives_it_again() -> None:
    one = Publication(protocol="udp", host_ip="::1", host_port=53, port=5353)
    assert exact(one) == PortRequest(protocol="udp", host_ip="::1", host_port=53, port=5353)


def _all(source: socket.socket) -> bytes:
    parts = []
    while part := source.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)
