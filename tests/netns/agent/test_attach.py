"""Namespaces on an OVN network: packets of both families, the outside, publications, and nothing left."""

import asyncio
import json
import socket
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sealane.agent.attachment import PortRequest
from sealane.errors import PortInUse
from sealane.host import command
from tests.netns.agent.node import HOST, WORLD, Node, host_namespace
from tests.netns.agent.world import GATEWAYS, MTU, PORTS, address, ask, attachment, bulk, echo, pings, running


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with (
        host_namespace(),
        tempfile.TemporaryDirectory(prefix="sl") as directory,
        Node(Path(directory)) as one,
    ):
        yield one


def traces(node: Node) -> list[str]:
    """What of ours is on the host beside the engine's namespaces."""
    links = command.run(["ip", "-o", "link"]).splitlines()
    tables = command.run(["nft", "list", "tables"]).splitlines()
    ports = node.vsctl("list-ports", "br-int").splitlines()
    inside = command.run(["ip", "-o", "link"], namespace=node.switch).splitlines()
    spaces = [p.name for p in node.settings.netns_dir.glob("gw-*")]
    ours = ("slh", "sls", "slc", "slu", "slg", "slw", "tap", "tgw")
    left = [line for line in links + inside if line.split()[1].startswith(ours)]
    return left + tables + [p for p in ports if not p.startswith("ovn")] + spaces


def test_namespaces_reach_each_other_their_gateway_and_the_outside(node: Node) -> None:
    async def body() -> None:
        async with running(node) as agent:
            one, two, other = [await agent.attach(port) for port in PORTS]
            for version in (4, 6):
                assert await pings(one, address(3, version))
                for box in (one, other):
                    assert await pings(box, GATEWAYS[version])
                    assert await pings(box, HOST[version])
                    assert await pings(box, WORLD[version])
                assert await bulk(one, two, address(3, version)) > 20
                assert await bulk(one, node.world, WORLD[version]) > 20
            assert await pings(one, address(3, 4), MTU - 28)
            # The other tenant has a container of the same address, and none of this one.
            assert not await pings(other, address(3, 4), tries=2)
        assert traces(node) == []

    asyncio.run(body())


def test_published_ports_show_the_client_and_are_free_afterwards(node: Node) -> None:
    requests = [
        PortRequest(protocol="tcp", port=80, host_port=8080),
        PortRequest(protocol="udp", port=53, host_port=5353),
        PortRequest(protocol="tcp", port=80),
    ]

    async def body() -> None:
        async with running(node) as agent:
            one, two, other = [await agent.attach(port) for port in PORTS]
            with echo(one, 80, socket.SOCK_STREAM), echo(one, 53, socket.SOCK_DGRAM):
                tcp, udp, free = await agent.reconciler.publish(PORTS[0].id, requests)
                assert (tcp.host_port, udp.host_port) == (8080, 5353)
                for version in (4, 6):
                    for number in (8080, free.host_port):
                        assert await ask(node.world, HOST[version], number) == WORLD[version]
                    assert await ask(node.world, HOST[version], 5353, socket.SOCK_DGRAM) == WORLD[version]
                    assert await ask(None, HOST[version], 8080) == HOST[version]
                    for box in (one, two, other):
                        assert await ask(box, HOST[version], 8080)
                        assert await ask(box, HOST[version], 5353, socket.SOCK_DGRAM)
                for loopback in ("127.0.0.1", "::1"):
                    assert await ask(None, loopback, 8080)
                    assert await ask(None, loopback, 5353, socket.SOCK_DGRAM)
                with pytest.raises(PortInUse):
                    await agent.reconciler.publish(PORTS[1].id, requests[:1])
                await agent.reconciler.unpublish(PORTS[0].id)
                assert await ask(node.world, HOST[4], 8080) == ""
                assert await ask(node.world, HOST[4], 5353, socket.SOCK_DGRAM, 1) == ""
            assert (await agent.reconciler.publish(PORTS[1].id, requests[:1]))[0].host_port == 8080
        assert traces(node) == []

    asyncio.run(body())


def test_a_range_gives_the_next_free_port(node: Node) -> None:
    wanted = PortRequest(protocol="tcp", port=80, host_port=8090, host_port_end=8091)

    async def body() -> None:
        async with running(node) as agent:
            for port in PORTS:
                await agent.attach(port)
            first = await agent.reconciler.publish(PORTS[0].id, [wanted])
            second = await agent.reconciler.publish(PORTS[2].id, [wanted])
            assert [p.host_port for p in first + second] == [8090, 8091]
            with pytest.raises(PortInUse):
                await agent.reconciler.publish(PORTS[1].id, [wanted])

    asyncio.run(body())


def test_a_successor_adopts_what_is_there(node: Node) -> None:
    async def body() -> None:
        async with running(node) as agent:
            one = await agent.attach(PORTS[0])
            with echo(one, 80, socket.SOCK_STREAM):
                await agent.reconciler.publish(
                    PORTS[0].id, [PortRequest(protocol="tcp", port=80, host_port=8080)]
                )
                before = traces(node)
                fresh = await agent.restart()
                try:
                    assert traces(node) == before
                    assert await ask(node.world, HOST[4], 8080) == WORLD[4]
                    assert await ask(None, "127.0.0.1", 8080)
                finally:
                    fresh.reconciler.close()
            await agent.reconciler.resync()

    asyncio.run(body())


def test_two_hundred_attachments_in_a_row_leave_nothing(node: Node) -> None:
    async def body() -> None:
        async with running(node) as agent:
            wanted = attachment(PORTS[0])
            for number in range(200):
                await agent.reconciler.set(wanted)
                if number % 20 == 0:
                    await agent.reconciler.wait_bound(PORTS[0].id, 60)
                await agent.reconciler.remove(wanted.id)
            await agent.reconciler.resync()
            assert traces(node) == []

    start = time.monotonic()
    asyncio.run(body())
    assert time.monotonic() - start < 120


def test_what_was_damaged_is_repaired(node: Node) -> None:
    async def body() -> None:
        async with running(node) as agent:
            one = await agent.attach(PORTS[0])
            await agent.attach(PORTS[1])
            way = PORTS[0].network_id[:11]
            for damage in (
                ["nft", "delete", "table", "inet", "sealane_nat"],
                ["ip", "link", "delete", f"slh{PORTS[0].id[:11]}"],
                *(["ip", "link", "delete", f"{kind}{way}"] for kind in ("slu", "slg", "slw")),
                ["tc", "qdisc", "delete", "dev", f"slg{way}", "clsact"],
                ["tc", "qdisc", "delete", "dev", f"sls{PORTS[0].id[:11]}", "clsact"],
            ):
                command.run(damage)
                await agent.reconciler.resync()
                assert await pings(one, WORLD[4]), damage
                assert await pings(one, address(3, 4)), damage

    asyncio.run(body())


GUESTS = {"192.0.2.200/32", "2001:db8::200/128"}


def addresses(box: Path) -> set[str]:
    told = json.loads(command.run(["ip", "-j", "address", "show", "dev", "eth0"], namespace=box))
    every = [one for link in told for one in link["addr_info"] if one["scope"] == "global"]
    return {f"{one['local']}/{one['prefixlen']}" for one in every}


def test_addresses_that_a_guest_has_added_itself_stay(node: Node) -> None:
    """As VRRP adds them; a changed one of the port's own goes."""

    async def body() -> None:
        async with running(node) as agent:
            box = await agent.attach(PORTS[0])
            for own in GUESTS:
                command.run(["ip", "address", "add", own, "dev", "eth0"], namespace=box)
            await agent.reconciler.resync()
            before = set(attachment(PORTS[0]).addresses)
            assert addresses(box) == before | GUESTS
            after = {address.replace("2/", "9/") for address in before}
            assert not before & after
            changed = replace(attachment(PORTS[0]), sandbox=str(box), addresses=tuple(sorted(after)))
            await agent.reconciler.set(changed)
            assert addresses(box) == after | GUESTS

    asyncio.run(body())


def test_a_guest_that_listens_to_routers_does_so_after_a_repair(node: Node) -> None:
    """One that did not ask for it listens to none, also after somebody gave it back the kernel's default."""
    key = "net.ipv6.conf.eth0.accept_ra"

    async def body() -> None:
        async with running(node) as agent:
            box = await agent.attach(PORTS[0])
            for chosen, kept in (("2", "2"), ("1", "0")):
                command.run(["sysctl", "-w", f"{key}={chosen}"], namespace=box)
                command.run(["ip", "link", "set", "eth0", "down"], namespace=box)
                await agent.reconciler.resync()
                assert addresses(box) == set(attachment(PORTS[0]).addresses)
                assert command.run(["sysctl", "-n", key], namespace=box).strip() == kept

    asyncio.run(body())
