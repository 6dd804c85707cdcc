"""Doors in real namespaces: sockets, redirect, forwarding, and what is left afterwards (nothing)."""

import asyncio
import socket

import dns.rcode
import pytest

from sealane.agent.resolver.resolver import Resolver, sweep
from sealane.agent.resolver.zone import View
from sealane.errors import NotFound

from .conftest import Nowhere, Sandbox, addresses, docker_stand_in, server_of_the_network

BLUE = View(("blue",))
NAMES = {"web": ("10.0.0.2",), "both": ("10.0.0.3",), "web.blue.sealane.internal": ("10.0.0.2",)}
LARGE = {"large": tuple(f"10.1.0.{n}" for n in range(1, 200))}


async def opened(sandbox: Sandbox, key: str = "a", view: View = BLUE) -> Resolver:
    resolver = Resolver(Nowhere())
    await resolver.set_names("blue", NAMES | LARGE)
    await resolver.serve(sandbox.path, key, view)
    await resolver.ready(key)
    return resolver


@pytest.mark.parametrize("stream", [False, True])
def test_our_names_win_and_others_go_to_docker(sandbox: Sandbox, stream: bool) -> None:
    async def scenario() -> None:
        docker = await docker_stand_in(sandbox)
        resolver = await opened(sandbox)
        assert addresses(await sandbox.ask("web", stream=stream)) == ["10.0.0.2"]
        assert addresses(await sandbox.ask("both", stream=stream)) == ["10.0.0.3"]
        assert addresses(await sandbox.ask("docker-name", stream=stream)) == ["10.99.0.1"]
        assert (await sandbox.ask("nobody", stream=stream)).rcode() == dns.rcode.NXDOMAIN
        await resolver.close()
        await docker.stop()

    asyncio.run(scenario())


def test_large_answer_by_udp_then_tcp(sandbox: Sandbox) -> None:
    async def scenario() -> None:
        resolver = await opened(sandbox)
        assert not addresses(await sandbox.ask("large"))
        assert len(addresses(await sandbox.ask("large", stream=True))) == 199
        await resolver.close()

    asyncio.run(scenario())


def test_withdraw_leaves_nothing_and_docker_answers_again(sandbox: Sandbox) -> None:
    async def scenario() -> None:
        docker = await docker_stand_in(sandbox)
        before = (await sandbox.tables(), await sandbox.sockets())
        resolver = await opened(sandbox)
        assert "sealane_dns" in await sandbox.tables()
        await resolver.withdraw("a")
        await resolver.withdraw("a")
        assert (await sandbox.tables(), await sandbox.sockets()) == before
        assert addresses(await sandbox.ask("both")) == ["10.99.0.2"]
        await docker.stop()

    asyncio.run(scenario())


def test_two_attachments_share_a_door(sandbox: Sandbox) -> None:
    async def scenario() -> None:
        resolver = await opened(sandbox)
        await resolver.set_names("green", {"tree": ("172.16.0.1",)})
        await resolver.serve(sandbox.path, "b", View(("green",)))
        await resolver.ready("b")
        assert addresses(await sandbox.ask("tree")) == ["172.16.0.1"]
        await resolver.withdraw("a")
        assert addresses(await sandbox.ask("tree")) == ["172.16.0.1"]
        assert not addresses(await sandbox.ask("web"))
        await resolver.withdraw("b")
        assert "sealane_dns" not in await sandbox.tables()

    asyncio.run(scenario())


def test_names_change_under_way(sandbox: Sandbox) -> None:
    async def scenario() -> None:
        resolver = await opened(sandbox)
        await resolver.set_names("blue", {"web": ("10.0.0.77",)})
        assert addresses(await sandbox.ask("web")) == ["10.0.0.77"]
        await resolver.close()

    asyncio.run(scenario())


def test_a_new_agent_takes_over_what_a_dead_one_left(sandbox: Sandbox) -> None:
    async def scenario() -> None:
        dead = await opened(sandbox)
        # its sockets stay open here, so the new one also has to take other ports
        heir = await opened(sandbox)
        assert (await sandbox.tables()).count("sealane_dns") == 1
        await heir.set_names("blue", {"web": ("10.0.0.88",)})
        assert addresses(await sandbox.ask("web")) == ["10.0.0.88"]
        await heir.close()
        await dead.close()
        assert "sealane_dns" not in await sandbox.tables()

    asyncio.run(scenario())


def test_sweep_frees_a_sandbox_that_is_no_longer_ours(sandbox: Sandbox) -> None:
    async def scenario() -> None:
        dead = await opened(sandbox)
        await sweep([sandbox.path, "/nonexistent"])
        assert "sealane_dns" not in await sandbox.tables()
        await dead.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(("forward", "rcode"), [(True, dns.rcode.SERVFAIL), (False, dns.rcode.REFUSED)])
def test_gateway_door(sandbox: Sandbox, forward: bool, rcode: int) -> None:
    """On the gateway's own addresses, both families; nothing leaves where the network is internal."""

    async def scenario() -> None:
        resolver = Resolver(Nowhere())
        await resolver.set_names("blue", NAMES)
        view = View(("blue",), forward=forward)
        await resolver.serve_gateway(sandbox.path, "gw", view, ["127.0.0.1", "::1"])
        await resolver.ready("gw")
        for to in ("127.0.0.1", "::1"):
            for stream in (False, True):
                assert addresses(await sandbox.ask("web", to=to, stream=stream)) == ["10.0.0.2"]
        assert (await sandbox.ask("example.com", to="127.0.0.1")).rcode() == rcode
        assert "sealane_dns" not in await sandbox.tables()
        await resolver.withdraw("gw")
        assert await sandbox.sockets() == ""

    asyncio.run(scenario())


@pytest.mark.parametrize("address", ["192.0.2.53", "2001:db8::53"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_networks_servers_are_asked_from_inside(sandbox: Sandbox, address: str, stream: bool) -> None:
    """For names of several labels; Docker's own names stay Docker's."""

    async def scenario() -> None:
        docker, server = await docker_stand_in(sandbox), await server_of_the_network(sandbox, address)
        resolver = await opened(sandbox, view=View(("blue",), servers=("192.0.2.1", address)))
        assert addresses(await sandbox.ask("example.com", stream=stream)) == ["192.0.2.80"]
        assert addresses(await sandbox.ask("docker-name", stream=stream)) == ["10.99.0.1"]
        assert addresses(await sandbox.ask("web", stream=stream)) == ["10.0.0.2"]
        await resolver.close()
        await server.stop()
        await docker.stop()

    asyncio.run(scenario())


def test_a_gateway_asks_the_networks_servers_but_never_itself(sandbox: Sandbox) -> None:
    async def scenario() -> None:
        server = await server_of_the_network(sandbox, "192.0.2.53")
        resolver = Resolver(Nowhere())
        view = View(("blue",), servers=("127.0.0.1", "192.0.2.53"))
        await resolver.serve_gateway(sandbox.path, "gw", view, ["127.0.0.1"])
        await resolver.ready("gw")
        assert addresses(await sandbox.ask("example.com", to="127.0.0.1")) == ["192.0.2.80"]
        resolver.look("gw", View(("blue",), servers=("127.0.0.1",)))
        assert (await sandbox.ask("example.com", to="127.0.0.1")).rcode() == dns.rcode.SERVFAIL
        await resolver.close()
        await server.stop()

    asyncio.run(scenario())


def test_rubbish_does_not_end_the_service(sandbox: Sandbox) -> None:
    async def scenario() -> None:
        resolver = await opened(sandbox)
        await sandbox.run(_send_rubbish)
        assert addresses(await sandbox.ask("web")) == ["10.0.0.2"]
        assert addresses(await sandbox.ask("web", stream=True)) == ["10.0.0.2"]
        await resolver.close()

    asyncio.run(scenario())


def _send_rubbish() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for size in (0, 1, 11, 12, 40, 600, 9000):
            sock.sendto(b"\x00\x07\x01\x00\x00\x01" + b"\xc0" * size, ("127.0.0.11", 53))
    for data in (b"", b"\x00", b"\x00\x00", b"\xff\xff\x00", b"\x00\x0c" + b"\xc0" * 12):
        with socket.create_connection(("127.0.0.11", 53), timeout=10) as stream:
            stream.sendall(data)


def test_a_sandbox_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        monkeypatch.setattr("sealane.agent.resolver.resolver.SANDBOX_DEADLINE", 0.2)
        resolver = Resolver(Nowhere())
        await resolver.serve("/nonexistent/sandbox", "a", BLUE)
        with pytest.raises(NotFound):
            await resolver.ready("a")
        await resolver.withdraw("a")

    asyncio.run(scenario())
