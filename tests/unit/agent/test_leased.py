"""Addresses by DHCP: a server that offers what it refuses, one that falls silent, and leases that end."""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sealane.agent import leased
from sealane.agent.attachment import Attachment, Lease
from sealane.agent.memory import Memory
from sealane.errors import DeadlineExceeded
from sealane.host import bootp, dhcp
from tests.unit.test_bootp import reply, wrapped

MAC = "02:00:00:00:00:07"
PATIENCE = 2.5
"""Seconds that the client has."""
PORT = "aaaaaaaa-0000-4000-8000-000000000000"


@contextmanager
def server(answers: dict[int, int]) -> Iterator[tuple[socket.socket, list[int]]]:
    """Its wire, and the kinds of what it was asked; `answers`: by kind of question."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard: list[int] = []

    def serve() -> None:
        while frame := its.recv(1 << 16):
            text = frame[42:]
            (xid,) = struct.unpack_from("!I", text, 4)
            heard.append(text[242])
            if (kind := answers.get(text[242])) is not None:
                its.send(wrapped(reply(kind, xid=xid)))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield ours, heard
    finally:
        ours.send(b"")
        thread.join()
        ours.close()
        its.close()


def acquire(wire: socket.socket) -> bootp.Said:
    return dhcp._Asking(wire, MAC, time.monotonic() + PATIENCE).lease()


def test_an_address_is_offered_and_given() -> None:
    with server({bootp.DISCOVER: bootp.OFFER, bootp.REQUEST: bootp.ACK}) as (wire, heard):
        assert acquire(wire).address == "192.0.2.150"
    assert heard == [bootp.DISCOVER, bootp.REQUEST]


def test_a_server_that_refuses_what_it_offers_is_not_asked_without_a_pause() -> None:
    with (
        server({bootp.DISCOVER: bootp.OFFER, bootp.REQUEST: bootp.NAK}) as (wire, heard),
        pytest.raises(DeadlineExceeded),
    ):
        acquire(wire)
    assert 1 <= heard.count(bootp.REQUEST) <= PATIENCE / dhcp._FIRST + 1


def test_who_does_not_give_what_it_offered_is_not_waited_for_to_the_end() -> None:
    with (
        server({bootp.DISCOVER: bootp.OFFER}) as (wire, heard),
        pytest.raises(DeadlineExceeded),
    ):
        dhcp._Asking(wire, MAC, time.monotonic() + 5).lease()
    assert heard[:4] == [bootp.DISCOVER, bootp.REQUEST, bootp.REQUEST, bootp.DISCOVER]


@pytest.mark.parametrize("kind", [bootp.ACK, bootp.NAK, None])
def test_a_lease_that_has_ended_is_asked_for_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int | None
) -> None:
    asked: list[str] = []

    def renew(sandbox: str, ifname: str, mac: str, address: str, server: str, deadline: float) -> bootp.Said:
        asked.append(server)
        if kind is None:
            raise DeadlineExceeded("silent")
        return bootp.Said(kind=kind, address=address, server=server, seconds=60)

    monkeypatch.setattr(dhcp, "renew", renew)
    memory, ended = Memory(tmp_path / "agent.json"), list[str]()
    lease = Lease(server="192.0.2.1", seconds=60, obtained=time.time() - 3600)
    attachment = Attachment(
        id="one",
        door="netns",
        network_id="n",
        port_id=PORT,
        mac=MAC,
        addresses=("192.0.2.150/24",),
        mtu=1400,
        sandbox="/run/netns/one",
        lease=lease,
    )
    memory.put(attachment)

    async def end(gone: Attachment) -> None:
        ended.append(gone.id)

    asyncio.run(leased.Renewal(memory, end)._look(attachment, lease))
    assert asked == ["192.0.2.1"]
    assert ended == ([] if kind == bootp.ACK else ["one"])
    there = memory.attachments["one"].lease
    assert there is not None and (there.end > time.time()) == (kind == bootp.ACK)
